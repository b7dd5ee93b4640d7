"""The flags of each instruction set against the CPU features that gate it."""

import re
from pathlib import Path

LISTING = (Path(__file__).parents[2] / "cpp" / "kernels" / "isa.cmake").read_text()

# What GCC may use at each level beyond the one before (x86-64 psABI, "Micro-architecture levels"), by the names of
# __builtin_cpu_supports. SSE3 to SSE4.2 are left out: every CPU with AVX has them.
LEVELS = {
    "x86-64": set(),
    "x86-64-v3": {"popcnt", "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"},
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}


def test_the_gate_names_every_feature_that_the_flags_allow():
    lines = re.findall(r'nnfast_isa\((\w+) "-march=([\w-]+)" "([^"]*)"\)', LISTING)
    assert len(lines) == LISTING.count('"-march=')  # flags beyond a level would need a row in the table
    for name, level, gate in lines:
        levels = list(LEVELS)
        allowed = set().union(*(LEVELS[lower] for lower in levels[: levels.index(level) + 1]))
        assert allowed <= set(gate.split(";")), name
