"""Dropout: in training, forget each hidden neuron with probability `rate`, so that none can rely on a few others.

    training:   h = h · mask / (1 - rate),  mask 0 or 1 at random     (the division keeps the mean)
    prediction: h = h

Few samples and a large network learn the noise by heart ("overfitting"): the training loss falls on, while the loss on
new data rises.

Look at the gap between the two columns, and at the borders: the more dropout, the smoother.
"""

from _figures import draw_boundary, plt, save, two_moons

import nnfast
from nnfast import layers

x, y = two_moons(60, noise=0.35)
new_x, new_y = two_moons(2000, noise=0.35, seed=1)

figure, panels = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained", sharey=True)
print("rate   training loss   loss on new data   accuracy on new data")
for panel, rate in zip(panels, (0.0, 0.3, 0.6), strict=True):
    nnfast.utils.set_random_seed(4)
    model = nnfast.Sequential(
        [
            layers.Input((2,)),
            layers.Dense(200, activation="relu"),
            layers.Dropout(rate),
            layers.Dense(200, activation="relu"),
            layers.Dropout(rate),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(nnfast.optimizers.Adam(0.005), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=300, verbose=0)
    seen, (unseen, accuracy) = model.evaluate(x, y, verbose=0)[0], model.evaluate(new_x, new_y, verbose=0)
    print(f"{rate:4}{seen:16.3f}{unseen:19.3f}{accuracy:23.1%}")
    draw_boundary(panel, lambda points, model=model: model.predict(points, verbose=0), x, y)
    panel.set_title(f"dropout {rate}: loss on new data {unseen:.2f}")
save(figure, __file__)
