"""Where buffers lie in an arena: a pure function of sizes and lifetimes."""

from hypothesis import given
from hypothesis import strategies as st

from nnfast import _core

LINE = 16  # floats: offsets are on cache lines

lifetimes = st.lists(
    st.tuples(st.integers(0, 1000), st.integers(0, 20), st.integers(0, 20)).map(
        lambda b: (b[0], min(b[1:]), max(b[1:]))
    ),
    max_size=40,
)


def rounded(size):
    return -(-size // LINE) * LINE


def peak(buffers):
    """The most that lives at one step, which no arena can be smaller than."""
    steps = range(max((last for _, _, last in buffers), default=0) + 1)
    return max(sum(rounded(size) for size, first, last in buffers if first <= step <= last) for step in steps)


@given(lifetimes)
def test_no_two_live_buffers_overlap(buffers):
    offsets, size = _core.lay_out(buffers)
    assert len(offsets) == len(buffers)
    for i, (offset, (length, first, last)) in enumerate(zip(offsets, buffers, strict=True)):
        assert offset % LINE == 0
        assert 0 <= offset <= offset + length <= size
        for other, (other_length, other_first, other_last) in zip(offsets[:i], buffers[:i], strict=True):
            together = first <= other_last and other_first <= last
            assert not together or offset >= other + other_length or other >= offset + length


@given(lifetimes)
def test_the_arena_is_no_smaller_than_needed_and_no_larger_than_all(buffers):
    _, size = _core.lay_out(buffers)
    assert peak(buffers) <= size <= sum(rounded(length) for length, _, _ in buffers)


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20))
def test_buffers_that_live_one_after_the_other_share_a_place(sizes):
    offsets, size = _core.lay_out([(length, step, step) for step, length in enumerate(sizes)])
    assert set(offsets) == {0}
    assert size == max(rounded(length) for length in sizes)


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=20))
def test_a_chain_needs_two_neighbours_at_a_time(sizes):
    """What an inference does: each step reads the buffer before and writes its own."""
    chain = [(length, step, step + 1) for step, length in enumerate(sizes)]
    _, size = _core.lay_out(chain)
    assert peak(chain) <= size <= 1.5 * peak(chain) + LINE


def test_nothing_needs_nothing():
    assert _core.lay_out([]) == ([], 0)
    assert _core.lay_out([(0, 0, 5), (0, 2, 3)]) == ([0, 0], 0)
