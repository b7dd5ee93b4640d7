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
    std::vector<int64_t> sizes = sizes_;
    int64_t known = 1;
    int open = -1;
    for (size_t i = 0; i < sizes.size(); ++i) {
      check(sizes[i] >= -1, "reshape: expected sizes of at least 0, or -1; received ", sizes[i]);
      if (sizes[i] >= 0) {
        known *= sizes[i];
      } else {
        check(open < 0, "reshape: expected one -1 at most; received several");
        open = static_cast<int>(i);
      }
    }
    if (open >= 0 && known > 0) sizes[open] = given.size() / known;
    if (open >= 0 && known == 0) sizes[open] = 0;
    const Shape shape(sizes);
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
