"""Saving a model, and going on with training as if it had never stopped: the same bits.

A file holds layers, weights, the optimizer's memory, the number of steps and the seed, so the shuffling and the dropout
of a resumed run are those of the unbroken one. The file is plain data (safetensors): loading it runs no code.

Look at the table: the resumed run ends at the very same loss, and not one weight differs.
"""

import tempfile
from pathlib import Path

import numpy as np
from _figures import plt, save

import nnfast
from nnfast import layers

(x, y), (test_x, test_y) = nnfast.datasets.digits.load_data()
x, test_x = (part.reshape(len(part), 64).astype("float32") / 16 for part in (x, test_x))


def make_model():
    nnfast.utils.set_random_seed(7)
    model = nnfast.Sequential(
        [layers.Input((64,)), layers.Dense(64, "relu"), layers.Dropout(0.3), layers.Dense(10, "softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


unbroken = make_model()
whole = unbroken.fit(x, y, epochs=12, verbose=0).history["loss"]

begun = make_model()
first = begun.fit(x, y, epochs=5, verbose=0).history["loss"]
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "model.safetensors"
    begun.save(path)
    size = path.stat().st_size
    resumed = nnfast.load_model(path)  # maybe in another process, on another day
rest = resumed.fit(x, y, epochs=12, initial_epoch=5, verbose=0).history["loss"]

differing = sum(int((a != b).sum()) for a, b in zip(unbroken.get_weights(), resumed.get_weights(), strict=True))
print(f"file: {size / 1024:.0f} KB for {unbroken.count_params():,} weights and the optimizer's memory\n")
print(f"{'run':12}{'last loss':>22}{'test accuracy':>16}")
for name, model, losses in (("unbroken", unbroken, whole), ("resumed", resumed, rest)):
    print(f"{name:12}{losses[-1]:22.17f}{model.evaluate(test_x, test_y, verbose=0)[1]:16.1%}")
print(f"\nweights that differ: {differing}")
assert differing == 0 and np.array_equal(whole[5:], rest)

figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
axes.plot(range(1, 13), whole, linewidth=6, color="0.8", label="unbroken")
axes.plot(range(1, 6), first, "o-", label="before the file")
axes.plot(range(6, 13), rest, "o-", label="after the file")
axes.set(xlabel="epoch", ylabel="training loss")
axes.legend()
save(figure, __file__)
