"""Convolution in float64: the specification of the operations "conv", "depthwise_conv" and "conv_transpose"."""

from __future__ import annotations

import itertools

import numpy as np


def padding_of(padding, size, window, stride, dilation):
    """Zeros before and after one axis of ``size`` pixels."""
    reach = (window - 1) * dilation + 1
    if padding == "same":
        total = max(0, (-(-size // stride) - 1) * stride + reach - size)
        return total // 2, total - total // 2
    if padding == "causal":
        return reach - 1, 0
    if padding == "valid":
        return 0, 0
    return padding


class Convolution:
    """A convolution of images ``x`` (N, …, C) with a kernel (…, C / groups, OC), and its gradients."""

    def __init__(self, x_shape, w_shape, strides=1, padding="valid", dilation_rate=1, groups=1):
        axes = len(x_shape) - 2
        self.x_shape, self.w_shape, self.groups = x_shape, w_shape, groups
        self.strides = [strides] * axes if np.isscalar(strides) else list(strides)
        self.dilation = [dilation_rate] * axes if np.isscalar(dilation_rate) else list(dilation_rate)
        pads = [padding] * axes if isinstance(padding, str) else padding
        self.pads = [
            padding_of(*args)
            for args in zip(pads, x_shape[1:-1], w_shape[:axes], self.strides, self.dilation, strict=True)
        ]
        self.out = [
            (size + sum(pad) - (window - 1) * dilation - 1) // stride + 1
            for size, pad, window, stride, dilation in zip(
                x_shape[1:-1], self.pads, w_shape[:axes], self.strides, self.dilation, strict=True
            )
        ]
        self.y_shape = (x_shape[0], *self.out, w_shape[-1])

    def _padded(self, x):
        return np.pad(x.astype(np.float64), [(0, 0), *self.pads, (0, 0)])

    def _views(self):
        """For each tap and group: its index in the kernel, and the pixels and channels it meets."""
        cg, og = self.w_shape[-2], self.w_shape[-1] // self.groups
        for tap in itertools.product(*(range(n) for n in self.w_shape[:-2])):
            where = tuple(
                slice(k * d, k * d + (n - 1) * s + 1, s)
                for k, d, n, s in zip(tap, self.dilation, self.out, self.strides, strict=True)
            )
            for g in range(self.groups):
                ins, outs = slice(g * cg, (g + 1) * cg), slice(g * og, (g + 1) * og)
                yield (*tap, slice(None), outs), (slice(None), *where, ins), (..., outs)

    def forward(self, x, w):
        xp, y = self._padded(x), np.zeros(self.y_shape)
        for tap, pixels, outs in self._views():
            y[outs] += xp[pixels] @ w[tap].astype(np.float64)
        return y

    def backward_data(self, dy, w):
        dxp = np.zeros([n + sum(p) for n, p in zip(self.x_shape, [(0, 0), *self.pads, (0, 0)], strict=True)])
        for tap, pixels, outs in self._views():
            dxp[pixels] += dy[outs].astype(np.float64) @ w[tap].T.astype(np.float64)
        inside = tuple(slice(p[0], p[0] + n) for p, n in zip(self.pads, self.x_shape[1:-1], strict=True))
        return dxp[(slice(None), *inside)]

    def backward_weights(self, x, dy):
        xp, dw = self._padded(x), np.zeros(self.w_shape)
        for tap, pixels, outs in self._views():
            a, b = xp[pixels], dy[outs].astype(np.float64)
            dw[tap] = a.reshape(-1, a.shape[-1]).T @ b.reshape(-1, b.shape[-1])
        return dw
