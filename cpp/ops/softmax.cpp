// softmax and log_softmax over one axis.
#include "dispatch/dispatch.h"
#include "ops/registry.h"
#include "ops/row_tasks.h"

namespace nnfast {
namespace {

constexpr double kCost = 1.0;  // ns an element

template <bool kLog>
class Softmax final : public Op {
 public:
  explicit Softmax(const Attributes& attributes) : axis_(attributes.get<int64_t>("axis", -1)) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1, "softmax takes one input, received ", inputs.size());
    check(inputs[0].dtype == DType::f32, "softmax takes float32 values, received integers; cast them first");
    const Shape& shape = inputs[0].shape;
    check(axis_ >= -shape.rank() && axis_ < shape.rank(), "softmax over axis ", axis_,
          ": it does not exist in an input of shape ", shape);
    const int axis = static_cast<int>(axis_ < 0 ? axis_ + shape.rank() : axis_);
    classes_ = shape[axis];
    inner_ = shape.size_between(axis + 1, shape.rank());
    tasks_ = RowTasks(shape.size_between(0, axis), classes_ * inner_, 8192, inner_ == 1 ? 16 : 1);
    cost_ = kCost * static_cast<double>(shape.size());
    return {{shape, DType::f32}};
  }

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    needs.forward = {{tasks_.count(), cost_}};
    if (wanted[0]) needs.backward = {{tasks_.count(), kLog ? cost_ : 0.3 * cost_}};
    needs.reads_inputs = 0;
    return needs;
  }

  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const auto& k = *kernels().softmax;
    const int64_t at = tasks_.begin(task) * classes_ * inner_;
    (kLog ? k.log_softmax : k.softmax)(tasks_.rows(task), classes_, inner_, args.inputs[0] + at, args.outputs[0] + at);
  }

  void backward(const Args& args, int, int64_t task, Worker&) const override {
    const auto& k = *kernels().softmax;
    const int64_t at = tasks_.begin(task) * classes_ * inner_;
    (kLog ? k.log_softmax_backward : k.softmax_backward)(tasks_.rows(task), classes_, inner_, args.outputs[0] + at,
                                                         args.output_grads[0] + at, args.input_grads[0] + at);
  }

 private:
  const int64_t axis_;
  int64_t classes_ = 0, inner_ = 1;
  RowTasks tasks_;
  double cost_ = 0;
};

const RegisterOp registered[] = {
    {"softmax", [](const Attributes& a) { return std::make_unique<Softmax<false>>(a); }},
    {"log_softmax", [](const Attributes& a) { return std::make_unique<Softmax<true>>(a); }},
};

}  // namespace
}  // namespace nnfast
