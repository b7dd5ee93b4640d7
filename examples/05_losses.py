"""Losses: how wrong is a prediction? The answer decides what a network cares about.

For numbers, with the error e = prediction - target:
    mean squared error   e²                   big errors count most, so outliers pull hard
    mean absolute error  |e|                  every unit of error counts the same
    Huber                e²/2, beyond 1 |e| - 1/2    the first near 0, the second far away

For classes, with the probability p given to the right one:
    cross-entropy        -log p               being sure and wrong costs without limit
    focal                -(1 - p)² log p      (times 1/4) what is right already hardly counts

Look at the lines in the right panel: one wild point in ten, and the squared error follows it.
"""

import numpy as np
from _figures import plt, save

import nnfast
from nnfast import layers, losses

figure, panels = plt.subplots(1, 3, figsize=(12, 3.6), layout="constrained")
error = np.linspace(-3, 3, 121, dtype=np.float32)[:, None]
for loss in (losses.MeanSquaredError, losses.MeanAbsoluteError, losses.Huber):
    each = loss(reduction=None)(np.zeros_like(error), error)
    panels[0].plot(error[:, 0], np.asarray(each), label=loss.__name__)
panels[0].set(title="of numbers", xlabel="error", ylabel="loss")

p = np.linspace(0.02, 0.98, 97, dtype=np.float32)[:, None]
for loss in (losses.BinaryCrossentropy, losses.BinaryFocalCrossentropy):
    panels[1].plot(p[:, 0], np.asarray(loss(reduction=None)(np.ones_like(p), p)), label=loss.__name__)
panels[1].set(title="of classes", xlabel="probability of the right class", ylabel="loss")

# A straight line through points of y = 2x + 1, one in ten of which is far off.
rng = np.random.default_rng(0)
x = rng.uniform(-1, 1, (100, 1)).astype(np.float32)
y = 2 * x + 1 + 0.1 * rng.normal(size=x.shape).astype(np.float32)
y[::10] -= 8 * (x[::10] > 0)
panels[2].scatter(x, y, s=8, color="0.6")
print(f"{'loss':20}{'slope':>8}{'intercept':>11}   (true: 2 and 1)")
for name in ("mean_squared_error", "mean_absolute_error", "huber"):
    nnfast.utils.set_random_seed(0)
    line = nnfast.Sequential([layers.Input((1,)), layers.Dense(1)])
    line.compile(nnfast.optimizers.Adam(0.05), name)
    line.fit(x, y, epochs=150, verbose=0)
    (slope,), intercept = line.get_weights()[0][0], line.get_weights()[1][0]
    print(f"{name:20}{slope:8.2f}{intercept:11.2f}")
    ends = np.array([[-1], [1]], np.float32)
    panels[2].plot(ends[:, 0], line.predict(ends, verbose=0)[:, 0], label=name)
panels[2].set(title="lines fitted to points with outliers", xlabel="x", ylabel="y")
for panel in panels:
    panel.legend(fontsize=8)
save(figure, __file__)
