import numpy as np
import pytest

from nnfast import _core, kernels
from optimizer_reference import HYPER, RULES

SIZES = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 127, 1009]
LEARNING_RATE = 0.05


def hyper_of(rule):
    return {name: HYPER[name] for name in _core.update_rules()[rule]}


def start(rule, size, seed=0):
    rng = np.random.default_rng(seed)
    parameters = rng.normal(size=size).astype(np.float32)
    slots = [np.full(size, initial, np.float32) for initial in RULES[rule][1]]
    gradients = rng.normal(size=(5, size)).astype(np.float32)
    return parameters, slots, gradients


def run(rule, parameters, slots, gradients, **settings):
    for t, g in enumerate(gradients, 1):
        _core.update_step(rule, hyper_of(rule), parameters, g, slots, t, LEARNING_RATE, **settings)


def test_the_reference_has_every_rule():
    assert list(RULES) == list(_core.update_rules())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("rule", RULES)
def test_steps_at_every_size(isa, rule, size):
    parameters, slots, gradients = start(rule, size)
    expected = parameters.astype(np.float64)
    expected_slots = [slot.astype(np.float64) for slot in slots]
    for t, g in enumerate(gradients.astype(np.float64), 1):
        g = np.clip(g * 0.75, -1.5, 1.5)
        expected -= expected * LEARNING_RATE * 0.1
        expected = RULES[rule][0](expected, g, expected_slots, t, LEARNING_RATE, hyper_of(rule))
    run(rule, parameters, slots, gradients, weight_decay=0.1, gradient_scale=0.75, clip_value=1.5)
    np.testing.assert_allclose(parameters, expected, rtol=2e-6, atol=2e-6)
    for slot, reference in zip(slots, expected_slots, strict=True):
        np.testing.assert_allclose(slot, reference, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("rule", RULES)
def test_an_element_has_the_same_bits_wherever_it_stands(isa, rule):
    whole, slots, gradients = start(rule, 67)
    parts, part_slots, _ = start(rule, 67)
    run(rule, whole, slots, gradients)
    for piece in (slice(0, 21), slice(21, 22), slice(22, 67)):
        run(rule, parts[piece], [slot[piece] for slot in part_slots], gradients[:, piece])
    np.testing.assert_array_equal(whole, parts)
    np.testing.assert_array_equal(slots, part_slots)


@pytest.mark.parametrize("rule", RULES)
def test_not_a_number_is_not_hidden(isa, rule):
    parameters, slots, gradients = start(rule, 33)
    gradients[0, [2, 32]] = np.nan
    run(rule, parameters, slots, gradients)
    assert np.isnan(parameters[[2, 32]]).all()
    assert np.isfinite(np.delete(parameters, [2, 32])).all()


@pytest.mark.parametrize("rule", RULES)
def test_padding_stays_zero_even_without_epsilon(isa, rule):
    parameters, slots, _ = start(rule, 16)
    parameters[:] = 0
    hyper = {**hyper_of(rule), **({"epsilon": 0.0} if "epsilon" in hyper_of(rule) else {})}
    for t in (1, 2, 3):
        _core.update_step(rule, hyper, parameters, np.zeros(16), slots, t, LEARNING_RATE, weight_decay=0.1)
    np.testing.assert_array_equal(parameters, 0)
    assert np.isfinite(slots).all()


@pytest.mark.parametrize("step", [1, 2, 37, 500, 100_000, 10**9])
@pytest.mark.parametrize("rule", ["adam", "nadam", "adamax"])
def test_bias_corrections_of_any_step(isa, rule, step):
    parameters, slots, gradients = start(rule, 16)
    for slot in slots:
        slot[:] = 0.25
    expected_slots = [slot.astype(np.float64) for slot in slots]
    hyper = {**hyper_of(rule), "beta_1": 0.9, "beta_2": 0.999}
    reference_step = min(step, 20_000)  # where the powers have become 0
    expected = RULES[rule][0](
        parameters.astype(np.float64), gradients[0].astype(np.float64), expected_slots, reference_step, 1.0, hyper
    )
    _core.update_step(rule, hyper, parameters, gradients[0], slots, step, 1.0)
    np.testing.assert_allclose(parameters, expected, rtol=2e-6, atol=2e-6)


def test_centered_rmsprop_survives_equal_gradients(isa):
    rule = "rmsprop_centered"
    hyper = {**hyper_of(rule), "epsilon": 1e-12}
    parameters, slots, _ = start(rule, 64)
    g = np.linspace(1, 1e4, 64, dtype=np.float32)
    for t in range(1, 300):  # the variance, the difference of two nearly equal numbers, may round to below zero
        _core.update_step(rule, hyper, parameters, g, slots, t, 1e-6)
    assert np.isfinite(parameters).all()


def test_what_is_changed_in_place_must_be_float32_and_fit():
    def step(parameters=None, slots=None, gradients=None, step=1, rule="sgd_momentum"):
        ok = np.zeros(4, np.float32)
        _core.update_step(
            rule,
            {"momentum": 0.9, "dampening": 0.0},
            ok if parameters is None else parameters,
            ok if gradients is None else gradients,
            [ok.copy()] if slots is None else slots,
            step,
            0.1,
        )

    step()
    frozen = np.zeros(4, np.float32)
    frozen.flags.writeable = False
    with pytest.raises(ValueError, match="parameters is changed in place.*float64"):
        step(parameters=np.zeros(4))
    with pytest.raises(ValueError, match="parameters is changed in place.*read-only"):
        step(parameters=frozen)
    with pytest.raises(ValueError, match="momentum is changed in place"):
        step(slots=[np.zeros(8, np.float32)[::2]])
    with pytest.raises(ValueError, match="momentum has 5 elements, the parameters have 4"):
        step(slots=[np.zeros(5, np.float32)])
    with pytest.raises(ValueError, match="gradients have 3 elements, the parameters have 4"):
        step(gradients=np.zeros(3))
    with pytest.raises(ValueError, match="'sgd_momentum' has 1 slots, received 0"):
        step(slots=[])
    with pytest.raises(ValueError, match="step counts from 1, received 0"):
        step(step=0)
    with pytest.raises(ValueError, match="no optimizer rule is named 'sdg'; there are: sgd, sgd_momentum"):
        step(rule="sdg")
    with pytest.raises(ValueError, match="'adam' needs the hyperparameter 'beta_1'"):
        step(rule="adam")


def test_adam_step_is_pytorch_s():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    p = rng.normal(size=(7, 11)).astype(np.float32)
    m, v = np.zeros_like(p), np.zeros_like(p)
    parameter = torch.tensor(p, requires_grad=True)
    optimizer = torch.optim.Adam([parameter], 0.1, betas=(0.8, 0.95), eps=1e-20)
    for step in range(1, 11):
        g = rng.normal(size=(7, 11)).astype(np.float32)
        assert kernels.adam_step(p, g, m, v, step=step, learning_rate=0.1, beta_1=0.8, beta_2=0.95, epsilon=0) is None
        parameter.grad = torch.tensor(g)
        optimizer.step()
    np.testing.assert_allclose(p, parameter.detach().numpy(), rtol=1e-5, atol=1e-6)
    state = optimizer.state[parameter]
    np.testing.assert_allclose(m, state["exp_avg"].numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(v, state["exp_avg_sq"].numpy(), rtol=1e-5, atol=1e-6)
