"""Operations on arrays, variables and symbolic tensors, by the names of ``keras.ops``.

On arrays they are computed at once. In a layer, loss or metric that is being planned they join the step, and their
gradients come with them. Arithmetic is float32.
"""

from .apply import apply, canonical_axis, convert, is_symbolic, shape_of
from .elementwise import *
from .linalg import dot, matmul
from .manipulation import *  # noqa: F403
from .nn import *  # noqa: F403
from .reduction import *  # noqa: F403

convert_to_tensor = convert
shape = shape_of
