// argmax(x): where the largest element along the attribute `axis` stands, the first of several, as int32. A NaN counts
// as larger than all numbers. No gradient.
#include <algorithm>

#include "ops/registry.h"

namespace nnfast {
namespace {

constexpr int64_t kTaskSize = 16384;

class Argmax final : public Op {
 public:
  explicit Argmax(const Attributes& attributes) : axis_(attributes.get<int64_t>("axis", -1)) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1 && inputs[0].dtype == DType::f32, "argmax: expected one float32 tensor");
    const Shape& shape = inputs[0].shape;
    check(axis_ >= -shape.rank() && axis_ < shape.rank(), "argmax: expected an axis of ", shape, "; received ", axis_);
    const int axis = static_cast<int>(axis_ < 0 ? axis_ + shape.rank() : axis_);
    outer_ = shape.size_between(0, axis);
    count_ = shape[axis];
    inner_ = shape.size_between(axis + 1, shape.rank());
    check(count_ > 0 || outer_ * inner_ == 0, "argmax: expected at least one element along the axis");
    std::vector<int64_t> sizes = shape.to_vector();
    sizes.erase(sizes.begin() + axis);
    return {{Shape(sizes), DType::i32}};
  }

  Requirements require(const std::vector<bool>&) override {
    rows_a_task_ = std::max<int64_t>(1, kTaskSize / std::max<int64_t>(1, count_ * inner_));
    Requirements needs;
    needs.forward = {{(outer_ + rows_a_task_ - 1) / rows_a_task_, 1.0 * static_cast<double>(outer_ * count_ * inner_)}};
    return needs;
  }

  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const float* x = args.inputs[0];
    int32_t* where = reinterpret_cast<int32_t*>(args.outputs[0]);
    const int64_t end = std::min(outer_, (task + 1) * rows_a_task_);
    for (int64_t o = task * rows_a_task_; o < end; ++o)
      for (int64_t i = 0; i < inner_; ++i) where[o * inner_ + i] = first_largest(x + o * count_ * inner_ + i);
  }
  void backward(const Args&, int, int64_t, Worker&) const override {}

 private:
  int32_t first_largest(const float* x) const {
    int64_t best = 0;
    for (int64_t k = 1; k < count_; ++k) {
      const float value = x[k * inner_], largest = x[best * inner_];
      if (largest != largest) break;
      if (!(value <= largest)) best = k;
    }
    return static_cast<int32_t>(best);
  }

  const int64_t axis_;
  int64_t outer_ = 0, count_ = 0, inner_ = 0, rows_a_task_ = 1;
};

const RegisterOp registered("argmax", [](const Attributes& a) { return std::make_unique<Argmax>(a); });

}  // namespace
}  // namespace nnfast
