"""How many threads are used by default, and why."""

import os
import subprocess
import sys

import pytest

from nnfast import _core

_EACH_CPU = "one for each CPU that this process may run on"


@pytest.fixture
def files(tmp_path):
    """Writes files below the root that stands in for `/`."""

    def write(**contents):
        for path, text in contents.items():
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")
        return _core.cgroup_quota(str(tmp_path))

    return write


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("max 100000", 0),
        ("200000 100000", 2),
        ("250000 100000", 3),
        ("1000 100000", 1),
        ("9223372036854775807 1", 1_000_000),
        ("200000 0", 0),
        ("-1 100000", 0),
        ("", 0),
        ("nonsense", 0),
    ],
)
def test_quota_of_version_2(files, text, cpus):
    assert files(**{"proc/self/cgroup": "0::/box", "sys/fs/cgroup/box/cpu.max": text}) == cpus


def test_the_tightest_quota_on_the_way_up_counts(files):
    groups = {"proc/self/cgroup": "0::/a/b/c", "sys/fs/cgroup/a/b/c/cpu.max": "800000 100000"}
    assert files(**groups) == 8
    assert files(**{"sys/fs/cgroup/a/b/cpu.max": "max 100000"}) == 8
    assert files(**{"sys/fs/cgroup/a/cpu.max": "300000 100000"}) == 3
    assert files(**{"sys/fs/cgroup/cpu.max": "500000 100000"}) == 3  # as seen inside a container


def test_quota_of_version_1(files):
    groups = "5:memory:/box\n4:cpu,cpuacct:/box\n3:cpuset:/other\n0::/"
    folder = "sys/fs/cgroup/cpu/box/cpu.cfs_"
    assert files(**{"proc/self/cgroup": groups, folder + "quota_us": "-1", folder + "period_us": "100000"}) == 0
    assert files(**{folder + "quota_us": "150000"}) == 2
    # Inside a container the group of that name may not be visible, only its contents at the top.
    top = "sys/fs/cgroup/cpu/cpu.cfs_"
    assert files(**{top + "quota_us": "100000", top + "period_us": "100000"}) == 1


@pytest.mark.parametrize("text", ["", "0", "0::", "0::box", ":::", "1:cpu", "0::/../..", "\0\xff"])
def test_odd_group_files_set_no_limit(files, text):
    assert files(**{"proc/self/cgroup": text}) == 0


def default_threads(**environment):
    program = "import nnfast; from nnfast import _core; print(nnfast.get_num_threads(), _core.num_threads_reason())"
    environment = {**{k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}, **environment}
    command = [sys.executable, "-c", program]
    printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    count, reason = printed.strip().split(" ", 1)
    return int(count), reason


def test_the_default_follows_the_affinity_and_omp_num_threads():
    cpus = os.sched_getaffinity(0)
    quota = _core.cgroup_quota("")
    count, reason = default_threads()
    assert count == (min(len(cpus), quota) if quota else len(cpus))
    assert reason == ("the cgroup's CPU quota" if quota and quota < len(cpus) else _EACH_CPU)
    for text in ("1", "1,4"):
        assert default_threads(OMP_NUM_THREADS=text) == ((1, "OMP_NUM_THREADS") if count > 1 else (1, reason))
    for text in ("1000", "0", "-3", "many", ""):  # no more than there are, and nothing senseless
        assert default_threads(OMP_NUM_THREADS=text) == (count, reason)
    try:
        os.sched_setaffinity(0, {min(cpus)})
        assert default_threads() == (1, _EACH_CPU)
    finally:
        os.sched_setaffinity(0, cpus)
