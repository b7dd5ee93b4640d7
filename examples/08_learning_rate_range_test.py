"""Which learning rate? The range test (Smith, 2017) tries them all in one short run.

It trains for 200 steps while the rate grows from 1e-6 to 10. Too low, and the loss stays; then it falls; too high, and
it explodes. Afterwards the model is as it was before. The suggestion lies between the rate at which the loss fell
fastest and the one at which it was lowest.

Look at the left panel for the test, at the right one for ten epochs at the suggestion and around it.
"""

from _figures import plt, save

import nnfast
from nnfast import layers

(x, y), _ = nnfast.datasets.digits.load_data()
x = x.reshape(len(x), 64).astype("float32") / 16


def make_model(rate=0.001):
    nnfast.utils.set_random_seed(2)
    model = nnfast.Sequential([layers.Input((64,)), layers.Dense(64, "relu"), layers.Dense(10, "softmax")])
    model.compile(nnfast.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


found = make_model().find_learning_rate(x, y)
print(found)

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
found.plot(left)
print(f"\n{'rate':>10}{'loss after 10 epochs':>24}{'accuracy':>12}")
for factor in (0.01, 0.1, 1, 10, 30):
    rate = found.suggestion * factor
    history = make_model(rate).fit(x, y, epochs=10, verbose=0).history
    print(f"{rate:10.2g}{history['loss'][-1]:24.4f}{history['accuracy'][-1]:12.1%}")
    right.plot(history["loss"], label=f"{rate:.2g}" + (" (suggestion)" if factor == 1 else ""))
right.set(xlabel="epoch", ylabel="training loss", yscale="log", title="training at these rates")
right.legend()
save(figure, __file__)
