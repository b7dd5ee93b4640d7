"""Pooling in float64: the specification of the operations "max_pool" and "average_pool"."""

import itertools

import numpy as np

from conv_reference import padding_of


class Pooling:
    """Windows over images (N, …, C): `forward` and `backward`, "max" or "average"."""

    def __init__(self, kind, x_shape, pool_size, strides, padding="valid"):
        self.kind, self.x_shape = kind, x_shape
        pads = [padding_of(padding, n, k, s, 1) for n, k, s in zip(x_shape[1:-1], pool_size, strides, strict=True)]
        self.out = [
            (n + sum(p) - k) // s + 1 for n, p, k, s in zip(x_shape[1:-1], pads, pool_size, strides, strict=True)
        ]
        self.y_shape = (x_shape[0], *self.out, x_shape[-1])
        self.windows = [
            [(max(0, o * s - p[0]), min(n, o * s - p[0] + k)) for o in range(out)]
            for n, p, k, s, out in zip(x_shape[1:-1], pads, pool_size, strides, self.out, strict=True)
        ]

    def _each(self):
        for place in itertools.product(*(range(n) for n in self.out)):
            spans = [self.windows[axis][o] for axis, o in enumerate(place)]
            yield (slice(None), *place), (slice(None), *(slice(*span) for span in spans))

    def forward(self, x):
        x, y = x.astype(np.float64), np.empty(self.y_shape)
        reduce = np.max if self.kind == "max" else np.mean
        for place, window in self._each():
            y[place] = reduce(x[window], axis=tuple(range(1, x.ndim - 1)))
        return y

    def backward(self, x, dy):
        dx = np.zeros(self.x_shape)
        for place, window in self._each():
            seen = x[window]
            flat = seen.reshape(len(x), int(np.prod(seen.shape[1:-1])), x.shape[-1])
            if self.kind == "max":
                share = np.arange(flat.shape[1])[:, None] == flat.argmax(axis=1)[:, None]  # the first of equals
            else:
                share = np.full(flat.shape, 1 / flat.shape[1])
            dx[window] += (share * dy[place][:, None].astype(np.float64)).reshape(seen.shape)
        return dx
