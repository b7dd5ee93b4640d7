// Rewrites a graph so that fewer steps compute the same.
#pragma once
#include <vector>

#include "graph/graph.h"

namespace nnfast {

// kept: values that must remain readable under their own id.
//   argmax of a softmax                                      →  argmax of its input
//   dense, convolution or normalization, then an activation     →  one op with the activation inside
void fuse(Graph& graph, const std::vector<ValueId>& kept);

}  // namespace nnfast
