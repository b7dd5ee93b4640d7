// Normalization: batch norm alone, with ReLU, and with a residual added before it; group, layer and RMS norm. Sizes
// beyond every cache and within the caches of two cores. The counters are the bytes that must be read and written, a
// second, and their share of what the triad a = b + s·c reaches over arrays as large.
#include "passes.h"

int main(int argc, char** argv) {
  using namespace nnfast;
  const auto attributes = [](const char* name, Attributes::Value value) {
    Attributes all;
    if (name[0] != 0) all.set(name, std::move(value));
    return all;
  };
  for (const Shape& image :
       {Shape{64, 32, 32, 64}, Shape{8, 16, 16, 64}, Shape{64, 32, 32, 32}, Shape{32, 4, 4, 512}}) {
    std::string shape;
    for (int64_t size : image) shape += (shape.empty() ? "" : "x") + std::to_string(size);
    const Shape channels{image[-1]};
    // The statistics must be known before any element can be written, so each direction takes two passes.
    add_passes({"batch_norm/" + shape, "batch_norm", {image, channels, channels}, {}, 3, 5});
    add_passes({"batch_norm_relu/" + shape,
                "batch_norm",
                {image, channels, channels},
                attributes("activation", std::string("relu")),
                3,
                5});
    add_passes(
        {"group_norm/" + shape, "group_norm", {image, channels, channels}, attributes("groups", int64_t{8}), 2, 3});
  }
  for (const Shape& rows : {Shape{4096, 512}, Shape{256, 512}, Shape{64, 100000}}) {
    const std::string shape = std::to_string(rows[0]) + "x" + std::to_string(rows[1]);
    add_passes({"layer_norm/" + shape, "layer_norm", {rows, {rows[1]}, {rows[1]}}, {}, 2, 3});
    add_passes({"rms_norm/" + shape, "rms_norm", {rows, {rows[1]}}, {}, 2, 3});
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
