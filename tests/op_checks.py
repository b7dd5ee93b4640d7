"""What the tests of single operations share: runs on every ISA and number of threads, gradients by differences."""

import numpy as np

from nnfast import _core


def run_on_each_isa(name, inputs, *, grads=None, wanted=None, **attributes):
    """Yield (isa, outputs, input gradients) for every ISA, after checking that 1 and 2 threads give the same bits."""
    strongest = _core.isa()
    for isa in _core.runnable_isas():
        try:
            _core.use_isa(isa)
            one, two = (
                _core.run_op(name, inputs, attributes, output_grads=grads, wanted=wanted, threads=threads)
                for threads in (1, 2)
            )
        finally:
            _core.use_isa(strongest)
        for a, b in zip([*one[0], *one[1]], [*two[0], *two[1]], strict=True):
            if a is not None:
                np.testing.assert_array_equal(a, b, err_msg=f"{name}: 1 and 2 threads differ on {isa}")
        yield isa, *one


def difference_gradient(f, x, dy, step=1e-5):
    """The gradient of sum(dy·f(x)) with respect to x by central differences, in float64."""
    x = np.array(x, np.float64)
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        at = x[index]
        x[index] = at + step
        above = np.sum(dy * f(x))
        x[index] = at - step
        gradient[index] = (above - np.sum(dy * f(x))) / (2 * step)
        x[index] = at
    return gradient
