"""A multilayer perceptron bends the line: neurons in a hidden layer, each with a line of its own.

    h = relu(W1·x + b1)        relu(z) = max(z, 0)
    p = sigmoid(W2·h + b2)     the probability of the second class

Without the bend of relu two layers would be one: a sum of sums is a sum.

Look at the figure: one neuron draws a straight line through the moons; the more hidden neurons, the closer the border
follows them.
"""

from _figures import draw_boundary, plt, save, two_moons

import nnfast
from nnfast import layers

x, y = two_moons(400)
test_x, test_y = two_moons(1000, seed=1)

figure, panels = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained", sharey=True)
print("hidden neurons   weights   training accuracy   test accuracy")
for panel, hidden in zip(panels, (0, 4, 32), strict=True):
    nnfast.utils.set_random_seed(1)
    stack = [layers.Dense(hidden, activation="relu")] if hidden else []
    model = nnfast.Sequential([layers.Input((2,)), *stack, layers.Dense(1, activation="sigmoid")])
    model.compile(nnfast.optimizers.Adam(0.02), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=100, verbose=0)
    seen = model.evaluate(x, y, verbose=0)[1]
    unseen = model.evaluate(test_x, test_y, verbose=0)[1]
    print(f"{hidden:14}{model.count_params():10}{seen:20.1%}{unseen:16.1%}")
    draw_boundary(panel, lambda points, model=model: model.predict(points, verbose=0), x, y)
    panel.set_title(f"{hidden or 'no'} hidden neurons: {unseen:.0%} on new points")
save(figure, __file__)
