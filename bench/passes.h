// Forward and backward of one operation whose time is that of the memory it reads and writes.
#pragma once
#include <benchmark/benchmark.h>

#include <string>

#include "core/threads.h"
#include "op_run.h"
#include "triad.h"

namespace nnfast {

struct PassCase {
  std::string name, op;
  std::vector<Shape> inputs;
  Attributes attributes;
  double forward_passes, backward_passes;  // over an array as large as the first input: the fewest that will do
  std::vector<bool> wanted = std::vector<bool>(inputs.size(), true);
};

inline void run_passes(benchmark::State& state, const PassCase& c, bool backward) {
  OpRun op(c.op, c.attributes, c.inputs, c.wanted, num_threads());
  if (!require(state, op.is_right(backward))) return;
  double best = 1e9;
  for (auto _ : state) {
    const auto begin = std::chrono::steady_clock::now();
    backward ? op.backward() : op.forward();
    best = std::min(best, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  const int64_t size = c.inputs[0].size();
  const double rate = 4.0 * static_cast<double>(size) * (backward ? c.backward_passes : c.forward_passes) / best;
  state.counters["GB/s"] = rate / 1e9;
  state.counters["of_triad"] = rate / triad_rate(size, num_threads());  // over arrays as large
}

inline void add_passes(const PassCase& c) {
  for (bool backward : {false, true})
    benchmark::RegisterBenchmark((c.name + (backward ? "/backward" : "/forward")).c_str(),
                                 [c, backward](benchmark::State& state) { run_passes(state, c, backward); })
        ->UseRealTime();
}

}  // namespace nnfast
