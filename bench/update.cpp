// Optimizer steps: every rule on 10M parameters in memory and on 2K in the cache, and on the large blocks the share of
// the triad's bandwidth (a = b + s·c over blocks as large), counted over the bytes that each must move.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/parallel.h"
#include "core/threads.h"
#include "ops/update.h"
#include "rule_settings.h"
#include "triad.h"
#include "verify.h"

namespace nnfast {
namespace {

constexpr int64_t kLarge = 10'000'000, kTiny = 2048;

class Blocks final : public Job {
 public:
  Blocks(const UpdateSettings& settings, int64_t size)
      : update_(settings, {{0, round_up(size, kLine), true, 1}}), scratch_(update_.scratch()) {
    for (size_t i = 0; i < 2 + update_.slots().size(); ++i) {
      blocks_.emplace_back(round_up(size, kLine));
      std::fill_n(blocks_.back().data(), size, 0.5f);
    }
    for (size_t i = 2; i < blocks_.size(); ++i) slots_.push_back(blocks_[i].data());
    state_ = {blocks_[0].data(), blocks_[1].data(), slots_.data(), scratch_.data(), 0, 1e-3};
    for (size_t i = 0; i < update_.phases().size(); ++i)
      schedule_.add(*this, static_cast<int>(i), update_.phases()[i].tasks, update_.phases()[i].cost);
  }
  void step(int threads) {
    schedule_.run(threads);
    ++state_.step;
  }
  void run(int phase, int64_t task, int) const override { update_.run(phase, task, state_); }
  // Whether the blocks are those that the weakest instruction set makes of its own in so many steps.
  bool is_right(const UpdateSettings& settings, int64_t size, int steps) const {
    bool right = true;
    on_weakest_isa([&] {
      Blocks other(settings, size);
      for (int i = 0; i < steps; ++i) other.step(1);
      for (size_t i = 0; i < blocks_.size(); ++i)
        right = right && agree(size, blocks_[i].data(), other.blocks_[i].data());
    });
    return right;
  }
  // Parameters, gradients and slots are read, parameters and slots written.
  double bytes() const {
    return 4.0 * static_cast<double>(blocks_[0].size()) * (3 + 2 * static_cast<double>(slots_.size()));
  }

 private:
  Update update_;
  Buffer scratch_;
  std::vector<Buffer> blocks_;
  std::vector<float*> slots_;
  UpdateState state_;
  Schedule schedule_;
};

template <class Work>
double best_rate(benchmark::State& state, Work& work, int threads) {
  work.step(threads);
  double best = 1e9;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    work.step(threads);
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  state.counters["GB/s"] = work.bytes() / best / 1e9;
  return work.bytes() / best;
}

void triad(benchmark::State& state) {
  Triad work(kLarge);
  best_rate(state, work, static_cast<int>(state.range(0)));
}

void large(benchmark::State& state, const UpdateSettings& settings) {
  const int threads = static_cast<int>(state.range(0));
  Blocks blocks(settings, kLarge);
  for (int i = 0; i < 2; ++i) blocks.step(threads);
  if (!require(state, blocks.is_right(settings, kLarge, 2))) return;
  const double rate = best_rate(state, blocks, threads);
  state.counters["of_triad"] = rate / triad_rate(kLarge, threads);
}

void tiny(benchmark::State& state, const UpdateSettings& settings) {
  Blocks blocks(settings, kTiny);
  for (int i = 0; i < 2; ++i) blocks.step(1);
  if (!require(state, blocks.is_right(settings, kTiny, 2))) return;
  for (auto _ : state) blocks.step(1);
}

void add(const std::string& name, const UpdateSettings& settings) {
  benchmark::RegisterBenchmark(("large/" + name).c_str(), large, settings)
      ->Arg(1)
      ->Arg(2)
      ->Iterations(10)
      ->UseRealTime();
  benchmark::RegisterBenchmark(("tiny/" + name).c_str(), tiny, settings);
}

const bool added = [] {
  benchmark::RegisterBenchmark("triad", triad)->Arg(1)->Arg(2)->Iterations(20)->UseRealTime();
  for (const std::string& rule : update_rules()) add(rule, settings_of(rule));
  UpdateSettings clipped = settings_of("adam");
  clipped.global_clipnorm = 1;
  add("adam/global_clipnorm", clipped);
  return true;
}();

}  // namespace
}  // namespace nnfast

BENCHMARK_MAIN();
