// max_pool(x), average_pool(x): of images (N, 1 to 3 spatial axes, C), each channel by itself; attributes pool_size,
// strides (the pool size where it is missing) and padding, "valid" or "same". What a window sees outside the image does
// not count: the maximum and the mean are of the pixels inside.
//
// Forward of max_pool keeps where in each window the maximum lies, a byte for most windows, so that backward reads
// neither x nor y. With the attribute find_again nothing is kept: backward finds the places in x.
#include <algorithm>

#include "core/buffer.h"
#include "core/caches.h"
#include "dispatch/dispatch.h"
#include "ops/conv_shape.h"
#include "ops/registry.h"
#include "ops/row_tasks.h"

namespace nnfast {
namespace {

constexpr int64_t kTask = 32768;       // floats of the input in a task, about
constexpr double kFloatsPerNs = 4;     // read or written in passing by one thread, measured with 16 lanes
constexpr double kNsPerVector = 0.3;   // a tap's vector, where the data is in the cache
constexpr int64_t kWidest = 16;        // lanes: places are written in whole vectors
constexpr int64_t kMaxTaps = 1 << 30;  // a tap's number is an int32

class Pool : public Op {
 public:
  explicit Pool(const Attributes& attributes) : attributes_(attributes) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1 && inputs[0].dtype == DType::f32, "pooling: expected one float32 tensor");
    const Shape& x = inputs[0].shape;
    const auto pool_size = attributes_.get<std::vector<int64_t>>("pool_size");
    Attributes settings = attributes_;
    if (!settings.has("strides")) settings.set("strides", pool_size);
    int64_t taps = 1;
    for (int64_t size : pool_size) {
      check(size > 0 && size <= kMaxTaps / taps, "pool_size must be positive and cover at most ", kMaxTaps,
            " pixels, received ", size, " for one axis");
      taps *= size;
    }
    const ConvSettings geometry(settings, x.rank());
    check(geometry.padding == "valid" || geometry.padding == "same",
          "the padding of a pooling must be \"valid\" or \"same\", received \"", geometry.padding, "\"");
    window_ = pool_window(geometry, pool_size, x);
    images_.window = &window_;
    images_.channels = x[-1];
    const int64_t count = x[0];
    in_rows_ = count * window_.in[0] * window_.in[1];
    out_rows_ = count * window_.out[0] * window_.out[1];
    const double vectors = static_cast<double>(out_rows_ * window_.out[2]) * static_cast<double>(taps) *
                           static_cast<double>((x[-1] + kernels().lanes - 1) / kernels().lanes);
    cost_ = std::max(static_cast<double>(x.size()) / kFloatsPerNs, vectors * kNsPerVector);
    forward_tasks_ = tasks(out_rows_);
    backward_tasks_ = tasks(in_rows_);
    images_.wide_places = taps > 256;
    images_.places_step = round_up(x[-1], kWidest);
    images_.past_cache = x.size() >= kPastCache;
    return {{image_shape(geometry.axes, count, window_.out, x[-1]), DType::f32}};
  }

 protected:
  RowTasks tasks(int64_t rows) const {
    const int64_t size = in_rows_ * window_.in[2] * images_.channels;
    return {rows, rows == 0 ? 0 : size / rows, kTask, 1};
  }
  Phase forward_phase() const { return {forward_tasks_.count(), cost_}; }
  Phase backward_phase() const { return {backward_tasks_.count(), cost_}; }

  const Attributes attributes_;
  Window window_;
  Kernels::Pool::Images images_;
  int64_t in_rows_ = 0, out_rows_ = 0;  // of pixels, of all images
  double cost_ = 0;
  RowTasks forward_tasks_, backward_tasks_;
};

class MaxPool final : public Pool {
 public:
  explicit MaxPool(const Attributes& attributes)
      : Pool(attributes), find_again_(attributes.get<bool>("find_again", false)) {}

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    needs.forward = {forward_phase()};
    needs.reads_inputs = find_again_ ? 1 : 0;
    needs.reads_outputs = 0;
    keeps_ = wanted[0] && !find_again_;
    if (!wanted[0]) return needs;
    const int64_t places = out_rows_ * window_.out[2] * images_.places_step;
    const int64_t floats = images_.wide_places ? places : places / 4;
    if (keeps_) {
      needs.kept = {floats};
    } else {
      needs.backward = {forward_phase()};
      needs.backward_scratch = floats;
    }
    needs.backward.push_back(backward_phase());
    return needs;
  }
  void forward(const Args& args, int, int64_t task, Worker&) const override {
    find(args.inputs[0], task, args.outputs[0], keeps_ ? args.kept[0] : nullptr);
  }
  void backward(const Args& args, int phase, int64_t task, Worker&) const override {
    if (find_again_ && phase == 0) return find(args.inputs[0], task, nullptr, args.scratch);
    kernels().pool->max_backward(images_, backward_tasks_.begin(task), backward_tasks_.rows(task), args.output_grads[0],
                                 keeps_ ? args.kept[0] : args.scratch, args.input_grads[0]);
  }

 private:
  void find(const float* x, int64_t task, float* y, float* places) const {
    kernels().pool->max(images_, forward_tasks_.begin(task), forward_tasks_.rows(task), x, y, places);
  }

  const bool find_again_;
  bool keeps_ = false;
};

class AveragePool final : public Pool {
 public:
  using Pool::Pool;

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    needs.forward = {forward_phase()};
    if (wanted[0]) needs.backward = {backward_phase()};
    needs.reads_inputs = needs.reads_outputs = 0;
    return needs;
  }
  void forward(const Args& args, int, int64_t task, Worker&) const override {
    kernels().pool->average(images_, forward_tasks_.begin(task), forward_tasks_.rows(task), args.inputs[0],
                            args.outputs[0]);
  }
  void backward(const Args& args, int, int64_t task, Worker&) const override {
    kernels().pool->average_backward(images_, backward_tasks_.begin(task), backward_tasks_.rows(task),
                                     args.output_grads[0], args.input_grads[0]);
  }
};

const RegisterOp max_pool("max_pool", [](const Attributes& a) { return std::make_unique<MaxPool>(a); });
const RegisterOp average_pool("average_pool", [](const Attributes& a) { return std::make_unique<AveragePool>(a); });

}  // namespace
}  // namespace nnfast
