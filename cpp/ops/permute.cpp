// transpose(x): axis k of the output is axis axes[k] of x. flip(x): reversed along the axes.
#include "ops/registry.h"
#include "ops/strided_copy.h"

namespace nnfast {
namespace {

// Every element of x goes to one place of y, and its gradient back.
class Permute : public Op {
 public:
  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    needs.reads_inputs = needs.reads_outputs = 0;
    needs.forward = forward_.phases();
    if (wanted[0]) needs.backward = backward_.phases();
    return needs;
  }
  void forward(const Args& args, int, int64_t task, Worker&) const override {
    forward_.run(args.inputs[0], args.outputs[0], task);
  }
  void backward(const Args& args, int, int64_t task, Worker&) const override {
    backward_.run(args.output_grads[0], args.input_grads[0], task);
  }

 protected:
  StridedCopy forward_, backward_;
};

class Transpose final : public Permute {
 public:
  explicit Transpose(const Attributes& attributes) : axes_(attributes.get<std::vector<int64_t>>("axes")) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1, "transpose: expected one input, received ", inputs.size());
    const Shape& shape = inputs[0].shape;
    const int rank = shape.rank();
    check(static_cast<int>(axes_.size()) == rank, "transpose: expected ", rank, " axes for an input of shape ", shape,
          ", received ", axes_.size());
    bool seen[kMaxRank] = {};
    std::vector<int64_t> sizes;
    for (int64_t axis : axes_) {
      check(axis >= 0 && axis < rank && !seen[axis], "transpose: expected each axis from 0 to ", rank - 1,
            " once; received ", axis, axis >= 0 && axis < rank ? " twice" : "");
      seen[axis] = true;
      sizes.push_back(shape[static_cast<int>(axis)]);
    }
    const Shape result(sizes);
    const std::vector<int64_t> from = dense_strides(shape), to = dense_strides(result);
    std::vector<StridedCopy::Axis> there, back;
    for (int k = 0; k < rank; ++k) {
      there.push_back({result[k], from[axes_[k]], to[k]});
      back.push_back({result[k], to[k], from[axes_[k]]});
    }
    forward_ = StridedCopy(there, 0, 0);
    backward_ = StridedCopy(back, 0, 0);
    return {{result, inputs[0].dtype}};
  }

 private:
  const std::vector<int64_t> axes_;
};

class Flip final : public Permute {
 public:
  explicit Flip(const Attributes& attributes) : axes_(attributes.get<std::vector<int64_t>>("axes")) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1, "flip: expected one input, received ", inputs.size());
    const Shape& shape = inputs[0].shape;
    const std::vector<int64_t> strides = dense_strides(shape);
    std::vector<StridedCopy::Axis> axes;
    for (int k = 0; k < shape.rank(); ++k) axes.push_back({shape[k], strides[k], strides[k]});
    bool seen[kMaxRank] = {};
    int64_t from = 0;
    for (int64_t axis : axes_) {
      check(axis >= 0 && axis < shape.rank(), "flip: axis ", axis, " does not exist: the input has shape ", shape);
      const int k = static_cast<int>(axis);
      check(!seen[k], "flip: axis ", axis, " is given twice");
      seen[k] = true;
      axes[k].from = -strides[k];
      from += (shape[k] - 1) * strides[k];
    }
    forward_ = backward_ = StridedCopy(axes, from, 0);
    return {inputs[0]};
  }

 private:
  const std::vector<int64_t> axes_;
};

const RegisterOp transpose("transpose", [](const Attributes& a) { return std::make_unique<Transpose>(a); });
const RegisterOp flip("flip", [](const Attributes& a) { return std::make_unique<Flip>(a); });

}  // namespace
}  // namespace nnfast
