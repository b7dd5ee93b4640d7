// Rewrites a graph so that fewer steps compute the same.
#pragma once
#include <vector>

#include "graph/graph.h"

namespace nnfast {

// kept: values that must remain readable under their own id.
//   argmax of a softmax                                     →  argmax of its input
//   batch normalization, then the addition of as large a value  →  one op with the addition inside
//   dense or convolution, then batch normalization by given statistics, where nothing is differentiated and there are
//   fewer weights than outputs                              →  one op with weights that do both
//   dense, convolution or normalization, then an activation    →  one op with the activation inside
//   cross-entropy, then the mean of all losses                 →  one op
//   convolution, then batch normalization by the batch's statistics  →  they are taken by the convolution
//   dense, then dense, where something is differentiated       →  the second makes the gradient before the activation
void fuse(Graph& graph, const std::vector<ValueId>& kept, bool differentiated);

}  // namespace nnfast
