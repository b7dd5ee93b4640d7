"""Every metric against Keras's, the special ones against scikit-learn and closed forms."""

import json

import numpy as np
import pytest

from keras_results import array
from nnfast import layers, losses, metrics, models, ops, utils
from nnfast.metrics import registry

N, C = 60, 4


def binary(rng):
    y = rng.integers(0, 2, (N, 1))
    return y, np.clip(0.6 * rng.random((N, 1)) + 0.3 * y, 0, 1)


def labels(rng):
    y = rng.integers(0, 2, (N, C))
    return y, np.clip(0.6 * rng.random((N, C)) + 0.3 * y, 0, 1)


def logits(rng):
    y, p = labels(rng)
    return y, np.log(p + 1e-3) - np.log(1 - p + 1e-3)


def classes(rng):
    return rng.integers(0, C, N), rng.dirichlet(np.ones(C), N)


def one_hot(rng):
    y, p = classes(rng)
    return np.eye(C)[y], p


def numbers(rng):
    return rng.integers(0, C, N), rng.integers(0, C, N)


def real(rng):
    return rng.normal(3, 1, (N, C)), rng.normal(3, 1, (N, C))


def positive(rng):
    return rng.uniform(0.1, 3, (N, C)), rng.uniform(0.1, 3, (N, C))


def class_logits(rng):
    y, p = classes(rng)
    return y, np.log(p) + 1


# name, settings, data. Every registered metric that Keras has is here.
CASES = [
    ("Accuracy", {}, numbers),
    ("BinaryAccuracy", {}, binary),
    ("BinaryAccuracy", {"threshold": 0.3}, labels),
    ("CategoricalAccuracy", {}, one_hot),
    ("SparseCategoricalAccuracy", {}, classes),
    ("TopKCategoricalAccuracy", {"k": 2}, one_hot),
    ("SparseTopKCategoricalAccuracy", {"k": 3}, classes),
    *((name, {}, data) for name in ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives")
      for data in (binary, labels)),
    *((name, {"thresholds": [0.8, 0.15, 0.5]}, labels) for name in
      ("TruePositives", "TrueNegatives", "FalsePositives", "FalseNegatives")),
    *((name, settings, labels) for name in ("Precision", "Recall")
      for settings in ({}, {"thresholds": [0.1, 0.7]}, {"thresholds": [0.0, 0.5, 1.0]}, {"top_k": 2},
                       {"class_id": 1}, {"top_k": 2, "class_id": 3}, {"thresholds": 0.3, "top_k": 3})),
    *((name, {"num_thresholds": n, key: value}, binary)
      for name, key in (("SensitivityAtSpecificity", "specificity"), ("SpecificityAtSensitivity", "sensitivity"),
                        ("PrecisionAtRecall", "recall"), ("RecallAtPrecision", "precision"))
      for n, value in ((200, 0.7), (50, 0.3), (2, 0.1), (1, 0.5))),
    ("RecallAtPrecision", {"precision": 0.6, "class_id": 2}, labels),
    *(("AUC", {"curve": curve, "summation_method": method, "num_thresholds": n}, binary)
      for curve in ("ROC", "PR", "PRGAIN") for method in ("interpolation", "majoring", "minoring") for n in (200, 7)),
    ("AUC", {"multi_label": True, "num_thresholds": 30}, labels),
    ("AUC", {"multi_label": True, "label_weights": [1.0, 2.0, 0.5, 3.0], "curve": "PR"}, labels),
    ("AUC", {"label_weights": [1.0, 2.0, 0.5, 3.0]}, labels),
    ("AUC", {"thresholds": [0.1, 0.35, 0.6]}, binary),
    ("AUC", {"from_logits": True}, logits),
    *((name, {"average": average, "threshold": threshold}, data)
      for name in ("F1Score", "FBetaScore") for average in (None, "micro", "macro", "weighted")
      for threshold, data in ((None, one_hot), (0.4, labels))),
    ("FBetaScore", {"beta": 2.0}, one_hot),
    ("MeanSquaredError", {}, real),
    ("RootMeanSquaredError", {}, real),
    ("MeanAbsoluteError", {}, real),
    ("MeanAbsolutePercentageError", {}, positive),
    ("MeanSquaredLogarithmicError", {}, positive),
    ("LogCoshError", {}, real),
    ("Hinge", {}, logits),
    ("SquaredHinge", {}, logits),
    ("CategoricalHinge", {}, one_hot),
    ("KLDivergence", {}, labels),
    ("Poisson", {}, positive),
    ("BinaryCrossentropy", {"label_smoothing": 0.1}, labels),
    ("BinaryCrossentropy", {"from_logits": True}, logits),
    ("CategoricalCrossentropy", {"label_smoothing": 0.1}, one_hot),
    ("CategoricalCrossentropy", {"from_logits": True}, one_hot),
    ("SparseCategoricalCrossentropy", {}, classes),
    ("SparseCategoricalCrossentropy", {"ignore_class": 1}, classes),
    ("SparseCategoricalCrossentropy", {"from_logits": True}, class_logits),
    ("CosineSimilarity", {}, real),
    ("CosineSimilarity", {"axis": 0}, real),
    *(("R2Score", {"class_aggregation": how, "num_regressors": n}, real)
      for how in ("uniform_average", "variance_weighted_average", None) for n in (0, 3)),
    ("IoU", {"num_classes": C, "target_class_ids": [0, 2]}, numbers),
    ("IoU", {"num_classes": C, "target_class_ids": [1], "sparse_y_pred": False}, classes),
    ("MeanIoU", {"num_classes": C}, numbers),
    ("MeanIoU", {"num_classes": C, "ignore_class": 1}, numbers),
    ("MeanIoU", {"num_classes": C + 2}, numbers),
    ("BinaryIoU", {"threshold": 0.4}, binary),
    ("BinaryIoU", {"target_class_ids": [1]}, labels),
    ("OneHotIoU", {"num_classes": C, "target_class_ids": [0, 3]}, one_hot),
    ("OneHotMeanIoU", {"num_classes": C}, one_hot),
]  # fmt: skip
REDUCTIONS = {"Mean", "Sum", "MeanMetricWrapper"}
OURS = {"ConfusionMatrix"}
# Keras's confusion matrix is of integers, and its weights with it, unless it is told otherwise.
WITH_FLOAT_WEIGHTS = {"IoU", "MeanIoU", "BinaryIoU", "OneHotIoU", "OneHotMeanIoU"}


def identify(case):
    return f"{case[0]}-{case[2].__name__}-{'-'.join(map(str, case[1].values()))}"


def test_every_metric_is_compared():
    assert {name for name, _, _ in CASES} | REDUCTIONS | OURS == set(registry.classes)


@pytest.mark.parametrize("weighted", [False, True], ids=["plain", "weighted"])
@pytest.mark.parametrize("case", CASES, ids=identify)
def test_as_keras(case, weighted):
    keras = pytest.importorskip("keras")
    name, settings, data = case
    mine = getattr(metrics, name)(**settings)
    theirs = getattr(keras.metrics, name)(**settings, **({"dtype": "float32"} if name in WITH_FLOAT_WEIGHTS else {}))
    rng = np.random.default_rng(1)
    for _ in range(3):
        y_true, y_pred = data(rng)
        y_pred = y_pred.astype(np.float32) if y_pred.dtype.kind == "f" else y_pred
        weights = {"sample_weight": rng.random(N).astype(np.float32)} if weighted else {}
        if name == "CosineSimilarity" and settings and weighted:
            weights = {"sample_weight": rng.random(C).astype(np.float32)}
        if name in WITH_FLOAT_WEIGHTS and weighted and y_true.size > len(y_true) and data is labels:
            weights = {"sample_weight": rng.random((N, C)).astype(np.float32)}
        mine.update_state(y_true, y_pred, **weights)
        theirs.update_state(y_true, y_pred, **weights)
    want = array(theirs.result())
    got = mine.result()
    assert np.asarray(got).dtype == np.float32 and np.shape(got) == want.shape
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=1e-6)
    assert mine.state_names == () or [v.name for v in mine.variables] == list(mine.state_names)
    assert mine._direction == getattr(theirs, "_direction", None) or getattr(theirs, "_direction", None) is None


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_configuration_round_trips(case):
    name, settings, data = case
    metric = getattr(metrics, name)(**settings, name="mine")
    config = json.loads(json.dumps(metrics.serialize(metric)))
    again = metrics.deserialize(config)
    assert type(again) is type(metric) and metrics.serialize(again) == metrics.serialize(metric)
    assert again.name == "mine"
    y_true, y_pred = data(np.random.default_rng(2))
    np.testing.assert_array_equal(metric(y_true, y_pred), again(y_true, y_pred))


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_reset_forgets(case):
    name, settings, data = case
    rng = np.random.default_rng(3)
    metric, fresh = (getattr(metrics, name)(**settings) for _ in range(2))
    metric.update_state(*data(rng))
    metric.reset_state()
    y_true, y_pred = data(rng)
    np.testing.assert_array_equal(metric(y_true, y_pred), fresh(y_true, y_pred))


def nothing(y_true, y_pred):
    return ops.mean(y_pred, axis=-1) * 0.0


@pytest.mark.parametrize("case", CASES, ids=identify)
def test_in_planned_steps(case):
    name, settings, data = case
    if name == "CosineSimilarity" and settings:
        return  # along the batch, whose size a step settles
    y_true, y_pred = data(np.random.default_rng(4))
    y_pred = y_pred.astype(np.float32).reshape(N, -1)
    weight = np.random.default_rng(5).random(N).astype(np.float32)
    model = models.Sequential([layers.Input(y_pred.shape[1:]), layers.Activation("linear")])
    plain, weighted = (getattr(metrics, name)(**settings, name=label) for label in ("plain", "weighted"))
    model.compile(loss=nothing, metrics=[plain], weighted_metrics=[weighted])
    figures = model.evaluate(y_pred, y_true, batch_size=16, sample_weight=weight, verbose=0, return_dict=True)
    for label, weights in (("plain", None), ("weighted", weight)):
        want = getattr(metrics, name)(**settings)
        want.update_state(y_true, y_pred, weights)
        np.testing.assert_allclose(figures[label], want.result(), rtol=1e-5, atol=1e-6)


class TestReductions:
    def test_mean_and_sum(self):
        mean, total = metrics.Mean(), metrics.Sum()
        assert mean.result() == total.result() == 0
        for values, weight in (([1, 3, 5, 7], None), ([2.0], None)):
            mean.update_state(values, weight)
            total.update_state(values, weight)
        assert mean.result() == np.float32(18 / 5) and total.result() == 18
        assert mean.total == 18 and mean.count == 5 and float(mean.variables[0]) == 18
        assert mean.variables[1].numpy() == 5 and mean.variables[1].shape == ()
        assert "mean/count value=5" in repr(mean.variables[1])

    @pytest.mark.parametrize(
        ("weight", "mean", "total"),
        [
            ([1, 0], 2.0, 4.0),
            ([[1], [0]], 2.0, 4.0),
            ([[1, 1], [1, 0]], 3.0, 9.0),
            ([[1, 0]], 3.0, 6.0),
            (2.0, 4.0, 32.0),
            ([0, 0], 0.0, 0.0),
            ([-1, 0], 2.0, -4.0),
        ],
    )
    def test_weights(self, weight, mean, total):
        values = [[1, 3], [5, 7]]
        assert metrics.Mean()(values, sample_weight=weight) == mean
        assert metrics.Sum()(values, sample_weight=weight) == total

    def test_weights_with_more_axes_than_values(self):
        assert metrics.MeanSquaredError()([[0, 0], [0, 0]], [[1, 1], [2, 2]], [[1, 2], [3, 0]]) == np.float32(15 / 6)

    def test_many_batches_do_not_drift(self):
        mean = metrics.Mean()
        for _ in range(3):
            mean.add([np.float32(1e8), np.float32(1e7)])
        mean.add([np.float32(1), np.float32(1)])
        assert mean.total == 3e8 + 1 and mean.count == 3e7 + 1

    def test_wrapper(self):
        def double_error(y_true, y_pred, factor=2):
            return ops.abs(y_true - y_pred) * factor

        metric = metrics.MeanMetricWrapper(double_error, factor=3)
        assert metric.name == "double_error" and metric([1.0, 2.0], [2.0, 4.0]) == 4.5
        again = metrics.MeanMetricWrapper.from_config(metric.get_config())
        assert again([1.0, 2.0], [2.0, 4.0]) == 4.5
        with pytest.raises(ValueError, match="Unknown metric function 'double_error'; make it known by"):
            metrics.MeanMetricWrapper.from_config({"fn": "double_error"})
        utils.register_serializable(double_error)
        config = json.loads(json.dumps(metric.get_config()))
        assert metrics.MeanMetricWrapper.from_config(config)([1.0, 2.0], [2.0, 4.0]) == 4.5
        known = metrics.MeanMetricWrapper(losses.mean_squared_error).get_config()
        assert known["fn"] == "mean_squared_error"


class TestOwnMetrics:
    def test_by_sums(self):
        class Largest(metrics.Metric):
            def compute(self, y_true, y_pred, sample_weight=None):
                return (ops.sum(ops.abs(y_true - y_pred)),)

            def result(self):
                return self.totals[0]

        metric = Largest()
        assert metric.name == "largest" and metric(np.ones(1), np.full(1, 3.0)) == 2
        assert metric(np.ones(1), np.full(1, 2.0)) == 3

    def test_by_variables_as_in_keras(self):
        class Wrong(metrics.Metric):
            def __init__(self, name="wrong", **kwargs):
                super().__init__(name=name, **kwargs)
                self.wrong = self.add_weight(name="wrong", initializer="zeros")

            def update_state(self, y_true, y_pred, sample_weight=None):
                self.wrong.assign_add(np.sum(np.not_equal(y_true, y_pred)))

            def result(self):
                return self.wrong.value

        metric = Wrong()
        metric.update_state([1, 2], [1, 3])
        assert metric([1, 2], [0, 3]) == 3 and [v.name for v in metric.variables] == ["wrong"]
        metric.reset_state()
        assert metric.result() == 0 and metric.compute([1], [2]) == ()

    def test_what_is_missing(self):
        with pytest.raises(NotImplementedError, match="Metric must define compute"):
            metrics.Metric().update_state(1, 2)
        with pytest.raises(NotImplementedError, match="Metric must define result"):
            metrics.Metric().result()
        with pytest.raises(AttributeError, match="'Mean' object has no attribute 'totl'"):
            metrics.Mean().totl  # noqa: B018


class TestAgainstScikitLearn:
    sklearn = pytest.importorskip("sklearn.metrics")

    def data(self):
        rng = np.random.default_rng(5)
        y = rng.integers(0, 2, 500)
        return y, np.round(0.7 * rng.random(500) + 0.25 * y, 2).astype(np.float32), rng.random(500).astype(np.float32)

    def test_area_under_the_roc_curve(self):
        y, p, weight = self.data()
        # Between any two predictions, which are multiples of 0.01, lies a threshold.
        metric = metrics.AUC(thresholds=np.arange(0.005, 1, 0.01))
        want = self.sklearn.roc_auc_score(y, p, sample_weight=weight)
        assert metric(y, p, weight) == pytest.approx(want, abs=1e-6)
        assert metrics.AUC(2000)(y, p, weight) == pytest.approx(want, abs=1e-3)

    def test_area_under_the_precision_recall_curve(self):
        y, p, weight = self.data()
        lower, upper = (metrics.AUC(2000, "pr", method)(y, p, weight) for method in ("minoring", "majoring"))
        assert lower - 1e-3 < self.sklearn.average_precision_score(y, p, sample_weight=weight) < upper + 1e-3
        assert upper - lower < 0.05

    def test_precision_recall_and_f(self):
        y, p, weight = self.data()
        decided = p > 0.5
        for metric, want in (
            (metrics.Precision(), self.sklearn.precision_score),
            (metrics.Recall(), self.sklearn.recall_score),
        ):
            assert metric(y, p, weight) == pytest.approx(want(y, decided, sample_weight=weight), rel=1e-6)
        f1 = metrics.F1Score(threshold=0.5)(y[:, None], p[:, None], weight)
        assert f1 == pytest.approx([self.sklearn.f1_score(y, decided, sample_weight=weight)], rel=1e-5)

    def test_confusion_matrix(self):
        rng = np.random.default_rng(6)
        y, p, weight = rng.integers(0, 5, 300), rng.random((300, 5)).astype(np.float32), rng.random(300)
        weight = weight.astype(np.float32)
        metric = metrics.ConfusionMatrix(5)
        for part in np.array_split(np.arange(300), 3):
            metric.update_state(y[part], p[part], weight[part])
        want = self.sklearn.confusion_matrix(y, p.argmax(-1), sample_weight=weight)
        np.testing.assert_allclose(metric.result(), want, rtol=1e-6)
        np.testing.assert_array_equal(
            metrics.ConfusionMatrix(5)(np.eye(5)[y], p), self.sklearn.confusion_matrix(y, p.argmax(-1))
        )
        np.testing.assert_array_equal(
            metrics.ConfusionMatrix(5, sparse_y_pred=True)(y[:, None], p.argmax(-1)),
            self.sklearn.confusion_matrix(y, p.argmax(-1)),
        )

    def test_r2(self):
        rng = np.random.default_rng(7)
        y, p, weight = rng.normal(5, 1, (90, 3)), rng.normal(5, 1, (90, 3)), rng.random(90).astype(np.float32)
        for how in ("uniform_average", "variance_weighted_average"):
            name = how.removesuffix("_average") if how.startswith("variance") else how
            want = self.sklearn.r2_score(y, p, sample_weight=weight, multioutput=name)
            assert metrics.R2Score(how)(y, p, weight) == pytest.approx(want, abs=2e-5)


class TestConfusionMatrix:
    def test_what_is_no_class_is_left_out(self):
        matrix = metrics.ConfusionMatrix(3, ignore_class=2, sparse_y_pred=True)
        np.testing.assert_array_equal(
            matrix([0, 1, 2, -1, 5, 1], [0, 0, 1, 0, 0, 7]), [[1, 0, 0], [1, 0, 0], [0, 0, 0]]
        )
        np.testing.assert_array_equal(metrics.ConfusionMatrix(2).result(), np.zeros((2, 2)))

    @pytest.mark.parametrize("wrong", [0, -1, 5000])
    def test_number_of_classes(self, wrong):
        with pytest.raises(ValueError, match=f"expected num_classes from 1 to 4096; received {wrong}"):
            metrics.ConfusionMatrix(wrong)

    def test_wrong_settings(self):
        with pytest.raises(ValueError, match="Target class id 4 is out of range"):
            metrics.IoU(4, [1, 4])
        with pytest.raises(ValueError, match="expected the classes along the last axis, axis=-1; received 1"):
            metrics.MeanIoU(4, axis=1)

    def test_binary_class_numbers(self):
        assert metrics.BinaryIoU([1], threshold=None)([0, 1, 1], [1, 1, 0]) == np.float32(1 / 3)


class TestThresholds:
    def test_predictions_on_a_threshold_are_not_above_it(self):
        for thresholds in ([0.5], [0.0, 0.5, 1.0], [0.2, 0.5]):
            metric = metrics.TruePositives(thresholds=thresholds)
            metric.update_state([1, 1, 1, 1, 1], [0.0, 0.2, 0.5, 0.75, 1.0])
            above = [sum(np.float32(p) > np.float32(t) for p in (0.0, 0.2, 0.5, 0.75, 1.0)) for t in thresholds]
            np.testing.assert_array_equal(np.ravel(metric.result()), above)

    def test_logits_and_predictions_out_of_range(self):
        assert metrics.Precision(thresholds=0)([0, 1, 1], [-3.0, 4.0, -1.0]) == 1
        counts = metrics.TruePositives(thresholds=[0.0, 0.5, 1.0])
        np.testing.assert_array_equal(counts([1, 1, 1], [-2.0, 0.7, 9.0]), [2, 2, 1])
        assert metrics.AUC()([0, 1, 1], [-2.0, 0.7, 9.0]) == 1

    def test_top_k_of_equal_predictions_takes_the_first(self):
        metric = metrics.Precision(top_k=2)
        assert metric([[1, 0, 1, 1]], [[0.5, 0.5, 0.5, 0.1]]) == 0.5
        assert metrics.Recall(top_k=9)([[1, 0, 1]], [[0.5, 0.5, 0.5]]) == 1

    def test_one_class_has_no_area(self):
        assert metrics.AUC()([1, 1], [0.2, 0.9]) == 0
        assert metrics.AUC("nan" and 3, multi_label=True).result() == 0

    def test_states_before_and_after(self):
        auc = metrics.AUC(5, multi_label=True)
        assert auc.true_positives.shape == (5, 1)
        auc.update_state(np.ones((3, 2)), np.ones((3, 2)))
        np.testing.assert_array_equal(auc.true_positives, [[3, 3]] * 4 + [[0, 0]])
        auc.reset_state()
        np.testing.assert_array_equal(auc.true_positives, np.zeros((5, 2)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: metrics.Precision(thresholds=[-1, 0.5, 2]),
            r"Threshold values must be in \[0, 1\]. Received: \[-1, 2\]",
        ),
        (lambda: metrics.Recall(thresholds=[]), r"Threshold values must be in \[0, 1\]. Received: \[\]"),
        (lambda: metrics.Precision(class_id=1)([0, 1], [0.1, 0.2]), "y_pred must be a 2D array with shape"),
        (lambda: metrics.Precision()([0, 1], [[0.1, 0.2]] * 2), "precision: expected targets of the shape of the pred"),
        (lambda: metrics.PrecisionAtRecall(1.5), r"`recall` must be in the range \[0, 1\]. Received: recall=1.5"),
        (lambda: metrics.RecallAtPrecision(0.5, num_thresholds=0), "`num_thresholds` must be an integer > 0"),
        (lambda: metrics.AUC(1), "`num_thresholds` must be an integer > 1"),
        (lambda: metrics.AUC(None), "`num_thresholds` must be an integer > 1"),
        (lambda: metrics.AUC(curve="X"), 'Invalid AUC curve value: "X". Expected one of: "ROC", "PR", "PRGAIN"'),
        (lambda: metrics.AUC(summation_method="X"), 'Invalid AUC summation method value: "X". Expected one of: "int'),
        (lambda: metrics.AUC(num_labels=2), "`num_labels` is needed only when `multi_label` is True"),
        (
            lambda: metrics.AUC(multi_label=True)([0, 1], [0.1, 0.2]),
            "`y_pred` must have rank 2 when `multi_label=True`",
        ),
        (
            lambda: metrics.AUC(label_weights=[1, 2])([[0]], [[0.1]]),
            "expected a label weight for each of 1 labels; rec",
        ),
        (lambda: metrics.F1Score()([0, 1], [0.1, 0.2]), "FBetaScore expects 2D inputs with shape"),
        (lambda: metrics.F1Score("x"), "Invalid `average` argument value"),
        (lambda: metrics.FBetaScore(beta=2), "Invalid `beta` argument value. It should be a Python float"),
        (lambda: metrics.FBetaScore(beta=-1.0), "Invalid `beta` argument value. It should be > 0"),
        (lambda: metrics.F1Score(threshold=1), "Invalid `threshold` argument value. It should be a Python float"),
        (lambda: metrics.F1Score(threshold=1.5), "It should verify 0 < threshold <= 1. Received: threshold=1.5"),
        (lambda: metrics.R2Score("x"), "Invalid value for argument `class_aggregation`"),
        (lambda: metrics.R2Score(num_regressors=-1), "Invalid value for argument `num_regressors`"),
        (lambda: metrics.R2Score()([0.0, 1.0], [0.0, 1.0]), "R2Score expects 2D inputs with shape"),
        (lambda: metrics.get("accurac"), "Unknown metric 'accurac'; expected one of: accuracy, "),
    ],
)
def test_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_an_adjusted_r2_of_too_few_points_warns():
    with pytest.warns(UserWarning, match="The adjusted R2 score of 3 data points needs fewer than 2 regressors"):
        metrics.R2Score(num_regressors=2)([[1.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]])


@pytest.mark.parametrize("name", ["mse", "MAE", "auc", "precision", "top_k_categorical_accuracy", "Recall"])
def test_names_find_what_they_find_in_keras(name):
    keras = pytest.importorskip("keras")
    assert type(metrics.get(name)).__name__ == type(keras.metrics.get(name)).__name__


def test_a_metric_by_variables_in_planned_steps():
    class Largest(metrics.Metric):
        def __init__(self):
            super().__init__(name="largest")
            self.largest = self.add_variable()

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.largest.assign(ops.maximum(self.largest, ops.max(y_pred)))

        def result(self):
            return self.largest.value

    x = np.random.default_rng(6).random((50, 1)).astype(np.float32)
    model = models.Sequential([layers.Input((1,)), layers.Activation("linear")])
    model.compile(loss="mse", metrics=[Largest()])
    assert model.evaluate(x, x, batch_size=8, verbose=0)[1] == x.max()
    assert model.evaluate(x / 2, x, batch_size=8, verbose=0)[1] == x.max() / 2


def test_figures_go_by_the_names_given():
    model = models.Sequential([layers.Input((1,)), layers.Activation("linear")])
    model.compile(loss="mse", metrics=["mse", "mean_absolute_error", metrics.MeanSquaredError(), "acc"])
    x = np.ones((4, 1), np.float32)
    names = list(model.evaluate(x, x, verbose=0, return_dict=True))
    assert names == ["loss", "mse", "mean_absolute_error", "mean_squared_error", "acc"]
