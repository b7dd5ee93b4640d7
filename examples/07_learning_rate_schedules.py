"""Learning-rate schedules: large steps at first to get there, small ones at the end to settle.

A schedule is a function of the number of steps taken; it stands in the optimizer where a number would.

Look at the left panel for the shapes, at the right one for what they do to the loss: a constant rate stays noisy, one
that comes down settles.
"""

import numpy as np
from _figures import plt, save, two_moons

import nnfast
from nnfast import layers
from nnfast.optimizers import schedules

x, y = two_moons(480, noise=0.25)
EPOCHS, BATCH = 40, 16
STEPS = EPOCHS * len(x) // BATCH

rates = {
    "constant": 0.05,
    "StepDecay": schedules.StepDecay(0.05, step_size=STEPS // 4, gamma=0.3),
    "ExponentialDecay": schedules.ExponentialDecay(0.05, decay_steps=STEPS // 4, decay_rate=0.3),
    "CosineDecay": schedules.CosineDecay(0.05, decay_steps=STEPS),
    "Cyclical, triangular2": schedules.CyclicalLearningRate(0.002, 0.05, step_size=STEPS // 8, mode="triangular2"),
    "OneCycle": schedules.OneCycle(0.05, total_steps=STEPS),
}

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
steps = np.arange(STEPS)
print(f"{'schedule':24}{'first rate':>12}{'last rate':>12}{'mean loss of the last 5 epochs':>34}{'spread':>9}")
for name, rate in rates.items():
    nnfast.utils.set_random_seed(3)
    model = nnfast.Sequential(
        [layers.Input((2,)), layers.Dense(32, "relu"), layers.Dense(32, "relu"), layers.Dense(1, "sigmoid")]
    )
    model.compile(nnfast.optimizers.Adam(rate), "binary_crossentropy")
    losses = model.fit(x, y, batch_size=BATCH, epochs=EPOCHS, verbose=0).history["loss"]
    values = rate(steps) if callable(rate) else np.full(STEPS, rate)
    print(f"{name:24}{values[0]:12.4f}{values[-1]:12.4f}{np.mean(losses[-5:]):34.4f}{np.std(losses[-5:]):9.4f}")
    left.plot(steps, values, label=name)
    right.plot(losses, label=name)
left.set(title="the rate", xlabel="step", ylabel="learning rate")
right.set(title="what it does", xlabel="epoch", ylabel="training loss", yscale="log")
left.legend(fontsize=8)
save(figure, __file__)
