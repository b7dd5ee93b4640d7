// reshape(x): the same elements under the attribute `shape`, one size of which may be -1. No work: a view.
#include "ops/registry.h"

namespace nnfast {
namespace {

class Reshape final : public Op {
 public:
  explicit Reshape(const Attributes& attributes) : sizes_(attributes.get<std::vector<int64_t>>("shape")) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1, "reshape: expected one input, received ", inputs.size());
    const Shape& given = inputs[0].shape;
    Shape shape(sizes_);
    int open = -1;
    for (int i = 0; i < shape.rank(); ++i) {
      check(shape[i] >= -1, "reshape: expected sizes of at least 0, or -1; received ", shape[i]);
      if (shape[i] >= 0) continue;
      check(open < 0, "reshape: expected one -1 at most; received several");
      open = i;
    }
    if (open >= 0) shape[open] = 1;
    require_possible(shape, "reshape");
    if (open >= 0) shape[open] = shape.size() > 0 ? given.size() / shape.size() : 0;
    check(shape.size() == given.size(), "reshape: expected a shape of ", given.size(), " elements, as ", given,
          " has; received ", Shape(sizes_));
    return {{shape, inputs[0].dtype}};
  }
  Requirements require(const std::vector<bool>&) override {
    Requirements needs;
    needs.view = true;
    return needs;
  }
  void forward(const Args&, int, int64_t, Worker&) const override {}
  void backward(const Args&, int, int64_t, Worker&) const override {}

 private:
  const std::vector<int64_t> sizes_;
};

const RegisterOp registered("reshape", [](const Attributes& a) { return std::make_unique<Reshape>(a); });

}  // namespace
}  // namespace nnfast
