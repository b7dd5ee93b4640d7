"""Where weights begin: too small and signals die out from layer to layer, too large and they blow up.

A sum over n inputs of variance 1, with weights of variance v, has variance n·v. To keep it at 1:

    Glorot (for tanh, sigmoid)   v = 2 / (inputs + outputs)      Glorot and Bengio, 2010
    He (for relu)                v = 2 / inputs                  He et al., 2015; relu loses half of the signal

Look at the standard deviation in the last of ten layers: near 1 is good. All zeros is worst: every neuron of a layer
then stays the same as all the others.
"""

import numpy as np
from _figures import plt, save

import nnfast
from nnfast import initializers, layers

x = np.random.default_rng(0).normal(size=(500, 100)).astype(np.float32)
cases = [
    ("tanh", "normal, 0.01", initializers.RandomNormal(stddev=0.01)),
    ("tanh", "normal, 1", initializers.RandomNormal(stddev=1.0)),
    ("tanh", "glorot_normal", "glorot_normal"),
    ("relu", "normal, 0.01", initializers.RandomNormal(stddev=0.01)),
    ("relu", "glorot_normal", "glorot_normal"),
    ("relu", "he_normal", "he_normal"),
]

figure, panels = plt.subplots(2, 3, figsize=(11, 5.6), layout="constrained")
print(f"{'activation':12}{'weights':16}{'layer 1':>12}{'layer 5':>12}{'layer 10':>12}   (standard deviations)")
for panel, (activation, name, initializer) in zip(panels.ravel(), cases, strict=True):
    nnfast.utils.set_random_seed(0)
    signal, outputs = x, []
    for _ in range(10):
        signal = np.asarray(layers.Dense(100, activation, kernel_initializer=initializer)(signal))
        outputs.append(signal)
    deviations = [output.std() for output in outputs]
    print(f"{activation:12}{name:16}" + "".join(f"{deviations[i]:12.2e}" for i in (0, 4, 9)))
    for i in (0, 4, 9):
        panel.hist(outputs[i].ravel(), bins=60, histtype="step", density=True, label=f"layer {i + 1}")
    panel.set(title=f"{activation}, {name}", yscale="log")
    panel.legend(fontsize=7)
save(figure, __file__)
