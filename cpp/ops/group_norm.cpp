// Group normalization of x (N, …, C): each sample over its pixels and the channels of a group; see column_norm.h.
//
// x, [gamma], [beta] → y. The attribute groups divides C; -1 makes every channel a group (instance normalization).
#include "ops/column_norm.h"
#include "ops/registry.h"

namespace nnfast {
namespace {

class GroupNorm final : public ColumnNorm {
 public:
  explicit GroupNorm(const Attributes& attributes)
      : ColumnNorm("group_norm", attributes), groups_(attributes.get<int64_t>("groups", 32)) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(!inputs.empty() && inputs[0].shape.rank() >= 2, name_, ": expected x of shape (batch, …, channels)");
    const int64_t channels = inputs[0].shape[-1], groups = groups_ == -1 ? channels : groups_;
    check(groups > 0 || channels == 0, name_, ": groups must be positive, or -1 for one a channel, received ", groups_);
    check(channels == 0 || channels % groups == 0, name_, ": the ", channels, " channels of x cannot be divided into ",
          groups, " groups of equal size");
    set(inputs, inputs[0].shape[0], groups, 0);
    return {inputs[0]};
  }

 private:
  const int64_t groups_;
};

const RegisterOp registered("group_norm", [](const Attributes& a) { return std::make_unique<GroupNorm>(a); });

}  // namespace
}  // namespace nnfast
