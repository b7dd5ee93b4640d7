"""The table lookup."""

from __future__ import annotations

from typing import Any

from .. import constraints, initializers, ops, regularizers
from .arguments import positive
from .layer import WITHOUT_ADAPTERS, Layer, layer_registry


@layer_registry.add()
class Embedding(Layer):
    """Turns integers into rows of a learned table: ``(…)`` becomes ``(…, output_dim)``.

    Parameters
    ----------
    input_dim : int
        The number of rows; integers must lie from 0 to ``input_dim - 1``.
    output_dim : int
        The length of a row.
    embeddings_initializer : default "uniform"
        The table's first contents.
    embeddings_regularizer, embeddings_constraint : optional
        Of the table.
    mask_zero : bool, default False
        Taken for Keras's sake; only False, since there are no masks.
    weights : array-like of shape (input_dim, output_dim), optional
        The table's first contents, in place of `embeddings_initializer`; not part of the configuration.
    **kwargs
        Those of :class:`Layer`.
    """

    left_out = {
        "mask_zero": "there are no masks: give padded steps a sample_weight of 0, or pool with GlobalAveragePooling1D, "
        "whose call takes a mask",
        **WITHOUT_ADAPTERS,
    }

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        weights: Any = None,
        **kwargs: Any,
    ):
        super().__init__(mask_zero=mask_zero, **kwargs)
        self.input_dim = positive(self, "input_dim", input_dim)
        self.output_dim = positive(self, "output_dim", output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        if weights is not None:
            self.build()
            self.set_weights(weights if isinstance(weights, list) and len(weights) == 1 else [weights])

    def build(self, input_shape: Any = None) -> None:
        self.embeddings = self.add_weight(
            (self.input_dim, self.output_dim), self.embeddings_initializer, regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint, name="embeddings",
        )  # fmt: skip

    def call(self, inputs: Any) -> Any:
        return ops.take(self.embeddings, ops.convert(inputs, "int32"), axis=0)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "input_dim": self.input_dim,
            "output_dim": self.output_dim,
            "embeddings_initializer": initializers.serialize(self.embeddings_initializer),
            "embeddings_regularizer": regularizers.serialize(self.embeddings_regularizer),
            "embeddings_constraint": constraints.serialize(self.embeddings_constraint),
        }
