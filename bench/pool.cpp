// Pooling: windows side by side and overlapping, many channels and few, beyond every cache and within them; global
// pooling, which is a reduction. The counters are the bytes that must be read and written, a second, and their share of
// what the triad a = b + s·c reaches over arrays as large.
#include "passes.h"

namespace nnfast {
namespace {

void add_pooling(const Shape& images, int64_t pool_size, int64_t stride) {
  std::string shape;
  for (int64_t size : images) shape += (shape.empty() ? "" : "x") + std::to_string(size);
  Attributes attributes;
  attributes.set("pool_size", std::vector<int64_t>(2, pool_size));
  attributes.set("strides", std::vector<int64_t>(2, stride));
  attributes.set("padding", std::string("same"));
  // Each pixel once, and the smaller image; the places of the maximum are a byte.
  const double small = 1.0 / static_cast<double>(stride * stride);
  const std::string window = std::to_string(pool_size) + "s" + std::to_string(stride) + "/" + shape;
  add_passes({"max" + window, "max_pool", {images}, attributes, 1 + 1.25 * small, 1 + 1.25 * small});
  add_passes({"average" + window, "average_pool", {images}, attributes, 1 + small, 1 + small});
}

void add_global(const Shape& images) {
  Attributes attributes;
  attributes.set("axes", std::vector<int64_t>{1, 2});
  std::string shape;
  for (int64_t size : images) shape += (shape.empty() ? "" : "x") + std::to_string(size);
  add_passes({"global_mean/" + shape, "mean", {images}, attributes, 1, 1});
  add_passes({"global_max/" + shape, "max", {images}, attributes, 1, 2});
}

}  // namespace
}  // namespace nnfast

int main(int argc, char** argv) {
  using namespace nnfast;
  add_pooling({64, 32, 32, 64}, 2, 2);
  add_pooling({8, 16, 16, 64}, 2, 2);
  add_pooling({64, 28, 28, 6}, 2, 2);
  add_pooling({256, 28, 28, 1}, 2, 2);
  add_pooling({8, 112, 112, 64}, 3, 2);
  add_pooling({8, 28, 28, 192}, 3, 1);
  add_global({64, 8, 8, 512});
  add_global({32, 7, 7, 2048});
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
