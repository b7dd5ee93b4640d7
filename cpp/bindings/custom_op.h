// An operation whose two directions are Python functions on NumPy arrays.
#pragma once
#include <string>
#include <vector>

#include "bindings/convert.h"
#include "ops/op.h"

namespace nnfast {

// Takes the GIL for as long as a function runs. Each direction is one task, so the thread that called the executor runs
// it, and what the function raises ends that call.
class CustomOp final : public Op {
 public:
  // backward: None where no gradient passes.
  CustomOp(std::string name, py::object forward, py::object backward, const Shape& output)
      : name_(std::move(name)), forward_(std::move(forward)), backward_(std::move(backward)), output_({output}) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override;
  Requirements require(const std::vector<bool>& wanted) override;
  void forward(const Args& args, int phase, int64_t task, Worker& worker) const override;
  void backward(const Args& args, int phase, int64_t task, Worker& worker) const override;

  // For Python's garbage collector: a function may hold the model that holds the program.
  int traverse(visitproc visit, void* arg) const;
  void clear();

 private:
  void store(const py::handle& value, const Shape& shape, const std::string& what, float* target) const;

  const std::string name_;
  py::object forward_, backward_;
  const Spec output_;
  std::vector<Spec> inputs_;
};

}  // namespace nnfast
