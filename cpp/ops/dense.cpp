// y = f(x w + b): x (…, in), w (in, out), b (out,) if given, y (…, out).
//
//   dz = dy f'(z)    db = Σ over rows of dz    dw = xᵀ dz    dx = dz wᵀ
//
// Where one dense layer follows another, the planner lets the second make the first one's dz in the place of dx, while
// it is still in registers: the second has `input_activation`, the first `gradient_of_z`.
#include <algorithm>

#include "core/buffer.h"
#include "dispatch/dispatch.h"
#include "ops/activation_attributes.h"
#include "ops/gemm.h"
#include "ops/registry.h"
#include "ops/side_by_side.h"

namespace nnfast {
namespace {

class Dense final : public Op {
 public:
  explicit Dense(const Attributes& attributes)
      : activation_(activation_of(attributes)),
        alpha_(alpha_of(attributes, activation_)),
        input_activation_(activation_of(attributes, "input_activation")),
        input_alpha_(alpha_of(attributes, input_activation_, "input_alpha")),
        given_dz_(attributes.get<bool>("gradient_of_z", false)) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 2 || inputs.size() == 3, "dense: expected x, w and perhaps b, received ", inputs.size(),
          " inputs");
    const Shape &x = inputs[0].shape, &w = inputs[1].shape;
    check(x.rank() >= 1, "dense: expected x of shape (…, in), received a scalar; give it an axis");
    check(w.rank() == 2 && w[0] == x[-1], "dense: expected w of shape (", x[-1], ", out) for x of shape ", x,
          ", received ", w);
    bias_ = inputs.size() == 3;
    if (bias_)
      check(inputs[2].shape == Shape{w[1]}, "dense: expected b of shape ", Shape{w[1]}, " for w of shape ", w,
            ", received ", inputs[2].shape);
    rows_ = x.size_between(0, x.rank() - 1);
    in_ = w[0];
    out_ = w[1];
    Shape y = x;
    y[-1] = out_;
    return {{y}};
  }

  Requirements require(const std::vector<bool>& wanted) override {
    const bool dx = wanted[0], dw = wanted[1], db = bias_ && wanted[2], any = dx || dw || db;
    Requirements needs;
    const bool keep_z = any && derivative_reads_input(activation_);
    {
      GemmSpec spec;
      spec.m = rows_, spec.n = out_, spec.k = in_;
      spec.bias = bias_;
      spec.activation = activation_;
      spec.alpha = alpha_;
      spec.keep_z = keep_z;
      forward_ = Gemm(spec);
    }
    needs.forward = forward_.phases();
    needs.forward_scratch = forward_.scratch();
    needs.worker_scratch = forward_.worker_scratch();
    if (keep_z) needs.kept = {rows_ * out_};
    if (!any) return needs;

    own_dz_ = activation_ != Activation::linear && !given_dz_;
    needs.reads_inputs = (dw || (dx && input_activation_ != Activation::linear) ? 1u : 0u) | (dx ? 2u : 0u);
    needs.reads_outputs = own_dz_ && derivative_reads_output(activation_) ? 1u : 0u;
    int64_t scratch = 0;
    auto reserve = [&](int64_t size) {
      scratch += round_up(size, kLine);
      return scratch - round_up(size, kLine);
    };
    db_ = db;
    if (own_dz_) dz_ = reserve(rows_ * out_);
    if (own_dz_ || db) {
      // Parts fixed by the shape, large enough to be worth a task, small enough that dz is summed while in cache.
      const int64_t parts =
          std::clamp<int64_t>(rows_ * out_ / kPartSize, 1, std::max<int64_t>(1, std::min<int64_t>(rows_, 64)));
      part_rows_ = std::max<int64_t>(1, (rows_ + parts - 1) / parts);
      parts_ = std::max<int64_t>(1, (rows_ + part_rows_ - 1) / part_rows_);
      if (db && parts_ > 1) sums_ = reserve(parts_ * out_);
      needs.backward.push_back({parts_, rows_ * out_ * 0.3});
    }
    if (db && parts_ > 1)
      products_.add({{1, parts_ * out_ * 0.2}});
    else
      products_.add({});
    if (dx) {
      GemmSpec spec;
      spec.m = rows_, spec.n = in_, spec.k = out_;
      spec.transpose_b = true;
      spec.derivative = input_activation_;
      spec.derivative_alpha = input_alpha_;
      dx_ = Gemm(spec);
      dx_scratch_ = reserve(dx_.scratch());
    }
    products_.add(dx_.phases());
    if (dw) {
      GemmSpec spec;
      spec.m = in_, spec.n = out_, spec.k = rows_;
      spec.transpose_a = true;
      spec.split_k = true;
      spec.gradient = true;
      dw_ = Gemm(spec);
      dw_scratch_ = reserve(dw_.scratch());
    }
    // Beside dx, or after it where the product may change w.
    products_.add(dw_.phases(), dw_.can_update() ? static_cast<int>(dx_.phases().size()) : 0);
    if (dw_.can_update()) needs.updates_inputs = 2;
    needs.backward.insert(needs.backward.end(), products_.phases().begin(), products_.phases().end());
    needs.backward_scratch = scratch;
    needs.worker_scratch = std::max({needs.worker_scratch, dw_.worker_scratch(), dx_.worker_scratch()});
    return needs;
  }

  void forward(const Args& args, int phase, int64_t task, Worker& worker) const override {
    GemmArgs product;
    product.a = args.inputs[0];
    product.b = args.inputs[1];
    product.bias = bias_ ? args.inputs[2] : nullptr;
    product.c = args.outputs[0];
    product.z = args.kept ? args.kept[0] : nullptr;
    forward_.run(phase, task, worker, args.scratch, product);
  }

  void backward(const Args& args, int phase, int64_t task, Worker& worker) const override {
    if (own_dz_ || db_) {
      if (phase == 0) return differentiate(args, task);
      --phase;
    }
    const float* dz = own_dz_ ? args.scratch + dz_ : args.output_grads[0];
    GemmArgs product;
    switch (products_.which(phase, task)) {
      case 0:
        return kernels().gemm->column_sums(parts_, out_, args.scratch + sums_, out_, args.input_grads[2]);
      case 1:
        product.a = dz;
        product.b = args.inputs[1];
        product.c = args.input_grads[0];
        product.derivative_y = args.inputs[0];
        return dx_.run(phase, task, worker, args.scratch + dx_scratch_, product);
      default:
        product.a = args.inputs[0];
        product.b = dz;
        product.c = args.input_grads[1];
        product.update = args.updates ? args.updates[1] : nullptr;
        return dw_.run(phase, task, worker, args.scratch + dw_scratch_, product);
    }
  }

 private:
  static constexpr int64_t kPartSize = 8192;  // elements: 32 KB, about 3 µs of work

  // dz of some rows, and their part of db.
  void differentiate(const Args& args, int64_t part) const {
    const int64_t begin = part * part_rows_ * out_, end = std::min(rows_, (part + 1) * part_rows_) * out_;
    const float* dz = args.output_grads[0] + begin;
    if (own_dz_) {
      float* own = args.scratch + dz_ + begin;
      kernels().activations->backward[static_cast<int>(activation_)](
          end - begin, derivative_reads_input(activation_) ? args.kept[0] + begin : nullptr,
          derivative_reads_output(activation_) ? args.outputs[0] + begin : nullptr, dz, own, alpha_);
      dz = own;
    }
    if (db_)
      kernels().gemm->column_sums((end - begin) / std::max<int64_t>(1, out_), out_, dz, out_,
                                  parts_ > 1 ? args.scratch + sums_ + part * out_ : args.input_grads[2]);
  }

  const Activation activation_;
  const float alpha_;
  const Activation input_activation_;
  const float input_alpha_;
  const bool given_dz_;
  bool bias_ = false;
  int64_t rows_ = 0, in_ = 0, out_ = 0;
  Gemm forward_, dw_, dx_;
  SideBySide products_;
  bool own_dz_ = false, db_ = false;
  int64_t parts_ = 1, part_rows_ = 0;
  int64_t dz_ = 0, sums_ = 0, dw_scratch_ = 0, dx_scratch_ = 0;  // where each begins in scratch
};

const RegisterOp registered("dense", [](const Attributes& a) { return std::make_unique<Dense>(a); });

}  // namespace
}  // namespace nnfast
