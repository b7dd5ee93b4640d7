// Operations on each element: every activation forward and backward, the others of one and two operands, selection,
// dropout and noise. Sizes: within the L2 cache and beyond every cache. The counter is the memory they must read and
// write; `copy` is what this machine can do at best.
#include <benchmark/benchmark.h>

#include <cstring>
#include <string>

#include "core/threads.h"
#include "kernels/kernels.h"
#include "op_run.h"

namespace nnfast {
namespace {

constexpr int64_t kSizes[] = {1 << 15, 1 << 22};

void count_bytes(benchmark::State& state, int64_t floats) {
  state.counters["bytes"] =
      benchmark::Counter(4.0 * static_cast<double>(floats), benchmark::Counter::kIsIterationInvariantRate);
}

enum class Pass { forward, backward };

struct Case {
  std::string op;
  std::string label;
  std::vector<Shape> inputs;
  Attributes attributes;
};

void run(benchmark::State& state, const Case& c, Pass pass) {
  std::vector<bool> wanted(c.inputs.size(), pass == Pass::backward);
  OpRun op(c.op, c.attributes, c.inputs, wanted, num_threads());
  if (!require(state, op.is_right(pass == Pass::backward))) return;
  for (auto _ : state) pass == Pass::forward ? op.forward() : op.backward();
  int64_t largest = 0, total = 0;
  for (const Shape& shape : c.inputs) {
    largest = std::max(largest, shape.size());
    total += shape.size();
  }
  count_bytes(state, pass == Pass::forward ? total + largest : total + 2 * largest);
}

void copy(benchmark::State& state, int64_t n) {
  Buffer x(n), y(n);
  for (auto _ : state) {
    std::memcpy(y.data(), x.data(), n * sizeof(float));
    benchmark::ClobberMemory();
  }
  count_bytes(state, 2 * n);
}

}  // namespace
}  // namespace nnfast

int main(int argc, char** argv) {
  using namespace nnfast;
  const auto add = [](const Case& c, bool backward = true) {
    const std::string name = c.op + (c.label.empty() ? "" : "_" + c.label) + "/" + std::to_string(c.inputs[0].size());
    benchmark::RegisterBenchmark((name + "/forward").c_str(), [c](benchmark::State& state) {
      run(state, c, Pass::forward);
    })->UseRealTime();
    if (backward)
      benchmark::RegisterBenchmark((name + "/backward").c_str(), [c](benchmark::State& state) {
        run(state, c, Pass::backward);
      })->UseRealTime();
  };
  for (int64_t n : kSizes) {
    benchmark::RegisterBenchmark(("copy/" + std::to_string(n)).c_str(), [n](benchmark::State& state) {
      copy(state, n);
    })->UseRealTime();
    for (const ActivationInfo& activation : kActivations) add({activation.name, "", {{n}}, {}});
    for (const UnaryInfo& unary : kUnary)
      add({unary.name, "", {{n}}, {}}, unary.derivative_reads != UnaryInfo::nothing);
    const int64_t width = 512;
    for (const char* op : {"add", "multiply", "divide", "power", "maximum", "prelu"}) {
      add({op, "same", {{n}, {n}}, {}});
      add({op, "bias", {{n / width, width}, {width}}, {}});
      add({op, "column", {{n / width, width}, {n / width, 1}}, {}});
      add({op, "scalar", {{n}, {1}}, {}});
    }
    add({"where", "", {{n}, {n}, {n}}, {}});
    Attributes bounds, rate, shared, stddev;
    bounds.set("lo", -0.5);
    bounds.set("hi", 0.5);
    add({"clip", "", {{n}}, bounds});
    rate.set("rate", 0.5);
    add({"dropout", "", {{n}}, rate});
    shared = rate;
    shared.set("noise_shape", std::vector<int64_t>{n / width, 1});
    add({"dropout", "shared", {{n / width, width}}, shared});
    add({"gaussian_dropout", "", {{n}}, rate});
    stddev.set("stddev", 0.5);
    add({"gaussian_noise", "", {{n}}, stddev});
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
