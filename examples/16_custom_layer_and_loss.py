"""A layer and a loss of your own, written with nnfast.ops: the gradient comes for nothing.

The layer: bumps. Each unit answers to how near the input is to its center, which is learned (a radial basis function):

    h_j = exp(-width_j · |x - center_j|²)

The loss: the pinball. It makes a model predict not the mean but a quantile: q = 0.9 is the line below which 90% lie.

    loss = max(q · e, (q - 1) · e)        e = target - prediction

Look at the figure: three models, one for each quantile, and the share of points below each in the table.
"""

import numpy as np
from _figures import plt, save

import nnfast
from nnfast import layers, ops


@nnfast.utils.register_serializable
class Bumps(layers.Layer):
    """Radial basis functions with learned centers and widths."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units

    def build(self, input_shape):
        self.center = self.add_weight((self.units, input_shape[-1]), "random_uniform", name="center")
        self.center.assign(np.linspace(-3, 3, self.units)[:, None])
        self.width = self.add_weight((self.units,), "ones", name="width")

    def call(self, inputs):
        distance = ops.expand_dims(inputs, 1) - self.center  # (batch, units, features)
        return ops.exp(-ops.abs(self.width) * ops.sum(ops.square(distance), axis=-1))


def pinball(q):
    def loss(y_true, y_pred):
        error = y_true - y_pred
        return ops.mean(ops.maximum(q * error, (q - 1) * error), axis=-1)

    return loss


rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, (600, 1)).astype(np.float32)
y = (np.sin(2 * x) + (0.1 + 0.15 * np.abs(x)) * rng.normal(size=x.shape)).astype(np.float32)
grid = np.linspace(-3, 3, 200, dtype=np.float32)[:, None]

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.scatter(x, y, s=6, color="0.6")
print("quantile   share of the points below")
for q in (0.1, 0.5, 0.9):
    nnfast.utils.set_random_seed(0)
    model = nnfast.Sequential([layers.Input((1,)), Bumps(12), layers.Dense(1)])
    model.compile(nnfast.optimizers.Adam(0.02), pinball(q))
    model.fit(x, y, epochs=150, verbose=0)
    print(f"{q:8}{np.mean(y < model.predict(x, verbose=0)):28.1%}")
    axes.plot(grid, model.predict(grid, verbose=0), label=f"quantile {q}")
axes.set(xlabel="x", ylabel="y", title="A layer of bumps, a pinball loss")
axes.legend()
save(figure, __file__)
