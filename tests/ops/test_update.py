import numpy as np
import pytest

from nnfast import _core
from optimizer_reference import HYPER, RULES, Reference

LEARNING_RATE = 0.01
# Segments as in a network: small ones, one cut into several tasks, one empty, one of a single element.
SHAPES = [(20, 32), (32,), (300, 217), (217,), (0,), (1,), (130, 130)]
DECAYS = [True, False, True, False, True, True, True]
RATES = [1.0, 1.0, 2.0, 1.0, 1.0, 0.5, 1.0]


def settings_of(rule, **settings):
    return {"rule": rule, "hyper": {name: HYPER[name] for name in _core.update_rules()[rule]}, **settings}


class Blocks:
    """The C++ update stage over arrays of the given shapes."""

    def __init__(self, settings, shapes=SHAPES, decays=DECAYS, rates=RATES, seed=0):
        rng = np.random.default_rng(seed)
        self.shapes = shapes
        variables = zip(shapes, decays, rates, strict=True)
        self.update = _core.Update(settings, [(int(np.prod(s)), d, r) for s, d, r in variables])
        self.variables = self.views(self.update.parameters)
        for v in self.variables:
            v[...] = rng.normal(size=v.shape)
        names = self.update.slot_names
        self.slots = {name: self.views(self.update.slot(i)) for i, name in enumerate(names)}

    def views(self, block):
        sizes = [int(np.prod(shape)) for shape in self.shapes]
        places = zip(self.update.offsets, sizes, self.shapes, strict=True)
        return [block[offset : offset + size].reshape(shape) for offset, size, shape in places]

    def step(self, step, gradients, threads=1):
        for place, g in zip(self.views(self.update.gradients), gradients, strict=True):
            place[...] = g
        self.update.step(step, LEARNING_RATE, threads)


def draw_gradients(steps, seed=1):
    rng = np.random.default_rng(seed)
    return [[rng.normal(size=shape).astype(np.float32) for shape in SHAPES] for _ in range(steps)]


OPTIONS = {
    "plain": {},
    "decay": {"weight_decay": 0.3},
    "clipvalue": {"clipvalue": 0.7},
    "clipnorm": {"clipnorm": 10.0},
    "global_clipnorm": {"global_clipnorm": 100.0},
    "nothing to clip": {"clipnorm": 1e6},
    "average": {"use_ema": True, "ema_momentum": 0.8},
    "average overwrites": {"use_ema": True, "ema_momentum": 0.8, "ema_overwrite_frequency": 2},
    "accumulation": {"gradient_accumulation_steps": 3},
    "accumulation, clipnorm": {"gradient_accumulation_steps": 3, "clipnorm": 10.0, "weight_decay": 0.3},
    "all": {
        "gradient_accumulation_steps": 2,
        "global_clipnorm": 100.0,
        "weight_decay": 0.3,
        "use_ema": True,
        "ema_momentum": 0.8,
        "ema_overwrite_frequency": 2,
    },
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_the_stage_follows_the_reference(rule, options):
    settings = settings_of(rule, **options)
    blocks = Blocks(settings)
    reference = Reference(rule, settings["hyper"], blocks.variables, **options)
    for step, gradients in enumerate(draw_gradients(7)):
        blocks.step(step, gradients, threads=2)
        reference.apply(gradients, LEARNING_RATE, DECAYS, RATES)
        for ours, expected in zip(blocks.variables, reference.variables, strict=True):
            np.testing.assert_allclose(ours, expected, rtol=2e-6, atol=2e-6)
    if options.get("use_ema"):
        for ours, expected in zip(blocks.slots["average"], reference.averages, strict=True):
            np.testing.assert_allclose(ours, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("options", ["plain", "all"])
@pytest.mark.parametrize("rule", RULES)
def test_the_same_bits_for_any_number_of_threads(rule, options):
    results = []
    for threads in (1, 2, 3):
        blocks = Blocks(settings_of(rule, **OPTIONS[options]))
        for step, gradients in enumerate(draw_gradients(4)):
            blocks.step(step, gradients, threads)
        results.append([blocks.update.parameters.copy(), *(blocks.update.slot(i) for i in range(len(blocks.slots)))])
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_every_slot_starts_where_the_rule_says():
    for rule, (_, initial) in RULES.items():
        blocks = Blocks(settings_of(rule, use_ema=True, gradient_accumulation_steps=2))
        expected = [*initial, 0, 0]
        assert blocks.update.slot_names[-2:] == ["average", "gradient_accumulator"]
        assert len(blocks.slots) == len(expected)
        for i, value in enumerate(expected):
            np.testing.assert_array_equal(blocks.update.slot(i), np.float32(value))


@pytest.mark.parametrize("clipping", ["clipnorm", "global_clipnorm"])
def test_a_norm_beyond_float32(clipping):
    blocks = Blocks(settings_of("sgd", **{clipping: 1.0}))
    before = [v.copy() for v in blocks.variables]
    huge = [np.full(shape, 1e30, np.float32) for shape in SHAPES]
    blocks.step(0, huge)
    whole = np.sqrt(sum(g.size for g in huge))
    for v, old, rate in zip(blocks.variables, before, RATES, strict=True):
        g = 1 / whole if clipping == "global_clipnorm" else 1 / np.sqrt(max(v.size, 1))
        np.testing.assert_allclose(v, old - LEARNING_RATE * rate * g, rtol=1e-6, atol=1e-7)


def test_an_infinite_gradient_as_in_keras():
    gradients = [np.ones(shape, np.float32) for shape in SHAPES]
    gradients[0][0, 0] = np.inf
    one = Blocks(settings_of("sgd", clipnorm=1.0))
    one.step(0, gradients)
    assert np.isnan(one.variables[0][0, 0])
    assert np.isfinite(one.variables[0].ravel()[1:]).all()
    assert np.isfinite(one.variables[1]).all()
    all_of_them = Blocks(settings_of("sgd", global_clipnorm=1.0))
    all_of_them.step(0, gradients)
    assert all(np.isnan(v).all() for v in all_of_them.variables)


def test_nothing_to_update():
    update = _core.Update(settings_of("adam", global_clipnorm=1.0), [])
    update.step(0, 0.1)
    assert update.offsets == [] and update.parameters.size == 0


def test_variables_start_on_cache_lines_and_their_padding_stays_zero():
    blocks = Blocks(settings_of("adagrad", **OPTIONS["all"]))
    for step, gradients in enumerate(draw_gradients(4)):
        blocks.step(step, gradients)
    assert all(offset % 16 == 0 for offset in blocks.update.offsets)
    padding = np.ones(blocks.update.parameters.size, bool)
    for view in blocks.views(padding):
        view[...] = False
    assert padding.any()
    np.testing.assert_array_equal(blocks.update.parameters[padding], 0)


def test_views_outlive_the_blocks():
    update = _core.Update(settings_of("adam"), [(1000, True, 1.0)])
    view = update.slot(1)
    del update
    view += 1
    assert view.sum() == view.size


def test_settings_out_of_range():
    with pytest.raises(ValueError, match="only one of clipvalue, clipnorm and global_clipnorm can be set, received 2"):
        _core.Update(settings_of("sgd", clipnorm=1.0, clipvalue=1.0), [])
    with pytest.raises(ValueError, match="gradient_accumulation_steps must be positive, received 0"):
        _core.Update(settings_of("sgd", gradient_accumulation_steps=0), [])
    with pytest.raises(ValueError, match="sizes must not be negative, received -1"):
        _core.Update(settings_of("sgd"), [(-1, True, 1.0)])
    update = _core.Update(settings_of("sgd"), [(3, True, 1.0)])
    with pytest.raises(ValueError, match="step must not be negative, received -1"):
        update.step(-1, 0.1)
    with pytest.raises(ValueError, match="threads must be from 1 to"):
        update.step(0, 0.1, threads=0)
    with pytest.raises(IndexError, match="no such slot"):
        update.slot(0)
