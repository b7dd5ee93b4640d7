"""Early stopping: hold some data back, and stop when the loss on it no longer falls.

`EarlyStopping(patience=20, restore_best_weights=True)` waits for 20 epochs without a better validation loss, then puts
back the weights of the best epoch.

Look at the figure: the training loss falls on and on; the validation loss turns. The dashed line is what was kept.
"""

import numpy as np
from _figures import plt, save, two_moons

import nnfast
from nnfast import callbacks, data, layers

x, y = two_moons(150, noise=0.35)
(x, y), (held_x, held_y), (test_x, test_y) = data.train_validation_test_split(
    x, y, validation_size=40, test_size=20, stratify=y, seed=0
)
test_x, test_y = two_moons(2000, noise=0.35, seed=9)  # a larger test than one usually has


def train(**settings):
    nnfast.utils.set_random_seed(1)
    model = nnfast.Sequential(
        [layers.Input((2,)), layers.Dense(128, "relu"), layers.Dense(128, "relu"), layers.Dense(1, "sigmoid")]
    )
    model.compile(nnfast.optimizers.Adam(0.003), "binary_crossentropy")
    history = model.fit(x, y, epochs=400, validation_data=(held_x, held_y), verbose=0, **settings)
    return model, history


long, whole = train()
stopper = callbacks.EarlyStopping(patience=20, restore_best_weights=True)
short, stopped = train(callbacks=[stopper])

print(f"{'':20}{'epochs':>8}{'training loss':>16}{'loss on new data':>19}")
for name, model, history in (("all epochs", long, whole), ("early stopping", short, stopped)):
    new = model.evaluate(test_x, test_y, verbose=0)
    print(f"{name:20}{len(history.epoch):8}{model.evaluate(x, y, verbose=0):16.3f}{new:19.3f}")

figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
axes.plot(whole.history["loss"], label="training")
axes.plot(whole.history["val_loss"], label="validation")
best = int(np.argmin(stopped.history["val_loss"]))
axes.axvline(best, color="k", linestyle="--", label=f"best epoch: {best + 1}")
axes.axvline(len(stopped.epoch) - 1, color="0.6", linestyle=":", label=f"stopped after {len(stopped.epoch)}")
axes.set(xlabel="epoch", ylabel="loss", ylim=(0, 2 * whole.history["val_loss"][0]))
axes.legend()
save(figure, __file__)
