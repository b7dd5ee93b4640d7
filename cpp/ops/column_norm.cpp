#include "ops/column_norm.h"

#include <algorithm>
#include <cmath>

#include "core/buffer.h"
#include "core/caches.h"
#include "dispatch/dispatch.h"
#include "ops/activation_attributes.h"

namespace nnfast {
namespace {

// A part should be long enough for its sums to be a small share of its data, and small enough to stay in L2 (1 MB).
constexpr int64_t kPart = 32768;
constexpr int64_t kMinRows = 64, kMaxRows = 512;
constexpr int64_t kChannels = 128;  // a coefficient task
constexpr int64_t kBlock = 4096;    // elements of a block whose activation is taken apart

// Nanoseconds an element: memory traffic at about 20 GB/s.
constexpr double kRead = 0.2, kWrite = 0.4;

// kept: for each sample mean, inv_std, scale, shift; backward scratch: offset, slope, Σ dz, Σ dz·x̂.
enum { kMean, kInvStd, kScale, kShift, kCoefficients };
enum { kOffset, kSlope, kSum, kProduct };

}  // namespace

ColumnNorm::ColumnNorm(const char* name, const Attributes& attributes)
    : name_(name),
      epsilon_(attributes.get<double>("epsilon", 1e-3)),
      activation_(activation_of(attributes)),
      alpha_(alpha_of(attributes, activation_)) {
  check(epsilon_ >= 0, name_, ": epsilon must not be negative, received ", epsilon_);
  adds_ = attributes.get<bool>("residual", false);
  check(!adds_ || fused(), name_, ": takes a residual with the activation linear or relu, received ",
        kActivations[static_cast<int>(activation_)].name);
  if (attributes.get<bool>("scale", true)) gamma_ = 1;
  if (attributes.get<bool>("center", true)) beta_ = gamma_ + (gamma_ < 0 ? 2 : 1);
}

void ColumnNorm::set(const std::vector<Spec>& inputs, int64_t samples, int64_t groups, int more) {
  if (adds_) residual_ = next_input() + more;
  const size_t expected = static_cast<size_t>(next_input() + more + (adds_ ? 1 : 0));
  check(inputs.size() == expected, name_, ": expected ", expected, " inputs, received ", inputs.size(),
        "; see the attributes scale and center");
  for (const Spec& input : inputs) check(input.dtype == DType::f32, name_, ": takes float32 values, received integers");
  const Shape& x = inputs[0].shape;
  channels_ = x[-1];
  if (adds_)
    check(inputs[residual_].shape == x, name_, ": expected a residual of the shape of x, ", x, ", received ",
          inputs[residual_].shape);
  for (size_t i = 1; i < expected - (adds_ ? 1 : 0); ++i)
    check(inputs[i].shape == Shape{channels_}, name_, ": x of shape ", x, " has ", channels_,
          " channels, received parameters of shape ", inputs[i].shape);
  samples_ = samples;
  rows_ = samples == 0 ? 0 : x.size_between(0, x.rank() - 1) / samples;
  groups_ = groups;
  parts_ = RowTasks(rows_, channels_, kPart, kMinRows, kMaxRows);
  part_rows_.clear();
  for (int64_t part = 0; part < parts_.count(); ++part) part_rows_.push_back(parts_.rows(part));
}

Requirements ColumnNorm::require(const std::vector<bool>& wanted) {
  const double size = static_cast<double>(samples_ * rows_ * channels_);
  const int64_t parts = samples_ * parts_.count();
  const int64_t blocks = groups_ == channels_ ? (channels_ + kChannels - 1) / kChannels : 1;
  const double per_channel = static_cast<double>(samples_ * channels_ * (2 * parts_.count() + 10));
  past_cache_ = fused() && samples_ * rows_ * channels_ >= kPastCache;
  results_ = round_up(parts * 2 * channels_, kLine);
  Requirements needs;
  needs.kept = {samples_ * kCoefficients * channels_};
  needs.reads_inputs = 1u | (gamma_ >= 0 ? 1u << gamma_ : 0u);
  // y may take the place of x or of the residual, dx or dresidual that of dy.
  needs.overwrites_inputs = 1u | (adds_ ? 1u << residual_ : 0u);
  needs.overwrites_gradient = true;
  if (returns_statistics_) needs.constant_outputs = 6;
  needs.reads_outputs = (mask_from_output_ || adds_) && activation_ == Activation::relu ? 1u : 0u;
  forward_.clear();
  auto add = [](std::vector<Step>& steps, std::vector<Phase>& phases, Step step, int64_t tasks, double cost) {
    steps.push_back(step);
    phases.push_back({tasks, cost});
  };
  if (given_statistics_ < 0) {
    add(forward_, needs.forward, moments, parts, kRead * size);
    needs.forward_scratch = results_;
  }
  add(forward_, needs.forward, coefficients, samples_ * blocks, per_channel);
  add(forward_, needs.forward, apply, parts, (kRead + kWrite + (fused() ? 0 : 1)) * size);

  const bool dx = wanted[0], dgamma = gamma_ >= 0 && wanted[gamma_], dbeta = beta_ >= 0 && wanted[beta_];
  writes_dz_ = adds_ && wanted[residual_];
  if (given_statistics_ >= 0)
    check(!wanted[given_statistics_] && !wanted[given_statistics_ + 1], name_,
          " has no gradient with respect to given statistics");
  backward_.clear();
  if (!dx && !dgamma && !dbeta && !writes_dz_) return needs;
  const double dz_cost = (fused() ? 0 : 1.5 * size) + (writes_dz_ ? kWrite * size : 0);
  const bool needs_sums = !constant_statistics_ || dgamma || dbeta || writes_dz_;
  if (needs_sums) add(backward_, needs.backward, sums, parts, 2 * kRead * size + dz_cost);
  add(backward_, needs.backward, combine, samples_ * blocks, per_channel);
  if (samples_ != 1 && (dgamma || dbeta))
    add(backward_, needs.backward, over_samples, 1, static_cast<double>(2 * samples_ * channels_));
  if (dx) add(backward_, needs.backward, gradient, parts, (2 * kRead + kWrite) * size + dz_cost);
  needs.backward_scratch = results_ + samples_ * 4 * channels_;
  if (!fused()) needs.worker_scratch = 2 * std::max(kBlock, channels_);
  return needs;
}

void ColumnNorm::forward(const Args& args, int phase, int64_t task, Worker&) const {
  switch (forward_[phase]) {
    case moments:
      return take_moments(args, task);
    case coefficients:
      return make_coefficients(args, task);
    default:
      return apply_coefficients(args, task);
  }
}

void ColumnNorm::backward(const Args& args, int phase, int64_t task, Worker& worker) const {
  switch (backward_[phase]) {
    case sums:
      return take_sums(args, task, worker);
    case combine:
      return combine_sums(args, task);
    case over_samples:
      return sum_over_samples(args);
    default:
      return take_gradient(args, task, worker);
  }
}

ColumnNorm::Task ColumnNorm::task_of(int64_t task) const {
  const int64_t sample = task / parts_.count(), part = task % parts_.count();
  return {sample, (sample * rows_ + parts_.begin(part)) * channels_, parts_.rows(part)};
}

ColumnNorm::Channels ColumnNorm::channels_of(int64_t task) const {
  if (groups_ != channels_) return {task, 0, channels_};
  const int64_t blocks = (channels_ + kChannels - 1) / kChannels, begin = task % blocks * kChannels;
  return {task / blocks, begin, std::min(begin + kChannels, channels_)};
}

template <class F>
void ColumnNorm::for_blocks(int64_t rows, F&& f) const {
  const int64_t each = std::max<int64_t>(1, kBlock / std::max<int64_t>(1, channels_));
  for (int64_t row = 0; row < rows; row += each) f(row, std::min(each, rows - row));
}

void ColumnNorm::take_moments(const Args& args, int64_t task) const {
  const Task part = task_of(task);
  float* sums = args.scratch + task * 2 * channels_;
  kernels().norm->moments(part.rows, channels_, args.inputs[0] + part.first, channels_, sums, sums + channels_);
}

void ColumnNorm::make_coefficients(const Args& args, int64_t task) const {
  const auto [sample, begin, end] = channels_of(task);
  float* kept = args.kept[0] + sample * kCoefficients * channels_;
  float *mean = kept + kMean * channels_, *inv_std = kept + kInvStd * channels_;
  float* variance = inv_std;  // in place
  if (given_statistics_ >= 0) {
    std::copy(args.inputs[given_statistics_] + begin, args.inputs[given_statistics_] + end, mean + begin);
    std::copy(args.inputs[given_statistics_ + 1] + begin, args.inputs[given_statistics_ + 1] + end, variance + begin);
  } else {
    const float* sums = args.scratch + sample * parts_.count() * 2 * channels_ + begin;
    kernels().norm->combine_moments(parts_.count(), part_rows_.data(), end - begin, 2 * channels_, sums,
                                    sums + channels_, mean + begin, variance + begin);
  }
  if (groups_ != channels_) {  // the statistics of a group from those of its channels, all of as many elements
    const int64_t width = channels_ / groups_;
    for (int64_t c = 0; c < channels_; c += width) {
      double center = 0, square = 0;
      for (int64_t i = c; i < c + width; ++i) center += mean[i];
      center /= static_cast<double>(width);
      for (int64_t i = c; i < c + width; ++i) square += variance[i] + (mean[i] - center) * (mean[i] - center);
      std::fill_n(mean + c, width, static_cast<float>(center));
      std::fill_n(variance + c, width, static_cast<float>(square / static_cast<double>(width)));
    }
  }
  if (returns_statistics_) {
    std::copy(mean + begin, mean + end, args.outputs[1] + begin);
    std::copy(variance + begin, variance + end, args.outputs[2] + begin);
  }
  for (int64_t c = begin; c < end; ++c) {
    inv_std[c] = static_cast<float>(1.0 / std::sqrt(variance[c] + epsilon_));
    kept[kScale * channels_ + c] = gamma_ >= 0 ? args.inputs[gamma_][c] * inv_std[c] : inv_std[c];
    kept[kShift * channels_ + c] = beta_ >= 0 ? args.inputs[beta_][c] : 0.0f;
  }
}

void ColumnNorm::apply_coefficients(const Args& args, int64_t task) const {
  const Task part = task_of(task);
  const float *x = args.inputs[0] + part.first, *kept = args.kept[0] + part.sample * kCoefficients * channels_;
  const float* residual = adds_ ? args.inputs[residual_] + part.first : nullptr;
  float* y = args.outputs[0] + part.first;
  auto normalize = [&](int64_t row, int64_t rows) {
    kernels().norm->normalize(rows, channels_, x + row * channels_, kept, kept + kScale * channels_,
                              kept + kShift * channels_, residual, activation_ == Activation::relu,
                              past_cache_ && y != x && y != residual, y + row * channels_);
  };
  if (fused()) return normalize(0, part.rows);
  for_blocks(part.rows, [&](int64_t row, int64_t rows) {
    normalize(row, rows);
    float* block = y + row * channels_;
    kernels().activations->forward[static_cast<int>(activation_)](rows * channels_, block, block, alpha_);
  });
}

// dz of some rows, for activations that the kernels do not fuse. Scratch dz: twice the size of the rows.
void ColumnNorm::differentiate(const float* x, const float* dy, int64_t rows, const float* kept, float* dz) const {
  const int64_t size = rows * channels_;
  const int a = static_cast<int>(activation_);
  float* z = dz + size;
  kernels().norm->normalize(rows, channels_, x, kept, kept + kScale * channels_, kept + kShift * channels_, nullptr,
                            false, false, z);
  if (derivative_reads_output(activation_)) kernels().activations->forward[a](size, z, z, alpha_);
  kernels().activations->backward[a](size, z, z, dy, dz, alpha_);
}

// Where y must be read to see where z was positive; null where z is computed again, which needs one array less.
const float* ColumnNorm::output_for_mask(const Args& args, int64_t first) const {
  return activation_ == Activation::relu && (mask_from_output_ || adds_) ? args.outputs[0] + first : nullptr;
}

void ColumnNorm::take_sums(const Args& args, int64_t task, Worker& worker) const {
  const Task part = task_of(task);
  const float *x = args.inputs[0] + part.first, *dy = args.output_grads[0] + part.first,
              *kept = args.kept[0] + part.sample * kCoefficients * channels_;
  float* sum = args.scratch + task * 2 * channels_;
  float* residual = writes_dz_ ? args.input_grads[residual_] + part.first : nullptr;
  std::fill_n(sum, 2 * channels_, 0.0f);
  auto add = [&](const float* x, const float* y, const float* dz, int64_t rows, bool relu) {
    kernels().norm->gradient_sums(rows, channels_, x, y, dz, kept, kept + kScale * channels_, kept + kShift * channels_,
                                  relu, sum, sum + channels_, residual);
  };
  if (fused()) return add(x, output_for_mask(args, part.first), dy, part.rows, activation_ == Activation::relu);
  for_blocks(part.rows, [&](int64_t row, int64_t rows) {
    const int64_t at = row * channels_;
    differentiate(x + at, dy + at, rows, kept, worker.scratch);
    add(x + at, nullptr, worker.scratch, rows, false);
  });
}

void ColumnNorm::combine_sums(const Args& args, int64_t task) const {
  const auto [sample, begin, end] = channels_of(task);
  const float* kept = args.kept[0] + sample * kCoefficients * channels_;
  const float* gamma = gamma_ >= 0 ? args.inputs[gamma_] : nullptr;
  float* result = args.scratch + results_ + sample * 4 * channels_;
  const bool have_sums = backward_[0] == sums;
  for (int64_t c = begin; c < end; ++c) {
    double sum = 0, product = 0;
    const float* part = args.scratch + sample * parts_.count() * 2 * channels_ + c;
    for (int64_t i = 0; have_sums && i < parts_.count(); ++i, part += 2 * channels_) {
      sum += part[0];
      product += part[channels_];
    }
    result[kSum * channels_ + c] = static_cast<float>(sum);
    result[kProduct * channels_ + c] = static_cast<float>(product * kept[kInvStd * channels_ + c]);
  }
  if (samples_ == 1) {
    if (gamma_ >= 0 && args.input_grads[gamma_] != nullptr)
      std::copy(result + kProduct * channels_ + begin, result + kProduct * channels_ + end,
                args.input_grads[gamma_] + begin);
    if (beta_ >= 0 && args.input_grads[beta_] != nullptr)
      std::copy(result + kSum * channels_ + begin, result + kSum * channels_ + end, args.input_grads[beta_] + begin);
  }
  if (constant_statistics_) {
    std::fill(result + kOffset * channels_ + begin, result + kOffset * channels_ + end, 0.0f);
    std::fill(result + kSlope * channels_ + begin, result + kSlope * channels_ + end, 0.0f);
    return;
  }
  const int64_t width = channels_ / groups_;
  const double share = 1.0 / static_cast<double>(rows_ * width);
  for (int64_t c = begin; c < end; c += width) {
    double sum = 0, product = 0;
    for (int64_t i = c; i < c + width; ++i) {
      const double weight = gamma != nullptr ? gamma[i] : 1.0;
      sum += weight * result[kSum * channels_ + i];
      product += weight * result[kProduct * channels_ + i];
    }
    const double inv_std = kept[kInvStd * channels_ + c];
    std::fill_n(result + kOffset * channels_ + c, width, static_cast<float>(inv_std * sum * share));
    std::fill_n(result + kSlope * channels_ + c, width, static_cast<float>(inv_std * inv_std * product * share));
  }
}

void ColumnNorm::sum_over_samples(const Args& args) const {
  const float* results = args.scratch + results_;
  for (int64_t c = 0; c < channels_; ++c) {
    double sum = 0, product = 0;
    for (int64_t sample = 0; sample < samples_; ++sample) {
      sum += results[(sample * 4 + kSum) * channels_ + c];
      product += results[(sample * 4 + kProduct) * channels_ + c];
    }
    if (gamma_ >= 0 && args.input_grads[gamma_] != nullptr) args.input_grads[gamma_][c] = static_cast<float>(product);
    if (beta_ >= 0 && args.input_grads[beta_] != nullptr) args.input_grads[beta_][c] = static_cast<float>(sum);
  }
}

void ColumnNorm::take_gradient(const Args& args, int64_t task, Worker& worker) const {
  const Task part = task_of(task);
  const float *x = args.inputs[0] + part.first, *kept = args.kept[0] + part.sample * kCoefficients * channels_;
  const float* dy = (writes_dz_ ? args.input_grads[residual_] : args.output_grads[0]) + part.first;
  float* dx = args.input_grads[0] + part.first;
  const float* result = args.scratch + results_ + part.sample * 4 * channels_;
  auto write = [&](const float* x, const float* y, const float* dz, int64_t rows, bool relu, float* dx) {
    kernels().norm->normalize_backward(rows, channels_, x, y, dz, kept, kept + kScale * channels_,
                                       kept + kShift * channels_, relu, result + kOffset * channels_,
                                       result + kSlope * channels_, past_cache_ && dx != dz, dx);
  };
  if (fused())
    return write(x, output_for_mask(args, part.first), dy, part.rows, activation_ == Activation::relu && !writes_dz_,
                 dx);
  for_blocks(part.rows, [&](int64_t row, int64_t rows) {
    const int64_t at = row * channels_;
    differentiate(x + at, dy + at, rows, kept, worker.scratch);
    write(x + at, nullptr, worker.scratch, rows, false, dx + at);
  });
}

}  // namespace nnfast
