// One op for every activation, named like it. Attribute: alpha, its parameter, where it has one.
#include "ops/activation.h"

#include "dispatch/dispatch.h"
#include "ops/blocks.h"
#include "ops/registry.h"

namespace nnfast {

Activation find_activation(const std::string& name) {
  std::string names;
  for (int i = 0; i < kNumActivations; ++i) {
    if (name == kActivations[i].name) return static_cast<Activation>(i);
    names += (i ? ", " : "") + std::string(kActivations[i].name);
  }
  throw Error("no activation is named '" + name + "'; expected one of: " + names);
}

void check_alpha(Activation activation, double alpha) {
  // The derivative is read off the sign of the output, which is that of the input only for such alpha.
  check(alpha >= 0 || !derivative_reads_output(activation), kActivations[static_cast<int>(activation)].name,
        ": expected alpha >= 0, received ", alpha);
}

namespace {

class ActivationOp final : public Op {
 public:
  ActivationOp(Activation activation, double alpha)
      : activation_(activation), index_(static_cast<int>(activation)), alpha_(static_cast<float>(alpha)) {
    check_alpha(activation, alpha);
  }

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
      return std::make_unique<ActivationOp>(static_cast<Activation>(i),
                                            attributes.get<double>("alpha", kActivations[i].alpha));
    });
  return true;
}();

}  // namespace
}  // namespace nnfast
