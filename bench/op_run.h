// One registered operation with all its memory, ready to run again and again: for benchmarks.
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "ops/op_job.h"
#include "ops/registry.h"
#include "random.h"
#include "verify.h"

namespace nnfast {

class OpRun {
 public:
  OpRun(const std::string& name, const Attributes& attributes, const std::vector<Shape>& inputs,
        const std::vector<bool>& wanted, int threads)
      : name_(name),
        attributes_(attributes),
        wanted_(wanted),
        op_(make_op(name, attributes)),
        threads_(threads),
        workers_(threads) {
    std::vector<Spec> specs;
    for (const Shape& shape : inputs) specs.push_back({shape, DType::f32});
    shapes_ = inputs;
    const std::vector<Spec> outputs = op_->infer(specs);
    for (const Spec& spec : outputs) output_sizes_.push_back(spec.shape.size());
    needs_ = op_->require(wanted);
    for (const Spec& spec : specs) inputs_.push_back(hold_random(spec.shape.size()));
    for (const Spec& spec : outputs) {
      outputs_.push_back(hold(Buffer(spec.shape.size())));
      output_grads_.push_back(hold_random(spec.shape.size()));
    }
    for (size_t i = 0; i < specs.size(); ++i)
      input_grads_.push_back(wanted[i] ? hold(Buffer(specs[i].shape.size())) : nullptr);
    for (int64_t size : needs_.kept) kept_.push_back(hold(Buffer(size)));
    for (int i = 0; i < threads; ++i) workers_[i] = {hold(Buffer(needs_.worker_scratch)), i};
    args_ = {inputs_.data(),
             outputs_.data(),
             kept_.data(),
             output_grads_.data(),
             input_grads_.data(),
             hold(Buffer(std::max(needs_.forward_scratch, needs_.backward_scratch))),
             &state_};
    forward_job_ = std::make_unique<OpJob>(*op_, Direction::forward, args_, workers_);
    backward_job_ = std::make_unique<OpJob>(*op_, Direction::backward, args_, workers_);
    forward_job_->schedule(needs_.forward, forward_);
    backward_job_->schedule(needs_.backward, backward_);
  }
  OpRun(const OpRun&) = delete;

  void forward() const { forward_.run(threads_); }
  void backward() const { backward_.run(threads_); }
  const Requirements& needs() const { return needs_; }
  float* input(size_t i) const { return const_cast<float*>(inputs_[i]); }
  const float* output(size_t i) const { return outputs_[i]; }
  const float* output_grad(size_t i) const { return output_grads_[i]; }
  const float* input_grad(size_t i) const { return input_grads_[i]; }

  // Whether a run gives what the weakest instruction set gives on one thread.
  bool is_right(bool with_backward) const {
    forward();
    if (with_backward) backward();
    bool right = true;
    on_weakest_isa([&] {
      const OpRun other(name_, attributes_, shapes_, wanted_, 1);
      for (size_t i = 0; i < shapes_.size(); ++i) std::copy_n(inputs_[i], shapes_[i].size(), other.input(i));
      other.forward();
      if (with_backward) other.backward();
      for (size_t i = 0; i < outputs_.size(); ++i)
        right = right && (needs_.view || agree(output_sizes_[i], outputs_[i], other.outputs_[i]));
      for (size_t i = 0; with_backward && i < shapes_.size(); ++i)
        if (wanted_[i] && !has(needs_.passes_gradient, i))
          right = right && agree(shapes_[i].size(), input_grads_[i], other.input_grads_[i]);
    });
    return right;
  }

 private:
  float* hold(Buffer buffer) {
    buffers_.push_back(std::move(buffer));
    return buffers_.back().data();
  }
  // Other numbers in each.
  float* hold_random(int64_t size) { return hold(random(size, static_cast<uint32_t>(buffers_.size() + 1))); }

  const std::string name_;
  const Attributes attributes_;
  const std::vector<bool> wanted_;
  std::vector<Shape> shapes_;
  std::vector<int64_t> output_sizes_;
  std::unique_ptr<Op> op_;
  int threads_;
  Requirements needs_;
  std::vector<Buffer> buffers_;
  std::vector<const float*> inputs_, output_grads_;
  std::vector<float*> outputs_, input_grads_, kept_;
  std::vector<Worker> workers_;
  StepState state_;
  Args args_;
  std::unique_ptr<OpJob> forward_job_, backward_job_;
  Schedule forward_, backward_;
};

}  // namespace nnfast
