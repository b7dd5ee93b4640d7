"""The perceptron against scikit-learn's, on every ISA and number of threads, and against scikit-learn's own checks."""

import subprocess
import sys

import numpy as np
import pytest

sklearn = pytest.importorskip("sklearn")

from sklearn.exceptions import ConvergenceWarning  # noqa: E402
from sklearn.linear_model import Perceptron as Theirs  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

import nnfast  # noqa: E402
from nnfast import _core  # noqa: E402
from nnfast.sklearn import Perceptron  # noqa: E402


def make_data(samples=300, features=7, classes=2, overlap=0.5, seed=0):
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(classes, features))
    y = rng.integers(0, classes, samples)
    return centers[y] + overlap * rng.normal(size=(samples, features)), y


def expected_to_fail(estimator):
    # As for scikit-learn's own: one step of twice the length is not two steps, and another sample more or less gives
    # another order.
    return {"check_sample_weight_equivalence_on_dense_data": "a weighted sample is not a repeated one"}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([Perceptron(), Perceptron(penalty="elasticnet")], expected_failed_checks=expected_to_fail)
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


SETTINGS = [
    {},
    {"shuffle": False},
    {"random_state": 7, "eta0": 0.1},
    {"fit_intercept": False},
    {"tol": 1e-2, "n_iter_no_change": 2},
    {"max_iter": 3, "tol": None},
    {"penalty": "l2", "alpha": 0.01, "tol": None, "max_iter": 8},
    {"penalty": "l1", "alpha": 0.01, "tol": None, "max_iter": 8},
    {"penalty": "elasticnet", "alpha": 0.01, "l1_ratio": 0.4, "tol": None, "max_iter": 8},
    {"class_weight": "balanced"},
    {"class_weight": {0: 1.0, 1: 3.5}},
]


if tuple(map(int, sklearn.__version__.split(".")[:2])) >= (1, 9):  # before, the penalty did not count in the stopping
    SETTINGS.append({"penalty": "l2", "alpha": 0.001})


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_same_as_scikit_learn(settings, classes):
    x, y = make_data(classes=classes)
    labels = y if "class_weight" in settings else np.array(["a", "b", "c", "d"])[y]
    weights = np.random.default_rng(1).random(len(y))
    strongest = _core.isa()
    for isa in _core.runnable_isas():
        for sample_weight in (None, weights):
            theirs = Theirs(**settings).fit(x, labels, sample_weight=sample_weight)
            try:
                _core.use_isa(isa)
                ours = Perceptron(**settings).fit(x, labels, sample_weight=sample_weight)
            finally:
                _core.use_isa(strongest)
            np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8, atol=1e-9)
            np.testing.assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-8, atol=1e-9)
            assert ours.n_iter_ == theirs.n_iter_
            np.testing.assert_array_equal(ours.predict(x), theirs.predict(x))
            np.testing.assert_allclose(ours.decision_function(x), theirs.decision_function(x), rtol=1e-8, atol=1e-8)
            assert ours.score(x, labels) == theirs.score(x, labels)


@pytest.mark.parametrize("features", [1, 2, 3, 7, 8, 31, 32, 33, 67])
def test_any_number_of_features(features):
    x, y = make_data(80, features, overlap=0.1)
    strongest = _core.isa()
    expected = Theirs().fit(x, y)
    for isa in _core.runnable_isas():
        try:
            _core.use_isa(isa)
            found = Perceptron().fit(x, y)
        finally:
            _core.use_isa(strongest)
        np.testing.assert_allclose(found.coef_, expected.coef_, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_partial_fit_as_in_scikit_learn(classes):
    x, y = make_data(classes=classes)
    ours, theirs = Perceptron(), Theirs()
    for begin in range(0, 300, 60):
        part = slice(begin, begin + 60)
        ours.partial_fit(x[part], y[part], classes=range(classes))
        theirs.partial_fit(x[part], y[part], classes=range(classes))
        np.testing.assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8, atol=1e-9)


def test_the_same_bits_on_any_number_of_threads():
    x, y = make_data(2000, 40, classes=9, overlap=1.0)
    before = nnfast.get_num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            nnfast.set_num_threads(threads)
            results.append(Perceptron(max_iter=20, tol=None).fit(x, y).coef_)
    finally:
        nnfast.set_num_threads(before)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_the_rule_by_hand():
    x = np.array([[2.0, 1.0], [-1.0, 3.0], [1.0, -2.0]])
    y = np.array([1, 0, 0])
    w, b = np.zeros(2), 0.0
    for row, target in zip(x, np.where(y, 1, -1), strict=True):
        if target * (w @ row + b) <= 0:
            w, b = w + 0.5 * target * row, b + 0.5 * target
    found = Perceptron(eta0=0.5, shuffle=False, max_iter=1, tol=None).fit(x, y)
    np.testing.assert_array_equal(found.coef_, [w])
    np.testing.assert_array_equal(found.intercept_, [b])


def test_it_finds_a_line_where_there_is_one_and_none_for_xor():
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    assert Perceptron(tol=None, max_iter=100).fit(x, [0, 0, 0, 1]).score(x, [0, 0, 0, 1]) == 1
    assert Perceptron(tol=None, max_iter=1000).fit(x, [0, 1, 1, 0]).score(x, [0, 1, 1, 0]) < 1


def test_it_says_when_it_has_not_settled():
    x, y = make_data()
    with pytest.warns(ConvergenceWarning, match="2 passes were not enough to settle; raise max_iter"):
        Perceptron(max_iter=2).fit(x, y)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"penalty": "l3"}, "penalty to be one of .*; received 'l3'"),
        ({"alpha": -1}, "alpha to be a number of at least 0; received -1"),
        ({"l1_ratio": 2}, "l1_ratio to be a number of at least 0 and at most 1; received 2"),
        ({"eta0": 0}, "eta0 to be a number above 0; received 0"),
        ({"max_iter": 1.5}, "max_iter to be an integer of at least 1; received 1.5"),
        ({"n_iter_no_change": 0}, "n_iter_no_change to be an integer of at least 1; received 0"),
        ({"tol": "x"}, "tol to be a number of at least 0; received 'x'"),
    ],
)
def test_parameters_out_of_range(settings, message):
    with pytest.raises(ValueError, match=message):
        Perceptron(**settings).fit(*make_data())


def test_messages():
    x, y = make_data()
    with pytest.raises(ValueError, match="expected at least 2 classes in y; received one class: 0"):
        Perceptron().fit(x, y * 0)
    with pytest.raises(ValueError, match="expected all classes in the first call"):
        Perceptron().partial_fit(x, y)
    with pytest.raises(ValueError, match="expected class_weight as a dictionary"):
        Perceptron(class_weight="balanced").partial_fit(x, y, classes=[0, 1])
    with pytest.raises(ValueError, match="expected the classes of the first call, .*; received"):
        Perceptron().partial_fit(x, y, classes=[0, 1]).partial_fit(x, y, classes=[0, 1, 2])
    with pytest.raises(ValueError, match="expected classes among .*; received"):
        Perceptron().partial_fit(x, y + 1, classes=[0, 1])
    for scale in (1e155, 1e307):  # products overflow, or the weights themselves
        with pytest.raises(
            ValueError, match="the weights or the products with them have overflowed; scale the features"
        ):
            Perceptron().fit(x * scale, y)


def test_the_core_checks_its_arrays():
    x, y = make_data(5, 2)
    settings = {
        "shrink": 1.0, "l1": 0.0, "l1_cost": 0.0, "l2_cost": 0.0, "fit_intercept": True, "shuffle": True,
        "max_iter": 1, "tol": 0.0, "n_iter_no_change": 5, "threads": 1,
    }  # fmt: skip
    labels, weights = y.astype(np.int32), np.ones(5)
    with pytest.raises(ValueError, match="expected x"):
        _core.perceptron(x, labels[:4], weights, [1], [(1, 1)], [0], np.zeros((1, 2)), np.zeros(1), **settings)
    with pytest.raises(ValueError, match="expected a row of coef"):
        _core.perceptron(x, labels, weights, [1], [(1, 1)], [0], np.zeros((1, 3)), np.zeros(1), **settings)
    with pytest.raises(ValueError, match="threads must be"):
        _core.perceptron(
            x, labels, weights, [1], [(1, 1)], [0], np.zeros((1, 2)), np.zeros(1), **{**settings, "threads": 0}
        )


def test_without_scikit_learn():
    program = "import sys; sys.modules['sklearn'] = None; import nnfast; import nnfast.sklearn"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.returncode == 1
    assert "nnfast.sklearn needs scikit-learn, which is not installed: pip install nnfast[sklearn]" in ended.stderr


@pytest.mark.parametrize("name", ["max_iter", "n_iter_no_change", "eta0", "alpha", "tol"])
def test_parameters_beyond_what_the_core_counts_with(name):
    with pytest.raises(ValueError, match=f"expected {name} to be .* and at most .*; received 1"):
        Perceptron(**{name: 2**2000}).fit([[0.0], [1.0]], [0, 1])
