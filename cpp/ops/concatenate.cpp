// concatenate(x0, x1, …): one after the other along the attribute `axis`. The gradient is cut apart again.
#include "ops/registry.h"
#include "ops/side_by_side.h"
#include "ops/strided_copy.h"

namespace nnfast {
namespace {

class Concatenate final : public Op {
 public:
  explicit Concatenate(const Attributes& attributes) : axis_(attributes.get<int64_t>("axis")) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(!inputs.empty(), "concatenate: expected at least one input");
    const Shape& first = inputs[0].shape;
    check(axis_ >= 0 && axis_ < first.rank(), "concatenate: axis ", axis_,
          " does not exist: the first input has shape ", first);
    const int axis = static_cast<int>(axis_);
    Shape whole = first;
    whole[axis] = 0;
    for (const Spec& input : inputs) {
      bool fits = input.shape.rank() == first.rank();
      for (int k = 0; fits && k < first.rank(); ++k) fits = k == axis || input.shape[k] == first[k];
      check(fits, "concatenate: expected shapes that differ along axis ", axis, " only; received ", first, " and ",
            input.shape);
      check(input.dtype == inputs[0].dtype, "concatenate: expected one type; received float32 and int32: cast one");
      whole[axis] += input.shape[axis];
    }
    const int64_t outer = first.size_between(0, axis), inner = first.size_between(axis + 1, first.rank());
    const int64_t row = whole[axis] * inner;
    int64_t place = 0;
    for (const Spec& input : inputs) {
      const int64_t length = input.shape[axis] * inner;
      joins_.push_back(StridedCopy({{outer, length, row}, {length, 1, 1}}, 0, place));
      cuts_.push_back(StridedCopy({{outer, row, length}, {length, 1, 1}}, place, 0));
      place += length;
    }
    return {{whole, inputs[0].dtype}};
  }
  Requirements require(const std::vector<bool>& wanted) override {
    forward_ = backward_ = SideBySide();
    for (const StridedCopy& copy : joins_) forward_.add(copy.phases());
    for (size_t i = 0; i < cuts_.size(); ++i) backward_.add(wanted[i] ? cuts_[i].phases() : std::vector<Phase>());
    Requirements needs;
    needs.reads_inputs = needs.reads_outputs = 0;
    needs.forward = forward_.phases();
    needs.backward = backward_.phases();
    return needs;
  }
  void forward(const Args& args, int phase, int64_t task, Worker&) const override {
    const int i = forward_.which(phase, task);
    joins_[i].run(args.inputs[i], args.outputs[0], task);
  }
  void backward(const Args& args, int phase, int64_t task, Worker&) const override {
    const int i = backward_.which(phase, task);
    cuts_[i].run(args.output_grads[0], args.input_grads[i], task);
  }

 private:
  const int64_t axis_;
  std::vector<StridedCopy> joins_, cuts_;
  SideBySide forward_, backward_;
};

const RegisterOp registered("concatenate", [](const Attributes& a) { return std::make_unique<Concatenate>(a); });

}  // namespace
}  // namespace nnfast
