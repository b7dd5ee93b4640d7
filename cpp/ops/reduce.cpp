// sum, mean, max, min, prod over any axes.
#include <algorithm>

#include "dispatch/dispatch.h"
#include "ops/reduce_layout.h"
#include "ops/registry.h"

namespace nnfast {
namespace {

constexpr double kCost = 0.15;         // ns an element
constexpr int64_t kOutputBlock = 512;  // outputs a task, where partial results are joined

class Reduce final : public Op {
 public:
  enum Kind { sum, mean, max, min, prod };

  Reduce(Kind kind, const Attributes& attributes)
      : kind_(kind),
        all_(!attributes.has("axes")),
        axes_(attributes.get<std::vector<int64_t>>("axes", {})),
        keepdims_(attributes.get<bool>("keepdims", false)) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1, "a reduction takes one input, received ", inputs.size());
    check(inputs[0].dtype == DType::f32, "a reduction takes float32 values, received integers; cast them first");
    const Shape& shape = inputs[0].shape;
    const int rank = shape.rank();
    bool reduced[kMaxRank] = {};
    for (int64_t axis : axes_) {
      check(axis >= -rank && axis < rank, "axis ", axis, " does not exist: the input has shape ", shape);
      bool& seen = reduced[axis < 0 ? axis + rank : axis];
      check(!seen, "axis ", axis, " is given twice");
      seen = true;
    }
    if (all_) std::fill_n(reduced, rank, true);
    terms_ = 1;
    std::vector<int64_t> sizes;
    for (int i = 0; i < rank; ++i) {
      if (reduced[i]) terms_ *= shape[i];
      if (!reduced[i] || keepdims_) sizes.push_back(reduced[i] ? 1 : shape[i]);
    }
    layout_ = ReduceLayout(shape, reduced);
    check(terms_ > 0 || layout_.outputs() == 0 || (kind_ != max && kind_ != min), "the ",
          kind_ == max ? "maximum" : "minimum", " of no elements does not exist: the input has shape ", shape);
    return {{Shape(sizes), DType::f32}};
  }

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    const bool linear = kind_ == sum || kind_ == mean;
    needs.reads_inputs = linear ? 0 : 1;
    needs.reads_outputs = kind_ == max || kind_ == min ? 1 : 0;
    const int64_t outputs = layout_.outputs(), results = outputs * (layout_.partial() ? layout_.tasks() : 1);
    const Phase all{layout_.tasks(), kCost * static_cast<double>(layout_.size())};
    const Phase join{(outputs + kOutputBlock - 1) / kOutputBlock, 0.5 * static_cast<double>(results)};
    needs.forward = {all};
    if (layout_.partial()) needs.forward.push_back(join);
    needs.forward_scratch = 2 * results;
    if (!wanted[0]) return needs;
    needs.backward = linear ? std::vector<Phase>{join, all} : std::vector<Phase>{all, join, all};
    needs.backward_scratch = 2 * outputs + (linear ? 0 : 4 * results);
    return needs;
  }

  void forward(const Args& args, int phase, int64_t task, Worker&) const override {
    const auto& kernels = *nnfast::kernels().reduce;
    const Kernels::Reduce::Accumulate accumulate[] = {kernels.sum, kernels.sum, kernels.max, kernels.min, kernels.prod};
    double* results = reinterpret_cast<double*>(args.scratch);
    float* y = args.outputs[0];
    const double scale = kind_ == mean ? 1.0 / static_cast<double>(terms_) : 1.0;
    if (phase == 0) {
      reduce(accumulate[kind_], start(kind_), task, args.inputs[0], nullptr, results);
      if (layout_.partial()) return;
      for (int64_t i = layout_.outputs_begin(task); i < layout_.outputs_end(task); ++i)
        y[i] = static_cast<float>(results[i] * scale);
    } else {
      const int64_t begin = task * kOutputBlock, end = std::min(begin + kOutputBlock, layout_.outputs());
      join(kind_, results, begin, end);
      for (int64_t i = begin; i < end; ++i) y[i] = static_cast<float>(results[i] * scale);
    }
  }

  void backward(const Args& args, int phase, int64_t task, Worker&) const override {
    if (kind_ == sum || kind_ == mean)
      backward_linear(args, phase, task);
    else
      backward_selective(args, phase, task);
  }

 private:
  // dx = dy / terms or dy
  void backward_linear(const Args& args, int phase, int64_t task) const {
    float* g = args.scratch;
    if (phase == 0) {
      const float scale = kind_ == mean ? 1.0f / static_cast<float>(terms_) : 1.0f;
      const int64_t begin = task * kOutputBlock, end = std::min(begin + kOutputBlock, layout_.outputs());
      for (int64_t i = begin; i < end; ++i) g[i] = args.output_grads[0][i] * scale;
      return;
    }
    layout_.for_each_run(task, [&](int64_t at, int64_t out, int64_t outer, int64_t M, int64_t N) {
      kernels().reduce->spread(outer, M, N, layout_.columns(), g + out, args.input_grads[0] + at);
    });
  }

  // max, min: equal maxima share dy. prod: dx = dy·(the product of the other factors).
  void backward_selective(const Args& args, int phase, int64_t task) const {
    const auto& kernels = *nnfast::kernels().reduce;
    const float *x = args.inputs[0], *dy = args.output_grads[0], *y = kind_ == prod ? nullptr : args.outputs[0];
    const int64_t outputs = layout_.outputs(), results = outputs * (layout_.partial() ? layout_.tasks() : 1);
    double* counts = reinterpret_cast<double*>(args.scratch);  // of the maxima, or of the zeros
    double* products = counts + results;                       // of what is not zero
    float* g = reinterpret_cast<float*>(products + results);
    float* at_zero = g + outputs;
    if (phase == 0) {
      reduce(kernels.count_equal, 0, task, x, y, counts);
      if (kind_ == prod) reduce(kernels.nonzero_prod, 1, task, x, nullptr, products);
    } else if (phase == 1) {
      const int64_t begin = task * kOutputBlock, end = std::min(begin + kOutputBlock, outputs);
      join(sum, counts, begin, end);
      if (kind_ == prod) join(prod, products, begin, end);
      for (int64_t i = begin; i < end; ++i) {
        const double gradient = kind_ == prod ? dy[i] * products[i] : dy[i] / counts[i];
        g[i] = kind_ != prod || counts[i] == 0 ? static_cast<float>(gradient) : 0.0f;
        at_zero[i] = counts[i] == 1 ? static_cast<float>(gradient) : 0.0f;
      }
    } else {
      layout_.for_each_run(task, [&](int64_t at, int64_t out, int64_t outer, int64_t M, int64_t N) {
        float* dx = args.input_grads[0] + at;
        if (kind_ == prod)
          kernels.spread_quotient(outer, M, N, layout_.columns(), x + at, g + out, at_zero + out, dx);
        else
          kernels.spread_where_equal(outer, M, N, layout_.columns(), x + at, y + out, g + out, dx);
      });
    }
  }

  static double start(Kind kind) {
    return kind == max ? -__builtin_inf() : kind == min ? __builtin_inf() : kind == prod ? 1.0 : 0.0;
  }

  // One task's terms into its results.
  void reduce(Kernels::Reduce::Accumulate accumulate, double start, int64_t task, const float* x, const float* y,
              double* results) const {
    if (layout_.partial()) results += task * layout_.outputs();
    std::fill(results + layout_.outputs_begin(task), results + layout_.outputs_end(task), start);
    layout_.for_each_run(task, [&](int64_t at, int64_t out, int64_t outer, int64_t M, int64_t N) {
      accumulate(outer, M, N, layout_.columns(), x + at, y != nullptr ? y + out : nullptr, results + out);
    });
  }

  // Partial results into the first, in the order of the tasks.
  void join(Kind kind, double* results, int64_t begin, int64_t end) const {
    if (!layout_.partial()) return;
    for (int64_t task = 1; task < layout_.tasks(); ++task) {
      const double* next = results + task * layout_.outputs();
      for (int64_t i = begin; i < end; ++i) {
        double& result = results[i];
        if (kind == max)
          result = next[i] > result || next[i] != next[i] ? next[i] : result;
        else if (kind == min)
          result = next[i] < result || next[i] != next[i] ? next[i] : result;
        else if (kind == prod)
          result *= next[i];
        else
          result += next[i];
      }
    }
  }

  const Kind kind_;
  const bool all_;
  const std::vector<int64_t> axes_;
  const bool keepdims_;
  int64_t terms_ = 1;
  ReduceLayout layout_;
};

template <Reduce::Kind kind>
std::unique_ptr<Op> make(const Attributes& attributes) {
  return std::make_unique<Reduce>(kind, attributes);
}
const RegisterOp registered[] = {{"sum", make<Reduce::sum>},
                                 {"mean", make<Reduce::mean>},
                                 {"max", make<Reduce::max>},
                                 {"min", make<Reduce::min>},
                                 {"prod", make<Reduce::prod>}};

}  // namespace
}  // namespace nnfast
