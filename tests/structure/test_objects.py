"""What the compiled objects promise: no kernel of one instruction set can stand in for that of another.

An inline function compiled under two sets of flags is a weak symbol, of which the linker keeps any one copy, perhaps
the AVX-512 one; the program then dies of an illegal instruction on a smaller CPU. And code outside the kernels must
run on every CPU of the architecture.
"""

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# All that a kernel may call from outside. GCC turns loops and struct copies into these.
ALLOWED = {"memcpy", "memset", "memmove", "memcmp", "_GLOBAL_OFFSET_TABLE_"}


def find_objects():
    """The objects of the newest build under build/: {object library: [object]}."""
    builds = {}
    for path in (ROOT / "build").glob("**/CMakeFiles/*.dir/cpp/**/*.o"):
        library, _, source = str(path.relative_to(ROOT / "build")).partition(".dir/")
        if (ROOT / source.removesuffix(".o")).exists():
            build, _, library = library.partition("CMakeFiles/")
            builds.setdefault(build, {}).setdefault(library, []).append(path)

    def newest(build):
        return max(path.stat().st_mtime for objects in build.values() for path in objects)

    return max(builds.values(), key=newest, default={})


OBJECTS = find_objects()
KERNEL_OBJECTS = {
    library.removeprefix("nnfast_kernels_"): objects
    for library, objects in OBJECTS.items()
    if library.startswith("nnfast_kernels_")
}


@pytest.fixture(autouse=True)
def needs_objects():
    missing = [tool for tool in ("nm", "objdump") if shutil.which(tool) is None]
    if not KERNEL_OBJECTS or missing:
        reason = f"no {' or '.join(missing)} here" if missing else "no build is left in build/; run `pip install .`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def symbols(path):
    """[(type letter, demangled name)] of an object."""
    lines = [re.match(r"[0-9a-f ]{16} (\S) (.*)", line) for line in run("nm", "-C", str(path)).splitlines()]
    return [match.groups() for match in lines if match]


def widest_register(path):
    registers = set(re.findall(r"%([xyz])mm\d", run("objdump", "-d", "--no-show-raw-insn", str(path))))
    return max(registers, default="")


def test_every_source_was_found():
    sources = {path.name for path in (ROOT / "cpp" / "kernels").glob("*.cpp")}
    for isa, objects in KERNEL_OBJECTS.items():
        assert {path.name.removesuffix(".o") for path in objects} == sources, f"{isa}: the build is out of date"


@pytest.mark.parametrize("isa", KERNEL_OBJECTS)
def test_kernels_define_no_weak_symbol_and_stay_in_their_namespace(isa):
    for path in KERNEL_OBJECTS[isa]:
        defined = [(kind, name) for kind, name in symbols(path) if kind not in "Uw"]
        assert defined, path
        for kind, name in defined:
            assert kind not in "WVu", f"{path.name}: {name} is weak (an inline function with external linkage?)"
            if kind.isupper():
                assert name.startswith(f"nnfast::{isa}::"), f"{path.name}: {name} is outside namespace nnfast::{isa}"


@pytest.mark.parametrize("isa", KERNEL_OBJECTS)
def test_kernels_call_nothing_from_outside(isa):
    """No allocation, no exception, no OpenMP, and no libm, whose results differ between systems."""
    for path in KERNEL_OBJECTS[isa]:
        called = {name for kind, name in symbols(path) if kind in "Uw"}
        outside = {name for name in called if not name.startswith(f"nnfast::{isa}::")} - ALLOWED
        assert not outside, f"{path.name} calls {sorted(outside)}"


@pytest.mark.skipif(platform.machine() != "x86_64", reason="about the vector registers of x86-64")
def test_code_outside_the_kernels_uses_baseline_registers_only():
    widest = {"nnfast_kernels_baseline": "x", "nnfast_kernels_avx2": "y", "nnfast_kernels_avx512": "z"}
    for library, objects in OBJECTS.items():
        limit = widest.get(library, "x")
        for path in objects:
            assert widest_register(path) <= limit, f"{library}: {path.name} uses %{widest_register(path)}mm registers"


def instructions(path, function):
    """{name: [(address, text)]} of the functions of an object whose demangled name contains `function`."""
    code = run("objdump", "-dC", "--no-show-raw-insn", str(path))
    found = {}
    for part in re.split(r"\n(?=[0-9a-f]{16} <)", code):
        name, _, body = part.partition(">:\n")
        if function in name:
            lines = re.findall(r"^ +([0-9a-f]+):\t(.*)$", body, re.MULTILINE)
            found[name] = [(int(address, 16), text) for address, text in lines]
    return found


def inner_loops(code):
    """The instructions of each loop that holds no other loop."""
    place = {address: i for i, (address, _) in enumerate(code)}
    jumps = [(re.match(r"j\w+ +([0-9a-f]+)", text), i) for i, (_, text) in enumerate(code)]
    targets = [(place.get(int(jump[1], 16), len(code)), i) for jump, i in jumps if jump]
    loops = [(begin, end) for begin, end in targets if begin <= end]
    return [
        [text for _, text in code[begin : end + 1]]
        for begin, end in loops
        if not any((b, e) != (begin, end) and begin <= b and e <= end for b, e in loops)
    ]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="about the instructions of x86-64")
@pytest.mark.parametrize("isa", KERNEL_OBJECTS)
def test_matrix_products_keep_their_sums_in_registers(isa):
    """A sum on the stack would cost the tile of a matrix product several times its time; compilers differ in this."""
    (path,) = [path for path in KERNEL_OBJECTS[isa] if path.name == "gemm.cpp.o"]
    tiles = instructions(path, "tile<")
    loops = 0
    for name, code in tiles.items():
        if isa == "baseline" and "true>" in name:
            continue  # columns that fill no vector go by way of the stack: there are no masked moves
        framed = any(text.startswith("mov    %rsp,%rbp") for _, text in code)
        stack = r"\(%r[sb]p" if framed else r"\(%rsp"  # without a frame %rbp is a register like others
        for loop in inner_loops(code):
            sums = [i for i, text in enumerate(loop) if re.match("vfmadd|mulps|mulss", text)]
            if not sums:
                continue
            loops += 1
            between = loop[sums[0] : sums[-1] + 1]
            spilled = [text for text in between if re.search(rf"{stack}.*mm|mm.*{stack}", text)]
            assert not spilled, f"{name} reaches for the stack between its products: {spilled[0]}"
    assert loops >= len(tiles) // 2, "the loops of the tiles were not found"
