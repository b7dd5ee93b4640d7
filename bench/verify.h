// Nothing is timed whose result is wrong: against sums in double, where they are few, or else against what the weakest
// instruction set computes on one thread.
#pragma once
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>

#include "dispatch/dispatch.h"

namespace nnfast {

// Whether n results agree: each within 1e-4 of its size and 1e-5 of the largest, and NaN and infinities alike.
inline bool agree(int64_t n, const float* got, const float* expected) {
  float largest = 0;
  for (int64_t i = 0; i < n; ++i)
    if (std::isfinite(expected[i])) largest = std::max(largest, std::abs(expected[i]));
  for (int64_t i = 0; i < n; ++i) {
    const bool same = got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i])) ||
                      std::abs(got[i] - expected[i]) <= 1e-4f * std::abs(expected[i]) + 1e-5f * largest;
    if (!same) return false;
  }
  return true;
}

// A sum of products, and of their absolute values, which its rounding error is measured by.
class ExactSum {
 public:
  void add(float a, float b) {
    sum_ += static_cast<double>(a) * b;
    size_ += std::abs(static_cast<double>(a) * b);
  }
  bool is(float got) const { return std::abs(got - sum_) <= 2e-5 * size_; }

 private:
  double sum_ = 0, size_ = 0;
};

// Some of so many elements: always the first and the last.
template <class F>
void each_sample(int64_t count, F&& f) {
  uint64_t state = 1;
  for (int i = 0; i < 48; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    f(i == 0 ? 0 : i == 1 ? count - 1 : static_cast<int64_t>((state >> 33) % static_cast<uint64_t>(count)));
  }
}

// Calls f while the weakest instruction set is in use.
template <class F>
void on_weakest_isa(F&& f) {
  const std::string strongest = kernels().isa;
  use_isa(runnable_kernels().front()->isa);
  f();
  use_isa(strongest);
}

// Ends a benchmark whose result is wrong. Returns whether it was right.
inline bool require(benchmark::State& state, bool right) {
  if (!right) state.SkipWithError("wrong result");
  return right;
}

}  // namespace nnfast
