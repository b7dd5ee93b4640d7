"""Layers that change images at random, each image in its own way, in training only.

What is drawn follows from the seed, the training step and the image's place in the batch, so it is the same for any
number of threads and after a resumed training. Images (batch, height, width, channels), or one without the batch axis,
of any type; the output is float32. A layer that is called on arrays by itself, outside a model, acts as in training
unless ``training=False`` is given, as in Keras.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import ops
from ..numeric import real
from .core import check_data_format
from .layer import Layer, layer_registry
from .pooling import check_rank

Factor = float | Sequence[float]

_IDENTITY = np.array([[1, 0, 0, 0, 1, 0]], np.float32)


class BaseAugmentation(Layer):
    """What augmentations have in common.

    Parameters
    ----------
    seed : int, optional
        By default it follows from the layer's place in the model; what is drawn also depends on the model's own seed.
    data_format : str, optional
        Only ``"channels_last"``.
    **kwargs
        Those of :class:`Layer`.
    """

    def __init__(self, seed: int | None = None, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        check_data_format(self, data_format)
        self.seed = seed
        self._build_at_init()

    def _call_now(self, args: Any, kwargs: Any) -> Any:
        if kwargs.get("training") is None:
            kwargs = {**kwargs, "training": True}
        return super()._call_now(args, kwargs)

    def call(self, inputs: Any, training: bool = False) -> Any:
        images = ops.convert(inputs, "float32")
        if len(images.shape) == 3:
            return self.transform(ops.expand_dims(images, 0), training)[0]
        check_rank(self, images.shape, 2)
        return self.transform(images, training)

    def transform(self, images: Any, training: bool) -> Any:
        """Return the images, (batch, height, width, channels), changed or as they are."""
        return self.augment(images) if training else images

    def augment(self, images: Any) -> Any:
        """Return the images changed at random."""
        raise NotImplementedError(f"{type(self).__name__} must define augment(self, images)")

    def draw(self, images: Any, *ranges: tuple[float, float]) -> Any:
        """Draw uniform numbers: (batch, ranges), a row an image."""
        trace = images.trace
        seed = trace.count_random() if self.seed is None else self.seed
        shape = [images.shape[0], len(ranges)]
        (numbers,) = trace.emit("random_uniform", [], {"shape": shape, "seed": seed})
        low, high = np.array(ranges, np.float32).T
        return numbers * (high - low) + low

    def factor_range(
        self, name: str, factor: Any, least: float, most: float, *, open_below: bool = False
    ) -> tuple[float, float]:
        """Return the bounds that a factor stands for: a pair, or one number for both sides.

        Raises
        ------
        ValueError
            If it is neither, or out of range.
        """
        pair = factor if isinstance(factor, (tuple, list)) else (factor,)
        if not (
            all(real(value) is not None for value in pair)
            and len(pair) == (2 if pair is factor else 1)
            and all(least <= value <= most and not (open_below and value == least) for value in pair)
        ):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected {name} to be a number, or two of them, "
                f"{'above' if open_below else 'from'} {least} {'and up ' if open_below else ''}to {most}; "
                f"received {factor!r}"
            )
        if pair is factor:
            low, high = sorted(pair)
            return low, high
        return -abs(factor), abs(factor)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "seed": self.seed, "data_format": "channels_last"}


class BaseAffine(BaseAugmentation):
    """What augmentations by an affine map have in common.

    Parameters
    ----------
    fill_mode : {"reflect", "wrap", "constant", "nearest"}
        What lies outside the image: its mirror image (``d c b a | a b c d | d c b a``), the image again, `fill_value`,
        or the nearest pixel.
    interpolation : {"bilinear", "nearest"}
        Between the four pixels around a place, or the nearest one.
    fill_value : float, default 0.0
        The constant.
    """

    def __init__(
        self, fill_mode: str, interpolation: str, seed: int | None, fill_value: float, data_format: str | None,
        **kwargs: Any,
    ):  # fmt: skip
        super().__init__(seed, data_format, **kwargs)
        for name, value, allowed in (
            ("fill_mode", fill_mode, ("reflect", "wrap", "constant", "nearest")),
            ("interpolation", interpolation, ("bilinear", "nearest")),
        ):
            if value not in allowed:
                raise ValueError(
                    f"{type(self).__name__} {self.name!r}: expected {name} to be one of {', '.join(allowed)}; "
                    f"received {value!r}"
                )
        self.fill_mode = fill_mode
        self.interpolation = interpolation
        if real(fill_value) is None:
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected fill_value to be a number; received {fill_value!r}"
            )
        self.fill_value = fill_value

    def map(self, images: Any, coefficients: Any, rows: Any, constant: Any) -> Any:
        """Transform the images by ``constant + Σ coefficients[:, k] rows[k]``; see :func:`ops.affine_transform`."""
        transforms = ops.matmul(coefficients, np.array(rows, np.float32)) + np.array([constant], np.float32)
        return ops.affine_transform(images, transforms, self.interpolation, self.fill_mode, self.fill_value)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "fill_mode": self.fill_mode,
            "interpolation": self.interpolation,
            "fill_value": self.fill_value,
        }


@layer_registry.add()
class RandomFlip(BaseAugmentation):
    """Mirrors every other image.

    Parameters
    ----------
    mode : {"horizontal_and_vertical", "horizontal", "vertical"}
        Left and right change places, or top and bottom, or both at once, which is half a turn (as in Keras 3, an
        image is never mirrored in one direction only then).
    seed, data_format, **kwargs
        As in :class:`BaseAugmentation`.

    Raises
    ------
    ValueError
        If the mode is another one.
    """

    def __init__(
        self, mode: str = "horizontal_and_vertical", seed: int | None = None, data_format: str | None = None,
        **kwargs: Any,
    ):  # fmt: skip
        super().__init__(seed, data_format, **kwargs)
        if mode not in ("horizontal", "vertical", "horizontal_and_vertical"):
            raise ValueError(
                f"RandomFlip {self.name!r}: expected mode 'horizontal', 'vertical' or 'horizontal_and_vertical'; "
                f"received {mode!r}"
            )
        self.mode = mode

    def augment(self, images: Any) -> Any:
        _, height, width, _ = images.shape
        change = np.zeros((1, 6), np.float32)
        if "horizontal" in self.mode:
            change[0, [0, 2]] = -2, width - 1
        if "vertical" in self.mode:
            change[0, [4, 5]] = -2, height - 1
        flips = ops.cast(ops.less_equal(self.draw(images, (0, 1)), 0.5), "float32")
        return ops.affine_transform(images, flips * change + _IDENTITY, "nearest")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}


@layer_registry.add()
class RandomRotation(BaseAffine):
    """Turns each image about its middle.

    Parameters
    ----------
    factor : float or (float, float)
        Bounds of the angle in full turns, from -1 to 1, counter-clockwise where positive; one number stands for
        ``(-factor, factor)``.
    fill_mode, interpolation, seed, fill_value, data_format, **kwargs
        As in :class:`BaseAffine` and :class:`BaseAugmentation`.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    def __init__(
        self, factor: Factor, fill_mode: str = "reflect", interpolation: str = "bilinear", seed: int | None = None,
        fill_value: float = 0.0, data_format: str | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.factor = self.factor_range("factor", factor, -1, 1)

    def augment(self, images: Any) -> Any:
        _, height, width, _ = images.shape
        x, y = (width - 1) / 2, (height - 1) / 2
        low, high = self.factor
        angle = self.draw(images, (low * 2 * np.pi, high * 2 * np.pi))
        directions = ops.concatenate([ops.cos(angle), ops.sin(angle)], axis=1)
        return self.map(images, directions, [[1, 0, -x, 0, 1, -y], [0, -1, y, 1, 0, -x]], [0, 0, x, 0, 0, y])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


@layer_registry.add()
class RandomTranslation(BaseAffine):
    """Shifts each image.

    Parameters
    ----------
    height_factor : float or (float, float)
        Bounds of the shift downwards as a share of the height, from -1 to 1; one number stands for
        ``(-factor, factor)``.
    width_factor : float or (float, float)
        The same to the right, as a share of the width.
    fill_mode, interpolation, seed, fill_value, data_format, **kwargs
        As in :class:`BaseAffine` and :class:`BaseAugmentation`.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    def __init__(
        self, height_factor: Factor, width_factor: Factor, fill_mode: str = "reflect",
        interpolation: str = "bilinear", seed: int | None = None, fill_value: float = 0.0,
        data_format: str | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor = self.factor_range("height_factor", height_factor, -1, 1)
        self.width_factor = self.factor_range("width_factor", width_factor, -1, 1)

    def augment(self, images: Any) -> Any:
        _, height, width, _ = images.shape
        shares = self.draw(images, self.height_factor, self.width_factor)
        return self.map(images, shares, [[0, 0, 0, 0, 0, -height], [0, 0, -width, 0, 0, 0]], _IDENTITY[0])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height_factor": self.height_factor, "width_factor": self.width_factor}


@layer_registry.add()
class RandomZoom(BaseAffine):
    """Makes what each image shows smaller or larger, about its middle.

    Parameters
    ----------
    height_factor : float or (float, float)
        Bounds of the change, above -1 and up to 1: so much more (positive: smaller pictures) or less (negative: larger
        ones) of the height is seen; one number stands for ``(-factor, factor)``.
    width_factor : float or (float, float), optional
        The same for the width; by default its change is that of the height.
    fill_mode, interpolation, seed, fill_value, data_format, **kwargs
        As in :class:`BaseAffine` and :class:`BaseAugmentation`.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    def __init__(
        self, height_factor: Factor, width_factor: Factor | None = None, fill_mode: str = "reflect",
        interpolation: str = "bilinear", seed: int | None = None, fill_value: float = 0.0,
        data_format: str | None = None, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(fill_mode, interpolation, seed, fill_value, data_format, **kwargs)
        self.height_factor = self.factor_range("height_factor", height_factor, -1, 1, open_below=True)
        self.width_factor = (
            None if width_factor is None else self.factor_range("width_factor", width_factor, -1, 1, open_below=True)
        )

    def augment(self, images: Any) -> Any:
        _, height, width, _ = images.shape
        x, y = (width - 1) / 2, (height - 1) / 2
        down, across = [0, 0, 0, 0, 1, -y], [1, 0, -x, 0, 0, 0]
        factors, rows = [self.height_factor], [np.add(down, across)]
        if self.width_factor is not None:
            factors, rows = [self.height_factor, self.width_factor], [down, across]
        zooms = self.draw(images, *((1 + low, 1 + high) for low, high in factors))
        return self.map(images, zooms, rows, [0, 0, x, 0, 0, y])

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height_factor": self.height_factor, "width_factor": self.width_factor}


class BaseTone(BaseAugmentation):
    """What changes of brightness and contrast have in common.

    Parameters
    ----------
    value_range : (float, float)
        The least and the greatest value of a pixel; what is beyond is cut off.
    """

    def __init__(self, value_range: Sequence[float], seed: int | None, **kwargs: Any):
        super().__init__(seed, **kwargs)
        is_pair = isinstance(value_range, (tuple, list)) and len(value_range) == 2
        if not is_pair or any(real(value) is None for value in value_range):
            raise ValueError(
                f"{type(self).__name__} {self.name!r}: expected value_range to be two numbers; received {value_range!r}"
            )
        self.value_range = tuple(sorted(value_range))
        self.factor: tuple[float, float] = (0.0, 0.0)

    def draw_for_pixels(self, images: Any, low: float, high: float) -> Any:
        """Draw a number for each image: (batch, 1, 1, 1)."""
        return ops.reshape(self.draw(images, (low, high)), (images.shape[0], 1, 1, 1))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, "value_range": self.value_range}


@layer_registry.add()
class RandomBrightness(BaseTone):
    """Adds a number to each image.

    Parameters
    ----------
    factor : float or (float, float)
        Its bounds as a share of the range of values, from -1 (black) to 1 (white); one number stands for
        ``(-factor, factor)``.
    value_range : (float, float), default (0, 255)
        The least and the greatest value of a pixel; what is beyond is cut off.
    seed, **kwargs
        As in :class:`BaseAugmentation`.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    def __init__(self, factor: Factor, value_range: Sequence[float] = (0, 255), seed: int | None = None, **kwargs: Any):
        super().__init__(value_range, seed, **kwargs)
        self.factor = self.factor_range("factor", factor, -1, 1)

    def augment(self, images: Any) -> Any:
        black, white = self.value_range
        low, high = self.factor
        light = self.draw_for_pixels(images, low * (white - black), high * (white - black))
        return ops.clip(images + light, black, white)


@layer_registry.add()
class RandomContrast(BaseTone):
    """Multiplies the distance of each pixel from the mean of its image's channel.

    Parameters
    ----------
    factor : float or (float, float)
        ``(lower, upper)``, from 0 to 1: the multiplier is drawn from ``1 - lower`` to ``1 + upper``. One number stands
        for both. (Keras's documentation says so; its code draws from ``1`` to ``1 + factor``.)
    value_range : (float, float), default (0, 255)
        The least and the greatest value of a pixel; what is beyond is cut off.
    seed, **kwargs
        As in :class:`BaseAugmentation`.

    Raises
    ------
    ValueError
        If a setting is out of range.
    """

    def __init__(self, factor: Factor, value_range: Sequence[float] = (0, 255), seed: int | None = None, **kwargs: Any):
        super().__init__(value_range, seed, **kwargs)
        self.factor_range("factor", factor, 0, 1)
        self.factor = tuple(factor) if isinstance(factor, (tuple, list)) else (factor, factor)

    def augment(self, images: Any) -> Any:
        lower, upper = self.factor
        mean = ops.mean(images, axis=(1, 2), keepdims=True)
        contrast = self.draw_for_pixels(images, 1 - lower, 1 + upper)
        return ops.clip((images - mean) * contrast + mean, *self.value_range)


@layer_registry.add()
class RandomCrop(BaseAugmentation):
    """Cuts a part out of each image, in training at a random place.

    Otherwise, and where the image is smaller than the part, it cuts out of the middle the largest part of the same
    shape, and resizes that (bilinear).

    Parameters
    ----------
    height, width : int
        The size of the part.
    seed, data_format, name, **kwargs
        As in :class:`BaseAugmentation`.

    Notes
    -----
    Keras draws one place for all images of a batch.

    Raises
    ------
    ValueError
        If a size is not positive.
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(seed, data_format, name=name, **kwargs)
        for name, size in (("height", height), ("width", width)):
            if not isinstance(size, int) or size < 1:
                raise ValueError(
                    f"RandomCrop {self.name!r}: expected {name} to be a positive integer; received {size!r}"
                )
        self.height = height
        self.width = width

    def transform(self, images: Any, training: bool) -> Any:
        _, height, width, _ = images.shape
        if (height, width) == (self.height, self.width):
            return images
        if training and height >= self.height and width >= self.width:
            return self.augment(images)
        part_height = max(1, min(height, width * self.height // self.width))
        part_width = max(1, min(width, height * self.width // self.height))
        top, left = (height - part_height) // 2, (width - part_width) // 2
        part = images[:, top : top + part_height, left : left + part_width]
        if (part_height, part_width) == (self.height, self.width):
            return part
        return ops.resize(part, (self.height, self.width))

    def augment(self, images: Any) -> Any:
        _, height, width, _ = images.shape
        # The number drawn is below 1, but its product may be rounded up.
        last = np.array([height - self.height, width - self.width], np.float32)
        places = ops.minimum(ops.floor(self.draw(images, (0, last[0] + 1), (0, last[1] + 1))), last)
        transforms = ops.matmul(places, np.array([[0, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 0]], np.float32)) + _IDENTITY
        return ops.affine_transform(images, transforms, "nearest", size=(self.height, self.width))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}
