"""The rules of cpp/README.md that a reader of the sources can check: who includes whom, and what may stand where."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for path in (ROOT / "cpp").rglob("*") if path.suffix in {".h", ".cpp", ".inc"})
KERNELS = [path for path in SOURCES if path.parent.name == "kernels"]

# A folder's files may include those of the folders named here. Data flows down this list and never back up.
MAY_INCLUDE = {
    "bindings": {"bindings", "graph", "ops", "dispatch", "kernels", "core"},
    "graph": {"graph", "ops", "dispatch", "kernels", "core"},
    "ops": {"ops", "dispatch", "kernels", "core"},
    "dispatch": {"dispatch", "kernels", "core"},
    "kernels": {"kernels"},
    "core": {"core"},
}
# From outside the kernels only their table is seen; the rest is compiled once per ISA.
KERNEL_INTERFACE = {"kernels/kernels.h", "kernels/activations.h", "kernels/elementwise.h"}
# No C++ library header in a kernel: a function template of theirs would be compiled under each ISA's flags, and the
# linker keeps any one of the copies, perhaps the AVX-512 one.
KERNEL_SYSTEM_HEADERS = {"cstdint", "cstddef", "stdint.h", "stddef.h", "immintrin.h", "arm_neon.h"}


def name(path):
    return str(path.relative_to(ROOT))


def code(path):
    """The text without comments, strings kept."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)


def test_there_are_sources():
    assert {path.relative_to(ROOT / "cpp").parts[0] for path in SOURCES} <= {*MAY_INCLUDE, "README.md"}
    assert len(KERNELS) > 2


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_includes_follow_the_layers(path):
    folder = path.parent.name
    for header in re.findall(r'^\s*#\s*include\s+"([^"]+)"', code(path), flags=re.MULTILINE):
        if header == "isa_list.inc":  # written by CMake
            assert folder == "dispatch"
            continue
        assert "/" in header, f'{name(path)} includes "{header}": name its folder too, from cpp/'
        target = header.split("/")[0]
        assert target in MAY_INCLUDE[folder], f'{name(path)} must not include "{header}": it is above or beside it'
        if target == "kernels" and folder != "kernels":
            assert header in KERNEL_INTERFACE, f'{name(path)} includes "{header}": only the table is for all'


@pytest.mark.parametrize("path", KERNELS, ids=name)
def test_kernels_are_plain(path):
    text = code(path)
    for header in re.findall(r"^\s*#\s*include\s+<([^>]+)>", text, flags=re.MULTILINE):
        assert header in KERNEL_SYSTEM_HEADERS, f"{name(path)} includes <{header}>"
    for word in ("throw", "malloc", "free", "new", "thread_local", "mutex"):
        assert not re.search(rf"\b{word}\b", text), f"{name(path)}: a kernel must not use `{word}`"


@pytest.mark.parametrize("path", [path for path in SOURCES if path.suffix == ".h"], ids=name)
def test_headers_are_included_once(path):
    assert "#pragma once" in path.read_text()


def test_one_file_opens_openmp_regions():
    users = [name(path) for path in SOURCES if re.search(r"#\s*pragma\s+omp\s+(?!simd)|<omp\.h>", code(path))]
    assert users == ["cpp/core/crew.cpp"]
    # And one opens threads: the same, for a region that lasts.
    assert users == [
        name(path) for path in SOURCES if re.search(r"std::(jthread|thread|async)\b|pthread_create", code(path))
    ]


def test_nothing_loosens_floating_point():
    """-ffast-math breaks NaN, and linking with it makes the whole process flush denormal numbers to zero."""
    build_files = [ROOT / "CMakeLists.txt", ROOT / "pyproject.toml", *(ROOT / "cpp").rglob("*.cmake")]
    pattern = r"fast-math|Ofast|finite-math|unsafe-math|associative-math|march=native|pragma\s+GCC\s+optimize"
    for path in build_files:
        assert not re.search(pattern, re.sub(r"#[^\n]*", "", path.read_text())), name(path)
    for path in SOURCES:
        assert not re.search(pattern, code(path)), name(path)
