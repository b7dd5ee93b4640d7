"""A small number."""

EPSILON = 1e-7  # what keeps logarithms and quotients finite; Keras's
