// affine_transform(x, transforms): images (N, H, W, C), each under its own affine map, transforms (N, 6), or all under
// one, (1, 6): pixel (u, v) of the output, u along the width, shows the input at (t0 u + t1 v + t2, t3 u + t4 v + t5).
// Attributes: size, the height and width of the output (the input's where it is missing); interpolation, "bilinear" or
// "nearest"; fill_mode, "reflect" (d c b a | a b c d | d c b a), "wrap", "nearest" or "constant", with fill_value.
//
// The output is linear in x, so backward needs the transforms alone. They have no gradient.
#include <algorithm>

#include "dispatch/dispatch.h"
#include "ops/registry.h"
#include "ops/row_tasks.h"

namespace nnfast {
namespace {

constexpr int64_t kForwardTask = 32768;  // elements of the output in a task of forward, about
constexpr int64_t kChannelTask = 64;     // channels in a task of backward: four vectors of 16 lanes
constexpr double kNsPerPixel = 8;        // where it lies, its weights
constexpr double kNsPerVector = 1;       // four loads, a store

using Fill = Kernels::Resample::Fill;

Fill fill_of(const std::string& name) {
  if (name == "constant") return Fill::constant;
  if (name == "nearest") return Fill::nearest;
  if (name == "reflect") return Fill::reflect;
  check(name == "wrap", "fill_mode must be \"reflect\", \"wrap\", \"constant\" or \"nearest\", received \"", name,
        "\"");
  return Fill::wrap;
}

class AffineTransform final : public Op {
 public:
  explicit AffineTransform(const Attributes& attributes) {
    const auto interpolation = attributes.get<std::string>("interpolation", "bilinear");
    check(interpolation == "bilinear" || interpolation == "nearest",
          "interpolation must be \"bilinear\" or \"nearest\", received \"", interpolation, "\"");
    images_.bilinear = interpolation == "bilinear";
    images_.fill = fill_of(attributes.get<std::string>("fill_mode", "constant"));
    images_.value = static_cast<float>(attributes.get<double>("fill_value", 0.0));
    if (attributes.has("size")) {
      size_ = attributes.get<std::vector<int64_t>>("size");
      check(size_.size() == 2 && size_[0] > 0 && size_[1] > 0, "size must be a positive height and width, received ",
            Shape(size_));
    }
  }

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 2 && inputs[0].dtype == DType::f32 && inputs[1].dtype == DType::f32,
          "affine_transform: expected two float32 tensors, images and transforms");
    const Shape &x = inputs[0].shape, &transforms = inputs[1].shape;
    check(x.rank() == 4, "images must have shape (batch, height, width, channels), received ", x,
          "; add an axis for what is missing, e.g. x[..., None]");
    check(transforms.rank() == 2 && transforms[1] == 6 && (transforms[0] == x[0] || transforms[0] == 1),
          "transforms must have shape (", x[0], ", 6) or (1, 6), received ", transforms);
    check(x[1] > 0 && x[2] > 0, "images must not be empty, received shape ", x);
    count_ = x[0];
    transform_step_ = transforms[0] == 1 ? 0 : 6;
    images_.height = x[1];
    images_.width = x[2];
    images_.channels = x[3];
    images_.out_height = size_.empty() ? x[1] : size_[0];
    images_.out_width = size_.empty() ? x[2] : size_[1];
    return {{{count_, images_.out_height, images_.out_width, images_.channels}, DType::f32}};
  }

  Requirements require(const std::vector<bool>& wanted) override {
    check(!wanted[1], "affine_transform has no gradient of its transforms; make them with stop_gradient");
    const double pixels = static_cast<double>(count_ * images_.out_height * images_.out_width);
    const int64_t lanes = kernels().lanes;
    const double cost =
        pixels * (kNsPerPixel + kNsPerVector * static_cast<double>((images_.channels + lanes - 1) / lanes));
    parts_ = (images_.channels + kChannelTask - 1) / kChannelTask;
    Requirements needs;
    rows_ = RowTasks(images_.out_height, images_.out_width * images_.channels, kForwardTask, 1);
    needs.forward = {{count_ * rows_.count(), cost}};
    if (wanted[0]) needs.backward = {{count_ * parts_, 2 * cost}};
    needs.reads_inputs = 2;
    needs.reads_outputs = 0;
    return needs;
  }

  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const int64_t image = task / rows_.count(), band = task % rows_.count();
    kernels().resample->forward(images_, args.inputs[1] + image * transform_step_, rows_.begin(band), rows_.rows(band),
                                args.inputs[0] + image * in_size(), args.outputs[0] + image * out_size());
  }
  void backward(const Args& args, int, int64_t task, Worker&) const override {
    const int64_t image = task / parts_, channel = task % parts_ * kChannelTask;
    kernels().resample->backward(images_, args.inputs[1] + image * transform_step_, channel,
                                 std::min(kChannelTask, images_.channels - channel),
                                 args.output_grads[0] + image * out_size(), args.input_grads[0] + image * in_size());
  }

 private:
  int64_t in_size() const { return images_.height * images_.width * images_.channels; }
  int64_t out_size() const { return images_.out_height * images_.out_width * images_.channels; }

  Kernels::Resample::Images images_{};
  std::vector<int64_t> size_;
  RowTasks rows_;
  int64_t count_ = 0, transform_step_ = 0, parts_ = 0;
};

const RegisterOp affine_transform("affine_transform",
                                  [](const Attributes& a) { return std::make_unique<AffineTransform>(a); });

}  // namespace
}  // namespace nnfast
