"""Random numbers: the generator's known answers, moments, and independence of threads, ISA and place."""

import math

import numpy as np
import pytest

from nnfast import _core
from op_checks import run_on_each_isa

SIGMAS = 6


def draw(name, *shape, seed=0, step=0, **attributes):
    return _core.run_op(name, [], {"shape": list(shape), **attributes}, seed=seed, step=step, threads=2)[0][0]


def philox4x32(counter, key, rounds=10):
    """Philox4x32 after the formula in Salmon et al. (2011)."""
    c, k = list(counter), list(key)
    for _ in range(rounds):
        p, q = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(q >> 32) ^ c[1] ^ k[0], q & 0xFFFFFFFF, (p >> 32) ^ c[3] ^ k[1], p & 0xFFFFFFFF]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def test_reference_gives_the_authors_known_answers():
    assert philox4x32([0] * 4, [0] * 2) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
    pi = [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344]
    assert philox4x32(pi, [0xA4093822, 0x299F31D0]) == [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


@pytest.mark.parametrize(
    ("seed", "step", "op_seed"), [(0, 0, 0), (0x299F31D0A4093822, 5, 9), (7, 2**35 + 1, 2**40 + 3)]
)
def test_uniform_is_philox(seed, step, op_seed):
    size = 300
    expected = np.empty((size + 63) // 64 * 64)
    for block in range(expected.size // 64):
        for i in range(16):
            low, high = op_seed & 0xFFFFFFFF, op_seed >> 32
            counter = [block * 16 + i, low, step & 0xFFFFFFFF, (step >> 32) ^ high]
            words = philox4x32(counter, [seed & 0xFFFFFFFF, seed >> 32])
            expected[block * 64 + i :: 16][:4] = [(word >> 8) / 2**24 for word in words]
    before = _core.isa()
    for isa in _core.runnable_isas():
        _core.use_isa(isa)
        try:
            (y,), _ = _core.run_op("random_uniform", [], {"shape": [size], "seed": op_seed}, seed=seed, step=step)
        finally:
            _core.use_isa(before)
        np.testing.assert_array_equal(y, expected[:size])


@pytest.mark.parametrize("name", ["random_uniform", "random_normal"])
def test_shapes_threads_and_isas(name):
    for shape in [(), (0,), (1,), (63,), (64,), (65,), (7, 9, 11), (40009,)]:
        results = [y for _, (y,), _ in run_on_each_isa(name, [], shape=list(shape), seed=3)]
        for y in results:
            assert y.shape == shape
            np.testing.assert_allclose(y, results[0], rtol=2e-6, atol=1e-6)
            # An element is the same however many are drawn.
            np.testing.assert_allclose(y.ravel(), draw_flat(name, 40100)[: y.size], rtol=2e-6, atol=1e-6)


def draw_flat(name, size):
    return _core.run_op(name, [], {"shape": [size], "seed": 3})[0][0]


def test_uniform_moments():
    y = draw("random_uniform", 1 << 20, low=-1, high=3).astype(np.float64)
    assert y.min() >= -1
    assert y.max() <= 3
    assert abs(y.mean() - 1) < SIGMAS * math.sqrt(16 / 12 / y.size)
    assert abs(y.var() / (16 / 12) - 1) < SIGMAS * math.sqrt(0.8 / y.size)
    counts = np.histogram(y, 256, (-1, 3))[0]
    expected = y.size / 256
    assert ((counts - expected) ** 2 / expected).sum() < 255 + SIGMAS * math.sqrt(2 * 255)


def test_normal_moments_and_shape():
    y = (draw("random_normal", 1 << 21, mean=1, stddev=2).astype(np.float64) - 1) / 2
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((y**power).mean() - moment) < SIGMAS * math.sqrt(variance / y.size), power
    edges = np.linspace(-4, 4, 65)
    cdf = np.array([math.erfc(-e / math.sqrt(2)) / 2 for e in edges])
    expected = np.diff(cdf) * y.size
    counts = np.histogram(y, edges)[0]
    assert ((counts - expected) ** 2 / expected).sum() < 63 + SIGMAS * math.sqrt(2 * 63)
    for lag in (1, 16, 32, 48, 64):
        assert abs((y[lag:] * y[:-lag]).mean()) < SIGMAS / math.sqrt(y.size), lag


def test_gaussian_noise():
    x = np.random.default_rng(0).normal(0, 1, (301, 71)).astype(np.float32)
    dy = np.random.default_rng(1).normal(0, 1, x.shape).astype(np.float32)
    for _, (y,), (dx,) in run_on_each_isa("gaussian_noise", [x], grads=[dy], stddev=0.5, seed=2):
        noise = _core.run_op("random_normal", [], {"shape": [x.size], "stddev": 0.5, "seed": 2})[0][0]
        np.testing.assert_allclose(y, x + noise.reshape(x.shape), atol=1e-6)
        np.testing.assert_array_equal(dx, dy)


def test_gaussian_dropout():
    x = np.random.default_rng(0).normal(0, 1, (301, 71)).astype(np.float32)
    dy = np.random.default_rng(1).normal(0, 1, x.shape).astype(np.float32)
    attributes = {"shape": [x.size], "mean": 1, "stddev": math.sqrt(0.3 / 0.7), "seed": 2}
    noise = _core.run_op("random_normal", [], attributes)[0][0].reshape(x.shape)
    for _, (y,), (dx,) in run_on_each_isa("gaussian_dropout", [x], grads=[dy], rate=0.3, seed=2):
        np.testing.assert_allclose(y, x * noise, atol=2e-6)
        np.testing.assert_allclose(dx, dy * noise, atol=2e-6)


def test_bad_settings():
    x = np.ones(3, np.float32)
    cases = [
        ("gaussian_noise", [x], {"stddev": -1}, "gaussian_noise: expected stddev >= 0, received -1"),
        ("random_normal", [], {"shape": [2], "stddev": -1}, "random_normal: expected stddev >= 0, received -1"),
        ("gaussian_dropout", [x], {"rate": 1}, "gaussian_dropout: expected a rate from 0 to below 1, received 1"),
        ("random_uniform", [], {"shape": [-2]}, r"random numbers: expected sizes >= 0, received \(-2,\)"),
        ("random_uniform", [x], {"shape": [2]}, "random numbers: expected no input, received 1"),
        ("gaussian_noise", [x.astype(np.int32)], {"stddev": 1}, "noise: expected one float32 tensor"),
    ]
    for name, inputs, attributes, message in cases:
        with pytest.raises(ValueError, match=message):
            _core.run_op(name, inputs, attributes)
