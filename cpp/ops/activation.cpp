// One op for every activation, named like it. Attribute: alpha, its parameter, where it has one.
#include "dispatch/dispatch.h"
#include "ops/activation_attributes.h"
#include "ops/blocks.h"
#include "ops/registry.h"

namespace nnfast {
namespace {

class ActivationOp final : public Op {
 public:
  ActivationOp(Activation activation, float alpha)
      : activation_(activation), index_(static_cast<int>(activation)), alpha_(alpha) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1 && inputs[0].dtype == DType::f32, kActivations[index_].name,
          ": expected one float32 tensor");
    size_ = inputs[0].shape.size();
    return inputs;
  }

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    // Measured: 0.1 (relu) to 0.9 (gelu) ns an element with 16 lanes, more with fewer.
    const double cost = static_cast<double>(size_) * 0.4 * (16.0 / kernels().lanes);
    needs.forward = {{num_blocks(size_), cost}};
    if (wanted[0]) needs.backward = {{num_blocks(size_), cost}};
    needs.overwrites_inputs = 1;
    needs.overwrites_gradient = true;
    needs.reads_inputs = derivative_reads_input(activation_) ? 1 : 0;
    needs.reads_outputs = derivative_reads_output(activation_) ? 1 : 0;
    return needs;
  }

  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const auto [begin, size] = block(size_, task);
    kernels().activations->forward[index_](size, args.inputs[0] + begin, args.outputs[0] + begin, alpha_);
  }

  void backward(const Args& args, int, int64_t task, Worker&) const override {
    const auto [begin, size] = block(size_, task);
    const float* x = derivative_reads_input(activation_) ? args.inputs[0] + begin : nullptr;
    const float* y = derivative_reads_output(activation_) ? args.outputs[0] + begin : nullptr;
    kernels().activations->backward[index_](size, x, y, args.output_grads[0] + begin, args.input_grads[0] + begin,
                                            alpha_);
  }

 private:
  const Activation activation_;
  const int index_;
  const float alpha_;
  int64_t size_ = 0;
};

const bool registered = [] {
  for (int i = 0; i < kNumActivations; ++i)
    RegisterOp(kActivations[i].name, [i](const Attributes& attributes) {
      const auto activation = static_cast<Activation>(i);
      return std::make_unique<ActivationOp>(activation, alpha_of(attributes, activation));
    });
  return true;
}();

}  // namespace
}  // namespace nnfast
