// Cross-entropies of logits, one loss a row (or an element). Forward keeps the gradient of each loss, since it has all
// that goes into it at hand; backward only scales it.
#include "dispatch/dispatch.h"
#include "ops/registry.h"
#include "ops/row_tasks.h"

namespace nnfast {
namespace {

using Softmax = Kernels::Softmax;

constexpr double kCost = 1.2;  // ns an element, forward
constexpr double kBackwardCost = 0.15;

double smoothing_of(const Attributes& attributes) {
  const double smoothing = attributes.get<double>("label_smoothing", 0.0);
  check(smoothing >= 0 && smoothing <= 1, "label_smoothing must be from 0 to 1, received ", smoothing);
  return smoothing;
}

// The rows of logits (…, C) and the phases over them.
class Rows {
 public:
  void infer(const char* name, const Spec& logits) {
    check(logits.dtype == DType::f32, name, ": the logits must be float32, received integers");
    check(logits.shape.rank() >= 1 && logits.shape[-1] > 0, name,
          ": expected logits of shape (…, classes) with at least one class, received ", logits.shape);
    classes = logits.shape[-1];
    rows = logits.shape.size_between(0, logits.shape.rank() - 1);
    tasks = RowTasks(rows, classes, 8192, 16);
  }
  Requirements require(bool wanted) const {
    const double size = static_cast<double>(rows * classes);
    Requirements needs;
    needs.forward = {{tasks.count(), kCost * size}};
    needs.reads_inputs = needs.reads_outputs = 0;
    if (!wanted) return needs;
    needs.backward = {{tasks.count(), kBackwardCost * size}};
    needs.kept = {rows * classes};
    return needs;
  }
  void backward(const Args& args, int64_t task) const {
    const int64_t begin = tasks.begin(task), at = begin * classes;
    kernels().softmax->scale_rows(tasks.rows(task), classes, args.kept[0] + at, args.output_grads[0] + begin,
                                  args.input_grads[0] + at);
  }

  int64_t rows = 0, classes = 0;
  RowTasks tasks;
};

Shape without_last(const Shape& shape) {
  std::vector<int64_t> sizes = shape.to_vector();
  sizes.pop_back();
  return Shape(sizes);
}

class SoftmaxCrossEntropy final : public Op {
 public:
  explicit SoftmaxCrossEntropy(const Attributes& attributes)
      : smoothing_(static_cast<float>(smoothing_of(attributes))),
        ignores_(attributes.has("ignore_class")),
        ignored_(static_cast<int32_t>(attributes.get<int64_t>("ignore_class", 0))),
        weight_(static_cast<float>(attributes.get<double>("gradient_weight", 1.0))) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 2, "softmax_cross_entropy takes logits and labels, received ", inputs.size(), " inputs");
    rows_.infer("softmax_cross_entropy", inputs[0]);
    const Shape expected = without_last(inputs[0].shape);
    check(inputs[1].dtype == DType::i32, "softmax_cross_entropy: the labels must be integers, received float32");
    check(inputs[1].shape == expected, "softmax_cross_entropy: logits of shape ", inputs[0].shape,
          " need labels of shape ", expected, ", received ", inputs[1].shape);
    return {{expected, DType::f32}};
  }
  Requirements require(const std::vector<bool>& wanted) override {
    keeps_ = wanted[0];
    return rows_.require(wanted[0]);
  }
  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const int64_t begin = rows_.tasks.begin(task), at = begin * rows_.classes;
    kernels().softmax->cross_entropy(rows_.tasks.rows(task), rows_.classes, args.inputs[0] + at,
                                     reinterpret_cast<const int32_t*>(args.inputs[1]) + begin, smoothing_, ignores_,
                                     ignored_, weight_, args.outputs[0] + begin, keeps_ ? args.kept[0] + at : nullptr);
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
      : name_(name), kernel_(kernel), smoothing_(static_cast<float>(smoothing_of(attributes))) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 2, name_, " takes logits and targets, received ", inputs.size(), " inputs");
    rows_.infer(name_, inputs[0]);
    check(inputs[1].dtype == DType::f32 && inputs[1].shape == inputs[0].shape, name_,
          ": the targets must be float32 of the logits' shape ", inputs[0].shape, ", received ", inputs[1].shape);
    return {{without_last(inputs[0].shape), DType::f32}};
  }
  Requirements require(const std::vector<bool>& wanted) override {
    check(!wanted[1], name_, " has no gradient with respect to its targets");
    keeps_ = wanted[0];
    return rows_.require(wanted[0]);
  }
  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const int64_t begin = rows_.tasks.begin(task), at = begin * rows_.classes;
    (kernels().softmax->*kernel_)(rows_.tasks.rows(task), rows_.classes, args.inputs[0] + at, args.inputs[1] + at,
                                  smoothing_, args.outputs[0] + begin, keeps_ ? args.kept[0] + at : nullptr);
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
