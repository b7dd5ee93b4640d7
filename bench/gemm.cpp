// Matrix products in every direction of a dense layer: forward (c = a b), of the input (b transposed), of the weights
// (a transposed). "of_peak" is the share of the FMA peak, which `fma_peak` measures first, with as many threads.
#include <benchmark/benchmark.h>

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/parallel.h"
#include "dispatch/dispatch.h"
#include "ops/gemm.h"
#include "random.h"
#include "verify.h"

namespace nnfast {
namespace {

struct Size {
  int64_t m, n, k;
};
const Size kSizes[] = {{2048, 2048, 2048}, {1024, 1024, 1024}, {256, 256, 256}, {128, 512, 784}, {256, 1024, 1024},
                       {8192, 64, 64},     {64, 4096, 4096},   {64, 64, 64},    {32, 32, 32},    {1, 1024, 1024},
                       {8, 1024, 1024},    {256, 10, 1024},    {8192, 1, 128}};

class Product final : public Job {
 public:
  Product(const GemmSpec& spec, int threads)
      : spec_(spec),
        gemm_(spec),
        a_(random(spec.m * spec.k, 1)),
        b_(random(spec.k * spec.n, 2)),
        c_(spec.m * spec.n),
        scratch_(gemm_.scratch()),
        worker_stride_(round_up(gemm_.worker_scratch(), kLine)),
        workers_(worker_stride_ * threads) {
    args_.a = a_.data();
    args_.b = b_.data();
    args_.c = c_.data();
    for (size_t i = 0; i < gemm_.phases().size(); ++i)
      schedule_.add(*this, static_cast<int>(i), gemm_.phases()[i].tasks, gemm_.phases()[i].cost);
  }
  void run(int phase, int64_t task, int worker) const override {
    gemm_.run(phase, task, Worker{workers_.data() + worker * worker_stride_, worker}, scratch_.data(), args_);
  }
  void step(int threads) const { schedule_.run(threads); }
  bool is_right() const {
    const int64_t m = spec_.m, n = spec_.n, k = spec_.k;
    bool right = true;
    each_sample(m * n, [&](int64_t index) {
      const int64_t row = index / n, column = index % n;
      ExactSum sum;
      for (int64_t i = 0; i < k; ++i)
        sum.add(a_.data()[spec_.transpose_a ? i * m + row : row * k + i],
                b_.data()[spec_.transpose_b ? column * k + i : i * n + column]);
      right = right && sum.is(c_.data()[index]);
    });
    return right;
  }

 private:
  const GemmSpec spec_;
  Gemm gemm_;
  Buffer a_, b_, c_, scratch_;
  int64_t worker_stride_;
  Buffer workers_;
  GemmArgs args_;
  Schedule schedule_;
};

// A tile of the kernel on panels that stay in the level-1 cache: nothing runs closer to the peak of the FMA units.
class Peak final : public Job {
 public:
  static constexpr int64_t kDepth = 192, kTiles = 2000, kTasks = 16;

  Peak() : a_(kernels().gemm->rows * kDepth), b_(kernels().gemm->columns * kDepth) {
    for (int i = 0; i < kTasks; ++i) c_.emplace_back(kernels().gemm->rows * kernels().gemm->columns);
    schedule_.add(*this, 0, kTasks, 1e9);
  }
  void run(int, int64_t task, int) const override {
    const Kernels::Gemm& gemm = *kernels().gemm;
    Kernels::Gemm::Block block{};
    block.m = block.height = gemm.rows;
    block.n = block.ldc = block.b_k = gemm.columns;
    block.k = block.chain = kDepth;
    block.a = a_.data();
    block.a_row = kDepth;
    block.a_k = 1;
    block.b = b_.data();
    block.c = c_[task].data();
    for (int64_t tile = 0; tile < kTiles; ++tile) gemm.block(block);
  }
  void step(int threads) const { schedule_.run(threads); }
  static double flops() { return 2.0 * kernels().gemm->rows * kernels().gemm->columns * kDepth * kTiles * kTasks; }

 private:
  Buffer a_, b_;
  std::vector<Buffer> c_;
  Schedule schedule_;
};

template <class Work>
double best_rate(benchmark::State& state, const Work& work, int threads, double flops) {
  work.step(threads);
  double best = 1e9;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    work.step(threads);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  state.counters["GFLOP/s"] = flops / best / 1e9;
  return flops / best;
}

std::map<int, double> peak_rate;  // by threads

void peak(benchmark::State& state) {
  const int threads = static_cast<int>(state.range(0));
  peak_rate[threads] = best_rate(state, Peak(), threads, Peak::flops());
}

void product(benchmark::State& state, const GemmSpec& spec) {
  const int threads = static_cast<int>(state.range(0));
  const double flops = 2.0 * spec.m * spec.n * spec.k;
  const Product work(spec, threads);
  work.step(threads);
  if (!require(state, work.is_right())) return;
  const double rate = best_rate(state, work, threads, flops);
  if (peak_rate.count(threads)) state.counters["of_peak"] = rate / peak_rate[threads];
}

const bool added = [] {
  benchmark::RegisterBenchmark("fma_peak", peak)->Arg(1)->Arg(2)->Iterations(10)->UseRealTime();
  const struct {
    const char* name;
    bool transpose_a, transpose_b;
  } directions[] = {{"forward", false, false}, {"input", false, true}, {"weights", true, false}};
  for (const Size& size : kSizes)
    for (const auto& direction : directions) {
      GemmSpec spec;
      spec.m = size.m, spec.n = size.n, spec.k = size.k;
      spec.transpose_a = direction.transpose_a;
      spec.transpose_b = direction.transpose_b;
      spec.split_k = direction.transpose_a;
      const std::string name = std::to_string(size.m) + "x" + std::to_string(size.n) + "x" + std::to_string(size.k);
      benchmark::RegisterBenchmark((name + "/" + direction.name).c_str(), product, spec)
          ->Arg(1)
          ->Arg(2)
          ->MinTime(0.05)
          ->UseRealTime();
    }
  return true;
}();

}  // namespace
}  // namespace nnfast

BENCHMARK_MAIN();
