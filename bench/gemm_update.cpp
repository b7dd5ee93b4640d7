// The gradient of a dense kernel and the step of an optimizer with it: one after the other ("apart"), and each part of
// the gradient used as soon as it is made ("at_once"). GFLOP/s counts the products.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/parallel.h"
#include "dispatch/dispatch.h"
#include "ops/gemm.h"
#include "ops/update.h"
#include "random.h"
#include "rule_settings.h"
#include "verify.h"

namespace nnfast {
namespace {

struct Size {
  int64_t inputs, units, rows;
};
const Size kSizes[] = {{2048, 2048, 256}, {2048, 1000, 256}, {2048, 2048, 32}, {2048, 2048, 1}, {2000, 2000, 64}};
const char* const kRules[] = {"sgd", "sgd_momentum", "adam"};

GemmSpec spec_of(const Size& size) {
  GemmSpec spec;
  spec.m = size.inputs, spec.n = size.units, spec.k = size.rows;
  spec.transpose_a = spec.split_k = spec.gradient = true;
  return spec;
}

class Layer final : public Job {
 public:
  Layer(const Size& size, const std::string& rule, bool at_once, int threads)
      : gemm_(spec_of(size)),
        segment_{0, round_up(size.inputs * size.units, kLine), true, 1},
        update_(settings_of(rule), {segment_}),
        x_(random(size.rows * size.inputs, 1)),
        dz_(random(size.rows * size.units, 2)),
        parameters_(random(segment_.size, 3)),
        gradients_(segment_.size),
        scratch_(gemm_.scratch()),
        worker_stride_(round_up(gemm_.worker_scratch(), kLine)),
        workers_(worker_stride_ * threads),
        product_phases_(static_cast<int>(gemm_.phases().size())) {
    for (size_t i = 0; i < update_.slots().size(); ++i) slots_.emplace_back(segment_.size);
    for (Buffer& slot : slots_) slots_at_.push_back(slot.data());
    state_ = {parameters_.data(), gradients_.data(), slots_at_.data(), nullptr, 0, 1e-3};
    args_.a = x_.data();
    args_.b = dz_.data();
    args_.c = gradients_.data();
    if (at_once) args_.update = &variable_;
    int phase = 0;
    for (const Phase& of_product : gemm_.phases()) schedule_.add(*this, phase++, of_product.tasks, of_product.cost);
    if (at_once) return;
    for (const Phase& of_update : update_.phases()) schedule_.add(*this, phase++, of_update.tasks, of_update.cost);
  }
  void run(int phase, int64_t task, int worker) const override {
    if (phase >= product_phases_) return update_.run(phase - product_phases_, task, state_);
    gemm_.run(phase, task, Worker{workers_.data() + worker * worker_stride_, worker}, scratch_.data(), args_);
  }
  void step(int threads) {
    schedule_.run(threads);
    ++state_.step;
  }
  bool can_update() const { return gemm_.can_update(); }
  const Buffer& parameters() const { return parameters_; }

 private:
  Gemm gemm_;
  Segment segment_;
  Update update_;
  Buffer x_, dz_, parameters_, gradients_, scratch_;
  int64_t worker_stride_;
  Buffer workers_;
  int product_phases_;
  std::vector<Buffer> slots_;
  std::vector<float*> slots_at_;
  UpdateState state_;
  VariableUpdate variable_{update_, segment_, state_};
  GemmArgs args_;
  Schedule schedule_;
};

void layer(benchmark::State& state, const Size& size, const std::string& rule, bool at_once) {
  const int threads = static_cast<int>(state.range(0));
  Layer work(size, rule, at_once, threads);
  for (int i = 0; i < 2; ++i) work.step(threads);
  // Product and rule are compared with others elsewhere; here both ways must give the same bits.
  Layer other(size, rule, false, 1);
  for (int i = 0; i < 2; ++i) other.step(1);
  const float *got = work.parameters().data(), *expected = other.parameters().data();
  if (!require(state, work.can_update() && std::equal(got, got + size.inputs * size.units, expected))) return;
  for (auto _ : state) work.step(threads);
  state.counters["GFLOP/s"] = benchmark::Counter(2.0 * size.inputs * size.units * size.rows / 1e9,
                                                 benchmark::Counter::kIsIterationInvariantRate);
}

const bool added = [] {
  for (const Size& size : kSizes)
    for (const char* rule : kRules)
      for (const bool at_once : {false, true}) {
        const std::string name = std::to_string(size.inputs) + "x" + std::to_string(size.units) + "x" +
                                 std::to_string(size.rows) + "/" + rule + (at_once ? "/at_once" : "/apart");
        benchmark::RegisterBenchmark(name.c_str(), layer, size, rule, at_once)
            ->Arg(1)
            ->Arg(2)
            ->MinTime(0.1)
            ->UseRealTime();
      }
  return true;
}();

}  // namespace
}  // namespace nnfast

BENCHMARK_MAIN();
