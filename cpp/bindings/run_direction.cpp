// One direction of one operation on arrays: how nnfast.kernels reaches an op whose forward and backward it offers
// apart.
#include <pybind11/stl.h>

#include <algorithm>
#include <optional>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "core/buffer.h"
#include "core/threads.h"
#include "ops/op_job.h"
#include "ops/registry.h"

namespace nnfast {
namespace {

// Scratch memory outlives a call, since the first touch of fresh pages costs more than most kernels, up to this size.
constexpr int64_t kKeptScratch = int64_t{16} << 20;  // floats

class Scratch {
 public:
  float* at_least(int64_t size) {
    if (size > buffer_.size()) buffer_ = Buffer(size);
    return buffer_.data();
  }
  void trim() {
    if (buffer_.size() > kKeptScratch) buffer_ = Buffer();
  }

 private:
  Buffer buffer_;
};

// An op with its operands' memory.
class Call {
 public:
  Call(const std::string& name, const std::vector<py::object>& inputs, const py::dict& attributes)
      : op_(make_op(name, to_attributes(attributes))) {
    for (const py::object& input : inputs) {
      if (py::isinstance<py::tuple>(input)) {  // the shape of what is not read
        inputs_.emplace_back();
        inputs_at_.push_back(nullptr);
        specs_.push_back({to_shape(input), DType::f32});
        require_possible(specs_.back().shape, name);
        continue;
      }
      inputs_.push_back(to_dense(input));
      inputs_at_.push_back(data_of(inputs_.back()));
      specs_.push_back({shape_of(inputs_.back()), dtype_of(inputs_.back())});
    }
    out_specs_ = op_->infer(specs_);
    for (const Spec& spec : out_specs_) require_possible(spec.shape, name);
  }

  void require(const std::vector<bool>& wanted) {
    check(wanted.size() == specs_.size(), "wanted must have one entry for each of the ", specs_.size(), " inputs");
    needs_ = op_->require(wanted);
  }
  const Requirements& needs() const { return needs_; }
  const std::vector<Spec>& specs() const { return specs_; }
  const std::vector<Spec>& out_specs() const { return out_specs_; }
  bool has_input(size_t i) const { return inputs_at_[i] != nullptr; }

  void run(Direction direction, const std::vector<float*>& outputs, const std::vector<float*>& kept,
           const std::vector<const float*>& output_grads, const std::vector<float*>& input_grads) {
    static thread_local Scratch scratch, worker_scratch;
    const int threads = num_threads();
    const bool forward = direction == Direction::forward;
    const int64_t each = round_up(needs_.worker_scratch, kLine);
    float* own = worker_scratch.at_least(each * threads);
    std::vector<Worker> workers(threads);
    for (int i = 0; i < threads; ++i) workers[i] = {own + i * each, i};
    const StepState state{};
    const Args args{inputs_at_.data(),
                    outputs.data(),
                    kept.data(),
                    output_grads.data(),
                    input_grads.data(),
                    scratch.at_least(forward ? needs_.forward_scratch : needs_.backward_scratch),
                    &state};
    {
      py::gil_scoped_release release;
      OpJob job(*op_, direction, args, workers);
      Schedule schedule;
      job.schedule(forward ? needs_.forward : needs_.backward, schedule);
      schedule.run(threads);
    }
    scratch.trim();
    worker_scratch.trim();
  }

 private:
  std::unique_ptr<Op> op_;
  std::vector<py::array> inputs_;
  std::vector<const float*> inputs_at_;
  std::vector<Spec> specs_, out_specs_;
  Requirements needs_;
};

py::tuple run_forward(const std::string& name, const std::vector<py::object>& inputs, const py::dict& attributes,
                      const std::vector<bool>& wanted) {
  Call call(name, inputs, attributes);
  call.require(wanted);
  std::vector<py::array> outputs, kept;
  std::vector<float*> outputs_at, kept_at;
  for (const Spec& spec : call.out_specs()) {
    outputs.push_back(new_array(spec));
    outputs_at.push_back(data_of(outputs.back()));
  }
  for (int64_t size : call.needs().kept) {
    kept.push_back(new_array({Shape{size}, DType::f32}));
    kept_at.push_back(data_of(kept.back()));
  }
  call.run(Direction::forward, outputs_at, kept_at, {}, {});
  return py::make_tuple(outputs, kept);
}

py::list run_backward(const std::string& name, const std::vector<py::object>& inputs,
                      const std::vector<py::object>& outputs, const std::vector<py::object>& kept,
                      const std::vector<py::object>& output_grads, const py::dict& attributes,
                      const std::vector<bool>& wanted) {
  Call call(name, inputs, attributes);
  call.require(wanted);
  std::vector<py::array> arrays;  // keeps converted copies
  auto dense = [&](const py::object& value, const Shape* shape, int64_t size, const char* what) -> float* {
    if (value.is_none()) return nullptr;
    arrays.push_back(FloatArray::ensure(value));
    if (!arrays.back()) throw py::error_already_set();
    if (shape != nullptr)
      check(shape_of(arrays.back()) == *shape, name, ": expected ", what, " of shape ", *shape, ", received ",
            shape_of(arrays.back()));
    else
      check(arrays.back().size() == size, name, ": expected ", what, " of ", size, " elements, received ",
            arrays.back().size());
    return data_of(arrays.back());
  };
  const auto& out_specs = call.out_specs();
  check(outputs.size() == out_specs.size() && output_grads.size() == out_specs.size() &&
            kept.size() == call.needs().kept.size(),
        name, ": wrong number of outputs, gradients or kept values");
  std::vector<float*> outputs_at, kept_at, input_grads_at;
  std::vector<const float*> output_grads_at;
  for (size_t i = 0; i < out_specs.size(); ++i) {
    outputs_at.push_back(dense(outputs[i], &out_specs[i].shape, 0, "an output"));
    output_grads_at.push_back(dense(output_grads[i], &out_specs[i].shape, 0, "an output's gradient"));
    check(outputs_at[i] != nullptr || !has(call.needs().reads_outputs, i), name, ": output ", i, " is read");
  }
  for (size_t i = 0; i < kept.size(); ++i)
    kept_at.push_back(dense(kept[i], nullptr, call.needs().kept[i], "a kept value"));
  py::list gradients;
  for (size_t i = 0; i < inputs.size(); ++i) {
    check(call.has_input(i) || !has(call.needs().reads_inputs, i), name, ": input ", i, " is read");
    if (!wanted[i]) {
      input_grads_at.push_back(nullptr);
      gradients.append(py::none());
      continue;
    }
    const py::array gradient = new_array({call.specs()[i].shape, DType::f32});
    input_grads_at.push_back(data_of(gradient));
    gradients.append(gradient);
  }
  call.run(Direction::backward, outputs_at, kept_at, output_grads_at, input_grads_at);
  return gradients;
}

}  // namespace

void bind_run_direction(py::module_& module) {
  module.def("run_forward", &run_forward, py::arg("name"), py::arg("inputs"), py::arg("attributes"), py::arg("wanted"),
             "The outputs of an operation, and what it keeps for the gradients that are wanted.");
  module.def("run_backward", &run_backward, py::arg("name"), py::arg("inputs"), py::arg("outputs"), py::arg("kept"),
             py::arg("output_grads"), py::arg("attributes"), py::arg("wanted"),
             "The gradients of an operation from what forward returned.\n\n"
             "A tuple in the place of an input is the shape of one that is not read; an output that is not read may be "
             "None.");
}

}  // namespace nnfast
