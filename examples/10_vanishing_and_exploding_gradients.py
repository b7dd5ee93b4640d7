"""Gradients that vanish or explode in deep networks, and three cures.

Going backward, each layer multiplies the gradient by its weights and by the slope of its activation. The slope of the
sigmoid is at most 1/4: after ten layers, at most (1/4)^10, a millionth. Large weights do the opposite.

Cures: relu with He's initial weights (slope 1, the right size), batch normalization (puts the signal right after every
layer), and clipping (cuts the step, not the cause). `nnfast.diagnose` says in words what is wrong.

Look at the figure: on the left, a healthy line is level; on the right, who learns. Clipping does not change the
gradients, only the steps: its line on the left is that of the network that explodes.
"""

from _figures import plt, save

import nnfast
from nnfast import initializers, layers, optimizers

(x, y), _ = nnfast.datasets.digits.load_data()
x = (x.reshape(len(x), 64) - x.mean()) / x.std()


def make_model(activation, initializer, normalize=False, clip=None):
    nnfast.utils.set_random_seed(0)
    model = nnfast.Sequential([layers.Input((64,))])
    for _ in range(10):
        model.add(layers.Dense(50, kernel_initializer=initializer))
        if normalize:
            model.add(layers.BatchNormalization(momentum=0.9))
        model.add(layers.Activation(activation))
    model.add(layers.Dense(10, "softmax"))
    optimizer = optimizers.SGD(0.02, momentum=0.9, global_clipnorm=clip)
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


large = initializers.RandomNormal(stddev=0.6)
cases = {
    "sigmoid: vanishes": make_model("sigmoid", "glorot_uniform"),
    "sigmoid, batch normalization": make_model("sigmoid", "glorot_uniform", normalize=True),
    "relu, large weights: explodes": make_model("relu", large),
    "relu, large weights, clipping": make_model("relu", large, clip=1.0),
    "relu, he_normal": make_model("relu", "he_normal"),
}

figure, (gradients, learning) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
rows = []
for name, model in cases.items():
    diagnosis = nnfast.diagnose(model, x, y)
    norms = [layer.gradient_norm for layer in diagnosis.layers if "(Dense)" in layer.name]
    dashed = "--" if "clipping" in name else "-"  # clipping changes steps, not gradients: the same line
    gradients.plot(range(1, len(norms) + 1), norms, marker="o", label=name, linestyle=dashed)
    accuracy = model.fit(x, y, epochs=15, verbose=0).history["accuracy"]
    learning.plot(range(1, len(accuracy) + 1), accuracy, label=name)
    rows.append((name, norms[0], norms[-1], accuracy[-1], {finding.problem for finding in diagnosis.findings}))
    if name == "sigmoid: vanishes":
        print(diagnosis, "\n")
print(f"{'network':32}{'first layer':>12}{'last layer':>12}{'accuracy':>10}   diagnosis before training")
for name, first, last, accuracy, problems in rows:
    print(f"{name:32}{first:12.1e}{last:12.1e}{accuracy:10.0%}   {', '.join(sorted(problems)) or 'healthy'}")
gradients.set(xlabel="layer", ylabel="norm of the gradient before training", yscale="log")
gradients.legend(fontsize=8)
learning.set(xlabel="epoch", ylabel="training accuracy", ylim=(0, 1))
save(figure, __file__)
