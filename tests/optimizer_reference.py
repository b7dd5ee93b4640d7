"""Optimizer rules in float64, one step at a time: the specification of cpp/kernels/update.cpp.

RULES[name](p, g, slots, t, lr, h) changes the slots in place and returns the new parameters; h holds hyperparameters.
"""

import numpy as np

HYPER = {
    "momentum": 0.9,
    "dampening": 0.3,
    "rho": 0.9,
    "beta_1": 0.9,
    "beta_2": 0.99,
    "epsilon": 1e-3,  # large enough to see where it stands
    "initial_accumulator_value": 0.1,
}


def sgd(p, g, slots, t, lr, h):
    return p - lr * g


def momentum_of(g, slots, lr, h):
    slots[0][...] = h["momentum"] * slots[0] - lr * (1 - h["dampening"]) * g
    return slots[0]


def sgd_momentum(p, g, slots, t, lr, h):
    return p + momentum_of(g, slots, lr, h)


def sgd_nesterov(p, g, slots, t, lr, h):
    return p + h["momentum"] * momentum_of(g, slots, lr, h) - lr * (1 - h["dampening"]) * g


def adagrad(p, g, slots, t, lr, h):
    slots[0][...] += g**2
    return p - lr * g / np.sqrt(slots[0] + h["epsilon"])


def rmsprop(momentum, centered):
    def step(p, g, slots, t, lr, h):
        v = slots[0]
        v[...] = h["rho"] * v + (1 - h["rho"]) * g**2
        variance = v.copy()
        if centered:
            mean = slots[-1]
            mean[...] = h["rho"] * mean + (1 - h["rho"]) * g
            variance -= mean**2
        d = lr * g / np.sqrt(variance + h["epsilon"])
        if momentum:
            slots[1][...] = h["momentum"] * slots[1] + d
            d = slots[1]
        return p - d

    return step


def adadelta(p, g, slots, t, lr, h):
    a, b = slots
    a[...] = h["rho"] * a + (1 - h["rho"]) * g**2
    d = np.sqrt(b + h["epsilon"]) / np.sqrt(a + h["epsilon"]) * g
    b[...] = h["rho"] * b + (1 - h["rho"]) * d**2
    return p - lr * d


def moments(g, slots, h):
    m, v = slots[:2]
    m[...] = h["beta_1"] * m + (1 - h["beta_1"]) * g
    v[...] = h["beta_2"] * v + (1 - h["beta_2"]) * g**2
    return m, v


def adam(p, g, slots, t, lr, h):
    m, v = moments(g, slots, h)
    alpha = lr * np.sqrt(1 - h["beta_2"] ** t) / (1 - h["beta_1"] ** t)
    return p - alpha * m / (np.sqrt(v) + h["epsilon"])


def adam_amsgrad(p, g, slots, t, lr, h):
    m, v = moments(g, slots, h)
    slots[2][...] = np.maximum(slots[2], v)
    alpha = lr * np.sqrt(1 - h["beta_2"] ** t) / (1 - h["beta_1"] ** t)
    return p - alpha * m / (np.sqrt(slots[2]) + h["epsilon"])


def nadam(p, g, slots, t, lr, h):
    m, v = moments(g, slots, h)
    u = h["beta_1"] * (1 - 0.5 * 0.96 ** np.arange(1, t + 2))
    ahead = u[t] * m / (1 - np.prod(u)) + (1 - u[t - 1]) * g / (1 - np.prod(u[:t]))
    return p - lr * ahead / (np.sqrt(v / (1 - h["beta_2"] ** t)) + h["epsilon"])


def adamax(p, g, slots, t, lr, h):
    m, u = slots
    m[...] = h["beta_1"] * m + (1 - h["beta_1"]) * g
    u[...] = np.maximum(h["beta_2"] * u, np.abs(g))
    return p - lr / (1 - h["beta_1"] ** t) * m / (u + h["epsilon"])


def radam(p, g, slots, t, lr, h):
    m, v = moments(g, slots, h)
    seen = 1 - h["beta_2"] ** t
    longest = 2 / (1 - h["beta_2"]) - 1
    length = longest - 2 * t * (1 - seen) / seen
    mean = m / (1 - h["beta_1"] ** t)
    if length <= 5:
        return p - lr * mean
    r = np.sqrt((length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length))
    return p - lr * r * np.sqrt(seen) * mean / (np.sqrt(v) + h["epsilon"])


def lion(p, g, slots, t, lr, h):
    m = slots[0]
    direction = np.sign(h["beta_1"] * m + (1 - h["beta_1"]) * g)
    m[...] = h["beta_2"] * m + (1 - h["beta_2"]) * g
    return p - lr * direction


# name: (the rule, what its slots start at)
RULES = {
    "sgd": (sgd, []),
    "sgd_momentum": (sgd_momentum, [0]),
    "sgd_nesterov": (sgd_nesterov, [0]),
    "adagrad": (adagrad, [HYPER["initial_accumulator_value"]]),
    "rmsprop": (rmsprop(False, False), [0]),
    "rmsprop_momentum": (rmsprop(True, False), [0, 0]),
    "rmsprop_centered": (rmsprop(False, True), [0, 0]),
    "rmsprop_momentum_centered": (rmsprop(True, True), [0, 0, 0]),
    "adadelta": (adadelta, [0, 0]),
    "adam": (adam, [0, 0]),
    "adam_amsgrad": (adam_amsgrad, [0, 0, 0]),
    "nadam": (nadam, [0, 0]),
    "adamax": (adamax, [0, 0]),
    "radam": (radam, [0, 0]),
    "lion": (lion, [0]),
}

# What Keras lacks, and has to be compared with PyTorch.
NOT_IN_KERAS = {"RAdam"}
# Settings of ours and of PyTorch under which both compute the same. What is not here differs in where ε or the rate
# stands.
IN_PYTORCH = [
    ("SGD", {"learning_rate": 0.01}, "SGD", {"lr": 0.01}),
    ("SGD", {"learning_rate": 0.01, "momentum": 0.9}, "SGD", {"lr": 0.01, "momentum": 0.9}),
    (
        "SGD", {"learning_rate": 0.01, "momentum": 0.9, "nesterov": True},
        "SGD", {"lr": 0.01, "momentum": 0.9, "nesterov": True},
    ),
    ("Adagrad", {"learning_rate": 0.01, "epsilon": 0}, "Adagrad", {"initial_accumulator_value": 0.1, "eps": 0.0}),
    ("RMSprop", {"learning_rate": 0.01, "epsilon": 0}, "RMSprop", {"alpha": 0.9, "eps": 1e-20}),
    (
        "RMSprop", {"learning_rate": 0.01, "epsilon": 0, "momentum": 0.5},
        "RMSprop", {"alpha": 0.9, "eps": 1e-20, "momentum": 0.5},
    ),
    (
        "RMSprop", {"learning_rate": 0.01, "epsilon": 0, "centered": True},
        "RMSprop", {"alpha": 0.9, "eps": 1e-20, "centered": True},
    ),
    ("Adadelta", {"learning_rate": 0.5, "epsilon": 1e-7}, "Adadelta", {"lr": 0.5, "rho": 0.95, "eps": 1e-7}),
    ("Adam", {"learning_rate": 0.01, "epsilon": 0}, "Adam", {"lr": 0.01, "eps": 1e-20}),
    (
        "Adam", {"learning_rate": 0.01, "epsilon": 0, "amsgrad": True},
        "Adam", {"lr": 0.01, "eps": 1e-20, "amsgrad": True},
    ),
    (
        "AdamW", {"learning_rate": 0.01, "epsilon": 0, "weight_decay": 0.1},
        "AdamW", {"lr": 0.01, "eps": 1e-20, "weight_decay": 0.1},
    ),
    ("Adamax", {"learning_rate": 0.01, "epsilon": 0}, "Adamax", {"lr": 0.01, "eps": 1e-20}),
    ("RAdam", {"learning_rate": 0.01, "epsilon": 0}, "RAdam", {"lr": 0.01, "eps": 1e-20}),
]  # fmt: skip


class Reference:
    """The whole update stage over a list of float64 arrays."""

    def __init__(self, rule, hyper, variables, **settings):
        self.step_of, initial = RULES[rule]
        self.hyper = hyper
        self.variables = [np.array(v, np.float64) for v in variables]
        self.slots = [[np.full(v.shape, i, np.float64) for i in initial] for v in self.variables]
        self.averages = [np.zeros_like(v) for v in self.variables]
        self.sums = [np.zeros_like(v) for v in self.variables]
        self.settings = {key: value for key, value in settings.items() if value is not None}
        self.steps = 0

    def apply(self, gradients, lr, decays=None, rates=None):
        get = self.settings.get
        every = get("gradient_accumulation_steps", 1)
        self.steps += 1
        for total, g in zip(self.sums, gradients, strict=True):
            total += g
        if self.steps % every:
            return
        t = self.steps // every
        gradients = [total / every for total in self.sums]
        self.sums = [np.zeros_like(v) for v in self.variables]
        norms = [np.sqrt(np.sum(g**2)) for g in gradients]
        whole = np.sqrt(sum(norm**2 for norm in norms))
        for i, g in enumerate(gradients):
            if get("clipnorm"):
                g = g * get("clipnorm") / max(norms[i], get("clipnorm"))
            if get("global_clipnorm"):
                g = g * get("global_clipnorm") / max(whole, get("global_clipnorm"))
            if get("clipvalue"):
                g = np.clip(g, -get("clipvalue"), get("clipvalue"))
            rate = lr * (1 if rates is None else rates[i])
            p = self.variables[i]
            if get("weight_decay") and (decays is None or decays[i]):
                p = p * (1 - rate * get("weight_decay"))
            p = self.step_of(p, g, self.slots[i], t, rate, self.hyper)
            if get("use_ema"):
                momentum = get("ema_momentum", 0.99) if t > 1 else 0
                self.averages[i] = momentum * self.averages[i] + (1 - momentum) * p
                if get("ema_overwrite_frequency") and t % get("ema_overwrite_frequency") == 0:
                    p = self.averages[i].copy()
            self.variables[i] = p
