// The rate of the FMA units, against which benchmarks of products are held.
#pragma once
#include <algorithm>
#include <chrono>
#include <vector>

#include "core/buffer.h"
#include "core/parallel.h"
#include "dispatch/dispatch.h"
#include "ops/conv_pass.h"

namespace nnfast {

// A tile of the kernel on panels that stay in the level-1 cache: nothing runs closer to the peak.
class FmaPeak final : public Job {
 public:
  FmaPeak() : a_(kernels().gemm->rows * kDepth), b_(kernels().gemm->columns * kDepth) {
    for (int i = 0; i < kTasks; ++i) c_.emplace_back(kernels().gemm->rows * kernels().gemm->columns);
    schedule_.add(*this, 0, kTasks, 1e9);
  }
  void run(int, int64_t task, int) const override {
    const Kernels::Gemm& gemm = *kernels().gemm;
    Kernels::Gemm::Block block = gemm_block(gemm.rows, gemm.columns, kDepth);
    block.a = a_.data();
    block.a_row = kDepth;
    block.a_k = 1;
    block.b = b_.data();
    block.b_k = block.ldc = gemm.columns;
    block.c = c_[task].data();
    for (int64_t tile = 0; tile < kTiles; ++tile) multiply(block);
  }
  // Multiplications and additions in a second: the best of a few runs.
  double rate(int threads) const {
    double best = 0;
    for (int run = 0; run < 10; ++run) {
      const auto begin = std::chrono::steady_clock::now();
      schedule_.run(threads);
      const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
      best = std::max(best,
                      2.0 * kernels().gemm->rows * kernels().gemm->columns * kDepth * kTiles * kTasks / time.count());
    }
    return best;
  }

 private:
  static constexpr int64_t kDepth = 192, kTiles = 500, kTasks = 16;

  Buffer a_, b_;
  std::vector<Buffer> c_;
  Schedule schedule_;
};

}  // namespace nnfast
