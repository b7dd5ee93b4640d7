"""Forward and backward through two layers, by hand, against `model.gradients`.

Forward                          Backward, from the end to the beginning (d… is the slope of the loss by …)
    z1 = x·W1 + b1                   dz2 = (p - t) / samples     softmax and cross-entropy together
    h  = tanh(z1)                    dW2 = hᵀ·dz2,  db2 = sum of dz2
    z2 = h·W2 + b2                   dh  = dz2·W2ᵀ
    p  = softmax(z2)                 dz1 = dh · (1 - h²)          the slope of tanh
    loss = -mean log p[class]        dW1 = xᵀ·dz1,  db1 = sum of dz1

Each line backward uses the one before it: that is the chain rule, and all there is to backpropagation.

Look at the last column: hand and library agree to the last digits of float32. In the figure every weight is a dot.
"""

import numpy as np
from _figures import plt, save

import nnfast
from nnfast import layers

rng = np.random.default_rng(0)
x = rng.normal(size=(8, 4)).astype(np.float32)
t = rng.integers(0, 3, 8)

nnfast.utils.set_random_seed(0)
model = nnfast.Sequential(
    [layers.Input((4,)), layers.Dense(5, "tanh", name="first"), layers.Dense(3, "softmax", name="second")]
)
model.compile("sgd", "sparse_categorical_crossentropy")
w1, b1, w2, b2 = (weight.astype(np.float64) for weight in model.get_weights())

# Forward.
h = np.tanh(x @ w1 + b1)
z2 = h @ w2 + b2
p = np.exp(z2) / np.exp(z2).sum(axis=1, keepdims=True)
loss = -np.log(p[np.arange(8), t]).mean()
# Backward.
dz2 = (p - np.eye(3)[t]) / 8
dz1 = dz2 @ w2.T * (1 - h**2)
by_hand = {
    "first/kernel": x.T @ dz1, "first/bias": dz1.sum(axis=0),
    "second/kernel": h.T @ dz2, "second/bias": dz2.sum(axis=0),
}  # fmt: skip

print(f"loss by hand {loss:.6f}, by nnfast {model.evaluate(x, t, verbose=0):.6f}\n")
print(f"{'gradient of':16}{'shape':10}{'norm':>10}{'largest difference':>22}")
figure, axes = plt.subplots(figsize=(4.5, 4), layout="constrained")
for name, found in model.gradients(x, t).items():
    difference = np.abs(found - by_hand[name]).max()
    print(f"{name:16}{found.shape!s:10}{np.linalg.norm(found):10.5f}{difference:22.1e}")
    axes.scatter(by_hand[name].ravel(), found.ravel(), s=20, label=name)
axes.axline((0, 0), slope=1, color="0.7", zorder=0)
axes.set(xlabel="gradient by hand", ylabel="gradient by nnfast")
axes.legend()
save(figure, __file__)
