// Softmax and log-softmax along the last axis and along one before it, and cross-entropy of given targets. The counters
// are those of norm.cpp; where rows stay in cache the exponentials, not the memory, take the time.
#include "passes.h"

int main(int argc, char** argv) {
  using namespace nnfast;
  const Shape shapes[] = {{65536, 10}, {4096, 1000}, {256, 1000}, {64, 50000}};
  for (const Shape& rows : shapes) {
    const std::string shape = std::to_string(rows[0]) + "x" + std::to_string(rows[1]);
    add_passes({"softmax/" + shape, "softmax", {rows}, {}, 2, 3});
    add_passes({"log_softmax/" + shape, "log_softmax", {rows}, {}, 2, 3});
    add_passes(
        {"softmax_cross_entropy_dense/" + shape, "softmax_cross_entropy_dense", {rows, rows}, {}, 3, 2, {true, false}});
  }
  Attributes axis;
  axis.set("axis", int64_t{1});
  add_passes({"softmax_axis_1/64x1000x64", "softmax", {{64, 1000, 64}}, axis, 2, 3});
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
