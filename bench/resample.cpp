// Images under an affine map: batches that augmentation turns by some degrees, and bilinear upsampling to twice the
// size. The counter is output pixels a second, of all channels together.
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

#include "core/threads.h"
#include "op_run.h"

namespace nnfast {
namespace {

struct Case {
  std::string name;
  Shape images;
  int64_t scale;
  double angle;
  const char* fill_mode;
};

void run(benchmark::State& state, const Case& c, bool backward) {
  const int64_t height = c.images[1], width = c.images[2];
  Attributes attributes;
  attributes.set("size", std::vector<int64_t>{height * c.scale, width * c.scale});
  attributes.set("fill_mode", std::string(c.fill_mode));
  OpRun op("affine_transform", attributes, {c.images, {1, 6}}, {true, false}, num_threads());
  // About the middle of the image: of the output's pixel (u, v), scale times as many, to the input's.
  const double cosine = std::cos(c.angle) / static_cast<double>(c.scale);
  const double sine = std::sin(c.angle) / static_cast<double>(c.scale);
  const double u = static_cast<double>(width * c.scale - 1) / 2, v = static_cast<double>(height * c.scale - 1) / 2;
  const double map[] = {cosine, -sine,  static_cast<double>(width - 1) / 2 - cosine * u + sine * v,
                        sine,   cosine, static_cast<double>(height - 1) / 2 - sine * u - cosine * v};
  std::copy_n(map, 6, op.input(1));
  if (!require(state, op.is_right(backward))) return;
  for (auto _ : state) backward ? op.backward() : op.forward();
  state.counters["pixels"] = benchmark::Counter(static_cast<double>(c.images[0] * height * width * c.scale * c.scale),
                                                benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace
}  // namespace nnfast

int main(int argc, char** argv) {
  using namespace nnfast;
  for (const Case& c : {Case{"rotate/128x32x32x3", {128, 32, 32, 3}, 1, 0.2, "reflect"},
                        Case{"rotate/8x224x224x3", {8, 224, 224, 3}, 1, 0.2, "constant"},
                        Case{"upsample/8x32x32x64", {8, 32, 32, 64}, 2, 0, "nearest"},
                        Case{"upsample/1x64x64x128", {1, 64, 64, 128}, 2, 0, "nearest"}})
    for (bool backward : {false, true})
      benchmark::RegisterBenchmark((c.name + (backward ? "/backward" : "/forward")).c_str(),
                                   [c, backward](benchmark::State& state) { run(state, c, backward); })
          ->UseRealTime();
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
