"""Operations on each element, with NumPy's broadcasting."""

from __future__ import annotations

from typing import Any

from .apply import apply, convert, floats


def negative(x: Any) -> Any:
    """Return -x, for each element."""
    return apply("negative", floats(x))


def exp(x: Any) -> Any:
    """Return e^x, for each element."""
    return apply("exp", floats(x))


def log(x: Any) -> Any:
    """Return log x, for each element."""
    return apply("log", floats(x))


def log1p(x: Any) -> Any:
    """Return log(1 + x), for each element."""
    return apply("log1p", floats(x))


def expm1(x: Any) -> Any:
    """Return e^x - 1, for each element."""
    return apply("expm1", floats(x))


def sqrt(x: Any) -> Any:
    """Return √x, for each element."""
    return apply("sqrt", floats(x))


def rsqrt(x: Any) -> Any:
    """Return 1 / √x, for each element."""
    return apply("rsqrt", floats(x))


def square(x: Any) -> Any:
    """Return x², for each element."""
    return apply("square", floats(x))


def abs(x: Any) -> Any:
    """Return |x|, for each element."""
    return apply("abs", floats(x))


def sign(x: Any) -> Any:
    """Return -1, 0 or 1 (gradient 0), for each element."""
    return apply("sign", floats(x))


def reciprocal(x: Any) -> Any:
    """Return 1 / x, for each element."""
    return apply("reciprocal", floats(x))


def sin(x: Any) -> Any:
    """Return sin x, for each element."""
    return apply("sin", floats(x))


def cos(x: Any) -> Any:
    """Return cos x, for each element."""
    return apply("cos", floats(x))


def erf(x: Any) -> Any:
    """Return the error function, for each element."""
    return apply("erf", floats(x))


def floor(x: Any) -> Any:
    """Return the largest integer not above x (gradient 0), for each element."""
    return apply("floor", floats(x))


def ceil(x: Any) -> Any:
    """Return the smallest integer not below x (gradient 0), for each element."""
    return apply("ceil", floats(x))


def round(x: Any, decimals: int = 0) -> Any:
    """Return the nearest number of so many decimals, ties to even (gradient 0), for each element."""
    if decimals == 0:
        return apply("round", floats(x))
    scale = 10.0**decimals
    return divide(round(multiply(x, scale)), scale)


def logical_not(x: Any) -> Any:
    """Return 1 where x is 0, else 0, for each element."""
    return apply("logical_not", floats(x))


def isfinite(x: Any) -> Any:
    """Return 1 where x is finite, else 0, for each element."""
    return apply("isfinite", floats(x))


def isnan(x: Any) -> Any:
    """Return 1 where x is NaN, else 0, for each element."""
    return apply("isnan", floats(x))


def isinf(x: Any) -> Any:
    """Return 1 where x is infinite, else 0, for each element."""
    return equal(abs(x), float("inf"))


def log2(x: Any) -> Any:
    """Return the logarithm of x to the base 2, for each element."""
    return multiply(log(x), 1.4426950408889634)  # 1 / log 2


def log10(x: Any) -> Any:
    """Return the logarithm of x to the base 10, for each element."""
    return multiply(log(x), 0.4342944819032518)  # 1 / log 10


absolute = abs


def add(x1: Any, x2: Any) -> Any:
    """Return x1 + x2, for each element."""
    return apply("add", floats(x1, x2))


def subtract(x1: Any, x2: Any) -> Any:
    """Return x1 - x2, for each element."""
    return apply("subtract", floats(x1, x2))


def multiply(x1: Any, x2: Any) -> Any:
    """Return x1 · x2, for each element."""
    return apply("multiply", floats(x1, x2))


def divide(x1: Any, x2: Any) -> Any:
    """Return x1 / x2, for each element."""
    return apply("divide", floats(x1, x2))


def power(x1: Any, x2: Any) -> Any:
    """Return x1 to the power x2, for each element."""
    return apply("power", floats(x1, x2))


def maximum(x1: Any, x2: Any) -> Any:
    """Return the larger; where equal, each gets half the gradient, for each element."""
    return apply("maximum", floats(x1, x2))


def minimum(x1: Any, x2: Any) -> Any:
    """Return the smaller; where equal, each gets half the gradient, for each element."""
    return apply("minimum", floats(x1, x2))


def equal(x1: Any, x2: Any) -> Any:
    """Return 1 where x1 = x2, else 0, for each element."""
    return apply("equal", floats(x1, x2))


def not_equal(x1: Any, x2: Any) -> Any:
    """Return 1 where x1 ≠ x2, else 0, for each element."""
    return apply("not_equal", floats(x1, x2))


def less(x1: Any, x2: Any) -> Any:
    """Return 1 where x1 < x2, else 0, for each element."""
    return apply("less", floats(x1, x2))


def less_equal(x1: Any, x2: Any) -> Any:
    """Return 1 where x1 ≤ x2, else 0, for each element."""
    return apply("less_equal", floats(x1, x2))


def greater(x1: Any, x2: Any) -> Any:
    """Return 1 where x1 > x2, else 0, for each element."""
    return apply("greater", floats(x1, x2))


def greater_equal(x1: Any, x2: Any) -> Any:
    """Return 1 where x1 ≥ x2, else 0, for each element."""
    return apply("greater_equal", floats(x1, x2))


def logical_and(x1: Any, x2: Any) -> Any:
    """Return 1 where both are not 0, else 0, for each element."""
    return apply("logical_and", floats(x1, x2))


def logical_or(x1: Any, x2: Any) -> Any:
    """Return 1 where one is not 0, else 0, for each element."""
    return apply("logical_or", floats(x1, x2))


def logical_xor(x1: Any, x2: Any) -> Any:
    """Return 1 where one of the two is 0 and the other is not, else 0, for each element."""
    return not_equal(logical_not(x1), logical_not(x2))


def floor_divide(x1: Any, x2: Any) -> Any:
    """Return the largest integer not above x1 / x2 (gradient 0), for each element."""
    return floor(divide(x1, x2))


true_divide = divide


def where(condition: Any, x1: Any, x2: Any) -> Any:
    """Return `x1` where `condition` is not 0, else `x2`."""
    return apply("where", floats(condition, x1, x2))


def clip(x: Any, x_min: float, x_max: float) -> Any:
    """Keep each element within ``x_min … x_max``; the gradient is 0 outside."""
    return apply("clip", floats(x), lo=float(x_min), hi=float(x_max))


def cast(x: Any, dtype: str) -> Any:
    """Return `x` as ``"float32"`` or ``"int32"`` (which drops fractions)."""
    return convert(x, "float32" if dtype == "bool" else dtype)


def stop_gradient(variable: Any) -> Any:
    """Return `variable`, through which no gradient passes."""
    return apply("stop_gradient", floats(variable))
