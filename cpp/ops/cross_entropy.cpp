// Cross-entropies of logits, one loss a row, or their mean where the attribute mean is set. Forward keeps the gradient
// of each row's loss, since it has all that goes into it at hand; backward only scales it.
#include "dispatch/dispatch.h"
#include "ops/registry.h"
#include "ops/row_tasks.h"

namespace nnfast {
namespace {

using Softmax = Kernels::Softmax;

constexpr double kCost = 1.2;  // ns an element, forward
constexpr double kBackwardCost = 0.15;
constexpr double kMeanCost = 0.15;  // ns a row

double smoothing_of(const Attributes& attributes) {
  const double smoothing = attributes.get<double>("label_smoothing", 0.0);
  check(smoothing >= 0 && smoothing <= 1, "label_smoothing must be from 0 to 1, received ", smoothing);
  return smoothing;
}

Shape without_last(const Shape& shape) {
  std::vector<int64_t> sizes = shape.to_vector();
  sizes.pop_back();
  return Shape(sizes);
}

// The rows of logits (…, C), their losses and the phases over them.
class Rows {
 public:
  explicit Rows(const Attributes& attributes) : mean_(attributes.get<bool>("mean", false)) {}

  Spec infer(const char* name, const Spec& logits) {
    check(logits.dtype == DType::f32, name, ": the logits must be float32, received integers");
    check(logits.shape.rank() >= 1 && logits.shape[-1] > 0, name,
          ": expected logits of shape (…, classes) with at least one class, received ", logits.shape);
    classes = logits.shape[-1];
    rows = logits.shape.size_between(0, logits.shape.rank() - 1);
    tasks = RowTasks(rows, classes, 8192, 16);
    return {mean_ ? Shape{} : without_last(logits.shape), DType::f32};
  }
  Requirements require(bool wanted) const {
    const double size = static_cast<double>(rows * classes);
    Requirements needs;
    needs.forward = {{tasks.count(), kCost * size}};
    if (mean_) needs.forward_scratch = rows;
    if (mean_ && tasks.count() != 1) needs.forward.push_back({1, kMeanCost * static_cast<double>(rows)});
    needs.reads_inputs = needs.reads_outputs = 0;
    if (!wanted) return needs;
    needs.backward = {{tasks.count(), kBackwardCost * size}};
    needs.kept = {rows * classes};
    return needs;
  }
  // make(first row, rows, where their losses go, where the gradients are kept or null)
  template <class Make>
  void forward(const Args& args, int phase, int64_t task, bool keeps, Make&& make) const {
    float* losses = mean_ ? args.scratch : args.outputs[0];
    if (phase == 0) {
      const int64_t begin = tasks.begin(task);
      make(begin, tasks.rows(task), losses + begin, keeps ? args.kept[0] + begin * classes : nullptr);
    }
    if (!mean_ || (phase == 0 && tasks.count() != 1)) return;
    double sum = 0;
    kernels().reduce->sum(1, rows, 1, 1, losses, nullptr, &sum);
    args.outputs[0][0] = static_cast<float>(sum * (1.0 / static_cast<double>(rows)));
  }
  void backward(const Args& args, int64_t task) const {
    const int64_t begin = tasks.begin(task), count = tasks.rows(task), at = begin * classes;
    const float *kept = args.kept[0] + at, *dy = args.output_grads[0];
    if (!mean_) return kernels().softmax->scale_rows(count, classes, kept, dy + begin, args.input_grads[0] + at);
    const float share = dy[0] / static_cast<float>(rows);
    kernels().elementwise->binary[static_cast<int>(Binary::multiply)](count * classes, kept, 1, &share, 0,
                                                                      args.input_grads[0] + at);
  }

  int64_t rows = 0, classes = 0;
  RowTasks tasks;

 private:
  const bool mean_;
};

class SoftmaxCrossEntropy final : public Op {
 public:
  explicit SoftmaxCrossEntropy(const Attributes& attributes)
      : smoothing_(static_cast<float>(smoothing_of(attributes))),
        ignores_(attributes.has("ignore_class")),
        ignored_(static_cast<int32_t>(attributes.get<int64_t>("ignore_class", 0))),
        weight_(static_cast<float>(attributes.get<double>("gradient_weight", 1.0))),
        rows_(attributes) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 2, "softmax_cross_entropy takes logits and labels, received ", inputs.size(), " inputs");
    const Spec losses = rows_.infer("softmax_cross_entropy", inputs[0]);
    const Shape expected = without_last(inputs[0].shape);
    check(inputs[1].dtype == DType::i32, "softmax_cross_entropy: the labels must be integers, received float32");
    check(inputs[1].shape == expected, "softmax_cross_entropy: logits of shape ", inputs[0].shape,
          " need labels of shape ", expected, ", received ", inputs[1].shape);
    return {losses};
  }
  Requirements require(const std::vector<bool>& wanted) override {
    keeps_ = wanted[0];
    return rows_.require(wanted[0]);
  }
  void forward(const Args& args, int phase, int64_t task, Worker&) const override {
    const auto* labels = reinterpret_cast<const int32_t*>(args.inputs[1]);
    rows_.forward(args, phase, task, keeps_, [&](int64_t begin, int64_t rows, float* losses, float* gradients) {
      kernels().softmax->cross_entropy(rows, rows_.classes, args.inputs[0] + begin * rows_.classes, labels + begin,
                                       smoothing_, ignores_, ignored_, weight_, losses, gradients);
    });
  }
  void backward(const Args& args, int, int64_t task, Worker&) const override { rows_.backward(args, task); }

 private:
  const float smoothing_;
  const bool ignores_;
  const int32_t ignored_;
  const float weight_;  // of the kept gradient
  bool keeps_ = false;
  Rows rows_;
};

// With a target for each logit.
class DenseCrossEntropy final : public Op {
 public:
  using Kernel = decltype(&Softmax::cross_entropy_dense);

  DenseCrossEntropy(const char* name, Kernel kernel, const Attributes& attributes)
      : name_(name), kernel_(kernel), smoothing_(static_cast<float>(smoothing_of(attributes))), rows_(attributes) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 2, name_, " takes logits and targets, received ", inputs.size(), " inputs");
    const Spec losses = rows_.infer(name_, inputs[0]);
    check(inputs[1].dtype == DType::f32 && inputs[1].shape == inputs[0].shape, name_,
          ": the targets must be float32 of the logits' shape ", inputs[0].shape, ", received ", inputs[1].shape);
    return {losses};
  }
  Requirements require(const std::vector<bool>& wanted) override {
    check(!wanted[1], name_, " has no gradient with respect to its targets");
    keeps_ = wanted[0];
    return rows_.require(wanted[0]);
  }
  void forward(const Args& args, int phase, int64_t task, Worker&) const override {
    rows_.forward(args, phase, task, keeps_, [&](int64_t begin, int64_t rows, float* losses, float* gradients) {
      const int64_t at = begin * rows_.classes;
      (kernels().softmax->*kernel_)(rows, rows_.classes, args.inputs[0] + at, args.inputs[1] + at, smoothing_, losses,
                                    gradients);
    });
  }
  void backward(const Args& args, int, int64_t task, Worker&) const override { rows_.backward(args, task); }

 private:
  const char* const name_;
  const Kernel kernel_;
  const float smoothing_;
  bool keeps_ = false;
  Rows rows_;
};

const RegisterOp registered[] = {
    {"softmax_cross_entropy", [](const Attributes& a) { return std::make_unique<SoftmaxCrossEntropy>(a); }},
    {"softmax_cross_entropy_dense",
     [](const Attributes& a) {
       return std::make_unique<DenseCrossEntropy>("softmax_cross_entropy_dense", &Softmax::cross_entropy_dense, a);
     }},
    {"sigmoid_cross_entropy",
     [](const Attributes& a) {
       return std::make_unique<DenseCrossEntropy>("sigmoid_cross_entropy", &Softmax::sigmoid_cross_entropy, a);
     }},
};

}  // namespace
}  // namespace nnfast
