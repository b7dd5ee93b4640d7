"""The operation "affine_transform" and what is made of it: values and gradients, on every ISA."""

import numpy as np
import pytest

from affine_reference import affine, affine_gradient
from nnfast import _core, ops
from op_checks import run_on_each_isa

MODES = ["constant", "reflect", "wrap", "nearest"]


def turned(rng, count, height, width, strength=1.0):
    """Maps that turn, scale, shear and shift, some of them far outside."""
    change = rng.normal(0, strength, (count, 6)) * [1, 1, width, 1, 1, height]
    return (change + np.array([1, 0, 0, 0, 1, 0])).astype(np.float32)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", MODES)
def test_random_maps(fill_mode, interpolation):
    rng = np.random.default_rng(3)
    for channels, height, width, size in [
        (1, 5, 7, None), (3, 8, 8, None), (17, 6, 3, (4, 9)), (64, 4, 5, (7, 1)), (130, 3, 3, None), (4, 1, 1, (3, 3)),
        (70, 4, 9, (21, 50)),
    ]:  # fmt: skip
        x = rng.standard_normal((3, height, width, channels)).astype(np.float32)
        out = size or (height, width)
        dy = rng.standard_normal((3, *out, channels)).astype(np.float32)
        for count in (1, 3):
            transforms = turned(rng, count, height, width)
            expected = affine(x, transforms, interpolation, fill_mode, 2.5, size)
            gradient = affine_gradient(x, transforms, dy, interpolation, fill_mode, size)
            attributes = {"interpolation": interpolation, "fill_mode": fill_mode, "fill_value": 2.5}
            if size:
                attributes["size"] = list(size)
            for isa, (y,), (dx, none) in run_on_each_isa(
                "affine_transform", [x, transforms], grads=[dy], wanted=[True, False], **attributes
            ):
                np.testing.assert_allclose(y, expected, 1e-4, 1e-5, err_msg=f"{isa} {x.shape}")
                np.testing.assert_allclose(dx, gradient, 1e-4, 1e-5, err_msg=f"{isa} {x.shape}")
                assert none is None


@pytest.mark.parametrize("fill_mode", MODES)
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_equals_keras(fill_mode, interpolation, monkeypatch):
    # Its backend of NumPy, which has all modes. Importing it puts it in the place of another module of that name.
    backend = pytest.importorskip("keras.src.backend")
    monkeypatch.setattr(backend, "numpy", backend.numpy)
    image = pytest.importorskip("keras.src.backend.numpy.image")
    rng = np.random.default_rng(4)
    x = rng.standard_normal((4, 9, 6, 3)).astype(np.float32)
    transforms = turned(rng, 4, 9, 6, 0.3)
    expected = image.affine_transform(
        x, np.pad(transforms, [(0, 0), (0, 2)]), interpolation, fill_mode, 1.5, "channels_last"
    )
    got = ops.affine_transform(x, transforms, interpolation, fill_mode, 1.5)
    np.testing.assert_allclose(got, expected, 1e-4, 1e-4)


def test_pixels_of_weight_zero_are_not_touched():
    x = np.full((1, 3, 3, 20), np.inf, np.float32)
    x[0, 1, 1] = 7
    shift = np.array([[1, 0, 1, 0, 1, 1]], np.float32)
    for isa, (y,), _ in run_on_each_isa("affine_transform", [x, shift], fill_mode="nearest"):
        np.testing.assert_array_equal(y[0, 0, 0], np.full(20, 7), err_msg=isa)


@pytest.mark.parametrize("fill_mode", MODES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_maps_that_lead_nowhere(value, fill_mode):
    x = np.ones((1, 3, 4, 2), np.float32)
    for place in range(6):
        transform = np.array([[1, 0, 0, 0, 1, 0]], np.float32)
        transform[0, place] = value
        dy = np.ones_like(x)
        for _, (y,), (dx, _) in run_on_each_isa(
            "affine_transform", [x, transform], grads=[dy], wanted=[True, False], fill_mode=fill_mode
        ):
            assert np.isin(y, (0, 1)).all()
            assert np.isfinite(dx).all()


@pytest.mark.parametrize("size", [(10, 14), (3, 20), (5, 7), (1, 1), (16, 2)])
def test_resize_equals_pytorch(size):
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(5)
    x = rng.standard_normal((2, 5, 7, 19)).astype(np.float32)
    theirs = torch.tensor(x.transpose(0, 3, 1, 2), requires_grad=True)
    expected = torch.nn.functional.interpolate(theirs, size=size, mode="bilinear", align_corners=False)
    np.testing.assert_allclose(ops.resize(x, size), expected.detach().numpy().transpose(0, 2, 3, 1), 1e-4, 1e-5)


def test_empty_batch():
    (y,), _ = _core.run_op("affine_transform", [np.zeros((0, 3, 3, 1), np.float32), np.zeros((1, 6), np.float32)])
    assert y.shape == (0, 3, 3, 1)


@pytest.mark.parametrize(
    ("shape", "transforms", "attributes", "message"),
    [
        ((2, 3, 3), (1, 6), {}, "images must have shape"),
        ((2, 3, 3, 1), (3, 6), {}, r"transforms must have shape \(2, 6\) or \(1, 6\)"),
        ((2, 3, 3, 1), (2, 8), {}, "transforms must have shape"),
        ((2, 0, 3, 1), (2, 6), {}, "must not be empty"),
        ((2, 3, 3, 1), (2, 6), {"size": [3]}, "size must be a positive height and width"),
        ((2, 3, 3, 1), (2, 6), {"size": [3, 0]}, "size must be a positive height and width"),
        ((2, 3, 3, 1), (2, 6), {"interpolation": "cubic"}, "interpolation must be"),
        ((2, 3, 3, 1), (2, 6), {"fill_mode": "mirror"}, "fill_mode must be"),
    ],
)
def test_errors(shape, transforms, attributes, message):
    with pytest.raises(ValueError, match=message):
        _core.run_op("affine_transform", [np.zeros(shape, np.float32), np.zeros(transforms, np.float32)], attributes)


def test_transforms_have_no_gradient():
    x, transforms = np.zeros((2, 3, 3, 1), np.float32), np.zeros((2, 6), np.float32)
    with pytest.raises(ValueError, match="no gradient of its transforms"):
        _core.run_op("affine_transform", [x, transforms], output_grads=[x])
