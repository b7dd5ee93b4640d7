import numpy as np
import pytest

from nnfast.datasets import digits


def test_the_split_is_stratified_and_repeatable():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1438, 8, 8)
    assert x_test.shape == (359, 8, 8)
    assert x_train.dtype == np.uint8
    assert y_train.dtype == y_test.dtype == np.int32
    counts_train, counts_test = np.bincount(y_train), np.bincount(y_test)
    assert len(counts_train) == len(counts_test) == 10
    np.testing.assert_allclose(counts_test, 0.2 * (counts_train + counts_test), atol=1)
    (again, _), _ = digits.load_data()
    np.testing.assert_array_equal(x_train, again)
    (other, _), _ = digits.load_data(seed=1)
    assert not np.array_equal(x_train, other)


def test_it_is_the_data_that_scikit_learn_has():
    load_digits = pytest.importorskip("sklearn.datasets").load_digits
    (x_train, y_train), (x_test, y_test) = digits.load_data(test_size=0.5, seed=3)
    ours = {(x.tobytes(), int(y)) for x, y in zip([*x_train, *x_test], [*y_train, *y_test], strict=True)}
    theirs = load_digits()
    assert ours == {(x.astype(np.uint8).tobytes(), int(y)) for x, y in zip(theirs.images, theirs.target, strict=True)}
    assert len(x_train) + len(x_test) == len(theirs.images)
