// where(condition, x1, x2), broadcast; clip(x) to attributes lo … hi.
#include "dispatch/dispatch.h"
#include "ops/blocks.h"
#include "ops/broadcast.h"
#include "ops/registry.h"

namespace nnfast {
namespace {

class Where final : public BroadcastOp {
 public:
  Where() : BroadcastOp(settings()) {}

 protected:
  void forward_row(const Row& row, float* y) const override {
    kernels().elementwise->where(row.size, row.x[0], row.step[0], row.x[1], row.step[1], row.x[2], row.step[2], y);
  }
  void backward_row(int k, const Row& row, const float*, const float* dy, float* dx) const override {
    const float zero = 0.0f;
    if (k == 0)  // a condition has no gradient
      std::fill_n(dx, row.size, 0.0f);
    else if (k == 1)
      kernels().elementwise->where(row.size, row.x[0], row.step[0], dy, 1, &zero, 0, dx);
    else
      kernels().elementwise->where(row.size, row.x[0], row.step[0], &zero, 0, dy, 1, dx);
  }

 private:
  static Settings settings() {
    Settings s;
    s.name = "where";
    s.operands = 3;
    s.cost = 0.2;
    s.reads_inputs = 1;
    return s;
  }
};

class Clip final : public Op {
 public:
  Clip(double low, double high) : low_(static_cast<float>(low)), high_(static_cast<float>(high)) {
    check(low <= high, "clip: expected lo <= hi, received ", low, " and ", high);
  }

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1 && inputs[0].dtype == DType::f32, "clip: expected one float32 tensor");
    size_ = inputs[0].shape.size();
    return inputs;
  }

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    const double cost = static_cast<double>(size_) * 0.15;
    needs.forward = {{num_blocks(size_), cost}};
    if (wanted[0]) needs.backward = {{num_blocks(size_), cost}};
    needs.reads_outputs = 0;
    return needs;
  }

  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const auto [begin, size] = block(size_, task);
    kernels().elementwise->clip(size, args.inputs[0] + begin, low_, high_, args.outputs[0] + begin);
  }

  void backward(const Args& args, int, int64_t task, Worker&) const override {
    const auto [begin, size] = block(size_, task);
    kernels().elementwise->clip_backward(size, args.inputs[0] + begin, args.output_grads[0] + begin, low_, high_,
                                         args.input_grads[0] + begin);
  }

 private:
  const float low_, high_;
  int64_t size_ = 0;
};

const RegisterOp where("where", [](const Attributes&) { return std::make_unique<Where>(); });
const RegisterOp clip("clip", [](const Attributes& a) {
  return std::make_unique<Clip>(a.get<double>("lo"), a.get<double>("hi"));
});

}  // namespace
}  // namespace nnfast
