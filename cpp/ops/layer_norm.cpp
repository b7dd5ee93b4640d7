#include "ops/registry.h"
#include "ops/row_norm.h"

namespace nnfast {

static const RegisterOp registered("layer_norm",
                                   [](const Attributes& a) { return std::make_unique<RowNorm<true>>(a); });

}  // namespace nnfast
