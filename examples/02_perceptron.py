"""The perceptron: the first machine that learned from its mistakes (Rosenblatt, 1958), and what it cannot learn.

It says 1 where w·x + b > 0, else 0. Of a sample it gets right it learns nothing; for one it gets wrong (y = +1 or -1),

    w = w + y · x        b = b + y

which turns its line towards the sample. If some straight line separates the classes, it finds one. For XOR there is
none, and it goes round and round for ever. Needs scikit-learn.

Look at the number of mistakes: AND and OR come down to 0, XOR does not.
"""

import numpy as np
from _figures import draw_boundary, plt, save

from nnfast.sklearn import Perceptron

x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
problems = {"AND": [0, 0, 0, 1], "OR": [0, 1, 1, 1], "XOR": [0, 1, 1, 0]}

# The rule by hand, for AND: ten passes over the four samples.
w, b = np.zeros(2), 0.0
for _ in range(10):
    for sample, target in zip(x, np.where(problems["AND"], 1, -1), strict=True):
        if target * (w @ sample + b) <= 0:
            w, b = w + target * sample, b + target
print(f"AND by hand: w = {w}, b = {b}\n")

figure, panels = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
print("problem  passes  mistakes   w                b")
for panel, (name, target) in zip(panels, problems.items(), strict=True):
    machine = Perceptron(max_iter=100, tol=None, shuffle=False).fit(x, target)
    mistakes = int((machine.predict(x) != target).sum())
    print(f"{name:7}{machine.n_iter_:8}{mistakes:10}   {machine.coef_[0]!s:15}{machine.intercept_[0]:4}")
    draw_boundary(panel, lambda points, machine=machine: machine.predict(points) * 1.0, x, np.array(target), size=150)
    panel.set(title=f"{name}: {mistakes} mistakes", xlabel="first input", ylabel="second input")
save(figure, __file__)
print("A second layer solves XOR: see 03_mlp_two_moons.py.")
