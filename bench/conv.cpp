// Convolution: forward, backward-data and backward-weights of shapes from LeNet, ResNet and MobileNet, by each
// algorithm that applies and by the one that is chosen ("auto"). "flops" is the rate of the multiplications and
// additions of the direct algorithm, "of_peak" its share of the FMA peak, which is measured first, with as many
// threads: Winograd's may exceed 1.
#include <benchmark/benchmark.h>

#include "core/threads.h"
#include "op_run.h"
#include "peak.h"

namespace nnfast {
namespace {

struct Case {
  const char* name;
  int64_t images, size, channels, out_channels, window, stride;
  const char* padding;
  bool depthwise;
};
const Case kCases[] = {
    {"lenet_1", 64, 28, 1, 6, 5, 1, "same", false},
    {"lenet_2", 64, 14, 6, 16, 5, 1, "valid", false},
    {"lenet_1_one_image", 1, 28, 1, 6, 5, 1, "same", false},
    {"lenet_2_one_image", 1, 14, 6, 16, 5, 1, "valid", false},
    {"cifar_3_32", 64, 32, 3, 32, 3, 1, "same", false},
    {"cifar_32_32", 64, 32, 32, 32, 3, 1, "same", false},
    {"cifar_32_64", 64, 16, 32, 64, 3, 1, "same", false},
    {"cifar_64_128", 64, 8, 64, 128, 3, 1, "same", false},
    {"resnet_64_56", 16, 56, 64, 64, 3, 1, "same", false},
    {"resnet_128_28", 16, 28, 128, 128, 3, 1, "same", false},
    {"resnet_256_14", 16, 14, 256, 256, 3, 1, "same", false},
    {"resnet_512_7", 16, 7, 512, 512, 3, 1, "same", false},
    {"resnet_128_56_stride", 16, 56, 64, 128, 3, 2, "same", false},
    {"resnet_128_56_shortcut", 16, 56, 64, 128, 1, 2, "same", false},
    {"stem_7x7", 8, 224, 3, 64, 7, 2, "same", false},
    {"pointwise_64_64", 16, 56, 64, 64, 1, 1, "same", false},
    {"pointwise_256_64", 16, 56, 256, 64, 1, 1, "same", false},
    {"depthwise_32", 16, 112, 32, 1, 3, 1, "same", true},
    {"depthwise_96_stride", 16, 112, 96, 1, 3, 2, "same", true},
};

enum class Pass { forward, data, weights };
const char* const kAlgorithms[] = {"auto", "patches", "product", "rows", "winograd", "depthwise"};

const char* op_of(const Case& c) { return c.depthwise ? "depthwise_conv" : "conv"; }
Attributes attributes_of(const Case& c, const char* algorithm) {
  Attributes attributes;
  attributes.set("strides", std::vector<int64_t>{c.stride});
  attributes.set("padding", std::string(c.padding));
  attributes.set("algorithm", std::string(algorithm));
  return attributes;
}
std::vector<Shape> shapes_of(const Case& c) {
  return {{c.images, c.size, c.size, c.channels}, {c.window, c.window, c.channels, c.out_channels}};
}

bool applies(const Case& c, const char* algorithm) {
  try {
    std::vector<Spec> specs;
    for (const Shape& shape : shapes_of(c)) specs.push_back({shape, DType::f32});
    make_op(op_of(c), attributes_of(c, algorithm))->infer(specs);
    return true;
  } catch (const Error&) {
    return false;
  }
}

void run(benchmark::State& state, const Case& c, const char* algorithm, Pass pass) {
  static const double peak = FmaPeak().rate(num_threads());
  OpRun op(op_of(c), attributes_of(c, algorithm), shapes_of(c), {pass == Pass::data, pass == Pass::weights},
           num_threads());
  for (auto _ : state) pass == Pass::forward ? op.forward() : op.backward();
  const double out = std::string(c.padding) == "same" ? (c.size + c.stride - 1) / c.stride : c.size - c.window + 1;
  const double flops = 2.0 * c.images * out * out * c.channels * c.out_channels * c.window * c.window;
  state.counters["flops"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of_peak"] = benchmark::Counter(flops / peak, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace
}  // namespace nnfast

int main(int argc, char** argv) {
  using namespace nnfast;
  const std::pair<const char*, Pass> passes[] = {
      {"forward", Pass::forward}, {"backward_data", Pass::data}, {"backward_weights", Pass::weights}};
  for (const Case& c : kCases)
    for (const char* algorithm : kAlgorithms) {
      if (!applies(c, algorithm)) continue;
      for (const auto& [name, pass] : passes)
        benchmark::RegisterBenchmark(
            (std::string(c.name) + "/" + algorithm + "/" + name).c_str(),
            [&c, algorithm, pass = pass](benchmark::State& state) { run(state, c, algorithm, pass); })
            ->UseRealTime();
    }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
