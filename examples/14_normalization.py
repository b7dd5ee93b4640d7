"""Normalization: keep signals at mean 0 and deviation 1, at the entrance and between the layers.

    y = gamma · (x - mean) / √(variance + ε) + beta        gamma and beta are learned

The layers differ in what mean and variance are taken over:
    Normalization        each feature, once, over the training data (`adapt`); for inputs
    BatchNormalization   each feature, over the samples of the batch
    LayerNormalization   each sample, over its features
    RMSNormalization     as LayerNormalization, without the mean

Here pixels run from 0 to 16 and are left so, the network is deep, and the rate is high.

Look at the first epochs: with raw pixels the network learns more slowly, and does not catch up.
"""

from _figures import plt, save

import nnfast
from nnfast import layers

(x, y), _ = nnfast.datasets.digits.load_data()
x = x.reshape(len(x), 64).astype("float32")


def make_model(first=None, between=None):
    nnfast.utils.set_random_seed(0)
    model = nnfast.Sequential([layers.Input((64,))])
    if first is not None:
        model.add(first)
    for _ in range(6):
        model.add(layers.Dense(64))
        if between is not None:
            model.add(between())
        model.add(layers.Activation("tanh"))
    model.add(layers.Dense(10, "softmax"))
    model.compile(nnfast.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


adapted = layers.Normalization()
adapted.adapt(x)
cases = {
    "raw pixels": make_model(),
    "Normalization of the inputs": make_model(adapted),
    "BatchNormalization": make_model(between=layers.BatchNormalization),
    "LayerNormalization": make_model(between=layers.LayerNormalization),
    "RMSNormalization": make_model(between=layers.RMSNormalization),
}
figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
print(f"{'network':30}{'accuracy after 1':>18}{'3':>8}{'15 epochs':>12}")
for name, model in cases.items():
    accuracy = model.fit(x, y, epochs=15, verbose=0).history["accuracy"]
    print(f"{name:30}{accuracy[0]:18.1%}{accuracy[2]:8.1%}{accuracy[14]:12.1%}")
    axes.plot(range(1, 16), accuracy, label=name)
axes.set(xlabel="epoch", ylabel="training accuracy")
axes.legend()
save(figure, __file__)
