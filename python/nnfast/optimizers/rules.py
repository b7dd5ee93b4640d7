"""The optimizers, from simple to complex: the settings of each, and which C++ rule they name.

In the formulas g is the gradient (clipped, if that is asked for), w the weight, lr the learning rate, t the number of
the update from 1; the other letters are kept from step to step and start at 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .optimizer import Optimizer, Rate, check_number, registry

__all__ = ["SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "Nadam", "RAdam", "RMSprop"]

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .optimizer import Options


def check_share(name: str, value: float) -> float:
    """Return a setting that must be at least 0 and below 1."""
    return check_number(name, value, 0, 1, open_high=True)


@registry.add("sgd")
class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

    ``w -= lr · g``; with momentum ``m = momentum · m - lr · (1 - dampening) · g`` and ``w += m``; after Nesterov
    ``w += momentum · m - lr · g``.

    The momentum of textbooks, ``v = β · v + (1 - β) · g`` and ``w -= lr · v``, is ``SGD(momentum=β, dampening=β)``.

    PyTorch leaves the learning rate out of its momentum, so that a change of the rate acts at once on all of it, and
    does not dampen the very first step.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.01
        The learning rate.
    momentum : float, default 0.0
        How much of the last step is taken again, from 0 to 1.
    nesterov : bool, default False
        Look ahead: Nesterov's momentum.
    dampening : float, default 0.0
        What the gradient loses on its way into the momentum, from 0 to 1 (as in PyTorch; Keras has none).
    **options
        See :class:`Optimizer`.

    Raises
    ------
    ValueError
        If a setting is out of its range, or Nesterov's momentum is to be dampened.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.01,
        momentum: float = 0.0,
        nesterov: bool = False,
        *,
        dampening: float = 0.0,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.momentum = check_number("momentum", momentum, 0, 1)
        self.nesterov = nesterov
        self.dampening = check_number("dampening", dampening, 0, 1)
        if nesterov and dampening:
            raise ValueError(
                f"Nesterov's momentum knows no dampening: set nesterov=False or dampening=0. Received: {dampening=}"
            )

    def rule(self) -> tuple[str, dict[str, float]]:
        if self.momentum == 0:
            return "sgd", {}
        name = "sgd_nesterov" if self.nesterov else "sgd_momentum"
        return name, {"momentum": self.momentum, "dampening": self.dampening}


@registry.add()
class Adagrad(Optimizer):
    """``a += g²``, ``w -= lr · g / √(a + ε)``: the more a weight has moved, the smaller its steps.

    Duchi et al., 2011, https://jmlr.org/papers/v12/duchi11a.html, whose rate is 1. PyTorch's rate is 0.01, its
    accumulator starts at 0, and its ε (1e-10) stands outside the root.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
        The learning rate.
    initial_accumulator_value : float, default 0.1
        What a starts at.
    epsilon : float, default 1e-7
        ε, against division by zero.
    **options
        See :class:`Optimizer`.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.initial_accumulator_value = check_number("initial_accumulator_value", initial_accumulator_value, 0)
        self.epsilon = check_number("epsilon", epsilon, 0)

    def rule(self) -> tuple[str, dict[str, float]]:
        return "adagrad", {
            "epsilon": self.epsilon,
            "initial_accumulator_value": self.initial_accumulator_value,
        }


@registry.add("rmsprop")
class RMSprop(Optimizer):
    """``v = ρ · v + (1 - ρ) · g²``, ``w -= lr · g / √(v + ε)``: the gradient divided by its recent size.

    Centered, ``a = ρ · a + (1 - ρ) · g`` and the root is that of the variance, ``√(v - a² + ε)``. With momentum,
    ``m = momentum · m + lr · g / √…`` and ``w -= m``.

    Hinton, 2012, http://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf. In PyTorch the rate is 0.01,
    ρ is called alpha and is 0.99, ε is 1e-8 and stands outside the root, and the rate is outside the momentum.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
        The learning rate.
    rho : float, default 0.9
        ρ, how much of the averages is kept in each step.
    momentum : float, default 0.0
        How much of the last step is taken again, from 0 to 1.
    epsilon : float, default 1e-7
        ε, against division by zero.
    centered : bool, default False
        Divide by the standard deviation of the gradient rather than by its root mean square.
    **options
        See :class:`Optimizer`.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        rho: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-7,
        centered: bool = False,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.rho = check_number("rho", rho, 0, 1)
        self.momentum = check_number("momentum", momentum, 0, 1)
        self.epsilon = check_number("epsilon", epsilon, 0)
        self.centered = centered

    def rule(self) -> tuple[str, dict[str, float]]:
        name = "rmsprop" + ("_momentum" if self.momentum > 0 else "") + ("_centered" if self.centered else "")
        return name, {"rho": self.rho, "momentum": self.momentum, "epsilon": self.epsilon}


@registry.add()
class Adadelta(Optimizer):
    """Adagrad with a memory that fades, and steps in the unit of the weights.

    ``a = ρ · a + (1 - ρ) · g²``, ``d = g · √(b + ε) / √(a + ε)``, ``b = ρ · b + (1 - ρ) · d²``, ``w -= lr · d``.

    Zeiler, 2012, https://arxiv.org/abs/1212.5701, whose rate is 1. In PyTorch the rate is 1, ρ 0.9 and ε 1e-6.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
        The learning rate.
    rho : float, default 0.95
        ρ, how much of the averages is kept in each step.
    epsilon : float, default 1e-7
        ε, against division by zero; it also decides how long the first steps are.
    **options
        See :class:`Optimizer`.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    def __init__(
        self, learning_rate: Rate = 0.001, rho: float = 0.95, epsilon: float = 1e-7, **options: Unpack[Options]
    ):
        super().__init__(learning_rate, **options)
        self.rho = check_number("rho", rho, 0, 1)
        self.epsilon = check_number("epsilon", epsilon, 0)

    def rule(self) -> tuple[str, dict[str, float]]:
        return "adadelta", {"rho": self.rho, "epsilon": self.epsilon}


@registry.add()
class Adam(Optimizer):
    """Momentum, divided by the recent size of the gradient.

    ``m += (g - m) · (1 - β₁)``, ``v += (g² - v) · (1 - β₂)``, ``w -= α · m / (√v + ε)`` with
    ``α = lr · √(1 - β₂ᵗ) / (1 - β₁ᵗ)``.

    Kingma & Ba, 2014, https://arxiv.org/abs/1412.6980; as in Keras, ε is the paper's ε̂ of section 2. PyTorch adds its ε
    (1e-8) to the corrected ``√(v / (1 - β₂ᵗ))`` instead, and its amsgrad is the same as this one.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
        The learning rate.
    beta_1 : float, default 0.9
        β₁, how much of the mean gradient is kept in each step.
    beta_2 : float, default 0.999
        β₂, how much of the mean square is kept in each step.
    epsilon : float, default 1e-7
        ε, against division by zero.
    amsgrad : bool, default False
        Divide by the largest v so far (Reddi et al., 2018, https://openreview.net/forum?id=ryQu7f-RZ).
    **options
        See :class:`Optimizer`.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.beta_1 = check_share("beta_1", beta_1)
        self.beta_2 = check_share("beta_2", beta_2)
        self.epsilon = check_number("epsilon", epsilon, 0)
        self.amsgrad = amsgrad

    def rule(self) -> tuple[str, dict[str, float]]:
        name = "adam_amsgrad" if self.amsgrad else "adam"
        return name, {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


@registry.add("adamw")
class AdamW(Adam):
    """Adam, and weight decay by default: ``w -= w · lr · weight_decay`` before each step.

    Loshchilov & Hutter, 2017, https://arxiv.org/abs/1711.05101. PyTorch's weight decay is 0.01.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
        The learning rate.
    weight_decay : float, default 0.004
        The weight decay.
    beta_1, beta_2, epsilon, amsgrad
        See :class:`Adam`.
    **options
        See :class:`Optimizer`.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    def __init__(  # type: ignore[misc]  # weight_decay is among the options too
        self,
        learning_rate: Rate = 0.001,
        weight_decay: float = 0.004,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        amsgrad: bool = False,
        **options: Unpack[Options],
    ):
        check_number("weight_decay", weight_decay, 0)
        super().__init__(learning_rate, beta_1, beta_2, epsilon, amsgrad, **{**options, "weight_decay": weight_decay})


@registry.add()
class Nadam(Optimizer):
    """Adam with Nesterov's momentum.

    m and v as in :class:`Adam`. With ``u_t = β₁ · (1 - 0.96ᵗ / 2)`` and ``U_t = u_1 · … · u_t``,
    ``w -= lr · (m · u_{t+1} / (1 - U_{t+1}) + g · (1 - u_t) / (1 - U_t)) / (√(v / (1 - β₂ᵗ)) + ε)``.

    Dozat, 2016, https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ. PyTorch's rate is 0.002, its ε 1e-8, and its
    momentum decays with 0.96 to the power of 0.004 t.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
        The learning rate.
    beta_1 : float, default 0.9
        β₁, how much of the mean gradient is kept in each step.
    beta_2 : float, default 0.999
        β₂, how much of the mean square is kept in each step.
    epsilon : float, default 1e-7
        ε, against division by zero.
    **options
        See :class:`Optimizer`.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.beta_1 = check_share("beta_1", beta_1)
        self.beta_2 = check_share("beta_2", beta_2)
        self.epsilon = check_number("epsilon", epsilon, 0)

    def rule(self) -> tuple[str, dict[str, float]]:
        return "nadam", {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


@registry.add()
class Adamax(Optimizer):
    """Adam with the largest recent gradient in place of the root mean square.

    m as in :class:`Adam`; ``u = max(β₂ · u, |g|)``, ``w -= lr / (1 - β₁ᵗ) · m / (u + ε)``.

    Kingma & Ba, 2014, section 7, https://arxiv.org/abs/1412.6980. PyTorch's rate is 0.002, and its ε,
    1e-8, is added to |g|.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
        The learning rate.
    beta_1 : float, default 0.9
        β₁, how much of the mean gradient is kept in each step.
    beta_2 : float, default 0.999
        β₂, how much of the largest gradient is kept in each step.
    epsilon : float, default 1e-7
        ε, against division by zero.
    **options
        See :class:`Optimizer`.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.beta_1 = check_share("beta_1", beta_1)
        self.beta_2 = check_share("beta_2", beta_2)
        self.epsilon = check_number("epsilon", epsilon, 0)

    def rule(self) -> tuple[str, dict[str, float]]:
        return "adamax", {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


@registry.add("radam")
class RAdam(Optimizer):
    """Adam whose first steps are shorter, without a warm-up of the rate: until v has been seen long enough.

    ``α = r · lr · √(1 - β₂ᵗ) / (1 - β₁ᵗ)``, ``w -= α · m / (√v + ε)`` as in Adam, with ``ρ∞ = 2 / (1 - β₂) - 1``,
    ``ρ = ρ∞ - 2 t β₂ᵗ / (1 - β₂ᵗ)`` and ``r² = (ρ - 4) (ρ - 2) ρ∞ / ((ρ∞ - 4) (ρ∞ - 2) ρ)``; where ρ is at most 5,
    ``w -= lr · m / (1 - β₁ᵗ)``. Liu et al., 2019, https://arxiv.org/abs/1908.03265. Not in Keras; PyTorch's, whose ε is
    by default 1e-8.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
        The learning rate.
    beta_1 : float, default 0.9
        β₁, how much of the mean gradient is kept in each step.
    beta_2 : float, default 0.999
        β₂, how much of the mean square is kept in each step.
    epsilon : float, default 1e-7
        ε, against division by zero.
    **options
        See :class:`Optimizer`.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    def __init__(
        self,
        learning_rate: Rate = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        **options: Unpack[Options],
    ):
        super().__init__(learning_rate, **options)
        self.beta_1 = check_share("beta_1", beta_1)
        self.beta_2 = check_share("beta_2", beta_2)
        self.epsilon = check_number("epsilon", epsilon, 0)

    def rule(self) -> tuple[str, dict[str, float]]:
        return "radam", {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}


@registry.add()
class Lion(Optimizer):
    """``w -= lr · sign(β₁ · m + (1 - β₁) · g)``, ``m = β₂ · m + (1 - β₂) · g``: every step is as long.

    Chen et al., 2023, https://arxiv.org/abs/2302.06675. Its rate should be 3 to 10 times smaller than Adam's, and its
    weight decay as many times larger. PyTorch has no Lion.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable, default 0.001
        The learning rate.
    beta_1 : float, default 0.9
        β₁, the share of the mean gradient in the direction of a step; above 0.
    beta_2 : float, default 0.99
        β₂, how much of the mean gradient is kept in each step.
    **options
        See :class:`Optimizer`.

    Raises
    ------
    ValueError
        If a setting is out of its range.
    """

    def __init__(
        self, learning_rate: Rate = 0.001, beta_1: float = 0.9, beta_2: float = 0.99, **options: Unpack[Options]
    ):
        super().__init__(learning_rate, **options)
        if not 0 < beta_1 <= 1:
            raise ValueError(
                "Argument `beta_1` must be > 0 and <= 1. Otherwise, the optimizer degenerates to SignSGD. "
                f"Received: {beta_1=}"
            )
        self.beta_1 = float(beta_1)
        self.beta_2 = check_number("beta_2", beta_2, 0, 1)

    def rule(self) -> tuple[str, dict[str, float]]:
        return "lion", {"beta_1": self.beta_1, "beta_2": self.beta_2}
