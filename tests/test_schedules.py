import inspect
import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnfast.optimizers import schedules

STEPS = [0, 1, 2, 5, 9, 10, 11, 19, 20, 21, 30, 31, 45, 70, 100, 333, 1000]

# The schedules of Keras: settings under which to compare.
KERAS_CASES = [
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.9}),
    ("ExponentialDecay", {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.9, "staircase": True}),
    ("PiecewiseConstantDecay", {"boundaries": [9, 20, 100], "values": [0.1, 0.05, 0.01, 0.001]}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 20}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 20, "power": 0.5, "end_learning_rate": 0.01}),
    ("PolynomialDecay", {"initial_learning_rate": 0.1, "decay_steps": 20, "power": 2.0, "cycle": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.4}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.1, "decay_steps": 7, "decay_rate": 0.4, "staircase": True}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 30}),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 30, "alpha": 0.1}),
    ("CosineDecay", {"initial_learning_rate": 0.0, "decay_steps": 30, "warmup_target": 0.1, "warmup_steps": 10}),
    ("CosineDecay", {"initial_learning_rate": 0.01, "decay_steps": 30, "warmup_target": 0.1, "warmup_steps": 0}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 10}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 10, "t_mul": 1.0, "m_mul": 0.8}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.1, "first_decay_steps": 9, "t_mul": 1.5, "alpha": 0.2}),
]
OUR_CASES = [
    ("CyclicalLearningRate", {"initial_learning_rate": 0.01, "maximal_learning_rate": 0.1, "step_size": 10}),
    (
        "CyclicalLearningRate",
        {"initial_learning_rate": 0.01, "maximal_learning_rate": 0.1, "step_size": 10, "mode": "triangular2"},
    ),
    (
        "CyclicalLearningRate",
        {
            "initial_learning_rate": 0.01,
            "maximal_learning_rate": 0.1,
            "step_size": 10,
            "mode": "exp_range",
            "gamma": 0.99,
        },
    ),
    ("OneCycle", {"maximal_learning_rate": 0.1, "total_steps": 100}),
    ("OneCycle", {"maximal_learning_rate": 0.1, "total_steps": 57, "anneal_strategy": "linear", "pct_start": 0.2}),
    ("OneCycle", {"maximal_learning_rate": 0.1, "total_steps": 100, "three_phase": True, "div_factor": 10.0}),
    ("OneCycle", {"maximal_learning_rate": 0.1, "total_steps": 2}),
    ("StepDecay", {"initial_learning_rate": 0.1, "step_size": 10}),
    ("StepDecay", {"initial_learning_rate": 0.1, "step_size": 7, "gamma": 0.5}),
]
CASES = KERAS_CASES + OUR_CASES


def make(case):
    name, settings = case
    return schedules.registry.classes[name](**settings)


def test_every_schedule_has_a_case():
    assert {name for name, _ in CASES} == set(schedules.registry.classes)


@pytest.mark.parametrize("case", KERAS_CASES, ids=str)
def test_as_in_keras(case):
    theirs = pytest.importorskip("keras").optimizers.schedules
    name, settings = case
    ours, expected = make(case), getattr(theirs, name)(**settings)
    for step in STEPS:
        # Keras computes in float32
        assert ours(step) == pytest.approx(float(expected(step)), rel=1e-5, abs=2e-8), step


@pytest.mark.parametrize("name", sorted({name for name, _ in KERAS_CASES}))
def test_signatures_of_keras(name):
    theirs = pytest.importorskip("keras").optimizers.schedules

    def settings(cls):
        return {p.name: p.default for p in inspect.signature(cls).parameters.values()}

    assert settings(schedules.registry.classes[name]) == settings(getattr(theirs, name))


def torch_rates(make_scheduler, steps):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1, momentum=0.9)
    scheduler = make_scheduler(torch.optim.lr_scheduler, optimizer)
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


@pytest.mark.parametrize("settings", [settings for name, settings in OUR_CASES if name == "CyclicalLearningRate"])
def test_cyclical_as_in_pytorch(settings):
    expected = torch_rates(
        lambda torch, optimizer: torch.CyclicLR(
            optimizer,
            settings["initial_learning_rate"],
            settings["maximal_learning_rate"],
            settings["step_size"],
            mode=settings.get("mode", "triangular"),
            gamma=settings.get("gamma", 1.0),
        ),
        75,
    )
    np.testing.assert_allclose(schedules.CyclicalLearningRate(**settings)(np.arange(75)), expected, rtol=1e-12)


@pytest.mark.parametrize("settings", [settings for name, settings in OUR_CASES if name == "OneCycle"], ids=str)
def test_one_cycle_as_in_pytorch(settings):
    renamed = {key: value for key, value in settings.items() if key != "maximal_learning_rate"}
    steps = settings["total_steps"]
    expected = torch_rates(
        lambda torch, optimizer: torch.OneCycleLR(optimizer, settings["maximal_learning_rate"], **renamed), steps - 1
    )
    ours = schedules.OneCycle(**settings)
    np.testing.assert_allclose(ours(np.arange(steps - 1)), expected, rtol=1e-12)
    last = 0.1 / settings.get("div_factor", 25.0) / 1e4
    assert ours(steps - 1) == pytest.approx(last) and ours(10 * steps) == pytest.approx(last)


@pytest.mark.parametrize("settings", [settings for name, settings in OUR_CASES if name == "StepDecay"], ids=str)
def test_step_decay_as_in_pytorch(settings):
    expected = torch_rates(
        lambda torch, optimizer: torch.StepLR(optimizer, settings["step_size"], settings.get("gamma", 0.1)), 40
    )
    np.testing.assert_allclose(schedules.StepDecay(**settings)(np.arange(40)), expected, rtol=1e-12)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_arrays_of_steps_and_kinds_of_numbers(case):
    schedule = make(case)
    rates = schedule(np.array(STEPS))
    assert rates.dtype == np.float64 and rates.shape == (len(STEPS),)
    for step, rate in zip(STEPS, rates, strict=True):
        one = schedule(step)
        assert type(one) is float
        assert one == rate == schedule(np.int32(step)) == schedule(float(step)) == schedule(np.array(step))
    assert schedule(np.array([STEPS, STEPS])).shape == (2, len(STEPS))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_configurations_round_trip_through_json(case):
    schedule = make(case)
    config = json.loads(json.dumps(schedules.serialize(schedule)))
    again = schedules.deserialize(config)
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    np.testing.assert_array_equal(again(np.array(STEPS)), schedule(np.array(STEPS)))


@pytest.mark.parametrize(("first", "t_mul"), [(1, 2.0), (7, 2.0), (1, 3.0), (10, 1.5), (3, 5.0)])
def test_every_restart_starts_at_the_top(first, t_mul):
    schedule = schedules.CosineDecayRestarts(0.1, first, t_mul=t_mul)
    start = 0.0
    for period in range(12):
        assert schedule(start) == pytest.approx(0.1)
        length = first * t_mul**period
        assert schedule(start + length / 2) == pytest.approx(0.05)
        start += length


@given(st.sampled_from(CASES), st.integers(0, 10**6))
def test_rates_stay_between_their_bounds(case, step):
    rate = make(case)(step)
    assert math.isfinite(rate) and 0 <= rate <= 0.1 + 1e-12


def test_a_schedule_of_ones_own():
    class Harmonic(schedules.LearningRateSchedule):
        def __init__(self, first, offset=1):
            self.first = first
            self.offset = offset

        def __call__(self, step):
            return self.first / (step + self.offset)

    schedule = Harmonic(0.1, offset=2)
    assert schedule.get_config() == {"first": 0.1, "offset": 2}
    again = schedules.deserialize(schedules.serialize(schedule), custom_objects={"Harmonic": Harmonic})
    assert again(3) == schedule(3) == 0.02


def test_messages():
    class Nothing(schedules.LearningRateSchedule):
        def __init__(self, secret):
            self._secret = secret

    with pytest.raises(NotImplementedError, match="'Nothing' must override `__call__"):
        Nothing(1)(0)
    with pytest.raises(NotImplementedError, match="'Nothing' must override `get_config\\(\\)`, or keep.*'secret'"):
        Nothing(1).get_config()
    with pytest.raises(ValueError, match="`decay_steps` must be > 0. Received: decay_steps=0"):
        schedules.ExponentialDecay(0.1, 0, 0.9)
    with pytest.raises(ValueError, match="`decay_steps` must be > 0. Received: decay_steps=-1"):
        schedules.PolynomialDecay(0.1, -1)
    with pytest.raises(ValueError, match="`decay_steps` must be > 0"):
        schedules.InverseTimeDecay(0.1, 0, 0.9)
    with pytest.raises(ValueError, match="`decay_steps` must be > 0"):
        schedules.CosineDecay(0.1, 0)
    with pytest.raises(ValueError, match="`first_decay_steps` must be > 0"):
        schedules.CosineDecayRestarts(0.1, 0)
    with pytest.raises(ValueError, match="`t_mul` must be >= 1. Received: t_mul=0.5"):
        schedules.CosineDecayRestarts(0.1, 10, t_mul=0.5)
    with pytest.raises(ValueError, match="length of boundaries should be 1 less than the length of values"):
        schedules.PiecewiseConstantDecay([1, 2], [0.1, 0.2])
    with pytest.raises(ValueError, match="`boundaries` must increase"):
        schedules.PiecewiseConstantDecay([2, 1], [0.1, 0.2, 0.3])
    with pytest.raises(ValueError, match="`step_size` must be > 0"):
        schedules.CyclicalLearningRate(0.01, 0.1, 0)
    with pytest.raises(
        ValueError, match="`mode` must be 'triangular', 'triangular2' or 'exp_range'. Received: mode='x'"
    ):
        schedules.CyclicalLearningRate(0.01, 0.1, 10, mode="x")
    with pytest.raises(ValueError, match="`total_steps` must be > 0"):
        schedules.OneCycle(0.1, 0)
    with pytest.raises(ValueError, match="`pct_start` must be between 0 and 1. Received: pct_start=2"):
        schedules.OneCycle(0.1, 10, pct_start=2)
    with pytest.raises(ValueError, match="`anneal_strategy` must be 'cos' or 'linear'. Received: anneal_strategy='x'"):
        schedules.OneCycle(0.1, 10, anneal_strategy="x")
    with pytest.raises(ValueError, match="`step_size` must be > 0"):
        schedules.StepDecay(0.1, 0)
    with pytest.raises(ValueError, match="Unknown learning rate schedule 'CosinDecay'; expected one of: cosine_decay"):
        schedules.deserialize({"class_name": "CosinDecay", "config": {}})


def test_steps_of_a_variable_that_takes_no_dtype():
    class Counter:
        def __array__(self):
            return np.array(7)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy, which asks for a newer __array__ first
        assert schedules.ExponentialDecay(0.1, 10, 0.5)(Counter()) == schedules.ExponentialDecay(0.1, 10, 0.5)(7)
