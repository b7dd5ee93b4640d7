import json
import math

import numpy as np
import pytest

from nnfast import initializers, random, utils

RANDOM = {name: cls for name, cls in initializers.registry.classes.items() if "seed" in cls().get_config()}
LARGE = (1000, 1000)  # 1e6 draws: the mean is known to 1e-3 of the deviation, the variance to 0.15%


def reference_fans(shape):
    """Count by brute force: a dense convolution of these sizes joins every input with every output of the window."""
    mask = np.ones(shape)
    return int(mask[..., 0].sum()), int(np.moveaxis(mask, -2, 0)[0].sum())


@pytest.mark.parametrize("shape", [(3, 4), (5, 3, 4), (3, 5, 7, 2), (2, 3, 4, 5, 6)])
def test_fans_count_the_connections(shape):
    assert initializers.compute_fans(shape) == reference_fans(shape)


def test_fans_of_scalars_vectors_and_chosen_axes():
    assert initializers.compute_fans(()) == (1, 1)
    assert initializers.compute_fans((7,)) == (7, 7)
    assert initializers.compute_fans((512, 8, 64), input_axes=[0], output_axes=[1, 2]) == (512, 512)


@pytest.mark.parametrize("shape", [(), (7,), (3, 4), (3, 5, 7, 2)])
def test_fans_as_in_keras(shape):
    theirs = pytest.importorskip("keras.src.initializers.random_initializers")
    assert initializers.compute_fans(shape) == theirs.compute_fans(shape)


# Standard deviation and bound for a (1000, 1000) weight, whose fans are 1000 and 1000, by the papers' formulas.
TRUNCATION = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / math.erf(math.sqrt(2)))
EXPECTED = {
    "RandomNormal": (0.05, math.inf),
    "TruncatedNormal": (0.05 * TRUNCATION, 0.1),
    "RandomUniform": (0.05 / math.sqrt(3), 0.05),
    "VarianceScaling": (math.sqrt(1 / 1000), 2 * math.sqrt(1 / 1000) / TRUNCATION),
    "GlorotNormal": (math.sqrt(2 / 2000), 2 * math.sqrt(2 / 2000) / TRUNCATION),
    "GlorotUniform": (math.sqrt(2 / 2000), math.sqrt(6 / 2000)),
    "HeNormal": (math.sqrt(2 / 1000), 2 * math.sqrt(2 / 1000) / TRUNCATION),
    "HeUniform": (math.sqrt(2 / 1000), math.sqrt(6 / 1000)),
    "LecunNormal": (math.sqrt(1 / 1000), 2 * math.sqrt(1 / 1000) / TRUNCATION),
    "LecunUniform": (math.sqrt(1 / 1000), math.sqrt(3 / 1000)),
    "Orthogonal": (math.sqrt(1 / 1000), 1.0),
}


@pytest.mark.parametrize("name", RANDOM)
def test_moments_and_bounds(name):
    stddev, bound = EXPECTED[name]
    values = RANDOM[name](seed=3)(LARGE).astype(np.float64)
    assert abs(values.mean()) < 4e-3 * stddev
    assert values.std() == pytest.approx(stddev, rel=4e-3)
    assert np.abs(values).max() <= bound * (1 + 1e-6)
    if math.isfinite(bound) and name != "Orthogonal":
        assert np.abs(values).max() > 0.999 * bound


@pytest.mark.parametrize("name", RANDOM)
def test_moments_of_keras_at_a_shape_of_unequal_fans(name):
    keras = pytest.importorskip("keras")
    shape = (3, 3, 64, 200)
    mine, theirs = (
        np.asarray(module.get({"class_name": name, "config": {"seed": 5}})(shape), np.float64)
        for module in (initializers, keras.initializers)
    )
    assert mine.std() == pytest.approx(theirs.std(), rel=0.02)
    assert np.abs(mine).max() == pytest.approx(np.abs(theirs).max(), rel=0.15)


def test_uniform_fills_its_interval_evenly_and_never_reaches_the_end():
    values = initializers.RandomUniform(1.0, 1.0 + 2**-20, seed=1)((100_000,))
    assert set(np.unique(values)) == {np.float32(1 + k * 2**-23) for k in range(8)}
    counts, _ = np.histogram(initializers.RandomUniform(-2, 6, seed=2)((1_000_000,)), bins=50, range=(-2, 6))
    assert np.abs(counts / 20_000 - 1).max() < 0.05  # seven standard deviations


def test_untruncated_normal_exceeds_two_deviations_as_often_as_it_must():
    values = initializers.VarianceScaling(distribution="untruncated_normal", seed=1)(LARGE) * math.sqrt(1000)
    assert (np.abs(values) > 2).mean() == pytest.approx(0.0455, rel=0.03)
    assert values.std() == pytest.approx(1, rel=4e-3)


@pytest.mark.parametrize("shape", [(5, 5), (3, 8), (8, 3), (3, 3, 4, 2), (1, 2, 40)])
def test_orthogonal(shape):
    matrix = initializers.Orthogonal(gain=2.0, seed=1)(shape).reshape(-1, shape[-1]).astype(np.float64)
    if matrix.shape[0] < matrix.shape[1]:
        matrix = matrix.T
    np.testing.assert_allclose(matrix.T @ matrix, 4 * np.eye(matrix.shape[1]), atol=1e-6)


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_settles_the_bits(name):
    cls = RANDOM[name]
    first = cls(seed=11)
    values = first((4, 3))
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, first((4, 3)))
    np.testing.assert_array_equal(values, cls(seed=11)((4, 3)))
    np.testing.assert_array_equal(values, cls.from_config(json.loads(json.dumps(first.get_config())))((4, 3)))
    assert not np.array_equal(values, cls(seed=12)((4, 3)))
    assert not np.array_equal(cls()((4, 3)), cls()((4, 3)))
    assert not np.array_equal(cls()((4, 3)), cls().clone()((4, 3)))


@pytest.mark.parametrize("name", RANDOM)
def test_a_seed_generator_gives_other_values_in_each_call(name):
    initializer = RANDOM[name](seed=random.SeedGenerator(7))
    first, second = initializer((4, 3)), initializer((4, 3))
    assert not np.array_equal(first, second)
    again = RANDOM[name].from_config(json.loads(json.dumps(initializer.get_config())))
    np.testing.assert_array_equal(again((4, 3)), first)


def test_set_random_seed_starts_the_stream_anew():
    utils.set_random_seed(5)
    first = [initializers.GlorotUniform()((2, 2)), initializers.HeNormal()((2, 2)), np.random.rand()]  # noqa: NPY002
    utils.set_random_seed(5)
    second = [initializers.GlorotUniform()((2, 2)), initializers.HeNormal()((2, 2)), np.random.rand()]  # noqa: NPY002
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
    utils.set_random_seed(6)
    assert not np.array_equal(first[0], initializers.GlorotUniform()((2, 2)))


def test_stream_state_is_kept_and_restored():
    state = random.get_state()
    drawn = [random.next_seed() for _ in range(3)]
    random.set_state(state)
    assert [random.next_seed() for _ in range(3)] == drawn
    assert len({random.SeedGenerator(k).next() for k in range(10_000)}) > 9_990


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "x"])
def test_bad_global_seed(seed):
    with pytest.raises(ValueError, match="seed: expected an integer"):
        utils.set_random_seed(seed)


def test_constants():
    np.testing.assert_array_equal(initializers.Zeros()((2, 3)), np.zeros((2, 3)))
    np.testing.assert_array_equal(initializers.Ones()((2, 3)), np.ones((2, 3)))
    np.testing.assert_array_equal(initializers.Constant(6)((2, 3)), np.full((2, 3), 6))
    np.testing.assert_array_equal(initializers.Constant(np.arange(3))((2, 3)), [[0, 1, 2]] * 2)
    np.testing.assert_array_equal(initializers.Identity(gain=2)((2, 3)), [[2, 0, 0], [0, 2, 0]])
    assert initializers.Zeros()((2,)).dtype == initializers.Constant(1)((2,)).dtype == np.float32
    assert initializers.Identity()((2, 2)).dtype == np.float32


@pytest.mark.parametrize("name", initializers.registry.classes)
def test_configuration_round_trips_and_has_the_keys_of_keras(name):
    keras = pytest.importorskip("keras")
    initializer = initializers.get(name)
    config = initializers.serialize(initializer)
    assert initializers.serialize(initializers.deserialize(json.loads(json.dumps(config)))) == config
    theirs = getattr(keras.initializers, name)().get_config()
    assert config["config"].items() >= theirs.items()  # Keras forgets Identity's gain


@pytest.mark.parametrize("name", ["glorot_normal", "he_uniform", "zeros", "zero", "uniform", "OrthogonalInitializer"])
def test_names_find_what_they_find_in_keras(name):
    keras = pytest.importorskip("keras")
    assert type(initializers.get(name)).__name__ == type(keras.initializers.get(name)).__name__


def test_get_takes_objects_classes_functions_and_arrays():
    zeros = initializers.Zeros()
    assert initializers.get(zeros) is zeros
    assert isinstance(initializers.get(initializers.Ones), initializers.Ones)
    assert initializers.get(None) is None
    function = initializers.get(lambda shape, dtype=None: np.full(shape, 3.0))
    np.testing.assert_array_equal(function((2,)), [3, 3])
    given = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_array_equal(initializers.get(given)((2, 3)), given)
    with pytest.raises(ValueError, match="Expected `shape` to be \\(2, 3\\)"):
        initializers.get(given)((3, 2))
    with pytest.raises(TypeError, match="Expected a name, a configuration, a class or an object for the initializer"):
        initializers.get(3)


def test_an_unknown_name_lists_the_known_ones_the_closest_first():
    with pytest.raises(ValueError, match="Unknown initializer 'glorot_unifrm'; expected one of: glorot_uniform, ") as e:
        initializers.get("glorot_unifrm")
    assert "lecun_normal" in str(e.value)
    with pytest.raises(ValueError, match="dictionary with the keys 'class_name' and 'config'"):
        initializers.deserialize({"config": {}})


def test_classes_of_the_user_are_found_by_name():
    class Halves(initializers.Initializer):
        def __call__(self, shape, dtype=None):
            return np.full(shape, 0.5, np.float32)

    config = initializers.serialize(Halves())
    assert isinstance(initializers.deserialize(config, {"Halves": Halves}), Halves)
    with pytest.raises(ValueError, match="Unknown initializer 'Halves'"):
        initializers.deserialize(config)
    utils.register_serializable(Halves, "Halves")
    assert isinstance(initializers.deserialize(config), Halves)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.VarianceScaling(scale=-1.0), "`scale` must be positive"),
        (lambda: initializers.VarianceScaling(scale="a"), "`scale` must be positive"),
        (lambda: initializers.RandomNormal(mean="a"), "RandomNormal: mean: expected a finite number; received 'a'"),
        (lambda: initializers.TruncatedNormal(stddev=np.nan), "TruncatedNormal: stddev: expected a finite number"),
        (lambda: initializers.RandomUniform("a"), "RandomUniform: minval: expected a finite number; received 'a'"),
        (lambda: initializers.RandomUniform(maxval=None), "RandomUniform: maxval: expected a finite number"),
        (lambda: initializers.Orthogonal("a"), "Orthogonal: gain: expected a finite number; received 'a'"),
        (lambda: initializers.Identity("a"), "Identity: gain: expected a finite number; received 'a'"),
        (lambda: initializers.Constant("a"), "Constant: value: expected a number or an array of numbers; received 'a'"),
        (lambda: initializers.VarianceScaling(mode="fan"), "Invalid `mode` argument: 'fan'. Expected one of: fan_in"),
        (lambda: initializers.VarianceScaling(distribution="x"), "Invalid `distribution` argument: 'x'. Expected one"),
        (lambda: initializers.RandomNormal(seed="x"), "RandomNormal: expected `seed` to be None"),
        (lambda: initializers.RandomNormal(seed=-1), "RandomNormal: expected `seed` to be None"),
        (lambda: initializers.Orthogonal()((3,)), "Orthogonal: expected a shape of two or more dimensions"),
        (lambda: initializers.Identity()((3, 3, 3)), "Identity: expected a shape of two dimensions"),
    ],
)
def test_bad_settings(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_bases_say_what_to_write():
    with pytest.raises(NotImplementedError, match="Initializer must implement __call__"):
        initializers.Initializer()((2,))
    with pytest.raises(NotImplementedError, match="RandomInitializer must implement draw"):
        initializers.RandomInitializer()((2,))


def test_to_categorical():
    np.testing.assert_array_equal(utils.to_categorical([0, 2]), [[1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(utils.to_categorical([[1], [0]], 2), [[0, 1], [1, 0]])
    assert utils.to_categorical(np.zeros((2, 3)), 4).shape == (2, 3, 4)
    with pytest.raises(ValueError, match="expected class numbers from 0 to 1; received 0 to 2"):
        utils.to_categorical([0, 2], 2)
    with pytest.raises(ValueError, match="expected integers; received .*0.5"):
        utils.to_categorical([0.5, 1])
