"""dropout and alpha_dropout: shares, scales, gradients, and masks that depend on seed, step and place alone."""

import numpy as np
import pytest

from nnfast import _core
from op_checks import run_on_each_isa

# So unlikely that no run will see it: normal deviates of that many standard deviations.
SIGMAS = 6


def run(name, x, *, dy=None, seed=1, op_seed=0, **attributes):
    outputs, gradients = _core.run_op(
        name, [x], {"seed": op_seed, **attributes}, output_grads=None if dy is None else [dy], seed=seed
    )
    return outputs[0] if dy is None else (outputs[0], gradients[0])


@pytest.mark.parametrize("rate", [0, 0.1, 0.5, 0.9, 1])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (63,), (64,), (65,), (3, 129), (300, 333)])
def test_dropout(rate, shape):
    x = np.random.default_rng(0).uniform(1, 2, shape).astype(np.float32)
    dy = np.random.default_rng(1).uniform(1, 2, shape).astype(np.float32)
    for isa, (y,), (dx,) in run_on_each_isa("dropout", [x], grads=[dy], rate=rate, seed=3):
        kept = y != 0
        scale = np.float32(1 / (1 - rate)) if rate < 1 else 0
        np.testing.assert_array_equal(y, np.where(kept, x * scale, 0), err_msg=isa)
        np.testing.assert_array_equal(dx, np.where(kept, dy * scale, 0), err_msg=isa)
        deviation = abs(kept.sum() - (1 - rate) * x.size)
        assert deviation <= SIGMAS * np.sqrt(x.size * rate * (1 - rate)) + (rate not in (0, 1)), isa


@pytest.mark.parametrize("name", ["dropout", "alpha_dropout"])
@pytest.mark.parametrize("more", [{}, {"noise_shape": [70, 1]}])
def test_every_isa_draws_the_same_mask(name, more):
    x = np.ones((70, 301), np.float32)
    results = [y for _, (y,), _ in run_on_each_isa(name, [x], rate=0.4, seed=3, **more)]
    for y in results[1:]:
        np.testing.assert_array_equal(y != results[0].max(), results[0] != results[0].max())


def test_masks_differ_by_model_seed_op_seed_and_step():
    x = np.ones(4096, np.float32)

    def mask(model_seed, step, op_seed):
        return _core.run_op("dropout", [x], {"rate": 0.5, "seed": op_seed}, seed=model_seed, step=step)[0][0]

    changes = [(1, 0, 7), (2, 0, 7), (2**32 + 1, 0, 7), (1, 1, 7), (1, 2**33, 7), (1, 0, 8), (1, 0, -7), (1, 0, 2**32)]
    masks = [mask(*change) for change in changes]
    for i, a in enumerate(masks):
        np.testing.assert_array_equal(a, mask(*changes[i]))
        for b in masks[:i]:
            # Independent masks agree on half of their elements.
            assert abs(np.mean(a == b) - 0.5) < SIGMAS * 0.5 / np.sqrt(x.size)


def test_neighbours_are_independent():
    kept = run("dropout", np.ones(1 << 20, np.float32), rate=0.5) != 0
    for lag in (1, 2, 4, 15, 16, 32, 48, 64, 1024, 16384):
        agreement = np.mean(kept[lag:] == kept[:-lag])
        assert abs(agreement - 0.5) < SIGMAS * 0.5 / np.sqrt(kept.size - lag), lag


@pytest.mark.parametrize("noise_shape", [[5, 1, 1, 7], [1, 9, 1, 1], [7], [1], [5, 9, 3, 7], []])
@pytest.mark.parametrize("name", ["dropout", "alpha_dropout"])
def test_noise_shape(name, noise_shape):
    x = np.random.default_rng(0).uniform(1, 2, (5, 9, 3, 7)).astype(np.float32)
    dy = np.random.default_rng(1).uniform(1, 2, x.shape).astype(np.float32)
    for _, (y,), (dx,) in run_on_each_isa(name, [x], grads=[dy], rate=0.4, seed=5, noise_shape=noise_shape):
        # The mask is that of an input of the noise's shape.
        shared = np.ones(noise_shape, np.float32)
        kept = np.broadcast_to(run(name, shared, dy=shared, seed=0, op_seed=5, rate=0.4)[1] != 0, x.shape)
        limit = -1.6732632423543772 * 1.0507009873554805
        scale, shift, other = 1 / 0.6, 0.0, 0.0
        if name == "alpha_dropout":
            scale = ((1 - 0.4) * (1 + 0.4 * limit**2)) ** -0.5
            shift, other = -scale * limit * 0.4, scale * limit * (1 - 0.4)
        np.testing.assert_allclose(y, np.where(kept, x * scale + shift, other), rtol=1e-6)
        np.testing.assert_allclose(dx, np.where(kept, dy * scale, 0), rtol=1e-6)


def test_alpha_dropout_keeps_mean_and_variance():
    x = np.random.default_rng(0).normal(0, 1, 1 << 20).astype(np.float32)
    for rate in (0, 0.05, 0.3, 0.7):
        y, dx = run("alpha_dropout", x, dy=np.ones_like(x), rate=rate)
        assert abs(y.mean()) < 0.01
        assert abs(y.std() - 1) < 0.01
        assert len(np.unique(y[dx == 0])) == (rate > 0)


def test_bad_settings():
    x = np.ones((3, 4), np.float32)
    for name in ("dropout", "alpha_dropout"):
        for rate in (-0.1, 1.5, np.nan):
            with pytest.raises(ValueError, match=rf"{name}: expected a rate from 0 to 1, received {rate:g}"):
                run(name, x, rate=rate)
        for noise_shape in ([2, 4], [5, 3, 4], [3]):
            with pytest.raises(ValueError, match=rf"{name}: expected .*received"):
                run(name, x, rate=0.5, noise_shape=noise_shape)
    with pytest.raises(ValueError, match="alpha_dropout: expected a rate below 1, received 1"):
        run("alpha_dropout", x, rate=1)
    with pytest.raises(ValueError, match="dropout: expected one float32 tensor"):
        _core.run_op("dropout", [np.zeros(3, np.int32)], {"rate": 0.5})
