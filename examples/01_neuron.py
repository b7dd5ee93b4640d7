"""One neuron: a weighted sum, a bias and an activation, by hand and by nnfast.

    z = w·x + b          the weighted sum
    p = 1 / (1 + e^-z)   the activation (sigmoid), which squeezes z between 0 and 1
    loss = (p - y)²      how wrong it is

Backward, the chain rule multiplies the slopes along the way:

    dloss/dw = dloss/dp · dp/dz · dz/dw = 2 (p - y) · p (1 - p) · x

Look at the table: both columns show the same numbers. Then look at the figure: a few hundred such steps downhill.
"""

import numpy as np
from _figures import plt, save

import nnfast
from nnfast import layers

x = np.array([[0.5, -1.2, 2.0]], np.float32)  # one sample with three features
y = np.array([[1.0]], np.float32)  # what the neuron should say
w, b = np.array([0.4, 0.3, -0.6], np.float32), np.float32(0.1)

# By hand: forward …
z = x[0] @ w + b
p = 1 / (1 + np.exp(-z))
loss = (p - y[0, 0]) ** 2
# … and backward.
slope = 2 * (p - y[0, 0]) * p * (1 - p)  # dloss/dz
by_hand = {"output p": p, "loss": loss, "dloss/dw": slope * x[0], "dloss/db": slope}

# The same neuron in nnfast.
model = nnfast.Sequential([layers.Input((3,)), layers.Dense(1, activation="sigmoid", name="neuron")])
model.compile(nnfast.optimizers.SGD(learning_rate=1.0), "mse")
model.set_weights([w[:, None], [b]])
gradients = model.gradients(x, y)
by_nnfast = {
    "output p": model.predict(x, verbose=0)[0, 0],
    "loss": model.evaluate(x, y, verbose=0),
    "dloss/dw": gradients["neuron/kernel"][:, 0],
    "dloss/db": gradients["neuron/bias"][0],
}

print(f"{'':10}{'by hand':>30}{'nnfast':>30}")
for name, value in by_hand.items():
    print(f"{name:10}{np.round(value, 6)!s:>30}{np.round(by_nnfast[name], 6)!s:>30}")
    assert np.allclose(value, by_nnfast[name], atol=1e-6)

# Learning is this step again and again: w = w - learning_rate · dloss/dw.
history = model.fit(x, y, epochs=200, verbose=0)
print(f"\nAfter 200 steps it says {model.predict(x, verbose=0)[0, 0]:.3f}, and should say 1.")

figure, axes = plt.subplots(figsize=(5, 3.5), layout="constrained")
axes.plot(history.history["loss"])
axes.set(xlabel="step", ylabel="loss (p - y)²", title="One neuron learns one sample", yscale="log")
save(figure, __file__)
