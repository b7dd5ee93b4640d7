#include "bindings/custom_op.h"

#include <algorithm>

#include "core/floating_point_mode.h"

namespace nnfast {
namespace {

// Roughly what a call into Python and a function of a few NumPy calls take, in nanoseconds.
constexpr double kCallCost = 2e4;
constexpr double kElementCost = 2;

}  // namespace

std::vector<Spec> CustomOp::infer(const std::vector<Spec>& inputs) {
  check(!inputs.empty(), name_, ": expected at least one input; received none");
  inputs_ = inputs;
  return {output_};
}

Requirements CustomOp::require(const std::vector<bool>& wanted) {
  check(!backward_.is_none() || std::find(wanted.begin(), wanted.end(), true) == wanted.end(), name_,
        ": a gradient is wanted, but the operation was given no backward function; pass ops.custom(forward, backward), "
        "or apply ops.stop_gradient to its inputs");
  double cost = kCallCost + kElementCost * static_cast<double>(output_.shape.size());
  for (const Spec& input : inputs_) cost += kElementCost * static_cast<double>(input.shape.size());
  Requirements needs;
  needs.forward = {{1, cost}};
  needs.backward = {{1, cost}};
  needs.may_throw = true;
  return needs;
}

void CustomOp::forward(const Args& args, int, int64_t, Worker&) const {
  py::gil_scoped_acquire acquire;
  FloatingPointMode mode(FloatingPointMode::kept);  // as NumPy expects it
  py::tuple given(inputs_.size());  // of copies: the function may keep them, while the executor uses the memory again
  for (size_t i = 0; i < inputs_.size(); ++i) given[i] = copy_of(args.inputs[i], inputs_[i]);
  store(forward_(*given), output_.shape, "forward", args.outputs[0]);
}

void CustomOp::backward(const Args& args, int, int64_t, Worker&) const {
  py::gil_scoped_acquire acquire;
  FloatingPointMode mode(FloatingPointMode::kept);  // as NumPy expects it
  py::tuple given(inputs_.size() + 2);
  given[0] = copy_of(args.output_grads[0], output_);
  given[1] = copy_of(args.outputs[0], output_);
  for (size_t i = 0; i < inputs_.size(); ++i) given[i + 2] = copy_of(args.inputs[i], inputs_[i]);
  const py::object found = backward_(*given);
  const bool single = inputs_.size() == 1 && !py::isinstance<py::tuple>(found) && !py::isinstance<py::list>(found);
  const py::sequence gradients = single ? py::sequence(py::make_tuple(found)) : py::sequence(found);
  check(py::len(gradients) == inputs_.size(), name_, ": expected backward to return ", inputs_.size(),
        " gradients, one for each input; received ", py::len(gradients));
  for (size_t i = 0; i < inputs_.size(); ++i) {
    if (args.input_grads[i] == nullptr) continue;
    const py::object gradient = gradients[i];
    if (gradient.is_none())
      std::fill_n(args.input_grads[i], inputs_[i].shape.size(), 0.0f);
    else
      store(gradient, inputs_[i].shape, "backward, gradient " + std::to_string(i), args.input_grads[i]);
  }
}

void CustomOp::store(const py::handle& value, const Shape& shape, const std::string& what, float* target) const {
  const py::array dense = to_dense(value);
  check(shape_of(dense) == shape, name_, ", ", what, ": expected an array of shape ", shape, "; received one of shape ",
        shape_of(dense));
  const FloatArray array = FloatArray::ensure(dense);
  if (!array) throw py::error_already_set();
  std::copy_n(array.data(), shape.size(), target);
}

int CustomOp::traverse(visitproc visit, void* arg) const {
  Py_VISIT(forward_.ptr());
  Py_VISIT(backward_.ptr());
  return 0;
}

void CustomOp::clear() {
  forward_ = py::none();
  backward_ = py::none();
}

}  // namespace nnfast
