"""``python -m nnfast``: the same as the command ``nnfast``."""

import sys

from .cli import main

sys.exit(main())
