// The weights of a layer that does its own work and that of the batch normalization behind it, by given statistics:
//
//   w' = w·s,  b' = (b − mean)·s + beta,  s = gamma/√(variance + epsilon)
//
// Inputs: w (…, C) or, for a depthwise convolution, (…, channels, C / channels), [b], [gamma], [beta], mean, variance:
// attributes bias, scale, center, epsilon. Outputs: w', b'. For inference: there is no gradient.
#include <algorithm>
#include <cmath>

#include "dispatch/dispatch.h"
#include "ops/attributes.h"
#include "ops/registry.h"
#include "ops/row_tasks.h"

namespace nnfast {
namespace {

class FoldBatchNorm final : public Op {
 public:
  explicit FoldBatchNorm(const Attributes& attributes) : epsilon_(attributes.get<double>("epsilon", 1e-3)) {
    const auto next = [&](const char* name) { return attributes.get<bool>(name, true) ? ++statistics_ : -1; };
    bias_ = next("bias");
    gamma_ = next("scale");
    beta_ = next("center");
    ++statistics_;
  }

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    const size_t expected = static_cast<size_t>(statistics_) + 2;
    check(inputs.size() == expected, "fold_batch_norm: expected ", expected, " inputs, received ", inputs.size());
    const Shape &w = inputs[0].shape, &parameters = inputs.back().shape;
    channels_ = parameters.size();
    for (size_t i = 1; i < expected; ++i)
      check(inputs[i].shape == Shape{channels_}, "fold_batch_norm: expected parameters of shape ", Shape{channels_},
            ", received ", inputs[i].shape);
    check(w.rank() >= 1 && (w[-1] == channels_ || (w.rank() >= 2 && w[-1] * w[-2] == channels_)),
          "fold_batch_norm: weights of shape ", w, " do not have ", channels_, " channels");
    rows_ = channels_ == 0 ? 0 : w.size() / channels_;
    tasks_ = RowTasks(rows_, channels_, 16384, 1);
    return {inputs[0], inputs.back()};
  }

  Requirements require(const std::vector<bool>& wanted) override {
    check(std::none_of(wanted.begin(), wanted.end(), [](bool each) { return each; }),
          "fold_batch_norm is for inference and has no gradient");
    Requirements needs;
    needs.forward = {{1, 10.0 * static_cast<double>(channels_)},
                     {tasks_.count(), 0.3 * static_cast<double>(rows_ * channels_)}};
    needs.forward_scratch = channels_;
    return needs;
  }

  void forward(const Args& args, int phase, int64_t task, Worker&) const override {
    if (phase == 0) return make_coefficients(args);
    const auto multiply = kernels().elementwise->binary[static_cast<int>(Binary::multiply)];
    const int64_t begin = tasks_.begin(task), end = begin + tasks_.rows(task);
    for (int64_t row = begin; row < end; ++row)
      multiply(channels_, args.inputs[0] + row * channels_, 1, args.scratch, 1, args.outputs[0] + row * channels_);
  }
  void backward(const Args&, int, int64_t, Worker&) const override {}

 private:
  void make_coefficients(const Args& args) const {
    const float *mean = args.inputs[statistics_], *variance = args.inputs[statistics_ + 1];
    const auto of = [&](int input, int64_t c, double otherwise) {
      return input >= 0 ? static_cast<double>(args.inputs[input][c]) : otherwise;
    };
    for (int64_t c = 0; c < channels_; ++c) {
      const double scale = of(gamma_, c, 1) / std::sqrt(variance[c] + epsilon_);
      args.scratch[c] = static_cast<float>(scale);
      args.outputs[1][c] = static_cast<float>((of(bias_, c, 0) - mean[c]) * scale + of(beta_, c, 0));
    }
  }

  const double epsilon_;
  int bias_ = -1, gamma_ = -1, beta_ = -1, statistics_ = 0;  // inputs
  int64_t rows_ = 0, channels_ = 0;
  RowTasks tasks_;
};

const RegisterOp registered("fold_batch_norm", [](const Attributes& a) { return std::make_unique<FoldBatchNorm>(a); });

}  // namespace
}  // namespace nnfast
