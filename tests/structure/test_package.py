"""What every user of the package relies on: it imports quickly, knows its version, and documents its names."""

import ast
import importlib
import importlib.metadata
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import nnfast

ROOT = Path(__file__).parents[2]
PACKAGE = Path(nnfast.__file__).parent

# Each takes a good part of what nnfast may take in all (60 ms over NumPy), or more, or brings something that does.
HEAVY = {
    "IPython", "PIL", "asyncio", "concurrent", "email", "http", "jax", "json", "keras", "matplotlib", "multiprocessing",
    "pandas", "pathlib", "polars", "safetensors", "scipy", "shutil", "sklearn", "ssl", "tarfile", "tempfile",
    "tensorflow", "torch", "tqdm", "unittest", "urllib.request", "xml",
}  # fmt: skip


def modules():
    """The public modules of the package."""
    names = ["nnfast", *(module.name for module in pkgutil.walk_packages([str(PACKAGE)], "nnfast."))]
    return [name for name in names if not any(part.startswith("_") for part in name.split("."))]


def test_import_brings_nothing_heavy():
    program = "import sys, numpy; before = set(sys.modules); import nnfast; print(*set(sys.modules) - before)"
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    brought = set(printed.split())
    assert "nnfast" in brought
    assert not HEAVY & brought


def test_names_imported_when_asked_for():
    program = "import sys, nnfast; print(nnfast.datasets.digits.__name__, 'nnfast.diagnostics' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert printed.split() == ["nnfast.datasets.digits", "False"]
    assert set(nnfast.__all__) <= set(dir(nnfast))
    for name in [*nnfast.__all__, "diagnostics", "plots"]:
        assert getattr(nnfast, name) is not None
    with pytest.raises(AttributeError, match=r"^module 'nnfast' has no attribute 'absent'$"):
        nnfast.absent  # noqa: B018


def test_the_version_is_stated_once():
    stated = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), flags=re.MULTILINE)[1]
    assert nnfast.__version__ == stated
    others = [
        str(path)
        for path in [ROOT / "CMakeLists.txt", *PACKAGE.rglob("*.py"), *(ROOT / "cpp").rglob("*.cpp")]
        if f'"{stated}"' in path.read_text()
    ]
    assert not others


def test_the_installed_package_has_the_same_version():
    try:
        installed = importlib.metadata.version("nnfast")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("run from the source tree")
    assert installed == nnfast.__version__


def test_the_package_is_typed():
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("name", modules())
def test_public_names_have_docstrings(name):
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    missing = []
    for public in getattr(module, "__all__", []):
        value = getattr(module, public)
        if inspect.ismodule(value) or not (inspect.isclass(value) or callable(value)):
            continue
        if not value.__doc__:
            missing.append(public)
        if inspect.isclass(value):
            for attribute, member in vars(value).items():
                if attribute.startswith("_") or not (inspect.isfunction(member) or isinstance(member, property)):
                    continue
                if not inspect.getdoc(getattr(value, attribute)):
                    missing.append(f"{public}.{attribute}")
    assert not missing, f"{name}: without docstring: {missing}"


def stub_names(body):
    """{name: names inside, for a class} that a stub's statements define."""
    names = {}
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names[node.name] = None
        elif isinstance(node, ast.ClassDef):
            names[node.name] = stub_names(node.body)
        elif isinstance(node, ast.AnnAssign):
            names[node.target.id] = None
    return names


def test_the_stub_of_the_extension_names_what_is_there():
    stub = stub_names(ast.parse((PACKAGE / "_core.pyi").read_text()).body)
    core = importlib.import_module("nnfast._core")
    public = {name: value for name, value in vars(core).items() if not name.startswith("__")}
    assert set(public) == set(stub)
    for name, value in public.items():
        if inspect.isclass(value):
            members = {member for member in vars(value) if not member.startswith("_")}
            assert members == {member for member in stub[name] if not member.startswith("_")}, name
