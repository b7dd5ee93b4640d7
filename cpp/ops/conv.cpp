// The operations "conv", "depthwise_conv" and "conv_transpose": their arguments, their epilogue and its gradient, and
// the choice of an algorithm for each direction. The algorithms are in conv_*.cpp.
//
// x, w, [bias] → y, and with the attribute moments the mean and (biased) variance of each of y's channels, which have
// no gradient of their own.
#include <algorithm>

#include "core/buffer.h"
#include "dispatch/dispatch.h"
#include "ops/conv_pass.h"
#include "ops/registry.h"

namespace nnfast {
namespace {

Activation activation_named(const std::string& name) {
  std::string names;
  for (int i = 0; i < kNumActivations; ++i) {
    if (name == kActivations[i].name) return static_cast<Activation>(i);
    names += (i ? ", " : "") + std::string(kActivations[i].name);
  }
  throw Error("no activation is named \"" + name + "\"; there are " + names);
}

enum class ConvKind { plain, depthwise, transposed };

class Conv final : public Op {
 public:
  Conv(ConvKind kind, const Attributes& attributes) : kind_(kind), attributes_(attributes) {
    epilogue_.activation = activation_named(attributes.get<std::string>("activation", "linear"));
    epilogue_.alpha =
        static_cast<float>(attributes.get<double>("alpha", kActivations[static_cast<int>(epilogue_.activation)].alpha));
  }

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 2 || inputs.size() == 3,
          "a convolution takes images, a kernel and perhaps a bias, received ", inputs.size(), " inputs");
    const Shape& x = inputs[0].shape;
    Shape kernel = inputs[1].shape;
    const ConvSettings settings(attributes_, x.rank());
    epilogue_.bias = inputs.size() == 3;
    if (kind_ == ConvKind::transposed) {
      shape_ = transposed_conv_shape(settings, x, kernel);
      y_ = image_shape(settings.axes, shape_.images, shape_.window.in, shape_.channels);
    } else {
      ConvSettings grouped = settings;
      if (kind_ == ConvKind::depthwise) {
        check(kernel.rank() == x.rank() && kernel[-2] == x[-1], "images of shape ", x,
              " need a depthwise kernel of shape (window, ", x[-1], ", multiplier), received ", kernel);
        grouped.groups = x[-1];
        kernel[-1] *= kernel[-2];
        kernel[-2] = 1;
      }
      shape_ = conv_shape(grouped, x, kernel);
      y_ = image_shape(settings.axes, shape_.images, shape_.window.out, shape_.out_channels);
    }
    if (epilogue_.bias)
      check(inputs[2].shape == Shape{y_[-1]}, "the bias must have shape ", Shape{y_[-1]}, ", received ",
            inputs[2].shape);
    choose(attributes_.get<std::string>("algorithm", "auto"));
    epilogue_.moments = attributes_.get<bool>("moments", false);
    if (!epilogue_.moments) return {{y_, DType::f32}};
    check(kind_ != ConvKind::transposed && epilogue_.activation == Activation::linear,
          "moments are taken by conv and depthwise_conv, of what no activation is applied to");
    return {{y_, DType::f32}, {Shape{y_[-1]}}, {Shape{y_[-1]}}};
  }

  Requirements require(const std::vector<bool>& wanted) override {
    const bool dx = wanted[0], dw = wanted[1], db = epilogue_.bias && wanted[2];
    keeps_z_ = (dx || dw || db) && derivative_reads_input(epilogue_.activation);
    epilogue_.keeps_sum = keeps_z_;
    Requirements needs;
    forward_ = kind_ == ConvKind::transposed ? make_backward_data(epilogue_) : make_forward(epilogue_);
    needs.forward = forward_->phases();
    needs.forward_scratch = forward_->scratch();
    needs.worker_scratch = forward_->worker_scratch();
    if (epilogue_.moments) add_moments(needs);
    if (keeps_z_) needs.kept = {y_.size()};
    needs.reads_inputs = (dw ? 1u : 0u) | (dx ? 2u : 0u);
    needs.reads_outputs = derivative_reads_output(epilogue_.activation) ? 1u : 0u;

    // Backward: the gradient of the activation and of the bias in one pass over dy, then weights, then data.
    steps_.clear();
    differentiates_ = epilogue_.activation != Activation::linear && (dx || dw || db);
    const int64_t rows = y_.size_between(0, y_.rank() - 1), columns = y_[-1];
    int64_t scratch = 0;
    if (differentiates_) scratch += round_up(y_.size(), kLine);
    bias_parts_at_ = scratch;
    if (db) {
      bias_parts_ = std::clamp<int64_t>(rows * columns / 16384, 1, 32);
      scratch += round_up(bias_parts_ * columns, kLine);
    }
    gradient_rows_ =
        std::max<int64_t>(1, ceil_div(rows, db ? bias_parts_ : std::clamp<int64_t>(y_.size() / 16384, 1, 32)));
    if (differentiates_ || db)
      add_step(
          needs, Step::gradient, nullptr,
          {{db ? bias_parts_ : ceil_div(rows, gradient_rows_), y_.size() / kFloatsPerNs * (differentiates_ ? 3 : 1)}});
    if (db) add_step(needs, Step::bias, nullptr, {{1, 100}});
    pass_scratch_at_ = scratch;
    int64_t pass_scratch = 0;
    weights_ = dw ? make_backward_weights() : nullptr;
    const ConvEpilogue none;
    data_ = !dx ? nullptr : kind_ == ConvKind::transposed ? make_forward(none) : make_backward_data(none);
    for (const auto& [step, pass] : {std::pair{Step::weights, weights_.get()}, std::pair{Step::data, data_.get()}}) {
      if (pass == nullptr) continue;
      add_step(needs, step, pass, pass->phases());
      pass_scratch = std::max(pass_scratch, pass->scratch());
      needs.worker_scratch = std::max(needs.worker_scratch, pass->worker_scratch());
    }
    needs.backward_scratch = scratch + pass_scratch;
    return needs;
  }

  void forward(const Args& args, int phase, int64_t task, Worker& worker) const override {
    ConvArgs conv;
    (kind_ == ConvKind::transposed ? conv.dy : conv.x) = args.inputs[0];
    conv.w = args.inputs[1];
    conv.bias = epilogue_.bias ? args.inputs[2] : nullptr;
    conv.activated = args.outputs[0];
    conv.out = keeps_z_ ? args.kept[0] : args.outputs[0];
    conv.moments = epilogue_.moments ? args.scratch + moments_at_ : nullptr;
    const int own_phases = static_cast<int>(forward_->phases().size());
    if (phase < own_phases) return forward_->run(conv, phase, task, args.scratch, worker);
    if (phase == combine_phase_) return combine_moments(args, task);
    MomentParts::take(conv.moments, task, moment_parts_.counts[task], 0, y_[-1],
                      conv.out + task * MomentParts::kPixels * y_[-1], y_[-1]);
  }

  void backward(const Args& args, int phase, int64_t task, Worker& worker) const override {
    const auto& [step, pass, first_phase] = steps_[phase];
    const float* dz = differentiates_ ? args.scratch : args.output_grads[0];
    if (step == Step::gradient) return differentiate(args, task);
    if (step == Step::bias)
      return kernels().conv->column_sums(bias_parts_, y_[-1], args.scratch + bias_parts_at_, y_[-1],
                                         args.input_grads[2]);
    ConvArgs conv;
    const bool transposed = kind_ == ConvKind::transposed;
    // The images and the gradient of the convolution that shape_ describes: a transposed one swaps them.
    conv.x = transposed ? dz : args.inputs[0];
    conv.dy = transposed ? args.inputs[0] : dz;
    conv.w = args.inputs[1];
    conv.out = conv.activated = step == Step::weights ? args.input_grads[1] : args.input_grads[0];
    pass->run(conv, phase - first_phase, task, args.scratch + pass_scratch_at_, worker);
  }

 private:
  enum class Algorithm { patches, im2col, product, rows, winograd, depthwise };

  // By the shape of an image alone, never by a timing: results must not depend on the machine's mood.
  void choose(const std::string& name) {
    if (name == "auto") {
      algorithm_ = shape_.groups > 1 && depthwise_applies(shape_) ? Algorithm::depthwise
                   : product_applies(shape_)                      ? Algorithm::product
                   : winograd_allowed() && winograd_pays(shape_)  ? Algorithm::winograd
                   : rows_pay(shape_)                             ? Algorithm::rows
                   : im2col_pays(shape_)                          ? Algorithm::im2col
                                                                  : Algorithm::patches;
      rows_for_weights_ = rows_pay_for_weights(shape_);
    } else if (name == "winograd") {
      check(winograd_applies(shape_),
            "algorithm=\"winograd\" needs a window of 3 by 3 pixels, stride 1, no dilation and one group");
      algorithm_ = Algorithm::winograd;
    } else if (name == "product") {
      check(product_applies(shape_),
            "algorithm=\"product\" needs a window of one pixel and stride 1, or a window as large as the image");
      algorithm_ = Algorithm::product;
    } else if (name == "rows") {
      check(rows_apply(shape_),
            "algorithm=\"rows\" needs two spatial axes at most, one group and no dilation of the last");
      algorithm_ = Algorithm::rows;
    } else if (name == "im2col") {
      check(im2col_applies(shape_), "algorithm=\"im2col\" needs one group");
      algorithm_ = Algorithm::im2col;
    } else if (name == "depthwise") {
      check(depthwise_applies(shape_) && kind_ != ConvKind::transposed,
            "algorithm=\"depthwise\" needs as many groups as input channels");
      algorithm_ = Algorithm::depthwise;
    } else {
      check(
          name == "patches",
          "algorithm must be \"auto\", \"patches\", \"im2col\", \"product\", \"rows\", \"winograd\" or \"depthwise\", "
          "received \"",
          name, "\"");
      algorithm_ = Algorithm::patches;
    }
  }
  std::unique_ptr<ConvPass> make_forward(const ConvEpilogue& epilogue) const {
    switch (algorithm_) {
      case Algorithm::winograd:
        return make_winograd_forward(shape_, epilogue);
      case Algorithm::product:
        return make_product_forward(shape_, epilogue);
      case Algorithm::im2col:
        return make_im2col_forward(shape_, epilogue);
      case Algorithm::rows:
        return make_rows_forward(shape_, epilogue);
      case Algorithm::depthwise:
        return make_depthwise_forward(shape_, epilogue);
      default:
        return make_patch_forward(shape_, epilogue);
    }
  }
  std::unique_ptr<ConvPass> make_backward_data(const ConvEpilogue& epilogue) const {
    switch (algorithm_) {
      case Algorithm::winograd:
        return make_winograd_backward_data(shape_, epilogue);
      case Algorithm::product:
        return make_product_backward_data(shape_, epilogue);
      case Algorithm::im2col:
        return make_im2col_backward_data(shape_, epilogue);
      case Algorithm::depthwise:
        return make_depthwise_backward_data(shape_);
      default:
        return make_patch_backward_data(shape_, epilogue);
    }
  }
  std::unique_ptr<ConvPass> make_backward_weights() const {
    switch (algorithm_) {
      case Algorithm::winograd:
        return make_winograd_backward_weights(shape_);
      case Algorithm::product:
        return make_product_backward_weights(shape_);
      case Algorithm::rows:
        return rows_for_weights_ ? make_rows_backward_weights(shape_) : make_patch_backward_weights(shape_);
      case Algorithm::depthwise:
        return make_depthwise_backward_weights(shape_);
      default:
        return make_patch_backward_weights(shape_);
    }
  }

  enum class Step { gradient, bias, weights, data };
  struct PhaseOf {
    Step step;
    const ConvPass* pass;
    int first_phase;
  };

  void add_step(Requirements& needs, Step step, const ConvPass* pass, const std::vector<Phase>& phases) {
    const int first = static_cast<int>(steps_.size());
    for (const Phase& phase : phases) {
      needs.backward.push_back(phase);
      steps_.push_back({step, pass, first});
    }
  }

  // Where the pass takes no moments, its output is read for them once more.
  void add_moments(Requirements& needs) {
    const int64_t rows = y_.size_between(0, y_.rank() - 1);
    moment_parts_ = forward_->moments();
    if (moment_parts_.counts.empty()) {
      moment_parts_.add(rows, MomentParts::kPixels, 1);
      needs.forward.push_back({static_cast<int64_t>(moment_parts_.counts.size()), y_.size() / kFloatsPerNs});
    }
    const auto parts = static_cast<int64_t>(moment_parts_.counts.size());
    moments_at_ = round_up(needs.forward_scratch, kLine);
    needs.forward_scratch = moments_at_ + parts * MomentParts::kRows * MomentParts::row(y_[-1]);
    combine_phase_ = static_cast<int>(needs.forward.size());
    needs.forward.push_back({ceil_div(y_[-1], kCombinedChannels), static_cast<double>(2 * parts * y_[-1])});
    needs.constant_outputs = 6;
  }
  void combine_moments(const Args& args, int64_t task) const {
    const int64_t first = task * kCombinedChannels, row = MomentParts::row(y_[-1]);
    const float* moments = args.scratch + moments_at_ + first;
    kernels().norm->combine_moments(static_cast<int64_t>(moment_parts_.counts.size()), moment_parts_.counts.data(),
                                    std::min(kCombinedChannels, y_[-1] - first), MomentParts::kRows * row, moments,
                                    moments + row, args.outputs[1] + first, args.outputs[2] + first);
  }

  // Some rows of dz = f'(y) dy, and their sum over the rows.
  void differentiate(const Args& args, int64_t task) const {
    const int64_t columns = y_[-1], rows = y_.size_between(0, y_.rank() - 1);
    const int64_t first = std::min(rows, task * gradient_rows_), count = std::min(gradient_rows_, rows - first);
    const float* dy = args.output_grads[0] + first * columns;
    const float* dz = dy;
    if (differentiates_) {
      const int64_t n = count * columns, at = first * columns;
      float* out = args.scratch + at;
      const float* z = derivative_reads_input(epilogue_.activation) ? args.kept[0] + at : nullptr;
      const float* y = derivative_reads_output(epilogue_.activation) ? args.outputs[0] + at : nullptr;
      kernels().activations->backward[static_cast<int>(epilogue_.activation)](n, z, y, dy, out, epilogue_.alpha);
      dz = out;
    }
    if (bias_parts_ > 0)
      kernels().conv->column_sums(count, columns, dz, columns, args.scratch + bias_parts_at_ + task * columns);
  }

  static constexpr int64_t kCombinedChannels = 128;  // in a task

  const ConvKind kind_;
  const Attributes attributes_;
  Algorithm algorithm_ = Algorithm::patches;
  bool rows_for_weights_ = true;
  ConvEpilogue epilogue_;
  ConvShape shape_;
  Shape y_;
  std::unique_ptr<ConvPass> forward_, data_, weights_;
  std::vector<PhaseOf> steps_;  // an entry a phase of backward
  bool keeps_z_ = false;        // what the activation was applied to
  MomentParts moment_parts_;
  int64_t moments_at_ = 0;
  int combine_phase_ = -1;
  bool differentiates_ = false;
  int64_t gradient_rows_ = 1;  // of dy, in a task of Step::gradient
  int64_t bias_parts_ = 0, bias_parts_at_ = 0, pass_scratch_at_ = 0;
};

std::unique_ptr<Op> make(ConvKind kind, const Attributes& attributes) {
  return std::make_unique<Conv>(kind, attributes);
}

const RegisterOp conv("conv", [](const Attributes& a) { return make(ConvKind::plain, a); });
const RegisterOp depthwise("depthwise_conv", [](const Attributes& a) { return make(ConvKind::depthwise, a); });
const RegisterOp transposed("conv_transpose", [](const Attributes& a) { return make(ConvKind::transposed, a); });

}  // namespace
}  // namespace nnfast
