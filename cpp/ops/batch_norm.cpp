// Batch normalization of x (…, C) over all axes but the last: see column_norm.h.
//
// batch_norm: x, [gamma], [beta], [mean, variance], [residual] → y, mean and (biased) variance of the batch, which have
// no gradient of their own. The attribute moments_given says that what made x took its mean and variance.
// batch_norm_inference: x, [gamma], [beta], mean, variance, [residual] → y.
#include "ops/column_norm.h"
#include "ops/registry.h"

namespace nnfast {
namespace {

class BatchNorm final : public ColumnNorm {
 public:
  BatchNorm(const Attributes& attributes, bool training)
      : ColumnNorm(training ? "batch_norm" : "batch_norm_inference", attributes), training_(training) {
    // Backward takes the mask of a relu from y, though nothing was added.
    mask_from_output_ = attributes.get<bool>("mask_from_output", false);
    given_ = !training || attributes.get<bool>("moments_given", false);
  }

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(!inputs.empty() && inputs[0].shape.rank() >= 1, name_, ": expected x of shape (…, channels)");
    returns_statistics_ = training_;
    constant_statistics_ = !training_;
    if (given_) given_statistics_ = next_input();
    set(inputs, 1, inputs[0].shape[-1], given_ ? 2 : 0);
    if (!training_) return {inputs[0]};
    return {inputs[0], {Shape{inputs[0].shape[-1]}}, {Shape{inputs[0].shape[-1]}}};
  }

 private:
  const bool training_;
  bool given_;  // mean and variance are inputs
};

const RegisterOp registered[] = {
    {"batch_norm", [](const Attributes& a) { return std::make_unique<BatchNorm>(a, true); }},
    {"batch_norm_inference", [](const Attributes& a) { return std::make_unique<BatchNorm>(a, false); }},
};

}  // namespace
}  // namespace nnfast
