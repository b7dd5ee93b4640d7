// What batch and group normalization share. The input is cut into samples of (rows, channels), each with statistics of
// its own: one sample for batch normalization, one an image for group normalization. A statistic belongs to a group of
// neighbouring channels; in batch normalization every channel is a group.
//
//   z = (x − mean)·scale + shift + residual,  scale = gamma·inv_std,  inv_std = 1/√(variance + epsilon)
//   y = activation(z)
//
//   dz = dy·activation'(z) = dresidual    dbeta = Σ dz    dgamma = Σ dz·x̂,  x̂ = (x − mean)·inv_std
//   dx = scale·dz − inv_std·Σ gamma·dz / n − x̂·inv_std·Σ gamma·dz·x̂ / n      (sums over the group's n elements)
//
// Statistics are sums over parts of the rows, cut by shape, in float about a value near the mean, joined in double.
#pragma once
#include <vector>

#include "kernels/activations.h"
#include "ops/attributes.h"
#include "ops/op.h"
#include "ops/row_tasks.h"

namespace nnfast {

class ColumnNorm : public Op {
 public:
  Requirements require(const std::vector<bool>& wanted) final;
  void forward(const Args& args, int phase, int64_t task, Worker& worker) const final;
  void backward(const Args& args, int phase, int64_t task, Worker& worker) const final;

 protected:
  // Attributes: scale and center (true by default: gamma and beta are inputs 1 and 2, or beta is input 1), epsilon,
  // activation, alpha, residual (false by default: the last input is added to z, and the activation is linear or relu).
  ColumnNorm(const char* name, const Attributes& attributes);

  // x (samples, rows, channels), already known to be so; the other inputs are checked here, and that there are no more
  // than those and `more`.
  void set(const std::vector<Spec>& inputs, int64_t samples, int64_t groups, int more);
  int next_input() const { return 1 + (gamma_ >= 0) + (beta_ >= 0); }

  const char* const name_;
  int given_statistics_ = -1;         // inputs: mean, variance; otherwise they are computed
  bool constant_statistics_ = false;  // they are not those of x
  bool returns_statistics_ = false;   // outputs 1 and 2: mean, variance
  bool mask_from_output_ = false;

 private:
  enum Step { moments, coefficients, apply, sums, combine, over_samples, gradient };

  void take_moments(const Args& args, int64_t task) const;
  void make_coefficients(const Args& args, int64_t task) const;
  void apply_coefficients(const Args& args, int64_t task) const;
  const float* output_for_mask(const Args& args, int64_t first) const;
  void take_sums(const Args& args, int64_t task, Worker& worker) const;
  void combine_sums(const Args& args, int64_t task) const;
  void sum_over_samples(const Args& args) const;
  void take_gradient(const Args& args, int64_t task, Worker& worker) const;

  // f(first row, rows) for blocks whose scratch stays in cache.
  template <class F>
  void for_blocks(int64_t rows, F&& f) const;
  void differentiate(const float* z_input, const float* dy, int64_t rows, const float* kept, float* dz) const;
  bool fused() const { return activation_ == Activation::linear || activation_ == Activation::relu; }

  struct Task {
    int64_t sample, first, rows;  // first: the first element of x
  };
  Task task_of(int64_t task) const;
  // Channels of a coefficient task.
  struct Channels {
    int64_t sample, begin, end;
  };
  Channels channels_of(int64_t task) const;

  double epsilon_;
  Activation activation_;
  float alpha_;
  int gamma_ = -1, beta_ = -1;
  bool adds_ = false;
  int residual_ = -1;        // input
  bool past_cache_ = false;  // y and dx are written there
  bool writes_dz_ = false;   // as the residual's gradient
  int64_t samples_ = 1, rows_ = 0, channels_ = 0, groups_ = 1;
  RowTasks parts_;
  std::vector<int64_t> part_rows_;  // of a sample
  int64_t results_ = 0;             // where in the backward scratch the joined sums begin
  std::vector<Step> forward_, backward_;
};

}  // namespace nnfast
