"""What a model has of training: compiling, the loops over data, single batches, and a look inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import random
from ..layers.layer import Layer
from ..tensor import Trace, flatten, map_structure, tracing
from ..training import data, loop, rate_range
from ..training.compiled import Compiled
from ..training.programs import Programs


class Trainer(Layer):
    """A layer that can be compiled, fitted, evaluated and asked for predictions: the base of models.

    Attributes
    ----------
    stop_training, stop_evaluating, stop_predicting : bool
        Set by a callback to end the loop that runs.
    history : History or None
        What the last `fit` returned.
    seed : int
        What the order of the rows and all that is random in a step follow from; drawn by `compile`.
    """

    _compiled: Compiled | None
    _output_shapes: list[Any]
    seed: int

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        model = super().__new__(cls, *args, **kwargs)
        for name in ("_compiled", "_programs", "history", "resume_epoch"):
            object.__setattr__(model, name, None)
        for name in ("stop_training", "stop_evaluating", "stop_predicting"):
            object.__setattr__(model, name, False)
        return model

    def compile(
        self,
        optimizer: Any = "rmsprop",
        loss: Any = None,
        loss_weights: Any = None,
        metrics: Any = None,
        weighted_metrics: Any = None,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        jit_compile: Any = "auto",
        auto_scale_loss: bool = True,
    ) -> None:
        """Say how the model is to be trained.

        An optimizer that the model was compiled with before goes on where it stands.

        Parameters
        ----------
        optimizer : Optimizer or str, default "rmsprop"
            What changes the weights.
        loss : Loss, callable, str, or list or dict of them by output
            What is minimized.
        loss_weights : float, or list or dict by output, optional
            Factors of the outputs' losses.
        metrics, weighted_metrics : list, or list or dict of lists by output, optional
            What is reported; the weighted ones take sample weights into account.
        run_eagerly, steps_per_execution, jit_compile, auto_scale_loss
            Taken so that scripts for Keras run, and without effect: a step is always planned as a whole, and as many
            of them run in one call as callbacks allow, in float32.

        Raises
        ------
        ValueError
            If a name is unknown, `metrics` neither a list nor a dictionary, or `steps_per_execution` not a positive
            integer.
        TypeError
            If something can be no optimizer, loss, weight of a loss or metric.
        NotImplementedError
            If a class of your own defines a ``train_step`` or another piece of the step that Keras would call.
        """
        for name in ("train_step", "test_step", "predict_step", "compute_loss", "compute_metrics"):
            if hasattr(self, name):
                raise NotImplementedError(
                    f"{type(self).__name__}: expected a model whose step nnfast plans; received one with a {name} of "
                    "its own, which would never be called; write the loss with nnfast.ops as a function of "
                    "(y_true, y_pred), or call self.add_loss in call()"
                )
        if not isinstance(steps_per_execution, (int, np.integer)) or steps_per_execution < 1:
            raise ValueError(f"steps_per_execution: expected a positive integer; received {steps_per_execution!r}")
        before = self._compiled
        self._compiled = Compiled(optimizer, loss, loss_weights, metrics, weighted_metrics)
        slots = {} if before is None or before.optimizer is not self.optimizer else self.programs.numbered_slots()
        self._programs = Programs(self)
        self._programs.remember(slots)
        self.seed = random.next_seed()

    @property
    def compiled(self) -> bool:
        """Whether `compile` has been called."""
        return self._compiled is not None

    @property
    def compile_settings(self) -> Compiled:
        """The settings of `compile`."""
        if self._compiled is None:
            raise RuntimeError(
                f"Model {self.name!r} must be compiled before it is trained or evaluated: "
                "call model.compile(optimizer=…, loss=…)"
            )
        return self._compiled

    @property
    def optimizer(self) -> Any:
        """The optimizer of `compile`."""
        return None if self._compiled is None else self._compiled.optimizer

    @property
    def loss(self) -> Any:
        """The loss given to `compile`."""
        return None if self._compiled is None else self._compiled.given["loss"]

    @property
    def metrics(self) -> list[Any]:
        """The metrics, that of the loss first."""
        return [] if self._compiled is None else list(self._compiled.trackers)

    @property
    def metrics_names(self) -> list[str]:
        """The names of the figures that `evaluate` returns."""
        return list(self.compile_settings.logs())

    @property
    def programs(self) -> Programs:
        """The planned steps."""
        if self._programs is None:
            self._programs = Programs(self)
        return self._programs

    def output_names_or_default(self, outputs: Any) -> list[str]:
        """Return the outputs' names; a subclassed model's are numbered, or the keys of the dictionary it returns.

        Parameters
        ----------
        outputs : structure of Tensor, or None
            What the model returned, if it has just been called.
        """
        names = getattr(self, "output_names", None)
        if names is not None:
            return names
        if outputs is not None:
            count = len(flatten(outputs))
            numbered = ["output"] if count == 1 else [f"output_{i + 1}" for i in range(count)]
            object.__setattr__(self, "_names_of_outputs", keys_of(outputs) or numbered)
        return getattr(self, "_names_of_outputs", ["output"])

    def ensure_built(self, x: Sequence[np.ndarray], structure: Any) -> None:
        """Create the weights, from arrays like those the model will be called on."""
        if self.built and (hasattr(self, "output_names") or hasattr(self, "_names_of_outputs")):
            return
        if not self.built and hasattr(self, "_list"):
            self.build(map_structure(lambda i: x[i].shape, structure))
        trace = Trace()
        with tracing(trace):
            inputs = [trace.input(a.shape, str(a.dtype)) for a in x]
            outputs = self(map_structure(lambda i: inputs[i], structure))
        self.output_names_or_default(outputs)
        object.__setattr__(self, "_output_shapes", [(None, *leaf.shape[1:]) for leaf in flatten(outputs)])

    def check_targets(self, x: Sequence[np.ndarray], structure: Any, y: list[np.ndarray]) -> None:
        """Have each loss look at its targets."""
        if getattr(self, "_output_shapes", None) is None:
            shapes = [tensor.shape for tensor in self.outputs]  # type: ignore[attr-defined]
            object.__setattr__(self, "_output_shapes", shapes)
        shapes = self._output_shapes
        self.compile_settings.match(self.output_names_or_default(None), [a.shape for a in y], shapes)
        for loss, target, shape in zip(self.compile_settings.losses, y, shapes, strict=True):
            if loss is not None and hasattr(loss, "check_target"):
                loss.check_target(target, shape)

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Train.

        Parameters
        ----------
        x : array, list or dict of arrays, DataFrame, or iterable of batches
            Inputs, ``(rows, …)``; or something that yields ``(x, y)`` or ``(x, y, sample_weight)``. NaN and infinite
            values are computed with, as in Keras: the loss becomes NaN, at which `TerminateOnNaN` ends the training.
        y : array, or list or dict of arrays
            Targets.
        batch_size : int, default 32
            Rows of each step.
        epochs : int, default 1
            The number of the last epoch: with `initial_epoch` 0, how often all rows are gone through.
        verbose : {"auto", 0, 1, 2}, default "auto"
            A bar on a terminal or in a notebook, else a line an epoch; 0 shows nothing.
        callbacks : list of Callback, optional
            Called as the training goes on.
        validation_split : float, default 0.0
            The share of the rows, from the end, held out to evaluate after each epoch.
        validation_data : tuple, list or iterable of batches, optional
            ``(x, y)`` or ``(x, y, sample_weight)`` to evaluate after each epoch.
        shuffle : bool, default True
            Whether each epoch goes through the rows in a new random order.
        class_weight : dict or "balanced", optional
            A weight for each class; "balanced" gives all classes the same sum of weights.
        sample_weight : array, optional
            A weight for each row.
        initial_epoch : int, default 0
            The first epoch's number.
        steps_per_epoch : int, optional
            Fewer steps than there are in the data: the next epoch goes on where the last one ended. Where the data end,
            the epoch does too, with a warning, and the next one begins anew. An iterable without numbers for its
            batches begins anew with each epoch, but for a generator, which cannot.
        validation_steps : int, optional
            Fewer steps than there are, from the first.
        validation_batch_size : int, optional
            By default `batch_size`.
        validation_freq : int or collection of int, default 1
            After which epochs to evaluate.

        Returns
        -------
        History
            Losses and metrics by epoch.

        Raises
        ------
        RuntimeError
            If the model has not been compiled.
        ValueError
            If the data do not fit the model.
        """
        self.compile_settings  # noqa: B018  raises where there is none
        return loop.fit(
            self, x, y, batch_size, epochs, verbose, callbacks, validation_split, validation_data, shuffle,
            class_weight, sample_weight, initial_epoch, steps_per_epoch, validation_steps, validation_batch_size,
            validation_freq,
        )  # fmt: skip

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """Return the loss and the metrics on data.

        Parameters
        ----------
        x, y, batch_size, verbose, sample_weight, callbacks
            As in :meth:`fit`.
        steps : int, optional
            Fewer batches than there are.
        return_dict : bool, default False
            Return figures by name in place of a list.

        Returns
        -------
        float, list of float, or dict
            The loss; with metrics, a list with the loss first.
        """
        self.compile_settings  # noqa: B018
        if y is None and not data.is_generator(x):
            raise ValueError("evaluate: expected targets y; received None")
        logs = loop.evaluate(self, x, y, batch_size, verbose, sample_weight, steps, callbacks)
        if return_dict:
            return logs
        return next(iter(logs.values())) if len(logs) == 1 else list(logs.values())

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """Return the outputs for inputs.

        A row's outputs have the same bits whichever batch it is in.

        Parameters
        ----------
        x, batch_size, verbose, callbacks
            As in :meth:`fit`.
        steps : int, optional
            Fewer batches than there are.

        Returns
        -------
        numpy.ndarray, or list, tuple or dict of them
            float32, ``(rows, …)``.
        """
        return loop.predict(self, x, batch_size, verbose, steps, callbacks)

    def predict_on_batch(self, x: Any) -> Any:
        """Return the outputs for one batch, with as little around it as possible."""
        if type(x) is np.ndarray:
            # An array like one of an earlier call has the same program.
            run = self.programs.of_batch((x.shape, x.dtype.char))
            if run is not None:
                return run((x,))[0]
        inputs, structure = data.as_inputs(x)
        program = self.programs.get("predict", inputs, structure)
        if structure == program.output_structure == 0 and x is inputs[0]:
            self.programs.remember_batch((x.shape, x.dtype.char), program.core.run)
        results = iter(program.core.run(inputs))
        return map_structure(lambda _: next(results), program.output_structure)

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """Take one step on one batch; return its loss and metrics.

        Parameters
        ----------
        x, y, sample_weight, class_weight
            As in :meth:`fit`.
        return_dict : bool, default False
            Return figures by name in place of a list.
        """
        return self._on_batch("train", x, y, sample_weight, class_weight, return_dict)

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False) -> Any:
        """Return loss and metrics on one batch; see :meth:`train_on_batch`."""
        return self._on_batch("test", x, y, sample_weight, None, return_dict)

    def _on_batch(self, purpose: str, x: Any, y: Any, weight: Any, class_weight: Any, return_dict: bool) -> Any:
        compiled = self.compile_settings
        plain = type(x) is type(y) is np.ndarray and weight is None and class_weight is None
        # The same arrays' shapes and types as in an earlier call have the same program.
        key = (purpose, x.shape, x.dtype, y.shape, y.dtype) if plain else None
        program = self.programs.of_batch(key) if plain else None
        if program is not None:
            compiled.losses[0].check_target(y, self._output_shapes[0])  # type: ignore[union-attr]
            arrays: Any = (x, y)
        else:
            if y is None:
                raise ValueError(f"{purpose}_on_batch: expected targets y; received None")
            source = loop.make_source(self, x, y, weight, class_weight, loop.rows_of_batch(x))
            program = self.programs.get(purpose, source.x, source.structure, source.y, source.weights)
            arrays = source.arrays
            if plain and x.dtype == np.float32 and y.dtype.kind in "if" and compiled.losses[0] is not None:
                self.programs.remember_batch(key, program)
        compiled.reset()
        loop.train_steps(self, program, arrays, None, 0, 1)
        logs = compiled.logs()
        if return_dict:
            return logs
        return next(iter(logs.values())) if len(logs) == 1 else list(logs.values())

    def reset_metrics(self) -> None:
        """Reset every metric."""
        if self._compiled is not None:
            self._compiled.reset()

    # --- looking inside -----------------------------------------------------------------------------------------

    def gradients(self, x: Any, y: Any, sample_weight: Any = None) -> dict[str, np.ndarray]:
        """Return the gradient of the loss by each trainable weight, by the weight's path.

        The weights are not changed. Layers behave as in training.

        Parameters
        ----------
        x, y, sample_weight
            One batch, as in :meth:`fit`.

        Returns
        -------
        dict of str to numpy.ndarray
            ``{"dense/kernel": …}``, each of its weight's shape.
        """
        self.compile_settings  # noqa: B018
        source = loop.make_source(self, x, y, sample_weight, None, loop.rows_of_batch(x))
        program = self.programs.get("gradients", source.x, source.structure, source.y, source.weights)
        program.core.run(source.arrays, self.seed, self.compile_settings.optimizer.steps)
        return {weight.path: program.block.gradient(i) for i, weight in enumerate(self.trainable_weights)}

    def find_learning_rate(
        self,
        x: Any,
        y: Any,
        batch_size: int | None = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        min_rate: float = 1e-6,
        max_rate: float = 10.0,
        steps: int = 200,
    ) -> rate_range.LearningRateRange:
        """Train for a while at growing learning rates, undo it, and say which rate to begin with.

        The learning-rate range test (Smith, 2017, https://arxiv.org/abs/1506.01186): while the rate is too low the
        loss stays, then it falls, and where the rate is too high it grows. The test ends there, or at `max_rate`.
        Afterwards weights, optimizer and random numbers are what they were before, also when the test fails.

        Parameters
        ----------
        x, y, batch_size, sample_weight, class_weight
            As in :meth:`fit`; arrays only.
        min_rate, max_rate : float, default 1e-6 and 10
            The rate of the first step, and of the last, unless the test ends before.
        steps : int, default 200
            How many steps lead from the one to the other, by the same factor each; at least 10.

        Returns
        -------
        LearningRateRange
            With ``.suggestion``, ``.rates``, ``.losses`` and ``.plot()``.

        Raises
        ------
        RuntimeError
            If the model has not been compiled.
        ValueError
            If the data do not fit the model, the rates are out of order, or the loss is not finite from the beginning.
        """
        self.compile_settings  # noqa: B018
        return rate_range.find_learning_rate(
            self, x, y, batch_size, sample_weight, class_weight, min_rate, max_rate, steps
        )

    def plan(self, x: Any, y: Any = None, profile: bool = False) -> str:
        """Return the planned step as text: operations, fusions, buffers and bytes.

        Parameters
        ----------
        x : array, or list or dict of arrays
            One batch.
        y : array, or list or dict of arrays, optional
            Its targets: the plan is then that of a training step, else that of `predict`.
        profile : bool, default False
            Add the time of each step, measured on this batch.
        """
        if y is None:
            inputs, structure = data.as_inputs(x)
            program, arrays = self.programs.get("predict", inputs, structure), inputs
        else:
            source = loop.make_source(self, x, y, None, None, loop.rows_of_batch(x))
            program = self.programs.get("train", source.x, source.structure, source.y, source.weights)
            arrays = source.arrays
        return program.core.profile(arrays) if profile else program.core.describe()


def keys_of(outputs: Any) -> list[str] | None:
    """Return the keys of a dictionary with one output each, in the order of `flatten`; None for other structures."""
    plain = isinstance(outputs, dict) and not any(isinstance(item, (dict, list, tuple)) for item in outputs.values())
    return sorted(outputs) if plain else None


__all__ = ["Trainer", "keys_of"]
