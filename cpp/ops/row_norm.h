// Layer and RMS normalization: each row of x (rows, width) by its own mean and spread.
//
//   y = (x − mean)·inv_std·gamma + beta,  inv_std = 1/√(variance + epsilon)        (kCentered)
//   y = x·inv_std·gamma,                  inv_std = 1/√(mean of x² + epsilon)      (otherwise; no beta)
//
// Inputs: x, [gamma], [beta]: attributes scale and center (true by default). Attribute axes: how many trailing axes
// make a row (1 by default); gamma and beta have their shape.
#pragma once
#include "dispatch/dispatch.h"
#include "ops/attributes.h"
#include "ops/op.h"
#include "ops/row_tasks.h"

namespace nnfast {

template <bool kCentered>
class RowNorm final : public Op {
 public:
  explicit RowNorm(const Attributes& attributes)
      : epsilon_(static_cast<float>(attributes.get<double>("epsilon", kCentered ? 1e-3 : 1e-6))),
        axes_(static_cast<int>(attributes.get<int64_t>("axes", 1))) {
    check(epsilon_ >= 0, kName, ": epsilon must not be negative, received ", epsilon_);
    if (attributes.get<bool>("scale", true)) gamma_ = 1;
    if (kCentered && attributes.get<bool>("center", true)) beta_ = gamma_ + (gamma_ < 0 ? 2 : 1);
  }

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    const size_t expected = 1 + (gamma_ >= 0) + (beta_ >= 0);
    check(inputs.size() == expected, kName, ": expected ", expected, " inputs, received ", inputs.size(),
          "; see the attributes scale and center");
    for (const Spec& input : inputs)
      check(input.dtype == DType::f32, kName, ": takes float32 values, received integers");
    const Shape& x = inputs[0].shape;
    check(axes_ >= 1 && axes_ <= x.rank(), kName, ": cannot normalize the last ", axes_, " axes of x of shape ", x);
    const Shape row(std::vector<int64_t>(x.end() - axes_, x.end()));
    for (size_t i = 1; i < expected; ++i)
      check(inputs[i].shape == row, kName, ": rows of x have shape ", row, ", received parameters of shape ",
            inputs[i].shape);
    width_ = row.size();
    rows_ = x.size_between(0, x.rank() - axes_);
    tasks_ = RowTasks(rows_, width_, 32768, 16, 512);
    return {inputs[0]};
  }

  Requirements require(const std::vector<bool>& wanted) override {
    const double size = static_cast<double>(rows_ * width_);
    Requirements needs;
    needs.forward = {{tasks_.count(), 0.7 * size}};
    needs.kept = {rows_};
    if (kCentered) needs.kept.push_back(rows_);
    needs.reads_inputs = 1u | (gamma_ >= 0 ? 1u << gamma_ : 0u);
    needs.reads_outputs = 0;
    needs.overwrites_inputs = 1;
    needs.overwrites_gradient = true;
    const bool dgamma = gamma_ >= 0 && wanted[gamma_], dbeta = beta_ >= 0 && wanted[beta_];
    if (!wanted[0] && !dgamma && !dbeta) return needs;
    needs.backward = {{tasks_.count(), size}};
    if (dgamma || dbeta) {
      needs.backward_scratch = tasks_.count() * 2 * width_;
      needs.backward.push_back({(width_ + kColumns - 1) / kColumns, static_cast<double>(tasks_.count() * width_)});
    }
    return needs;
  }

  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const int64_t row = tasks_.begin(task), rows = tasks_.rows(task), at = row * width_;
    const float* gamma = gamma_ >= 0 ? args.inputs[gamma_] : nullptr;
    const float* beta = beta_ >= 0 ? args.inputs[beta_] : nullptr;
    const float* x = args.inputs[0] + at;
    float* y = args.outputs[0] + at;
    const bool past_cache = is_large() && y != x;
    const auto& kernels = *nnfast::kernels().norm;
    if (kCentered)
      kernels.layer_norm(rows, width_, x, gamma, beta, epsilon_, past_cache, y, args.kept[1] + row, args.kept[0] + row);
    else
      kernels.rms_norm(rows, width_, x, gamma, epsilon_, past_cache, y, args.kept[0] + row);
  }

  void backward(const Args& args, int phase, int64_t task, Worker&) const override {
    float* dgamma = gamma_ >= 0 ? args.input_grads[gamma_] : nullptr;
    float* dbeta = beta_ >= 0 ? args.input_grads[beta_] : nullptr;
    if (phase == 1) {
      const int64_t begin = task * kColumns, end = std::min(begin + kColumns, width_);
      if (dgamma != nullptr) join(args.scratch, begin, end, dgamma);
      if (dbeta != nullptr) join(args.scratch + width_, begin, end, dbeta);
      return;
    }
    const int64_t row = tasks_.begin(task), rows = tasks_.rows(task), at = row * width_;
    const float *x = args.inputs[0] + at, *dy = args.output_grads[0] + at;
    const float* gamma = gamma_ >= 0 ? args.inputs[gamma_] : nullptr;
    float* dx = args.input_grads[0] != nullptr ? args.input_grads[0] + at : nullptr;
    float* sums = args.scratch + task * 2 * width_;
    if (dgamma != nullptr) dgamma = sums;
    if (dbeta != nullptr) dbeta = sums + width_;
    const bool past_cache = is_large() && dx != dy;
    const auto& kernels = *nnfast::kernels().norm;
    if (kCentered)
      kernels.layer_norm_backward(rows, width_, x, dy, gamma, args.kept[1] + row, args.kept[0] + row, past_cache, dx,
                                  dgamma, dbeta);
    else
      kernels.rms_norm_backward(rows, width_, x, dy, gamma, args.kept[0] + row, past_cache, dx, dgamma);
  }

 private:
  static constexpr const char* kName = kCentered ? "layer_norm" : "rms_norm";
  static constexpr int64_t kColumns = 256;

  // Whether results are written past the cache. They will hardly stay in it until somebody reads them, and their memory
  // is not read first: forward and backward of 4096×512 took 0.85 of the time, of twice as many rows 0.63.
  bool is_large() const { return rows_ * width_ >= int64_t{2} << 20; }

  // The tasks' sums, in their order.
  void join(const float* sums, int64_t begin, int64_t end, float* result) const {
    double total[kColumns] = {};
    kernels().reduce->sum(1, tasks_.count(), end - begin, 2 * width_, sums + begin, nullptr, total);
    for (int64_t n = begin; n < end; ++n) result[n] = static_cast<float>(total[n - begin]);
  }

  const float epsilon_;
  const int axes_;
  int gamma_ = -1, beta_ = -1;
  int64_t rows_ = 0, width_ = 0;
  RowTasks tasks_;
};

}  // namespace nnfast
