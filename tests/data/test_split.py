import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nnfast.data import train_validation_test_split


@example(sizes=[1, 1, 1, 4], validation_size=0.0, test_size=0.375, seed=0)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    validation_size=st.floats(0, 0.4),
    test_size=st.floats(0, 0.4),
    seed=st.integers(0, 2**32),
)
def test_stratified_parts_are_a_partition_with_the_proportions_of_the_whole(sizes, validation_size, test_size, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    n = len(labels)
    if n - round(validation_size * n) - round(test_size * n) < len(sizes):
        return  # not one sample a class is left to train on
    samples = np.arange(n)
    parts = train_validation_test_split(
        samples, labels, validation_size=validation_size, test_size=test_size, stratify=labels, seed=seed
    )
    np.testing.assert_array_equal(np.sort(np.concatenate([part[0] for part in parts])), samples)
    for part in parts:
        np.testing.assert_array_equal(labels[part[0]], part[1])
    assert len(parts[1][0]) == round(validation_size * n)
    assert len(parts[2][0]) == round(test_size * n)
    counts = np.array([np.bincount(part[1], minlength=len(sizes)) for part in parts])
    assert counts[0].min() >= 1
    expected = np.array([len(part[0]) for part in parts])[:, None] * np.array(sizes) / n
    # One sample by rounding in each of the two draws, and one for each class that kept its last.
    assert np.abs(counts - expected).max() < 2 + len(sizes)


def test_the_seed_decides():
    labels = np.arange(100) % 3
    first, second, other = (
        train_validation_test_split(np.arange(100), stratify=labels, seed=seed)[2] for seed in (7, 7, 8)
    )
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_without_shuffling_the_order_stays():
    parts = train_validation_test_split(np.arange(10), validation_size=2, test_size=0.3, shuffle=False)
    assert [part.tolist() for part in parts] == [[0, 1, 2, 3, 4], [5, 6], [7, 8, 9]]


def test_without_stratification_every_sample_is_used_once():
    parts = train_validation_test_split(np.arange(100), seed=0)
    assert [len(part) for part in parts] == [70, 15, 15]
    assert sorted(np.concatenate(parts)) == list(range(100))
    assert not np.array_equal(parts[0], np.arange(70))


def test_data_frames_stay_data_frames():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": range(10), "b": list("abcdefghij")})
    (train, y_train), _, (test, y_test) = train_validation_test_split(frame, list(range(10)), test_size=4, seed=1)
    assert train.columns.tolist() == ["a", "b"]
    assert train["a"].tolist() == y_train.tolist()
    assert test["a"].tolist() == y_test.tolist()


@pytest.mark.parametrize(
    ("arrays", "options", "message"),
    [
        ([], {}, "at least one array"),
        ([[1, 2], [1]], {}, r"lengths \[2, 1\]"),
        ([[1, 2]], {"stratify": [1]}, r"lengths \[2, 1\]"),
        ([[1, 2]], {"test_size": 2}, "leave none of 2 to train on"),
        ([[1, 2]], {"test_size": 3}, "test_size must be .* received 3"),
        ([[1, 2]], {"test_size": -0.1}, "test_size must be .* received -0.1"),
        ([[1, 2]], {"validation_size": 1.0}, "validation_size must be .* received 1.0"),
        ([[1, 2]], {"validation_size": "half"}, "validation_size must be .* received 'half'"),
        ([[1, 2]], {"validation_size": float("nan")}, "validation_size must be .* received nan"),
        ([[1, 2]], {"stratify": [0, 1], "shuffle": False}, "needs shuffle=True"),
    ],
)
def test_errors(arrays, options, message):
    with pytest.raises(ValueError, match=message):
        train_validation_test_split(*arrays, **options)
