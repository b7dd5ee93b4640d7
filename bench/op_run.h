// One registered operation with all its memory, ready to run again and again: for benchmarks.
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "ops/op_job.h"
#include "ops/registry.h"

namespace nnfast {

class OpRun {
 public:
  OpRun(const std::string& name, const Attributes& attributes, const std::vector<Shape>& inputs,
        const std::vector<bool>& wanted, int threads)
      : op_(make_op(name, attributes)), threads_(threads), workers_(threads) {
    std::vector<Spec> specs;
    for (const Shape& shape : inputs) specs.push_back({shape, DType::f32});
    const std::vector<Spec> outputs = op_->infer(specs);
    needs_ = op_->require(wanted);
    for (const Spec& spec : specs) inputs_.push_back(random(spec.shape.size()));
    for (const Spec& spec : outputs) {
      outputs_.push_back(hold(Buffer(spec.shape.size())));
      output_grads_.push_back(random(spec.shape.size()));
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

 private:
  float* hold(Buffer buffer) {
    buffers_.push_back(std::move(buffer));
    return buffers_.back().data();
  }
  float* random(int64_t size) {
    float* data = hold(Buffer(size));
    uint32_t state = 1;
    for (int64_t i = 0; i < size; ++i) {
      state = state * 1664525u + 1013904223u;
      data[i] = static_cast<float>(state >> 8) * 0x1p-23f - 1.0f;
    }
    return data;
  }

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
