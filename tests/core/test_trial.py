"""Whether repeated work of microseconds is shared among the threads: by trial."""

import pytest

from nnfast import _core


def run(trial, count, alone, shared, *, threads=2, guess=True):
    """Runs that take so many nanoseconds; returns which of them were shared."""
    modes = []
    for i in range(count):
        modes.append(trial.shares_next(threads, guess))
        trial.took((shared if modes[-1] else alone)(i))
    return modes


def steady(ns):
    return lambda _: ns


@pytest.mark.parametrize("guess", [True, False])
@pytest.mark.parametrize(("alone", "shared", "choice"), [(50_000, 40_000, True), (40_000, 50_000, False)])
def test_the_faster_way_is_kept(guess, alone, shared, choice):
    modes = run(_core.Trial(), 200, steady(alone), steady(shared), guess=guess)
    assert modes[0] is guess  # a single run goes by its cost
    assert True in modes[:24]
    assert False in modes[:24]
    assert set(modes[24:]) == {choice}


def test_most_runs_of_a_long_training_go_the_faster_way():
    modes = run(_core.Trial(), 20_000, steady(45_000), steady(55_000))
    assert modes.count(True) < 200


def test_a_choice_is_revised_when_the_machine_has_changed():
    trial = _core.Trial()
    assert run(trial, 100, steady(50_000), steady(40_000))[-1]
    assert not run(trial, 1_000, steady(50_000), steady(3_000_000))[-1]


def test_single_slow_runs_decide_nothing():
    # One in seven meets other work of the machine.
    shared = lambda i: 4_000_000 if i % 7 == 0 else 40_000  # noqa: E731
    assert run(_core.Trial(), 100, steady(50_000), shared)[-1]


def test_another_number_of_threads_is_tried_anew():
    trial = _core.Trial()
    assert not run(trial, 100, steady(40_000), steady(50_000))[-1]
    assert run(trial, 100, steady(40_000), steady(20_000), threads=4)[-1]
