// The memory bandwidth to compare with: a = b + s·c.
#pragma once
#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "core/buffer.h"
#include "core/parallel.h"

namespace nnfast {

class Triad final : public Job {
 public:
  // Over blocks of so many floats.
  explicit Triad(int64_t size) : size_(size), a_(size), b_(size), c_(size) { schedule_.add(*this, 0, kTasks, 1e9); }
  void step(int threads) { schedule_.run(threads); }
  void run(int, int64_t task, int) const override {
    const int64_t begin = size_ * task / kTasks, end = size_ * (task + 1) / kTasks;
    float *a = a_.data(), *b = b_.data(), *c = c_.data();
#pragma GCC ivdep
    for (int64_t i = begin; i < end; ++i) a[i] = b[i] + 3.0f * c[i];
  }
  double bytes() const { return 3.0 * 4 * static_cast<double>(size_); }

 private:
  static constexpr int64_t kTasks = 256;
  int64_t size_;
  Buffer a_, b_, c_;
  Schedule schedule_;
};

// Bytes a second over three blocks of so many floats, the best of 20 steps; measured once.
inline double triad_rate(int64_t size, int threads) {
  static std::map<std::pair<int64_t, int>, double> known;
  double& rate = known[{size, threads}];
  if (rate > 0) return rate;
  Triad triad(size);
  triad.step(threads);
  for (int i = 0; i < 20; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    triad.step(threads);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    rate = std::max(rate, triad.bytes() / seconds);
  }
  return rate;
}

}  // namespace nnfast
