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
    {"resnet_256_14_stride", 16, 14, 256, 512, 3, 2, "same", false},
    {"stem_7x7", 8, 224, 3, 64, 7, 2, "same", false},
    {"pointwise_64_64", 16, 56, 64, 64, 1, 1, "same", false},
    {"pointwise_256_64", 16, 56, 256, 64, 1, 1, "same", false},
    {"depthwise_32", 16, 112, 32, 1, 3, 1, "same", true},
    {"depthwise_96_stride", 16, 112, 96, 1, 3, 2, "same", true},
};

enum class Pass { forward, data, weights };
const char* const kAlgorithms[] = {"auto", "patches", "im2col", "product", "rows", "winograd", "depthwise"};

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

// Compares some results with their sums over all taps in double.
bool is_right(const Case& c, const OpRun& op, Pass pass) {
  const bool same = std::string(c.padding) == "same";
  const int64_t out = same ? (c.size + c.stride - 1) / c.stride : (c.size - c.window) / c.stride + 1;
  const int64_t pad = same ? std::max<int64_t>(0, (out - 1) * c.stride + c.window - c.size) / 2 : 0;
  const int64_t filters = c.depthwise ? c.channels * c.out_channels : c.out_channels;  // of the output
  const float *x = op.input(0), *w = op.input(1), *dy = op.output_grad(0);
  bool right = true;
  // f(input element, weight, output element) for all that meet in a window, where `wanted` is one of the three.
  const auto visit = [&](int64_t images[2], int64_t rows[2], int64_t columns[2], auto&& f) {
    for (int64_t n = images[0]; n < images[1]; ++n)
      for (int64_t i = rows[0]; i < rows[1]; ++i)
        for (int64_t j = columns[0]; j < columns[1]; ++j)
          for (int64_t k = 0; k < c.window * c.window; ++k) {
            const int64_t y = i * c.stride - pad + k / c.window, u = j * c.stride - pad + k % c.window;
            if (y >= 0 && y < c.size && u >= 0 && u < c.size)
              f((n * c.size + y) * c.size + u, k, (n * out + i) * out + j);
          }
  };
  const auto weight_at = [&](int64_t tap, int64_t channel, int64_t filter) {
    return c.depthwise ? tap * filters + filter : (tap * c.channels + channel) * filters + filter;
  };
  if (pass == Pass::forward) {
    each_sample(c.images * out * out * filters, [&](int64_t index) {
      const int64_t pixel = index / filters, filter = index % filters;
      const int64_t n = pixel / out / out, i = pixel / out % out, j = pixel % out;
      int64_t images[] = {n, n + 1}, rows[] = {i, i + 1}, columns[] = {j, j + 1};
      ExactSum sum;
      visit(images, rows, columns, [&](int64_t in, int64_t tap, int64_t) {
        const int64_t first = c.depthwise ? filter / c.out_channels : 0, count = c.depthwise ? 1 : c.channels;
        for (int64_t channel = first; channel < first + count; ++channel)
          sum.add(x[in * c.channels + channel], w[weight_at(tap, channel, filter)]);
      });
      right = right && sum.is(op.output(0)[index]);
    });
  } else if (pass == Pass::data) {
    each_sample(c.images * c.size * c.size * c.channels, [&](int64_t index) {
      const int64_t pixel = index / c.channels, channel = index % c.channels;
      const int64_t n = pixel / c.size / c.size, y = pixel / c.size % c.size, u = pixel % c.size;
      const auto range = [&](int64_t at, int64_t limits[2]) {
        limits[0] = std::max<int64_t>(0, (at + pad - c.window) / c.stride);
        limits[1] = std::min(out, (at + pad) / c.stride + 1);
      };
      int64_t images[] = {n, n + 1}, rows[2], columns[2];
      range(y, rows);
      range(u, columns);
      ExactSum sum;
      visit(images, rows, columns, [&](int64_t in, int64_t tap, int64_t at) {
        if (in != pixel) return;
        const int64_t first = c.depthwise ? channel * c.out_channels : 0, count = c.out_channels;
        for (int64_t filter = first; filter < first + count; ++filter)
          sum.add(dy[at * filters + filter], w[weight_at(tap, channel, filter)]);
      });
      right = right && sum.is(op.input_grad(0)[index]);
    });
  } else {
    const int64_t count = c.window * c.window * (c.depthwise ? 1 : c.channels) * filters;
    each_sample(count, [&](int64_t index) {
      const int64_t filter = index % filters, rest = index / filters;
      const int64_t channel = c.depthwise ? filter / c.out_channels : rest % c.channels;
      const int64_t wanted = c.depthwise ? rest : rest / c.channels;
      int64_t images[] = {0, c.images}, all[] = {0, out};
      ExactSum sum;
      visit(images, all, all, [&](int64_t in, int64_t tap, int64_t at) {
        if (tap == wanted) sum.add(x[in * c.channels + channel], dy[at * filters + filter]);
      });
      right = right && sum.is(op.input_grad(1)[index]);
    });
  }
  return right;
}

void run(benchmark::State& state, const Case& c, const char* algorithm, Pass pass) {
  static const double peak = FmaPeak().rate(num_threads());
  OpRun op(op_of(c), attributes_of(c, algorithm), shapes_of(c), {pass == Pass::data, pass == Pass::weights},
           num_threads());
  pass == Pass::forward ? op.forward() : op.backward();
  if (!require(state, is_right(c, op, pass))) return;
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
