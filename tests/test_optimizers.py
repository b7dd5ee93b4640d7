import inspect
import json
import pickle

import numpy as np
import pytest

import nnfast
from nnfast import _core, optimizers
from nnfast.optimizers import SGD, Adam, schedules
from optimizer_reference import IN_PYTORCH, NOT_IN_KERAS, Reference

OPTIMIZERS = optimizers.registry.classes
# Every variant of every optimizer: (class name, settings other than the defaults).
VARIANTS = [
    *((name, {}) for name in OPTIMIZERS),
    ("SGD", {"momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("SGD", {"momentum": 0.9, "dampening": 0.9}),
    ("RMSprop", {"momentum": 0.9}),
    ("RMSprop", {"centered": True}),
    ("RMSprop", {"centered": True, "momentum": 0.9}),
    ("Adam", {"amsgrad": True}),
]
IN_KERAS = [name for name in OPTIMIZERS if name not in NOT_IN_KERAS]
SHAPES = [(3, 5), (5,), (), (2, 3, 4)]


def make(variant, **settings):
    name, own = variant
    return OPTIMIZERS[name](**{**own, **settings})


def draw(steps=200, seed=0):
    """Variables, and gradients of changing size, as those of a network."""
    rng = np.random.default_rng(seed)
    variables = [np.asarray(rng.normal(size=shape), np.float32) for shape in SHAPES]
    sizes = np.exp(rng.normal(size=steps))
    gradients = [[np.asarray(size * rng.normal(size=shape), np.float32) for shape in SHAPES] for size in sizes]
    return variables, gradients


def relative_error(ours, expected):
    """The largest error as a share of the variable's size."""
    return max(
        float(np.max(np.abs(np.asarray(a, np.float64) - b)) / np.sqrt(np.mean(np.square(b))))
        for a, b in zip(ours, expected, strict=True)
    )


def test_every_optimizer_is_compared_with_another_library():
    assert {row[0] for row in IN_PYTORCH} >= NOT_IN_KERAS


def test_every_rule_has_a_variant():
    assert set(optimizers.rules.__all__) == set(OPTIMIZERS)
    assert {make(variant).rule()[0] for variant in VARIANTS} == set(_core.update_rules())


CLIPPINGS = [{"clipvalue": 0.8}, {"clipnorm": 2.0}, {"global_clipnorm": 4.0}]


@pytest.mark.parametrize("clipping", CLIPPINGS, ids=str)
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_200_steps_follow_the_float64_reference(variant, clipping):
    schedule = schedules.CosineDecay(1e-3, 150, alpha=0.1, warmup_target=0.01, warmup_steps=20)
    optimizer = make(variant, learning_rate=schedule, weight_decay=0.05, **clipping)
    variables, gradients = draw()
    rule, hyper = optimizer.rule()
    reference = Reference(rule, hyper, variables, weight_decay=0.05, **clipping)
    for step, grads in enumerate(gradients):
        optimizer.apply(grads, variables)
        reference.apply(grads, schedule(step))
    assert optimizer.iterations == 200
    assert relative_error(variables, reference.variables) < 1e-5
    moved = relative_error(draw()[0], reference.variables)
    assert moved > 1e-3, "nothing was tested"


@pytest.mark.parametrize(("name", "settings", "their_name", "their_settings"), IN_PYTORCH)
def test_200_steps_as_in_pytorch(name, settings, their_name, their_settings):
    torch = pytest.importorskip("torch")
    variables, gradients = draw()
    parameters = [torch.tensor(v, requires_grad=True) for v in variables]
    ours, theirs = OPTIMIZERS[name](**settings), getattr(torch.optim, their_name)(parameters, **their_settings)
    for grads in gradients:
        for parameter, g in zip(parameters, grads, strict=True):
            parameter.grad = torch.tensor(g)
        torch.nn.utils.clip_grad_norm_(parameters, 4.0)
        theirs.step()
        # PyTorch's own clipping divides by the norm plus 1e-6, so clip alike before ours
        ours.apply([parameter.grad.numpy() for parameter in parameters], variables)
    assert relative_error(variables, [p.detach().numpy().astype(np.float64) for p in parameters]) < 1e-5


KERAS_OPTIONS = [
    {"weight_decay": 0.05, "clipnorm": 2.0},
    {"weight_decay": 0.05, "global_clipnorm": 4.0},
    {"clipvalue": 0.8, "use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 3},
    {"weight_decay": 0.05, "gradient_accumulation_steps": 3, "clipnorm": 2.0},
]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of PyTorch's tensors, in Keras
@pytest.mark.parametrize("options", KERAS_OPTIONS, ids=str)
@pytest.mark.parametrize("variant", [v for v in VARIANTS if v[0] in IN_KERAS and "dampening" not in v[1]], ids=str)
def test_20_steps_as_in_keras(variant, options):
    keras = pytest.importorskip("keras")
    name, own = variant
    settings = {**own, **options, "learning_rate": 0.01}
    theirs, ours = getattr(keras.optimizers, name)(**settings), OPTIMIZERS[name](**settings)
    variables, gradients = draw(20)
    expected = [keras.Variable(v) for v in variables]
    for grads in gradients:
        theirs.apply([keras.ops.convert_to_tensor(g) for g in grads], expected)
        ours.apply(grads, variables)
    # Keras takes the powers of the betas in float32: 1 - 0.999 is known to 5e-5 of it
    expected = [keras.ops.convert_to_numpy(v) for v in expected]
    assert relative_error(variables, expected) < 1e-4
    assert ours.iterations == int(theirs.iterations)


@pytest.mark.parametrize("name", IN_KERAS)
def test_names_and_defaults_of_keras(name):
    keras = pytest.importorskip("keras")

    def settings(cls):
        return {p.name: p.default for p in inspect.signature(cls).parameters.values() if p.name != "kwargs"}

    ours, theirs = settings(OPTIMIZERS[name]), settings(getattr(keras.optimizers, name))
    ours.pop("dampening", None)
    assert ours == theirs


# What Keras's own tests expect of ten weights, of 1, after one step with gradients of 0.01 and after each of four more
# with gradients of 0.1, 0.2, … 1.0: here the first, the fifth and the last of them.
GOLDEN = {
    "SGD": (
        {"nesterov": True},
        [
            (0.9999, 0.9999, 0.9999),
            (0.9989, 0.9949, 0.9899),
            (0.9979, 0.9899, 0.9799),
            (0.9969, 0.9849, 0.9699),
            (0.9959, 0.9799, 0.9599),
        ],
    ),
    "Adagrad": (
        {"learning_rate": 0.2, "initial_accumulator_value": 0.3, "epsilon": 1e-6},
        [
            (0.9963, 0.9963, 0.9963),
            (0.9604, 0.8615, 0.8209),
            (0.9251, 0.7497, 0.6891),
            (0.8903, 0.6521, 0.579),
            (0.856, 0.5644, 0.4825),
        ],
    ),
    "RMSprop": ({"centered": True}, [0.9967, 0.9933, 0.9908, 0.9885, 0.9864]),
    "Adadelta": ({"learning_rate": 1.0, "rho": 0.8, "epsilon": 1e-6}, [0.9978, 0.9947, 0.9915, 0.9882, 0.9849]),
    "Adam": ({"amsgrad": True}, [0.999, 0.9982, 0.9974, 0.9965, 0.9955]),
    "AdamW": (
        {"learning_rate": 1.0, "weight_decay": 0.5, "epsilon": 2},
        [
            (0.4998, 0.4998, 0.4998),
            (0.2486, 0.244, 0.2382),
            (0.1223, 0.1124, 0.1003),
            (0.0586, 0.0439, 0.0258),
            (0.0263, 0.0073, -0.0159),
        ],
    ),
    "Nadam": (
        {"learning_rate": 0.5, "beta_1": 0.5, "beta_2": 0.67, "epsilon": 1e-5},
        [
            (0.4281, 0.4281, 0.4281),
            (-0.1738, -0.1721, -0.1717),
            (-0.7115, -0.709, -0.7084),
            (-1.2335, -1.2306, -1.2299),
            (-1.7492, -1.7461, -1.7454),
        ],
    ),
    "Adamax": (
        {"learning_rate": 0.2, "beta_1": 0.85, "beta_2": 0.95, "epsilon": 1e-6},
        [
            (0.8, 0.8, 0.8),
            (0.6827, 0.6901, 0.691),
            (0.5333, 0.5451, 0.5466),
            (0.368, 0.3829, 0.3848),
            (0.1933, 0.2105, 0.2126),
        ],
    ),
    "Lion": ({}, [0.999, 0.998, 0.997, 0.996, 0.995]),
}


@pytest.mark.parametrize("name", IN_KERAS)
def test_golden_values_of_keras(name):
    settings, golden = GOLDEN[name]
    optimizer = OPTIMIZERS[name](**settings)
    x = np.ones(10, np.float32)
    optimizer.apply([np.full(10, 0.01)], [x])
    for expected in golden:
        np.testing.assert_allclose(x[[0, 4, 9]], expected, rtol=5e-4, atol=5e-4)
        optimizer.apply([np.linspace(0.1, 1, 10)], [x])


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_configurations_round_trip_through_json(variant):
    optimizer = make(
        variant,
        learning_rate=schedules.StepDecay(0.1, 3),
        weight_decay=0.1,
        global_clipnorm=2.0,
        use_ema=True,
        ema_overwrite_frequency=3,
        gradient_accumulation_steps=2,
        name="mine",
    )
    config = json.loads(json.dumps(optimizers.serialize(optimizer)))
    again = optimizers.deserialize(config)
    assert type(again) is type(optimizer)
    assert again.get_config() == optimizer.get_config()
    assert again.settings() == optimizer.settings()
    assert pickle.loads(pickle.dumps(optimizer)).get_config() == optimizer.get_config()


def test_get():
    assert isinstance(optimizers.get("sgd"), SGD)
    for name, cls in OPTIMIZERS.items():
        assert type(optimizers.get(name)) is cls
        assert type(optimizers.get(name.lower())) is cls
    optimizer = Adam()
    assert optimizers.get(optimizer) is optimizer
    assert optimizers.get({"class_name": "Adam", "config": {"learning_rate": 0.5}}).learning_rate == 0.5
    with pytest.raises(ValueError, match="Unknown optimizer 'adan'; expected one of: adam"):
        optimizers.get("adan")


def test_names_are_counted():
    first, second = (optimizers.Adamax() for _ in range(2))
    count = int(first.name.removeprefix("adamax").lstrip("_") or 0)
    assert second.name == f"adamax_{count + 1}"
    assert Adam(name="mine").name == "mine"
    assert Adam.from_config(Adam(name="mine").get_config()).name == "mine"


def test_the_learning_rate_can_be_set():
    optimizer = SGD(np.float32(0.5))
    assert optimizer.learning_rate == 0.5
    optimizer.learning_rate = 0.25
    assert optimizer.learning_rate.numpy() == optimizer.learning_rate.value == np.float32(0.25)
    optimizer.learning_rate.assign(0.125)
    x = np.zeros(3, np.float32)
    optimizer.apply([np.ones(3)], [x])
    np.testing.assert_array_equal(x, -0.125)
    optimizer.learning_rate = schedules.PiecewiseConstantDecay([1], [1.0, 2.0])
    for _ in range(2):
        optimizer.apply([np.ones(3)], [x])
    np.testing.assert_array_equal(x, -3.125)
    with pytest.raises(TypeError, match="created with a `LearningRateSchedule`.*not settable"):
        optimizer.learning_rate = 0.1
    optimizer.learning_rate = lambda: 4.0
    assert optimizer.learning_rate == 4
    with pytest.warns(UserWarning, match="a function as the learning rate cannot be saved"):
        assert optimizer.get_config()["learning_rate"] == 4.0


def test_the_rate_has_one_name():
    optimizer = SGD(0.5)
    with pytest.raises(AttributeError, match=r"SGD has no attribute 'lr'; write optimizer.learning_rate = 0.1 to set"):
        optimizer.lr = 0.1
    with pytest.raises(AttributeError, match="SGD has no attribute 'lr'; its rate is `learning_rate`"):
        _ = optimizer.lr
    assert not hasattr(optimizer, "lr")
    assert optimizer.learning_rate == 0.5


def test_schedules_count_steps_and_updates_are_fewer():
    optimizer = SGD(schedules.StepDecay(1.0, 1, gamma=0.5), gradient_accumulation_steps=3)
    x = np.zeros((), np.float32)
    for g in (1.0, 2.0, 6.0):
        optimizer.apply([g], [x])
    assert (optimizer.iterations, optimizer.steps) == (1, 3)
    assert x == -0.25 * 3


def test_exclusion_from_weight_decay():
    class Variable:
        def __init__(self, name):
            self.name = self.path = name
            self.value = np.full(2, 2.0, np.float32)
            self.shape = (2,)

        def __array__(self, dtype=None, copy=None):
            return np.asarray(self.value, dtype)

        def assign(self, value):
            self.value = np.array(value)

    kernel, bias, gamma, plain = Variable("kernel"), Variable("bias"), Variable("gamma"), np.full(2, 2, np.float32)
    optimizer = SGD(1.0, weight_decay=0.25)
    optimizer.exclude_from_weight_decay(var_list=[plain], var_names=["bias", "^gam"])
    optimizer.apply([np.zeros(2)] * 4, [kernel, bias, gamma, plain])
    assert [float(np.asarray(v)[0]) for v in (kernel, bias, gamma, plain)] == [1.5, 2, 2, 2]
    with pytest.raises(ValueError, match="can only be configured before the optimizer is built"):
        optimizer.exclude_from_weight_decay(var_names=["kernel"])


def test_constraints_follow_the_step():
    class Variable:
        shape = (2,)
        value = np.ones(2, np.float32)

        def __array__(self, dtype=None, copy=None):
            return np.asarray(self.value, dtype)

        def assign(self, value):
            self.value = np.array(value)

        def constraint(self, w):
            return np.maximum(w, 0)

    variable = Variable()
    SGD(1.0).apply([[2.0, 0.5]], [variable])
    np.testing.assert_array_equal(variable, [0, 0.5])


def test_moving_averages_of_keras():
    v = np.array([[3.0, 4.0], [5.0, 6.0]], np.float32)
    optimizer = SGD(1.0, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3)
    for expected in ([[2, 3], [4, 5]], [[1, 2], [3, 4]], [[1.71, 2.71], [3.71, 4.71]]):
        optimizer.apply_gradients([(np.ones((2, 2)), v)])
        np.testing.assert_allclose(v, expected, rtol=1e-6)
    np.testing.assert_array_equal(optimizer.variables[-1], v)
    optimizer.apply([np.ones((2, 2))])
    before = v.copy()
    optimizer.finalize_variable_values([v])
    np.testing.assert_allclose(v, 0.9 * (before + 1) + 0.1 * before, rtol=1e-6)
    with pytest.raises(ValueError, match="length of model variables \\(2\\).*\\(1\\)"):
        optimizer.finalize_variable_values([v, v])
    SGD().finalize_variable_values([v, v])


def test_missing_gradients():
    a, b = np.ones(2, np.float32), np.ones(2, np.float32)
    optimizer = SGD(1.0, momentum=0.5, weight_decay=0.1)
    optimizer.apply([np.ones(2), np.ones(2)], [a, b])
    at, momentum = b.copy(), optimizer.variables[-1].copy()
    with pytest.warns(UserWarning, match="Gradients do not exist for variables"):
        optimizer.apply([np.ones(2), None], [a, b])
    np.testing.assert_array_equal(b, at)
    np.testing.assert_array_equal(optimizer.variables[-1], momentum)
    assert momentum.any()
    optimizer.apply_gradients([(np.ones(2), a)])
    np.testing.assert_array_equal(b, at)
    with pytest.raises(ValueError, match="No gradients provided for any variable"):
        optimizer.apply([None, None], [a, b])
    optimizer.apply([], [])
    assert optimizer.iterations == 3


def test_state_can_be_taken_and_set():
    variables, gradients = draw(6)
    first = Adam(0.1)
    for grads in gradients[:3]:
        first.apply(grads, variables)
    state, at = [np.copy(s) for s in first.variables], [v.copy() for v in variables]
    assert state[0] == 3 and state[1] == 0.1 and len(state) == 2 + 2 * len(SHAPES)
    second = Adam(0.5)
    with pytest.raises(ValueError, match="optimizer that has not yet been built"):
        second.set_weights(state)
    second.build(at)
    with pytest.raises(ValueError, match="expected 10 arrays of shapes .* received 9"):
        second.set_weights(state[:-1])
    second.set_weights(state)
    for grads in gradients[3:]:
        first.apply(grads, variables)
        second.apply(grads, at)
    for a, b in zip(variables, at, strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(Adam(schedules.StepDecay(0.1, 3)).variables) == 1


def test_loss_scale():
    x = np.zeros(2, np.float32)
    optimizer = SGD(1.0, loss_scale_factor=1024.0)
    assert optimizer.scale_loss(2.0) == 2048
    assert SGD().scale_loss(2.0) == 2
    optimizer.apply([[1024.0, 2048.0]], [x])
    np.testing.assert_array_equal(x, [-1, -2])


def test_any_number_of_threads_gives_the_same_bits():
    rng = np.random.default_rng(0)
    gradient = rng.normal(size=(400, 300))
    results = []
    threads = nnfast.get_num_threads()
    try:
        for count in (1, 2):
            nnfast.set_num_threads(count)
            x = np.ones((400, 300), np.float32)
            optimizer = Adam(global_clipnorm=1.0)
            for _ in range(3):
                optimizer.apply([gradient], [x])
            results.append(x)
    finally:
        nnfast.set_num_threads(threads)
    np.testing.assert_array_equal(*results)


def test_a_rule_of_ones_own_name():
    class Half(optimizers.Optimizer):
        def __init__(self, learning_rate=0.5, **options):
            super().__init__(learning_rate, **options)

        def rule(self):
            return "sgd", {}

    x = np.zeros(1, np.float32)
    Half().apply([[1.0]], [x])
    assert x == -0.5
    assert "weight_decay" in Half().get_config()

    class Unfinished(optimizers.Optimizer):
        def __init__(self):
            super().__init__(0.1)

    assert list(inspect.signature(Unfinished).parameters) == []
    with pytest.raises(NotImplementedError, match="Unfinished must implement rule"):
        Unfinished().apply([[1.0]], [x])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SGD(-0.1), "`learning_rate` should be a number >= 0.*learning_rate=-0.1"),
        (lambda: SGD("fast"), "`learning_rate` should be a number >= 0.*learning_rate='fast'"),
        (lambda: SGD(float("nan")), "`learning_rate` should be a number >= 0.*learning_rate=nan"),
        (lambda: SGD(momentum=-1.0), "`momentum` must be a number >= 0 and <= 1. Received: momentum=-1.0"),
        (lambda: SGD(momentum=2.0), "`momentum` must be a number"),
        (
            lambda: SGD(momentum=0.9, nesterov=True, dampening=0.1),
            "Nesterov's momentum knows no dampening.*dampening=0.1",
        ),
        (lambda: SGD(clipnorm=1.0, clipvalue=1.0), "Only one of .* can be set. Received: clipnorm=1.0, clipvalue=1.0"),
        (lambda: SGD(clipnorm=-1.0), "`clipnorm` must be a number >= 0. Received: clipnorm=-1.0"),
        (lambda: SGD(weight_decay=-1.0), "`weight_decay` must be a number >= 0"),
        (lambda: SGD(use_ema=True, ema_momentum=1.5), "`ema_momentum` must be a number >= 0 and <= 1"),
        (lambda: SGD(ema_overwrite_frequency=0), "`ema_overwrite_frequency` must be an integer >= 1 or None"),
        (lambda: SGD(gradient_accumulation_steps=1), "`gradient_accumulation_steps` must be an integer >= 2"),
        (lambda: optimizers.RMSprop(rho=2), "`rho` must be a number >= 0 and <= 1"),
        (lambda: optimizers.Adagrad(initial_accumulator_value=-1), "`initial_accumulator_value` must be a number >= 0"),
        (lambda: optimizers.Adadelta(epsilon=-1), "`epsilon` must be a number >= 0"),
        (lambda: Adam(beta_1=1.0), "`beta_1` must be a number >= 0 and < 1. Received: beta_1=1.0"),
        (lambda: Adam(beta_2=None), "`beta_2` must be a number >= 0 and < 1. Received: beta_2=None"),
        (
            lambda: optimizers.AdamW(weight_decay=None),
            "`weight_decay` must be a number >= 0. Received: weight_decay=None",
        ),
        (lambda: optimizers.Lion(beta_1=0.0), "`beta_1` must be > 0 and <= 1.*degenerates to SignSGD.*beta_1=0.0"),
    ],
)
def test_settings_out_of_range(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_apply_out_of_order():
    x, y = np.zeros(2, np.float32), np.zeros(2, np.float32)
    with pytest.raises(ValueError, match="must already be built on a list of variables"):
        SGD().apply([x])
    with pytest.raises(ValueError, match="Expected 1 gradients, one for each variable; received 2"):
        SGD().apply([x, x], [y])
    with pytest.raises(ValueError, match="must have the shape \\(2,\\); received \\(3,\\)"):
        SGD().apply([np.zeros(3)], [x])
    optimizer = SGD()
    optimizer.apply([y], [x])
    with pytest.raises(ValueError, match="Unknown variable: of shape \\(2,\\)"):
        optimizer.apply([x], [y])
    with pytest.raises(TypeError, match="momentun"):
        SGD(momentun=0.9)
