// slice(x): along each axis, `sizes` elements from `begin` on, `strides` apart; a size of -1 takes all there are.
// pad(x): x with `begin` elements of the attribute value before it and `end` after it along each axis.
// Each is the other's gradient.
#include <algorithm>

#include "ops/blocks.h"
#include "ops/registry.h"
#include "ops/strided_copy.h"

namespace nnfast {
namespace {

// A box inside a larger tensor, as a strided copy into it or out of it.
struct Box {
  Shape sizes;
  std::vector<int64_t> begin, strides;  // in elements of each axis

  StridedCopy copy(const Shape& whole, bool into) const {
    const std::vector<int64_t> outside = dense_strides(whole), inside = dense_strides(sizes);
    std::vector<StridedCopy::Axis> axes;
    int64_t offset = 0;
    for (int k = 0; k < whole.rank(); ++k) {
      const int64_t stride = outside[k] * strides[k];
      axes.push_back({sizes[k], into ? inside[k] : stride, into ? stride : inside[k]});
      offset += outside[k] * begin[k];
    }
    return StridedCopy(axes, into ? 0 : offset, into ? offset : 0);
  }
};

// A tensor is filled, then a box is copied into it.
class FilledCopy {
 public:
  FilledCopy() = default;
  FilledCopy(const Box& box, const Shape& whole)
      : size_(whole.size()), covered_(box.sizes.size() == size_), copy_(box.copy(whole, true)) {}

  std::vector<Phase> phases() const {
    std::vector<Phase> list = copy_.phases();
    if (!covered_) list.insert(list.begin(), {num_blocks(size_), 0.05 * static_cast<double>(size_)});
    return list;
  }
  // value: the bits of a float or an int.
  void run(const float* x, float* y, float value, int phase, int64_t task) const {
    if (covered_ || phase == 1) {
      copy_.run(x, y, task);
    } else {
      const auto [begin, size] = block(size_, task);
      std::fill_n(y + begin, size, value);
    }
  }

 private:
  int64_t size_ = 0;
  bool covered_ = true;
  StridedCopy copy_;
};

std::vector<int64_t> numbers(const Attributes& attributes, const char* name) {
  return attributes.get<std::vector<int64_t>>(name);
}

class Slice final : public Op {
 public:
  explicit Slice(const Attributes& a)
      : begin_(numbers(a, "begin")), sizes_(numbers(a, "sizes")), strides_(numbers(a, "strides")) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1, "slice: expected one input, received ", inputs.size());
    const Shape& shape = inputs[0].shape;
    const size_t rank = shape.rank();
    check(begin_.size() == rank && sizes_.size() == rank && strides_.size() == rank,
          "slice: expected begin, sizes and strides of ", rank, " numbers for an input of shape ", shape, "; received ",
          begin_.size(), ", ", sizes_.size(), " and ", strides_.size());
    Box box{shape, begin_, strides_};
    for (int k = 0; k < shape.rank(); ++k) {
      const int64_t begin = begin_[k], stride = strides_[k], size = sizes_[k];
      check(stride >= 1, "slice: expected strides of at least 1; received ", stride, " for axis ", k);
      check(begin >= 0 && begin <= shape[k], "slice: expected axis ", k, " to begin between 0 and ", shape[k],
            "; received ", begin);
      const int64_t available = (shape[k] - begin + stride - 1) / stride;
      check(size >= -1 && size <= available, "slice: axis ", k, " has ", available, " elements from ", begin,
            " on in steps of ", stride, "; received a size of ", size);
      box.sizes[k] = size == -1 ? available : size;
    }
    forward_ = box.copy(shape, false);
    backward_ = FilledCopy(box, shape);
    return {{box.sizes, inputs[0].dtype}};
  }
  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    needs.reads_inputs = needs.reads_outputs = 0;
    needs.forward = forward_.phases();
    if (wanted[0]) needs.backward = backward_.phases();
    return needs;
  }
  void forward(const Args& args, int, int64_t task, Worker&) const override {
    forward_.run(args.inputs[0], args.outputs[0], task);
  }
  void backward(const Args& args, int phase, int64_t task, Worker&) const override {
    backward_.run(args.output_grads[0], args.input_grads[0], 0, phase, task);
  }

 private:
  const std::vector<int64_t> begin_, sizes_, strides_;
  StridedCopy forward_;
  FilledCopy backward_;
};

class Pad final : public Op {
 public:
  explicit Pad(const Attributes& a)
      : begin_(numbers(a, "begin")), end_(numbers(a, "end")), value_(static_cast<float>(a.get<double>("value", 0))) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1 && inputs[0].dtype == DType::f32, "pad: expected one float32 tensor");
    const Shape& shape = inputs[0].shape;
    const size_t rank = shape.rank();
    check(begin_.size() == rank && end_.size() == rank, "pad: expected a width before and after each of the ", rank,
          " axes of ", shape, "; received ", begin_.size(), " and ", end_.size());
    Shape whole = shape;
    for (int k = 0; k < shape.rank(); ++k) {
      check(begin_[k] >= 0 && end_[k] >= 0, "pad: expected widths of at least 0; received (", begin_[k], ", ", end_[k],
            ") for axis ", k);
      check(begin_[k] <= kMostElements && end_[k] <= kMostElements, "pad: expected widths of at most 2^48; received (",
            begin_[k], ", ", end_[k], ") for axis ", k);
      whole[k] += begin_[k] + end_[k];
    }
    require_possible(whole, "pad");
    const Box box{shape, begin_, std::vector<int64_t>(rank, 1)};
    forward_ = FilledCopy(box, whole);
    backward_ = box.copy(whole, false);
    return {{whole, DType::f32}};
  }
  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    needs.reads_inputs = needs.reads_outputs = 0;
    needs.forward = forward_.phases();
    if (wanted[0]) needs.backward = backward_.phases();
    return needs;
  }
  void forward(const Args& args, int phase, int64_t task, Worker&) const override {
    forward_.run(args.inputs[0], args.outputs[0], value_, phase, task);
  }
  void backward(const Args& args, int, int64_t task, Worker&) const override {
    backward_.run(args.output_grads[0], args.input_grads[0], task);
  }

 private:
  const std::vector<int64_t> begin_, end_;
  const float value_;
  FilledCopy forward_;
  StridedCopy backward_;
};

const RegisterOp slice("slice", [](const Attributes& a) { return std::make_unique<Slice>(a); });
const RegisterOp pad("pad", [](const Attributes& a) { return std::make_unique<Pad>(a); });

}  // namespace
}  // namespace nnfast
