// Random numbers, all drawn from a counter (attribute seed; see stream.h):
//   random_uniform()    attributes shape, low, high
//   random_normal()     attributes shape, mean, stddev
//   gaussian_noise(x)   x + n, n normal with mean 0; attribute stddev
//   gaussian_dropout(x) x n, n normal with mean 1 and stddev sqrt(rate / (1 - rate)); attribute rate (Srivastava et
//                       al., "Dropout", 2014, section 10). Its noise is drawn again in backward.
#include <cmath>

#include "dispatch/dispatch.h"
#include "ops/blocks.h"
#include "ops/registry.h"
#include "ops/stream.h"

namespace nnfast {
namespace {

constexpr double kNormalCost = 0.9;  // ns an element with 16 lanes, measured
constexpr int64_t kTile = 2048;      // numbers drawn before they are used: they stay in the L1 cache

class Draw final : public Op {
 public:
  using Kernel = decltype(Kernels::Random::normal);
  Draw(Kernel Kernels::Random::* kernel, const std::vector<int64_t>& shape, double a, double b, int64_t seed)
      : kernel_(kernel), shape_(shape), a_(static_cast<float>(a)), b_(static_cast<float>(b)), seed_(seed) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.empty(), "random numbers: expected no input, received ", inputs.size());
    for (int64_t size : shape_) check(size >= 0, "random numbers: expected sizes >= 0, received ", shape_);
    return {{shape_, DType::f32}};
  }
  Requirements require(const std::vector<bool>&) override {
    Requirements needs;
    const int64_t size = shape_.size();
    needs.forward = {{num_blocks(size), static_cast<double>(size) * kNormalCost * (16.0 / kernels().lanes)}};
    return needs;
  }
  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const auto [begin, size] = block(shape_.size(), task);
    (kernels().random->*kernel_)(size, begin, stream_of(*args.state, seed_), a_, b_, args.outputs[0] + begin);
  }
  void backward(const Args&, int, int64_t, Worker&) const override {}

 private:
  Kernel Kernels::Random::* const kernel_;
  const Shape shape_;
  const float a_, b_;
  const int64_t seed_;
};

class Noise final : public Op {
 public:
  Noise(Binary binary, double mean, double stddev, int64_t seed)
      : adds_(binary == Binary::add),
        apply_(static_cast<int>(binary)),
        mean_(static_cast<float>(mean)),
        stddev_(static_cast<float>(stddev)),
        seed_(seed) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1 && inputs[0].dtype == DType::f32, "noise: expected one float32 tensor");
    size_ = inputs[0].shape.size();
    return inputs;
  }
  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    const double cost = static_cast<double>(size_) * kNormalCost * (16.0 / kernels().lanes);
    needs.forward = {{num_blocks(size_), cost}};
    if (wanted[0]) needs.backward = {{num_blocks(size_), adds_ ? static_cast<double>(size_) * 0.1 : cost}};
    needs.worker_scratch = kTile;
    needs.reads_inputs = needs.reads_outputs = 0;
    return needs;
  }
  void forward(const Args& args, int, int64_t task, Worker& worker) const override {
    apply(args, task, worker, args.inputs[0], args.outputs[0]);
  }
  void backward(const Args& args, int, int64_t task, Worker& worker) const override {
    const auto [begin, size] = block(size_, task);
    if (adds_)
      std::copy_n(args.output_grads[0] + begin, size, args.input_grads[0] + begin);
    else
      apply(args, task, worker, args.output_grads[0], args.input_grads[0]);
  }

 private:
  void apply(const Args& args, int64_t task, Worker& worker, const float* x, float* y) const {
    const auto [begin, size] = block(size_, task);
    const Kernels::Stream stream = stream_of(*args.state, seed_);
    for (int64_t i = begin; i < begin + size; i += kTile) {
      const int64_t n = std::min(kTile, begin + size - i);
      kernels().random->normal(n, i, stream, mean_, stddev_, worker.scratch);
      kernels().elementwise->binary[apply_](n, x + i, 1, worker.scratch, 1, y + i);
    }
  }

  const bool adds_;
  const int apply_;
  const float mean_, stddev_;
  const int64_t seed_;
  int64_t size_ = 0;
};

const RegisterOp uniform("random_uniform", [](const Attributes& a) {
  return std::make_unique<Draw>(&Kernels::Random::uniform, a.get<std::vector<int64_t>>("shape"),
                                a.get<double>("low", 0.0), a.get<double>("high", 1.0), a.get<int64_t>("seed", 0));
});
const RegisterOp normal("random_normal", [](const Attributes& a) {
  const double stddev = a.get<double>("stddev", 1.0);
  check(stddev >= 0, "random_normal: expected stddev >= 0, received ", stddev);
  return std::make_unique<Draw>(&Kernels::Random::normal, a.get<std::vector<int64_t>>("shape"),
                                a.get<double>("mean", 0.0), stddev, a.get<int64_t>("seed", 0));
});
const RegisterOp gaussian_noise("gaussian_noise", [](const Attributes& a) {
  const double stddev = a.get<double>("stddev");
  check(stddev >= 0, "gaussian_noise: expected stddev >= 0, received ", stddev);
  return std::make_unique<Noise>(Binary::add, 0.0, stddev, a.get<int64_t>("seed", 0));
});
const RegisterOp gaussian_dropout("gaussian_dropout", [](const Attributes& a) {
  const double rate = a.get<double>("rate");
  check(rate >= 0 && rate < 1, "gaussian_dropout: expected a rate from 0 to below 1, received ", rate);
  return std::make_unique<Noise>(Binary::multiply, 1.0, std::sqrt(rate / (1 - rate)), a.get<int64_t>("seed", 0));
});

}  // namespace
}  // namespace nnfast
