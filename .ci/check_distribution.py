"""Checks what `python -m build` made: `python .ci/check_distribution.py FOLDER`."""

import sys
import tarfile
import zipfile
from pathlib import Path

MOST_BYTES = 5_000_000
LEGAL = {"LICENSE", "digits.txt"}  # licences, and where the digits come from


def check(condition: bool, message: str) -> None:
    """Stop with a message where a condition does not hold."""
    if not condition:
        raise SystemExit(message)


def check_wheel(path: Path) -> None:
    """Look for everything of the package, the licences, and nothing else."""
    check(path.stat().st_size <= MOST_BYTES, f"{path.name}: {path.stat().st_size} bytes, more than {MOST_BYTES}")
    names = zipfile.ZipFile(path).namelist()
    sources = {p.relative_to("python").as_posix() for p in Path("python/nnfast").rglob("*") if p.is_file()}
    expected = {name for name in sources if "__pycache__" not in name and not name.endswith(".so")}
    package = {name for name in names if name.startswith("nnfast/")}
    modules = {name for name in package if name.endswith(".so")}
    check(len(modules) == 1 and modules.pop().startswith("nnfast/_core."), f"{path.name}: one compiled module expected")
    package = {name for name in package if not name.endswith(".so")}
    check(package == expected, f"{path.name}: differs from python/nnfast in {sorted(package ^ expected)}")
    rest = [name for name in names if not name.startswith("nnfast/")]
    foreign = [name for name in rest if ".dist-info/" not in name]
    check(not foreign, f"{path.name}: holds what is not of the package: {foreign}")
    licenses = {Path(name).name for name in rest if "/licenses/" in name}
    check(licenses == LEGAL, f"{path.name}: expected the licences {sorted(LEGAL)}, found {sorted(licenses)}")
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {len(names)} files")


def check_source(path: Path) -> None:
    """Look for what a wheel is built from, and for what was built."""
    check(path.stat().st_size <= MOST_BYTES, f"{path.name}: {path.stat().st_size} bytes, more than {MOST_BYTES}")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"pyproject.toml", "CMakeLists.txt", "LICENSE", "README.md", "cpp/core/team.cpp", "python/nnfast/py.typed"}
    check(needed <= names, f"{path.name}: lacks {sorted(needed - names)}")
    built = [name for name in names if name.endswith((".so", ".o", ".pyc"))]
    check(not built, f"{path.name}: holds what was built: {built}")
    print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB, {len(names)} files")


def main() -> None:
    """Check the one wheel and the one source archive of a folder."""
    folder = Path(sys.argv[1])
    wheels, sources = list(folder.glob("*.whl")), list(folder.glob("*.tar.gz"))
    check(len(wheels) == len(sources) == 1, f"{folder}: expected a wheel and a source archive")
    check_wheel(wheels[0])
    check_source(sources[0])


if __name__ == "__main__":
    main()
