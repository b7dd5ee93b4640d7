// dropout(x): y = kept ? x / (1 - rate) : 0. alpha_dropout(x) (Klambauer et al., "Self-normalizing neural networks",
// 2017) puts SELU's limit where an element is dropped and keeps mean and variance. Attributes: rate, seed, and
// noise_shape, which broadcasts to x: elements that share a number are kept or dropped together.
//
// The mask is drawn from a counter in forward and kept for backward, one bit an element.
#include <cmath>

#include "core/buffer.h"
#include "dispatch/dispatch.h"
#include "ops/blocks.h"
#include "ops/broadcast.h"
#include "ops/registry.h"
#include "ops/stream.h"

namespace nnfast {
namespace {

static_assert(kBlock % 64 == 0, "random numbers are drawn 64 at a time");

struct Dropped {
  float scale = 1, shift = 0, other = 0;  // y = kept ? x scale + shift : other
  int32_t threshold = 0;                  // of 2^24: an element is kept where its number is not below it
};

Dropped dropped(const std::string& name, double rate) {
  check(rate >= 0 && rate <= 1, name, ": expected a rate from 0 to 1, received ", rate);
  Dropped d;
  d.threshold = static_cast<int32_t>(std::lround(rate * (1 << 24)));
  if (name == "dropout") {
    d.scale = rate < 1 ? static_cast<float>(1 / (1 - rate)) : 0.0f;
  } else {
    check(rate < 1, name, ": expected a rate below 1, received ", rate);
    const double limit = -1.6732632423543772 * 1.0507009873554805;
    const double scale = 1 / std::sqrt((1 - rate) * (1 + rate * limit * limit));
    d.scale = static_cast<float>(scale);
    d.shift = static_cast<float>(-scale * limit * rate);
    d.other = static_cast<float>(scale * limit - scale * limit * rate);
  }
  return d;
}

// Each element on its own.
class Dropout final : public Op {
 public:
  Dropout(const std::string& name, double rate, int64_t seed) : name_(name), drop_(dropped(name, rate)), seed_(seed) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1 && inputs[0].dtype == DType::f32, name_, ": expected one float32 tensor");
    size_ = inputs[0].shape.size();
    return inputs;
  }

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    needs.forward = {{num_blocks(size_), static_cast<double>(size_) * 0.4 * (16.0 / kernels().lanes)}};  // measured
    if (wanted[0]) needs.backward = {{num_blocks(size_), static_cast<double>(size_) * 0.15}};
    needs.kept = {round_up(size_, 64) / 32};
    needs.reads_inputs = needs.reads_outputs = 0;
    return needs;
  }

  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const auto [begin, size] = block(size_, task);
    kernels().random->drop(size, begin, stream_of(*args.state, seed_), drop_.threshold, args.inputs[0] + begin,
                           drop_.scale, drop_.shift, drop_.other, args.outputs[0] + begin,
                           reinterpret_cast<uint32_t*>(args.kept[0]) + begin / 32);
  }

  void backward(const Args& args, int, int64_t task, Worker&) const override {
    const auto [begin, size] = block(size_, task);
    kernels().random->drop_backward(size, reinterpret_cast<const uint32_t*>(args.kept[0]) + begin / 32,
                                    args.output_grads[0] + begin, drop_.scale, args.input_grads[0] + begin);
  }

 private:
  const std::string name_;
  const Dropped drop_;
  const int64_t seed_;
  int64_t size_ = 0;
};

// Elements that share a number: factors of the noise's shape (and, for alpha dropout, terms) are drawn first.
class SharedDropout final : public Op {
 public:
  SharedDropout(const std::string& name, double rate, int64_t seed, const std::vector<int64_t>& noise_shape)
      : name_(name),
        drop_(dropped(name, rate)),
        seed_(seed),
        noise_shape_(noise_shape),
        has_terms_(drop_.shift != 0 || drop_.other != 0),
        multiply_(make_op("multiply", {})),
        add_(make_op("add", {})) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1 && inputs[0].dtype == DType::f32, name_, ": expected one float32 tensor");
    const Shape& shape = inputs[0].shape;
    check(noise_shape_.rank() <= shape.rank() && broadcast_shapes(name_, {shape, noise_shape_}) == shape, name_,
          ": expected a noise_shape that broadcasts to ", shape, ", received ", noise_shape_);
    const std::vector<Spec> operands = {inputs[0], {noise_shape_, DType::f32}};
    multiply_->infer(operands);
    add_->infer(operands);
    return inputs;
  }

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs = multiply_->require({wanted[0], false});
    const Phase apply = needs.forward[0];
    const Phase draw = {num_blocks(noise_shape_.size()),
                        static_cast<double>(noise_shape_.size()) * 0.8 * (16.0 / kernels().lanes)};
    needs.forward = {draw, apply};
    needs.kept = {noise_shape_.size(), round_up(noise_shape_.size(), 64) / 32};
    if (has_terms_) {
      add_->require({false, false});
      needs.forward.push_back(apply);
      needs.kept.push_back(noise_shape_.size());
    }
    needs.reads_inputs = needs.reads_outputs = 0;
    return needs;
  }

  void forward(const Args& args, int phase, int64_t task, Worker& worker) const override {
    if (phase == 0) return draw(args, task);
    Args part = args;
    const float* operands[2];
    operands[0] = phase == 1 ? args.inputs[0] : args.outputs[0];
    operands[1] = phase == 1 ? args.kept[0] : args.kept[2];
    part.inputs = operands;
    (phase == 1 ? multiply_ : add_)->forward(part, 0, task, worker);
  }

  void backward(const Args& args, int phase, int64_t task, Worker& worker) const override {
    Args part = args;
    const float* operands[2] = {nullptr, args.kept[0]};
    float* gradients[2] = {args.input_grads[0], nullptr};
    part.inputs = operands;
    part.input_grads = gradients;
    multiply_->backward(part, phase, task, worker);
  }

 private:
  void draw(const Args& args, int64_t task) const {
    const auto [begin, size] = block(noise_shape_.size(), task);
    const Kernels::Stream stream = stream_of(*args.state, seed_);
    const auto& random = *kernels().random;
    auto* bits = reinterpret_cast<uint32_t*>(args.kept[1]) + begin / 32;
    const auto fill = [&](float* out, float kept, float other) {
      std::fill_n(out, size, 0.0f);
      random.drop(size, begin, stream, drop_.threshold, out, 0.0f, kept, other, out, bits);
    };
    fill(args.kept[0] + begin, drop_.scale, 0.0f);
    if (has_terms_) fill(args.kept[2] + begin, drop_.shift, drop_.other);
  }

  const std::string name_;
  const Dropped drop_;
  const int64_t seed_;
  const Shape noise_shape_;
  const bool has_terms_;
  const std::unique_ptr<Op> multiply_, add_;
};

void register_dropout(const std::string& name) {
  RegisterOp(name, [name](const Attributes& a) -> std::unique_ptr<Op> {
    const double rate = a.get<double>("rate");
    const int64_t seed = a.get<int64_t>("seed", 0);
    if (!a.has("noise_shape")) return std::make_unique<Dropout>(name, rate, seed);
    return std::make_unique<SharedDropout>(name, rate, seed, a.get<std::vector<int64_t>>("noise_shape"));
  });
}

const bool registered = [] {
  register_dropout("dropout");
  register_dropout("alpha_dropout");
  return true;
}();

}  // namespace
}  // namespace nnfast
