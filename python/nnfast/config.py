"""Settings of the library as a whole: attributes that may be set, as in ``nnfast.config.winograd = "never"``.

winograd : {"auto", "never"}, default "auto"
    Whether convolutions with windows of 3×3 and strides of 1 may use Winograd's algorithm: "auto" where a count of the
    work says that it is faster, by a factor of up to three. Its rounding errors are two to five times those of the
    direct sum: for 16 to 512 channels of normal numbers their root mean square was 0.4e-6 to 1.5e-6 of the result's
    (direct 0.1e-6 to 0.4e-6), the largest error 1.2e-5. Plans made under another setting are made anew.

    Lavin, Gray, "Fast algorithms for convolutional neural networks", arXiv:1509.09308; the points of interpolation are
    of the family of Alam et al., "Winograd convolution for deep neural networks: efficient point selection", 2022.
"""

from __future__ import annotations

import sys
from types import ModuleType

from . import _core
from .epsilon import EPSILON
from .layers.layer import note_change

__all__ = [
    "backend", "epsilon", "floatx", "image_data_format", "set_floatx", "set_image_data_format", "winograd",
]  # fmt: skip

winograd: str


def backend() -> str:
    """Return ``"nnfast"``: what computes."""
    return "nnfast"


def epsilon() -> float:
    """Return 1e-7, the small number that losses and metrics keep away from 0 with."""
    return EPSILON


def floatx() -> str:
    """Return ``"float32"``, the type of all arithmetic."""
    return "float32"


def image_data_format() -> str:
    """Return ``"channels_last"``, the only layout of images."""
    return "channels_last"


def set_floatx(value: str) -> None:
    """Refuse all types but float32.

    Raises
    ------
    ValueError
        If `value` is another.
    """
    if value != "float32":
        raise ValueError(f"set_floatx: expected 'float32', the type of all arithmetic; received {value!r}")


def set_image_data_format(data_format: str) -> None:
    """Refuse all layouts but channels last.

    Raises
    ------
    ValueError
        If `data_format` is another.
    """
    if data_format != "channels_last":
        raise ValueError(
            f"set_image_data_format: expected 'channels_last', the only layout; received {data_format!r}; move the "
            "channels to the last axis, e.g. np.moveaxis(x, 1, -1)"
        )


class _Config(ModuleType):
    """The module itself, whose attributes are checked when they are set."""

    @property
    def winograd(self) -> str:
        """Whether convolutions may use Winograd's algorithm."""
        return "auto" if _core.winograd_allowed() else "never"

    @winograd.setter
    def winograd(self, value: str) -> None:
        if value not in ("auto", "never"):
            raise ValueError(f"nnfast.config.winograd: expected 'auto' or 'never', received {value!r}")
        _core.allow_winograd(value == "auto")
        note_change()


sys.modules[__name__].__class__ = _Config
