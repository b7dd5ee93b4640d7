"""What all optimizers have in common: settings, the learning rate, and steps on arrays outside a model.

The arithmetic is in C++ (cpp/kernels/update.cpp): an optimizer here holds settings and says which rule they name.
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypedDict

import numpy as np

from .. import _core
from ..registry import Registry, snake_case
from .schedules import LearningRateSchedule
from .schedules import registry as schedules

if TYPE_CHECKING:
    from typing_extensions import Self

Rate = float | LearningRateSchedule | Callable[[], float]


class Options(TypedDict, total=False):
    """The settings of every optimizer; see :class:`Optimizer`."""

    weight_decay: float | None
    clipnorm: float | None
    clipvalue: float | None
    global_clipnorm: float | None
    use_ema: bool
    ema_momentum: float
    ema_overwrite_frequency: int | None
    loss_scale_factor: float | None
    gradient_accumulation_steps: int | None
    name: str | None


class LearningRate(float):
    """The learning rate of now: a float that also answers to what Keras's variable answers to."""

    _optimizer: Optimizer

    def numpy(self) -> np.float32:
        """Return the rate as NumPy's float32."""
        return np.float32(self)

    @property
    def value(self) -> np.float32:
        """The rate as NumPy's float32."""
        return np.float32(self)

    def assign(self, value: float) -> None:
        """Set the optimizer's rate: the same as ``optimizer.learning_rate = value``."""
        self._optimizer.learning_rate = value


def check_number(name: str, value: Any, low: float, high: float = math.inf, *, open_high: bool = False) -> float:
    """Return a setting as a float; ValueError unless ``low <= value <= high``, or ``< high`` if that end is open."""
    try:
        number = None if isinstance(value, (str, bool)) or value is None else float(value)
    except OverflowError:
        number = math.inf
    if number is None or not (low <= number <= high) or math.isinf(number) or (open_high and number == high):
        end = "" if math.isinf(high) else f" and {'<' if open_high else '<='} {high:g}"
        raise ValueError(f"Argument `{name}` must be a number >= {low:g}{end}. Received: {name}={value!r}")
    return number


class _Signature:
    """What help() and editors list of an optimizer: the common settings in place of ``**options``."""

    def __get__(self, _: Any, cls: type) -> inspect.Signature | None:
        if cls is Optimizer:
            return None
        parameters = inspect.signature(cls.__init__).parameters.values()  # type: ignore[misc]
        own = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
        names = {parameter.name for parameter in own}
        common = list(inspect.signature(Optimizer).parameters.values())[1:] if len(own) < len(parameters) else []
        others = [p.replace(kind=p.KEYWORD_ONLY) for p in common if p.name not in names]
        return inspect.Signature(own[1:] + others)


_names: dict[str, int] = {}


def unique_name(class_name: str) -> str:
    """Name an object after its class, and after how many there were before: adam, adam_1, …"""
    name = snake_case(class_name)
    count = _names.get(name, 0)
    _names[name] = count + 1
    return f"{name}_{count}" if count else name


class Optimizer:
    """Base of all optimizers.

    In each step the gradient is clipped, the parameters decay (``w -= w · learning_rate · weight_decay``, as in Keras
    for every optimizer; PyTorch's `weight_decay` is added to the gradient instead, but for AdamW), the rule is
    applied, and the moving average follows.

    Parameters
    ----------
    learning_rate : float, LearningRateSchedule or callable without arguments
        The learning rate.
    weight_decay : float, optional
        If set, weight decay is applied.
    clipnorm : float, optional
        If set, the gradient of each weight is scaled down to this norm where it is larger.
    clipvalue : float, optional
        If set, each gradient is clipped to between minus this and this.
    global_clipnorm : float, optional
        If set, all gradients are scaled down together so that their common norm is at most this.
    use_ema : bool, default False
        Keep an exponential moving average of the weights. At the end of `fit`, or when `finalize_variable_values` is
        called, the weights become their average.
    ema_momentum : float, default 0.99
        ``average = ema_momentum · average + (1 - ema_momentum) · weight``, after every update.
    ema_overwrite_frequency : int, optional
        The weights also become their average each time after this many updates.
    loss_scale_factor : float, optional
        What the loss was multiplied by; `apply` divides the gradients by it. Training in float32 does not need it.
    gradient_accumulation_steps : int, optional
        Update only every so many steps, with the mean of their gradients. Schedules count steps, the average counts
        updates.
    name : str, optional
        The optimizer's name.

    Raises
    ------
    ValueError
        If a setting is out of its range, or more than one of the three clippings is asked for.
    """

    __signature__ = _Signature()

    def __init__(
        self,
        learning_rate: Rate,
        weight_decay: float | None = None,
        clipnorm: float | None = None,
        clipvalue: float | None = None,
        global_clipnorm: float | None = None,
        use_ema: bool = False,
        ema_momentum: float = 0.99,
        ema_overwrite_frequency: int | None = None,
        loss_scale_factor: float | None = None,
        gradient_accumulation_steps: int | None = None,
        name: str | None = None,
    ):
        clippings = {"clipnorm": clipnorm, "clipvalue": clipvalue, "global_clipnorm": global_clipnorm}
        if sum(value is not None for value in clippings.values()) > 1:
            received = ", ".join(f"{key}={value}" for key, value in clippings.items())
            raise ValueError(
                f"Only one of `clipnorm`, `clipvalue` and `global_clipnorm` can be set. Received: {received}"
            )
        for key, value in {"weight_decay": weight_decay, "loss_scale_factor": loss_scale_factor, **clippings}.items():
            if value is not None:
                check_number(key, value, 0)
        check_number("ema_momentum", ema_momentum, 0, 1)
        if ema_overwrite_frequency is not None and not (
            isinstance(ema_overwrite_frequency, int) and ema_overwrite_frequency >= 1
        ):
            raise ValueError(
                "`ema_overwrite_frequency` must be an integer >= 1 or None. Received: "
                f"ema_overwrite_frequency={ema_overwrite_frequency}"
            )
        if gradient_accumulation_steps and not (
            isinstance(gradient_accumulation_steps, int) and gradient_accumulation_steps >= 2
        ):
            raise ValueError(
                "`gradient_accumulation_steps` must be an integer >= 2. Received: "
                f"gradient_accumulation_steps={gradient_accumulation_steps}"
            )
        self.name = name or unique_name(type(self).__name__)
        self.weight_decay = weight_decay
        self.clipnorm = clipnorm
        self.clipvalue = clipvalue
        self.global_clipnorm = global_clipnorm
        self.use_ema = use_ema
        self.ema_momentum = ema_momentum
        self.ema_overwrite_frequency = ema_overwrite_frequency
        self.loss_scale_factor = loss_scale_factor
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.steps = 0  # taken so far; a model that trains with this optimizer counts them here
        self._excluded_ids: set[int] = set()
        self._excluded_names: str | None = None
        self._trainable_variables: list[Any] = []
        self._blocks: _core.Update | None = None
        self._learning_rate: Rate = 0.0
        self._equal_rates = np.zeros(0)  # kept between calls
        self._set_learning_rate(learning_rate)

    def rule(self) -> tuple[str, dict[str, float]]:
        """Return the name of the C++ rule, of cpp/kernels/optimizers.h, and its hyperparameters."""
        raise NotImplementedError(f"{type(self).__name__} must implement rule()")

    def settings(self) -> dict[str, Any]:
        """Return what the C++ update stage is made from."""
        rule, hyper = self.rule()
        return {
            "rule": rule,
            "hyper": hyper,
            "weight_decay": self.weight_decay,
            "clipnorm": self.clipnorm,
            "clipvalue": self.clipvalue,
            "global_clipnorm": self.global_clipnorm,
            "use_ema": self.use_ema,
            "ema_momentum": self.ema_momentum,
            "ema_overwrite_frequency": self.ema_overwrite_frequency,
            "gradient_accumulation_steps": self.gradient_accumulation_steps or None,
        }

    # The learning rate.

    @property
    def learning_rate(self) -> LearningRate:
        """The rate of the coming step; can be set to a number or, in place of a number, to a schedule."""
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            rate = rate(self.steps)
        elif callable(rate):
            rate = rate()
        number = LearningRate(rate)
        number._optimizer = self
        return number

    @learning_rate.setter
    def learning_rate(self, learning_rate: Rate) -> None:
        if isinstance(self._learning_rate, LearningRateSchedule) and not callable(learning_rate):
            raise TypeError(
                "This optimizer was created with a `LearningRateSchedule` object as its `learning_rate` constructor "
                "argument, hence its learning rate is not settable. If you need the learning rate to be settable, "
                "you should instantiate the optimizer with a float `learning_rate` argument."
            )
        self._set_learning_rate(learning_rate)

    @property
    def lr(self) -> NoReturn:
        """Refused, and not a new attribute that changes nothing when it is set: the name of Keras 2."""
        raise AttributeError(f"{type(self).__name__} has no attribute 'lr'; its rate is `learning_rate`")

    @lr.setter
    def lr(self, value: Any) -> NoReturn:
        raise AttributeError(
            f"{type(self).__name__} has no attribute 'lr'; write optimizer.learning_rate = {value!r} to set its rate"
        )

    def _set_learning_rate(self, learning_rate: Any) -> None:
        if isinstance(learning_rate, dict):
            learning_rate = schedules.deserialize(learning_rate)
        if not callable(learning_rate):
            try:
                learning_rate = check_number("learning_rate", learning_rate, 0)
            except (TypeError, ValueError):
                raise ValueError(
                    "Argument `learning_rate` should be a number >= 0, a LearningRateSchedule, or a function without "
                    f"arguments that returns the rate. Received: learning_rate={learning_rate!r}"
                ) from None
        self._learning_rate = learning_rate

    def learning_rates(self, count: int) -> np.ndarray:
        """Return the rates of the coming `count` steps, float64; perhaps of more."""
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            return np.array([float(rate(self.steps + i)) for i in range(count)])
        number = rate() if callable(rate) else rate
        if len(self._equal_rates) < count or self._equal_rates[0] != number:
            self._equal_rates = np.full(count, float(number))
        return self._equal_rates

    @property
    def iterations(self) -> int:
        """How many updates there were."""
        return self.steps // (self.gradient_accumulation_steps or 1)

    # Which variables decay.

    def exclude_from_weight_decay(
        self, var_list: Iterable[Any] | None = None, var_names: Sequence[str] | None = None
    ) -> None:
        """Leave some variables out of weight decay. To be called before the first step.

        Parameters
        ----------
        var_list : iterable of variables, optional
            The variables.
        var_names : sequence of str, optional
            Regular expressions: variables in whose name one of them is found are left out, for example ``["bias"]``.

        Raises
        ------
        ValueError
            If the optimizer has been built.
        """
        if self.built:
            raise ValueError("`exclude_from_weight_decay()` can only be configured before the optimizer is built.")
        self._excluded_ids = {id(variable) for variable in var_list or ()}
        self._excluded_names = "|".join(var_names) if var_names else None

    def uses_weight_decay(self, variable: Any) -> bool:
        """Tell whether weight decay applies to a variable."""
        if id(variable) in self._excluded_ids:
            return False
        name = getattr(variable, "name", None) or ""
        return self._excluded_names is None or re.search(self._excluded_names, name) is None

    # Steps on arrays, outside a model.

    @property
    def built(self) -> bool:
        """Whether the optimizer has variables of its own."""
        return self._blocks is not None

    def build(self, variables: Sequence[Any]) -> None:
        """Make the optimizer's state for these variables.

        Parameters
        ----------
        variables : sequence of nnfast.Variable or numpy.ndarray
            What `apply` will change.
        """
        if self.built:
            return
        self._trainable_variables = list(variables)
        sizes = [(int(np.size(v)), self.uses_weight_decay(v), 1.0) for v in self._trainable_variables]
        self._blocks = _core.Update(self.settings(), sizes)

    def _views(self, block: np.ndarray) -> list[np.ndarray]:
        """Cut a flat block into views, one for each variable."""
        assert self._blocks is not None
        return [
            block[offset : offset + int(np.size(v))].reshape(np.shape(v))
            for offset, v in zip(self._blocks.offsets, self._trainable_variables, strict=True)
        ]

    def _slots(self) -> list[list[np.ndarray]]:
        assert self._blocks is not None
        return [self._views(self._blocks.slot(i)) for i in range(len(self._blocks.slot_names))]

    @property
    def variables(self) -> list[Any]:
        """The optimizer's state: the number of steps, the learning rate if it is a number, the slots by variable.

        The slots are the memory in use, not copies; they are those of :meth:`build`. What an optimizer remembers of the
        weights of a model that it trains is kept, saved and loaded with the model.
        """
        state: list[Any] = [self.steps]
        if not callable(self._learning_rate):
            state.append(self._learning_rate)
        if self.built:
            state.extend(view for views in zip(*self._slots(), strict=True) for view in views)
        return state

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Set the state to what :attr:`variables` gave.

        Raises
        ------
        ValueError
            If the optimizer has not been built, or the number of weights or a shape is another.
        """
        if not self.built:
            raise ValueError(
                "You are calling `set_weights()` on an optimizer that has not yet been built. Please call "
                "`optimizer.build(trainable_variables)` to create the optimizer weights before calling `set_weights()`."
            )
        state = self.variables
        shapes = [np.shape(own) for own in state]
        if [np.shape(given) for given in weights] != shapes:
            raise ValueError(
                f"set_weights: expected {len(shapes)} arrays of shapes {shapes}; "
                f"received {len(weights)} of shapes {[np.shape(given) for given in weights]}"
            )
        self.steps = int(weights[0])
        slots = len(state) - 1
        if not callable(self._learning_rate):
            self._set_learning_rate(float(weights[1]))
            slots -= 1
        for own, given in zip(state[len(state) - slots :], weights[len(state) - slots :], strict=True):
            own[...] = given

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]]) -> int:
        """Take one step, given pairs of a gradient and its variable; see :meth:`apply`."""
        grads, variables = zip(*grads_and_vars, strict=True)
        self.apply(grads, variables)
        return self.steps

    def apply(self, grads: Sequence[Any], trainable_variables: Sequence[Any] | None = None) -> None:
        """Take one step: change the variables by their gradients.

        Parameters
        ----------
        grads : sequence of array-like or None
            The gradient of each variable. A variable whose gradient is None is left alone, with a warning.
        trainable_variables : sequence of nnfast.Variable or numpy.ndarray, optional
            The variables; by default those the optimizer was built with. Arrays are changed in place.

        Raises
        ------
        ValueError
            If a variable is not among those the optimizer was built with, a shape differs, or there is no gradient.
        """
        if len(grads) == 0:
            return
        if trainable_variables is None:
            if not self.built:
                raise ValueError(
                    "When passing `grads` without `variables`, the optimizer must already be built on a list of "
                    "variables. Call `optimizer.build(trainable_variables)` first. "
                )
            trainable_variables = self._trainable_variables
        self.build(trainable_variables)
        gradients = self._match(grads, trainable_variables)
        assert self._blocks is not None

        idle = [i for i in range(len(self._trainable_variables)) if i not in gradients]
        slots = self._slots()
        kept = [[views[i].copy() for i in idle] for views in slots]
        values, places = self._views(self._blocks.parameters), self._views(self._blocks.gradients)
        for i, variable in enumerate(self._trainable_variables):
            values[i][...] = variable
            places[i][...] = gradients.get(i, 0)
        self._blocks.step(self.steps, float(self.learning_rate), _core.num_threads())
        for views, copies in zip(slots, kept, strict=True):
            for i, copy in zip(idle, copies, strict=True):
                views[i][...] = copy
        for i in gradients:
            self._assign(self._trainable_variables[i], values[i])
        self.steps += 1

    def _match(self, grads: Sequence[Any], variables: Sequence[Any]) -> dict[int, np.ndarray]:
        """Check the gradients; return them by the number of their variable."""
        if len(grads) != len(variables):
            raise ValueError(f"Expected {len(variables)} gradients, one for each variable; received {len(grads)}")
        numbers = {id(variable): i for i, variable in enumerate(self._trainable_variables)}
        found: dict[int, np.ndarray] = {}
        missing = []
        for gradient, variable in zip(grads, variables, strict=True):
            name = getattr(variable, "path", None) or f"of shape {np.shape(variable)}"
            if id(variable) not in numbers:
                raise ValueError(
                    f"Unknown variable: {name}. This optimizer can only be called for the variables it was originally "
                    "built with. When working with a new set of variables, you should recreate a new optimizer "
                    "instance."
                )
            if gradient is None:
                missing.append(name)
                continue
            if np.shape(gradient) != np.shape(variable):
                raise ValueError(
                    f"The gradient of the variable {name} must have the shape {np.shape(variable)}; "
                    f"received {np.shape(gradient)}"
                )
            found[numbers[id(variable)]] = np.asarray(gradient, dtype=np.float32) / (self.loss_scale_factor or 1)
        if not found:
            raise ValueError("No gradients provided for any variable.")
        if missing:
            warnings.warn(f"Gradients do not exist for variables {missing} when minimizing the loss.", stacklevel=4)
        return found

    @staticmethod
    def _assign(variable: Any, value: np.ndarray) -> None:
        if isinstance(variable, np.ndarray):
            variable[...] = value
            return
        variable.assign(value)
        constraint = getattr(variable, "constraint", None)
        if constraint is not None:
            variable.assign(constraint(variable))

    def finalize_variable_values(self, var_list: Sequence[Any]) -> None:
        """Replace the variables by their moving averages, if `use_ema` asked for these.

        Parameters
        ----------
        var_list : sequence of nnfast.Variable or numpy.ndarray
            The variables the optimizer was built with.

        Raises
        ------
        ValueError
            If they are not as many.
        """
        if not self.use_ema:
            return
        if len(var_list) != len(self._trainable_variables) or self._blocks is None:
            raise ValueError(
                f"The length of model variables ({len(var_list)}) to override does not match the length of model "
                f"variables stored in the optimizer ({len(self._trainable_variables)}). Please check if the optimizer "
                "was called on your model."
            )
        averages = self._slots()[self._blocks.slot_names.index("average")]
        for variable, average in zip(var_list, averages, strict=True):
            self._assign(variable, average)

    def scale_loss(self, loss: Any) -> Any:
        """Multiply a loss by `loss_scale_factor`, if that is set."""
        return loss if self.loss_scale_factor is None else loss * self.loss_scale_factor

    # Saving.

    def get_config(self) -> dict[str, Any]:
        """Return the settings from which :meth:`from_config` makes an equal optimizer, without its state."""
        rate = self._learning_rate
        if isinstance(rate, LearningRateSchedule):
            rate = schedules.serialize(rate)
        elif callable(rate):
            warnings.warn(
                f"{self.name}: a function as the learning rate cannot be saved, only its present value; "
                "to save it, make it a subclass of LearningRateSchedule.",
                stacklevel=2,
            )
            rate = float(self.learning_rate)
        config = {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}
        config["learning_rate"] = rate
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make an optimizer from the settings that :meth:`get_config` returned."""
        return cls(**config)


registry = Registry("optimizer", Optimizer)
