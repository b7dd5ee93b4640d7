// The operations of kernels/elementwise.h by their names, add_n (the sum of any number of equal shapes) and cast
// (attribute dtype: "float32" or "int32").
#include "kernels/elementwise.h"

#include <algorithm>

#include "dispatch/dispatch.h"
#include "ops/blocks.h"
#include "ops/broadcast.h"
#include "ops/registry.h"

namespace nnfast {
namespace {

class UnaryOp final : public Op {
 public:
  explicit UnaryOp(Unary unary) : index_(static_cast<int>(unary)), reads_(kUnary[index_].derivative_reads) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1 && inputs[0].dtype == DType::f32, kUnary[index_].name, ": expected one float32 tensor");
    size_ = inputs[0].shape.size();
    return inputs;
  }

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    // Measured: 0.1 (negative) to 1.5 (sin) ns an element with 16 lanes, more with fewer.
    const double cost = static_cast<double>(size_) * 0.4 * (16.0 / kernels().lanes);
    needs.forward = {{num_blocks(size_), cost}};
    if (wanted[0]) needs.backward = {{num_blocks(size_), cost}};
    needs.overwrites_inputs = 1;
    needs.overwrites_gradient = true;
    needs.reads_inputs = reads_ == UnaryInfo::x ? 1 : 0;
    needs.reads_outputs = reads_ == UnaryInfo::y ? 1 : 0;
    return needs;
  }

  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const auto [begin, size] = block(size_, task);
    kernels().elementwise->unary[index_](size, args.inputs[0] + begin, args.outputs[0] + begin);
  }

  void backward(const Args& args, int, int64_t task, Worker&) const override {
    const auto [begin, size] = block(size_, task);
    const float* x = reads_ == UnaryInfo::x ? args.inputs[0] + begin : nullptr;
    const float* y = reads_ == UnaryInfo::y ? args.outputs[0] + begin : nullptr;
    kernels().elementwise->unary_backward[index_](size, x, y, args.output_grads[0] + begin,
                                                  args.input_grads[0] + begin);
  }

 private:
  const int index_;
  const UnaryInfo::Reads reads_;
  int64_t size_ = 0;
};

class BinaryOp final : public BroadcastOp {
 public:
  explicit BinaryOp(int index) : BroadcastOp(settings(index)), index_(index) {}

 protected:
  void forward_row(const Row& row, float* y) const override {
    kernels().elementwise->binary[index_](row.size, row.x[0], row.step[0], row.x[1], row.step[1], y);
  }
  void backward_row(int k, const Row& row, const float* y, const float* dy, float* dx) const override {
    kernels().elementwise->binary_backward[k][index_](row.size, row.x[0], row.step[0], row.x[1], row.step[1], y, dy,
                                                      dx);
  }

 private:
  static Settings settings(int index) {
    Settings s;
    s.name = kBinary[index].name;
    s.cost = static_cast<Binary>(index) == Binary::power ? 2.0 : 0.15;  // measured
    s.reads_inputs = kBinary[index].derivatives_read == BinaryInfo::nothing ? 0 : 3;
    s.reads_outputs = kBinary[index].derivatives_read == BinaryInfo::inputs_and_y ? 1 : 0;
    if (static_cast<Binary>(index) == Binary::add) s.passes_gradient = 3;
    if (static_cast<Binary>(index) == Binary::subtract) s.passes_gradient = 1;
    return s;
  }

  const int index_;
};

class AddN final : public Op {
 public:
  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(!inputs.empty(), "add_n: expected at least one tensor");
    const bool copies = inputs.size() == 1;  // of any type
    for (const Spec& input : inputs)
      check((copies || input.dtype == DType::f32) && input.shape == inputs[0].shape,
            "add_n: expected float32 tensors of one shape, received ", inputs[0].shape, " and ", input.shape);
    count_ = static_cast<int64_t>(inputs.size());
    size_ = inputs[0].shape.size();
    return {inputs[0]};
  }

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    needs.forward = {{num_blocks(size_), static_cast<double>(size_ * count_) * 0.1}};
    needs.reads_inputs = needs.reads_outputs = 0;
    needs.overwrites_inputs = ~0u;
    if (std::find(wanted.begin(), wanted.end(), true) != wanted.end()) needs.passes_gradient = ~0u;
    return needs;
  }

  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const auto [begin, size] = block(size_, task);
    kernels().elementwise->add_n(size, count_, args.inputs, begin, args.outputs[0] + begin);
  }

  void backward(const Args&, int, int64_t, Worker&) const override {}

 private:
  int64_t count_ = 0, size_ = 0;
};

class Cast final : public Op {
 public:
  explicit Cast(const std::string& dtype) : to_(dtype == "int32" ? DType::i32 : DType::f32) {
    check(dtype == "int32" || dtype == "float32", "cast: expected dtype 'float32' or 'int32', received '", dtype, "'");
  }

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1, "cast: expected one tensor, received ", inputs.size());
    from_ = inputs[0].dtype;
    size_ = inputs[0].shape.size();
    return {{inputs[0].shape, to_}};
  }

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    needs.view = from_ == to_;
    needs.reads_inputs = needs.reads_outputs = 0;
    if (needs.view) return needs;
    needs.forward = {{num_blocks(size_), static_cast<double>(size_) * 0.2}};
    if (wanted[0]) needs.backward = {{num_blocks(size_), static_cast<double>(size_) * 0.1}};
    return needs;
  }

  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const auto [begin, size] = block(size_, task);
    const float* x = args.inputs[0] + begin;
    float* y = args.outputs[0] + begin;
    if (to_ == DType::i32)
      kernels().elementwise->to_int(size, x, reinterpret_cast<int32_t*>(y));
    else
      kernels().elementwise->to_float(size, reinterpret_cast<const int32_t*>(x), y);
  }

  // Integers have no gradient.
  void backward(const Args& args, int, int64_t task, Worker&) const override {
    const auto [begin, size] = block(size_, task);
    std::fill_n(args.input_grads[0] + begin, size, 0.0f);
  }

 private:
  const DType to_;
  DType from_ = DType::f32;
  int64_t size_ = 0;
};

const RegisterOp add_n("add_n", [](const Attributes&) { return std::make_unique<AddN>(); });
const RegisterOp cast("cast", [](const Attributes& a) { return std::make_unique<Cast>(a.get<std::string>("dtype")); });
const bool registered = [] {
  for (int i = 0; i < kNumUnary; ++i)
    RegisterOp(kUnary[i].name, [i](const Attributes&) { return std::make_unique<UnaryOp>(static_cast<Unary>(i)); });
  for (int i = 0; i < kNumBinary; ++i)
    RegisterOp(kBinary[i].name, [i](const Attributes&) { return std::make_unique<BinaryOp>(i); });
  return true;
}();

}  // namespace
}  // namespace nnfast
