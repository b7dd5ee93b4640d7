// segment_sum: rows are added up by the segment each belongs to. The gradient of a row is that of its segment.
#include <algorithm>
#include <limits>

#include "ops/registry.h"

namespace nnfast {
namespace {

constexpr double kCost = 1.5;  // ns an element

class SegmentSum final : public Op {
 public:
  explicit SegmentSum(const Attributes& attributes) : segments_(attributes.get<int64_t>("num_segments")) {
    check(segments_ >= 0 && segments_ <= std::numeric_limits<int32_t>::max(),
          "segment_sum: num_segments must be from 0 to 2147483647, received ", segments_);
  }

  // data (N, …) and segments (N,) → (num_segments, …)
  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 2, "segment_sum takes data and segments, received ", inputs.size(), " inputs");
    const Shape& data = inputs[0].shape;
    check(inputs[0].dtype == DType::f32, "segment_sum: the data must be float32, received integers");
    check(inputs[1].dtype == DType::i32, "segment_sum: the segments must be integers, received float32");
    check(data.rank() >= 1 && inputs[1].shape == Shape({data[0]}),
          "segment_sum: expected data of shape (N, …) and segments of shape (N,), received ", data, " and ",
          inputs[1].shape);
    rows_ = data[0];
    width_ = data.size_between(1, data.rank());
    Shape result = data;
    result[0] = segments_;
    return {{result, DType::f32}};
  }

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    const double size = kCost * static_cast<double>(rows_ * width_ + segments_ * width_);
    needs.forward = {{1, size}};  // one task, since any two rows may meet in a segment
    needs.forward_scratch = 2 * segments_ * width_;
    needs.reads_inputs = 2;
    needs.reads_outputs = 0;
    if (wanted[0]) needs.backward = {{1, size}};
    return needs;
  }

  void forward(const Args& args, int, int64_t, Worker&) const override {
    const auto* segment = reinterpret_cast<const int32_t*>(args.inputs[1]);
    double* sums = reinterpret_cast<double*>(args.scratch);
    std::fill_n(sums, segments_ * width_, 0.0);
    for (int64_t n = 0; n < rows_; ++n) {
      if (!exists(segment[n])) continue;
      const float* row = args.inputs[0] + n * width_;
      double* sum = sums + segment[n] * width_;
      for (int64_t i = 0; i < width_; ++i) sum[i] += row[i];
    }
    for (int64_t i = 0; i < segments_ * width_; ++i) args.outputs[0][i] = static_cast<float>(sums[i]);
  }

  void backward(const Args& args, int, int64_t, Worker&) const override {
    const auto* segment = reinterpret_cast<const int32_t*>(args.inputs[1]);
    for (int64_t n = 0; n < rows_; ++n) {
      float* dx = args.input_grads[0] + n * width_;
      if (exists(segment[n]))
        std::copy_n(args.output_grads[0] + segment[n] * width_, width_, dx);
      else
        std::fill_n(dx, width_, 0.0f);
    }
  }

 private:
  // Rows whose segment does not exist are left out.
  bool exists(int32_t segment) const { return segment >= 0 && segment < segments_; }

  const int64_t segments_;
  int64_t rows_ = 0, width_ = 0;
};

const RegisterOp registered("segment_sum", [](const Attributes& a) { return std::make_unique<SegmentSum>(a); });

}  // namespace
}  // namespace nnfast
