// broadcast_to(x): axes of length 1, and axes in front, repeated up to the attribute `shape`. repeat(x): each element
// along `axis`, `repeats` times. tile(x): the whole along `axis`, `repeats` times. The gradient is the sum over the
// copies.
#include "ops/registry.h"
#include "ops/strided_copy.h"

namespace nnfast {
namespace {

class Repeat : public Op {
 public:
  Requirements require(const std::vector<bool>& wanted) final {
    Requirements needs;
    needs.reads_inputs = needs.reads_outputs = 0;
    needs.forward = copy_.phases();
    if (!wanted[0]) return needs;
    const Requirements sum = sum_->require({false});
    needs.backward = sum.forward;
    needs.backward_scratch = sum.forward_scratch;
    needs.worker_scratch = sum.worker_scratch;
    return needs;
  }
  void forward(const Args& args, int, int64_t task, Worker&) const final {
    copy_.run(args.inputs[0], args.outputs[0], task);
  }
  void backward(const Args& args, int phase, int64_t task, Worker& worker) const final {
    Args sum;
    sum.inputs = args.output_grads;
    sum.outputs = args.input_grads;
    sum.scratch = args.scratch;
    sum.state = args.state;
    sum_->forward(sum, phase, task, worker);
  }

 protected:
  // An axis of the output: one of x, or one along which x is repeated.
  struct Axis {
    int64_t size;
    bool repeats;
  };
  // Together the axes, outermost first, have as many elements as the output.
  void plan(const std::vector<Axis>& axes) {
    std::vector<Axis> merged;
    for (const Axis& axis : axes) {
      if (axis.size == 1) continue;
      if (!merged.empty() && merged.back().repeats == axis.repeats)
        merged.back().size *= axis.size;
      else
        merged.push_back(axis);
    }
    std::vector<int64_t> sizes, summed;
    std::vector<StridedCopy::Axis> copies(merged.size());
    int64_t from = 1, to = 1;
    for (size_t i = merged.size(); i-- > 0;) {
      copies[i] = {merged[i].size, merged[i].repeats ? 0 : from, to};
      to *= merged[i].size;
      if (!merged[i].repeats) from *= merged[i].size;
    }
    for (size_t i = 0; i < merged.size(); ++i) {
      sizes.push_back(merged[i].size);
      if (merged[i].repeats) summed.push_back(static_cast<int64_t>(i));
    }
    copy_ = StridedCopy(copies, 0, 0);
    Attributes attributes;
    attributes.set("axes", summed);
    sum_ = make_op("sum", attributes);
    sum_->infer({{Shape(sizes), DType::f32}});
  }
  static const Spec& only(const char* name, const std::vector<Spec>& inputs) {
    check(inputs.size() == 1, name, ": expected one input, received ", inputs.size());
    return inputs[0];
  }

 private:
  StridedCopy copy_;
  std::unique_ptr<Op> sum_;
};

class BroadcastTo final : public Repeat {
 public:
  explicit BroadcastTo(const Attributes& attributes) : sizes_(attributes.get<std::vector<int64_t>>("shape")) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    const Spec& input = only("broadcast_to", inputs);
    const Shape target(sizes_);
    require_possible(target, "broadcast_to");
    const int added = target.rank() - input.shape.rank();
    bool fits = added >= 0;
    std::vector<Axis> axes;
    for (int k = 0; fits && k < target.rank(); ++k) {
      const int64_t size = k < added ? 1 : input.shape[k - added];
      fits = size == target[k] || size == 1;
      axes.push_back({target[k], size != target[k]});
    }
    check(fits, "broadcast_to: an input of shape ", input.shape, " cannot be repeated to shape ", target,
          ": only axes of length 1, and new ones in front, can");
    plan(axes);
    return {{target, input.dtype}};
  }

 private:
  const std::vector<int64_t> sizes_;
};

class RepeatAxis final : public Repeat {
 public:
  RepeatAxis(const char* name, bool whole, const Attributes& attributes)
      : name_(name),
        whole_(whole),
        repeats_(attributes.get<int64_t>("repeats")),
        axis_(attributes.get<int64_t>("axis")) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    const Spec& input = only(name_, inputs);
    check(repeats_ >= 0, name_, ": expected repeats of at least 0; received ", repeats_);
    check(axis_ >= 0 && axis_ < input.shape.rank(), name_, ": axis ", axis_, " does not exist: the input has shape ",
          input.shape);
    const int axis = static_cast<int>(axis_);
    Shape result = input.shape;
    check(result[axis] == 0 || repeats_ <= kMostElements / result[axis], name_,
          ": expected at most 2^48 elements; received ", repeats_, " repeats of an input of shape ", input.shape,
          "; use fewer");
    result[axis] *= repeats_;
    require_possible(result, name_);
    const Axis outer{input.shape.size_between(0, axis), false}, copies{repeats_, true};
    const Axis along{input.shape[axis], false}, inner{input.shape.size_between(axis + 1, input.shape.rank()), false};
    plan(whole_ ? std::vector<Axis>{outer, copies, along, inner} : std::vector<Axis>{outer, along, copies, inner});
    return {{result, input.dtype}};
  }

 private:
  const char* const name_;
  const bool whole_;
  const int64_t repeats_, axis_;
};

const RegisterOp broadcast_to("broadcast_to", [](const Attributes& a) { return std::make_unique<BroadcastTo>(a); });
const RegisterOp repeat("repeat", [](const Attributes& a) { return std::make_unique<RepeatAxis>("repeat", false, a); });
const RegisterOp tile("tile", [](const Attributes& a) { return std::make_unique<RepeatAxis>("tile", true, a); });

}  // namespace
}  // namespace nnfast
