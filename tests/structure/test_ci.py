import importlib
import os

import pytest

# Comparisons with a library that is absent are skipped; where everything is checked, none may be.
PEERS = ["keras", "matplotlib", "mpmath", "pandas", "sklearn", "torch"]


@pytest.mark.skipif(not os.environ.get("CI"), reason="comparisons with absent libraries may be skipped outside CI")
@pytest.mark.parametrize("name", PEERS)
def test_ci_compares_with_every_library(name):
    importlib.import_module(name)
