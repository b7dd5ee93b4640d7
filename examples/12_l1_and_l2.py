"""L1 and L2: a price on weights, added to the loss.

    L2:  loss + s · Σ w²      pulls large weights hardest, none to exactly 0
    L1:  loss + s · Σ |w|     pulls all alike, so that useless ones end at 0: "sparse"

Here 5 of 40 features matter. Look at how many weights stay: L1 finds the five.

A step of SGD jumps over 0 by its own length, so what is smaller than a step counts as 0 here.
"""

import numpy as np
from _figures import plt, save

import nnfast
from nnfast import layers, regularizers

rng = np.random.default_rng(0)
true = np.zeros(40)
true[:5] = [3, -2, 1.5, 1, -1]
x = rng.normal(size=(120, 40)).astype(np.float32)
y = (x @ true + rng.normal(size=120)).astype(np.float32)[:, None]
new_x = rng.normal(size=(2000, 40)).astype(np.float32)
new_y = (new_x @ true)[:, None].astype(np.float32)

figure, panels = plt.subplots(1, 4, figsize=(13, 3.2), layout="constrained", sharey=True)
cases = {"none": None, "L2": regularizers.L2(0.1), "L1": regularizers.L1(0.35), "L1L2": regularizers.L1L2(0.15, 0.03)}
print(f"{'penalty':9}{'weights above 0.02':>20}{'largest useless one':>21}{'error on new data':>19}")
for panel, (name, penalty) in zip(panels, cases.items(), strict=True):
    nnfast.utils.set_random_seed(0)
    model = nnfast.Sequential([layers.Input((40,)), layers.Dense(1, kernel_regularizer=penalty)])
    rate = nnfast.optimizers.schedules.ExponentialDecay(0.05, decay_steps=200, decay_rate=0.5)
    model.compile(nnfast.optimizers.SGD(rate), "mse")
    model.fit(x, y, batch_size=120, epochs=1500, verbose=0)
    w = model.get_weights()[0][:, 0]
    error = float(np.mean((model.predict(new_x, verbose=0) - new_y) ** 2))
    print(f"{name:9}{int((np.abs(w) > 0.02).sum()):20}{np.abs(w[5:]).max():21.4f}{error:19.3f}")
    panel.bar(range(40), w, color=["C1"] * 5 + ["C0"] * 35)
    panel.set(title=f"{name}: {int((np.abs(w) > 0.02).sum())} weights left", xlabel="feature")
panels[0].set_ylabel("weight (orange: those that matter)")
save(figure, __file__)
