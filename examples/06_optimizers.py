"""Optimizers raced on one curve: Rosenbrock's banana, a bent valley with steep walls and an almost flat floor.

    f(a, b) = (1 - a)² + 10 (b - a²)²        lowest, 0, at (1, 1)

    SGD       w -= lr · g                    bounces between the walls, so its rate must be small
    momentum  m = 0.9 m - lr · g, w += m     keeps its speed along the floor
    RMSprop   w -= lr · g / √(mean of g²)    the same length of step whatever the slope
    Adam      both together

Look at the paths, and at how far each has come after 300 steps.
"""

import numpy as np
from _figures import plt, save

from nnfast import optimizers

START = np.array([-1.5, 1.5], np.float32)


def value(a, b):
    return (1 - a) ** 2 + 10 * (b - a**2) ** 2


def slope(point):
    a, b = point
    return np.array([-2 * (1 - a) - 40 * a * (b - a**2), 20 * (b - a**2)], np.float32)


racers = {
    "SGD": optimizers.SGD(0.005),
    "SGD, momentum 0.9": optimizers.SGD(0.003, momentum=0.9),
    "SGD, Nesterov": optimizers.SGD(0.003, momentum=0.9, nesterov=True),
    "Adagrad": optimizers.Adagrad(0.5),
    "RMSprop": optimizers.RMSprop(0.02),
    "Adam": optimizers.Adam(0.1),
    "Lion": optimizers.Lion(0.02),
}

figure, (plane, curve) = plt.subplots(1, 2, figsize=(12, 4.4), layout="constrained")
a, b = np.meshgrid(np.linspace(-2, 2, 200), np.linspace(-1, 3, 200))
plane.contour(a, b, value(a, b), levels=np.geomspace(0.1, 300, 14), colors="0.8")
print(f"{'optimizer':20}{'after 30':>12}{'100':>12}{'300 steps':>12}")
for name, optimizer in racers.items():
    point = START.copy()
    path = [point.copy()]
    for _ in range(300):
        optimizer.apply([slope(point)], [point])  # changes the point in place
        path.append(point.copy())
    heights = np.array([value(*place) for place in path])
    print(f"{name:20}{heights[30]:12.2e}{heights[100]:12.2e}{heights[300]:12.2e}")
    plane.plot(*np.array(path).T, label=name, linewidth=1.2)
    curve.plot(heights, label=name)
plane.plot(1, 1, "k*", markersize=12)
plane.set(title="the way down", xlabel="a", ylabel="b", xlim=(-2, 2), ylim=(-1, 3))
curve.set(title="height over steps", xlabel="step", ylabel="f", yscale="log")
curve.legend(fontsize=8)
save(figure, __file__)
