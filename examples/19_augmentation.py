"""Augmentation: show each image a little turned, moved or enlarged each time, and few images become many.

The layers draw anew for every image and every epoch, in training only; `predict` sees images as they are.

Look at the test accuracy with 100 images to learn from, and at what the network is shown. On so few pixels it matters
that images are moved by whole ones (`interpolation="nearest"`): what lies between pixels is blurred, and the images of
the test are not.
"""

import numpy as np
from _figures import plt, save

import nnfast
from nnfast import layers

(x, y), (test_x, test_y) = nnfast.datasets.digits.load_data()
x, test_x = (part.reshape(-1, 8, 8, 1).astype("float32") / 16 for part in (x, test_x))
few_x, few_y = x[:100], y[:100]
EPOCHS = 150


def augmentation():
    # Outside of the image is black. No flips: a mirrored 3 is no 3.
    return [
        layers.RandomTranslation(0.13, 0.13, fill_mode="constant", interpolation="nearest"),
        layers.RandomRotation(0.03, fill_mode="constant"),
    ]


figure, (curves, pictures) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
print(f"{'training':26}{'training accuracy':>20}{'test accuracy':>16}")
for name, stack in (("as they are", []), ("augmented", augmentation())):
    nnfast.utils.set_random_seed(0)
    model = nnfast.Sequential(
        [
            layers.Input((8, 8, 1)),
            *stack,
            layers.Conv2D(32, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(10),
        ]
    )
    loss = nnfast.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = nnfast.optimizers.schedules.CosineDecay(0.003, decay_steps=EPOCHS * 4)  # four batches an epoch
    model.compile(nnfast.optimizers.Adam(rate), loss, metrics=["accuracy"])
    history = model.fit(few_x, few_y, epochs=EPOCHS, validation_data=(test_x, test_y), verbose=0).history
    print(f"{name:26}{history['accuracy'][-1]:20.1%}{history['val_accuracy'][-1]:16.1%}")
    curves.plot(history["val_accuracy"], label=name)
curves.set(xlabel="epoch", ylabel="test accuracy", ylim=(0.7, 1))
curves.legend()

nnfast.utils.set_random_seed(1)
shown = np.repeat(few_x[:4], 8, axis=0)
for layer in augmentation():
    shown = np.asarray(layer(shown, training=True))
tiles = shown.reshape(4, 8, 8, 8).transpose(0, 2, 1, 3).reshape(32, 64)
pictures.imshow(tiles, cmap="gray_r")
pictures.set_title("four digits, eight times each")
pictures.axis("off")
save(figure, __file__)
