"""A convolutional network reads handwritten digits.

A filter of 3×3 weights slides over the image: the same few weights look everywhere, so a stroke is found wherever it
is. Pooling keeps the strongest answer of each 2×2 pixels. At the end a dense layer votes for a class.

    y[i, j] = relu(Σ x[i + a, j + b] · w[a, b] + bias)

Look at the test accuracy beside the number of weights, and at the figure: the filters of the first layer, what they
answer to a 3, and the digits that were read wrongly.
"""

import numpy as np
from _figures import plt, save

import nnfast
from nnfast import layers

(x, y), (test_x, test_y) = nnfast.datasets.digits.load_data()
x, test_x = (part.reshape(-1, 8, 8, 1).astype("float32") / 16 for part in (x, test_x))

nnfast.utils.set_random_seed(0)
dense = nnfast.Sequential([layers.Input((8, 8, 1)), layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(10)])
nnfast.utils.set_random_seed(0)
first = layers.Conv2D(16, 3, padding="same", activation="relu")
cnn = nnfast.Sequential(
    [
        layers.Input((8, 8, 1)),
        first,
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.Conv2D(32, 3, padding="same", activation="relu"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(10),
    ]
)
print(f"{'network':14}{'weights':>9}{'training accuracy':>20}{'test accuracy':>16}")
for name, model in (("dense", dense), ("convolutional", cnn)):
    loss = nnfast.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(nnfast.optimizers.Adam(0.004), loss, metrics=["accuracy"])
    seen = model.fit(x, y, epochs=60, verbose=0).history["accuracy"][-1]
    print(f"{name:14}{model.count_params():9,}{seen:20.1%}{model.evaluate(test_x, test_y, verbose=0)[1]:16.1%}")

read = cnn.predict(test_x, verbose=0).argmax(axis=1)
wrong = np.flatnonzero(read != test_y)[:8]
three = x[np.flatnonzero(y == 3)[0]][None]
answers = np.asarray(first(three))[0]
figure, panels = plt.subplots(3, 8, figsize=(10, 4.2), layout="constrained")
for i in range(8):
    panels[0, i].imshow(first.get_weights()[0][:, :, 0, i], cmap="RdBu", vmin=-1, vmax=1)
    panels[1, i].imshow(answers[:, :, i], cmap="gray")
    if i < len(wrong):
        panels[2, i].imshow(test_x[wrong[i], :, :, 0], cmap="gray_r")
        panels[2, i].set_title(f"{test_y[wrong[i]]}, read {read[wrong[i]]}", fontsize=9)
for panel in panels.ravel():
    panel.axis("off")
panels[0, 0].set_title("filters", loc="left")
panels[1, 0].set_title("their answers to a 3", loc="left")
save(figure, __file__)
