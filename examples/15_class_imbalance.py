"""Class imbalance: 1 sample in 20 is of the class that matters, and always saying "no" is right 95% of the time.

Accuracy then says little. Recall is the share of the rare class that is found, precision the share of the alarms that
are true, F1 their harmonic mean.

    class_weight="balanced"   an error on a sample counts samples / (classes · samples of its class)
    focal loss                (1 - p)² in front of -log p: what is right already hardly counts

Look at recall: the plain network misses most of the rare class. What weights buy in recall they pay in precision.
"""

import numpy as np
from _figures import draw_boundary, plt, save

import nnfast
from nnfast import layers, losses, metrics


def make_data(samples, seed):
    rng = np.random.default_rng(seed)
    y = (np.arange(samples) % 20 == 0).astype(np.int32)
    return (rng.normal(size=(samples, 2)) + 1.5 * y[:, None]).astype(np.float32), y[:, None]


x, y = make_data(1000, 0)
new_x, new_y = make_data(5000, 1)
cases = {
    "plain": ("binary_crossentropy", None),
    'class_weight="balanced"': ("binary_crossentropy", "balanced"),
    "focal loss": (losses.BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.8), None),
}
figure, panels = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained", sharey=True)
print(f"{'training':26}{'accuracy':>10}{'precision':>11}{'recall':>9}{'F1':>7}")
for panel, (name, (loss, weight)) in zip(panels, cases.items(), strict=True):
    nnfast.utils.set_random_seed(0)
    model = nnfast.Sequential([layers.Input((2,)), layers.Dense(16, "relu"), layers.Dense(1, "sigmoid")])
    model.compile("adam", loss, metrics=["accuracy", metrics.Precision(), metrics.Recall()])
    model.fit(x, y, epochs=60, class_weight=weight, verbose=0)
    _, accuracy, precision, recall = model.evaluate(new_x, new_y, verbose=0)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    print(f"{name:26}{accuracy:10.1%}{precision:11.2f}{recall:9.2f}{f1:7.2f}")
    draw_boundary(panel, lambda points, model=model: model.predict(points, verbose=0), x, y[:, 0])
    panel.set_title(f"{name}: recall {recall:.2f}")
save(figure, __file__)
