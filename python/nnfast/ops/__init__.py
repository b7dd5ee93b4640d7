"""Operations on arrays, variables and symbolic tensors, by the names of ``keras.ops``.

On arrays they are computed at once. In a layer, loss or metric that is being planned they join the step, and their
gradients come with them. Arithmetic is float32.
"""

from typing import Any

from .apply import (
    apply,
    canonical_axis,
    convert,
    is_symbolic,
    shape_of,
)
from .creation import (
    arange,
    convert_to_numpy,
    eye,
    full,
    full_like,
    linspace,
    ones,
    zeros,
)
from .crossentropy import (
    binary_crossentropy,
    categorical_crossentropy,
    sparse_categorical_crossentropy,
)
from .custom import custom
from .elementwise import (
    abs,
    absolute,
    add,
    cast,
    ceil,
    clip,
    cos,
    divide,
    equal,
    erf,
    exp,
    expm1,
    floor,
    floor_divide,
    greater,
    greater_equal,
    isfinite,
    isinf,
    isnan,
    less,
    less_equal,
    log,
    log1p,
    log2,
    log10,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    maximum,
    minimum,
    multiply,
    negative,
    not_equal,
    power,
    reciprocal,
    round,
    rsqrt,
    sign,
    sin,
    sqrt,
    square,
    stop_gradient,
    subtract,
    true_divide,
    where,
)
from .image import (
    affine_transform,
    resize,
)
from .linalg import (
    dot,
    matmul,
)
from .manipulation import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    get_item,
    moveaxis,
    one_hot,
    ones_like,
    pad,
    ravel,
    repeat,
    reshape,
    split,
    squeeze,
    stack,
    swapaxes,
    take,
    tile,
    transpose,
    zeros_like,
)
from .nn import (
    alpha_dropout,
    average_pool,
    conv,
    conv_transpose,
    dense,
    depthwise_conv,
    dropout,
    gaussian_dropout,
    gaussian_noise,
    log_softmax,
    max_pool,
    softmax,
)
from .reduction import (
    all,
    any,
    argmax,
    argmin,
    count_nonzero,
    divide_no_nan,
    logsumexp,
    max,
    mean,
    min,
    norm,
    normalize,
    prod,
    segment_sum,
    std,
    sum,
    var,
)

_ACTIVATIONS = (
    "elu", "gelu", "hard_sigmoid", "hard_silu", "leaky_relu", "log_sigmoid", "relu", "relu6", "selu", "sigmoid", "silu",
    "softplus", "softsign", "swish", "tanh",
)  # fmt: skip

amax, amin = max, min
convert_to_tensor = convert
shape = shape_of


def ndim(x: Any) -> int:
    """Return the number of axes."""
    return len(shape_of(x))


def __getattr__(name: str) -> Any:
    # Late: activations are made of the functions above.
    if name in _ACTIVATIONS:
        from .. import activations

        return getattr(activations, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = [
    "abs", "absolute", "add", "affine_transform", "all", "alpha_dropout", "amax", "amin", "any", "apply", "arange",
    "argmax", "argmin", "average_pool", "binary_crossentropy", "broadcast_to", "canonical_axis", "cast",
    "categorical_crossentropy", "ceil", "clip", "concatenate", "conv", "conv_transpose", "convert", "convert_to_numpy",
    "convert_to_tensor", "cos", "count_nonzero", "custom", "dense", "depthwise_conv", "divide", "divide_no_nan", "dot",
    "dropout", "elu", "equal", "erf", "exp", "expand_dims", "expm1", "eye", "flip", "floor", "floor_divide", "full",
    "full_like", "gaussian_dropout", "gaussian_noise", "gelu", "get_item", "greater", "greater_equal", "hard_sigmoid",
    "hard_silu", "is_symbolic", "isfinite", "isinf", "isnan", "leaky_relu", "less", "less_equal", "linspace", "log",
    "log10", "log1p", "log2", "log_sigmoid", "log_softmax", "logical_and", "logical_not", "logical_or", "logical_xor",
    "logsumexp", "matmul", "max", "max_pool", "maximum", "mean", "min", "minimum", "moveaxis", "multiply", "ndim",
    "negative", "norm", "normalize", "not_equal", "one_hot", "ones", "ones_like", "pad", "power", "prod", "ravel",
    "reciprocal", "relu", "relu6", "repeat", "reshape", "resize", "round", "rsqrt", "segment_sum", "selu", "shape",
    "shape_of", "sigmoid", "sign", "silu", "sin", "softmax", "softplus", "softsign", "sparse_categorical_crossentropy",
    "split", "sqrt", "square", "squeeze", "stack", "std", "stop_gradient", "subtract", "sum", "swapaxes", "swish",
    "take", "tanh", "tile", "transpose", "true_divide", "var", "where", "zeros", "zeros_like",
]  # fmt: skip
