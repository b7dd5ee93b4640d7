// One operation on arrays, without a graph: how tests and single-kernel calls reach every op.
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

py::tuple run_op(const std::string& name, const std::vector<py::object>& inputs, const py::dict& attributes,
                 const std::optional<std::vector<py::object>>& output_grads,
                 std::optional<std::vector<bool>> wanted_grads, int threads, uint64_t seed, uint64_t step) {
  check(threads >= 1 && threads <= kMaxThreads, "threads must be from 1 to ", kMaxThreads, ", received ", threads);
  std::unique_ptr<Op> op = make_op(name, to_attributes(attributes));

  std::vector<py::array> in;
  std::vector<Spec> in_specs;
  for (const py::object& input : inputs) {
    in.push_back(to_dense(input));
    in_specs.push_back({shape_of(in.back()), dtype_of(in.back())});
  }
  const std::vector<Spec> out_specs = op->infer(in_specs);
  for (const Spec& spec : out_specs) require_possible(spec.shape, name);
  std::vector<bool> wanted(in.size(), false);
  if (output_grads) {
    if (wanted_grads) check(wanted_grads->size() == in.size(), "wanted must have one entry for each input");
    for (size_t i = 0; i < in.size(); ++i)
      wanted[i] = in_specs[i].dtype == DType::f32 && (!wanted_grads || (*wanted_grads)[i]);
    check(output_grads->size() == out_specs.size(), "output_grads must have one entry for each of the ",
          out_specs.size(), " outputs, received ", output_grads->size());
  }
  const Requirements needs = op->require(wanted);

  std::vector<py::array> out, out_grads, in_grads;
  std::vector<const float*> inputs_at, out_grads_at;
  std::vector<float*> outputs_at, in_grads_at, kept_at;
  for (const py::array& array : in) inputs_at.push_back(data_of(array));
  for (const Spec& spec : out_specs) {
    out.push_back(new_array(spec));
    outputs_at.push_back(data_of(out.back()));
    // What an op forgets to write must show.
    std::fill_n(reinterpret_cast<uint32_t*>(outputs_at.back()), spec.shape.size(), 0x7fc00000u);
  }
  if (needs.view && !out.empty()) std::copy_n(inputs_at[0], out_specs[0].shape.size(), outputs_at[0]);
  std::vector<Buffer> kept;
  for (int64_t size : needs.kept) {
    kept.emplace_back(size);
    kept_at.push_back(kept.back().data());
  }
  Buffer scratch(std::max(needs.forward_scratch, needs.backward_scratch));
  Buffer worker_scratch(round_up(needs.worker_scratch, kLine) * threads);
  std::vector<Worker> workers(threads);
  for (int i = 0; i < threads; ++i) workers[i] = {worker_scratch.data() + i * round_up(needs.worker_scratch, kLine), i};

  py::list gradients;
  if (output_grads) {
    for (size_t i = 0; i < out_specs.size(); ++i) {
      const py::object& given = (*output_grads)[i];
      if (given.is_none()) {
        out_grads_at.push_back(nullptr);
        continue;
      }
      out_grads.push_back(FloatArray::ensure(given));
      if (!out_grads.back()) throw py::error_already_set();
      check(shape_of(out_grads.back()) == out_specs[i].shape, "gradient ", i, " has shape ", shape_of(out_grads.back()),
            ", the output has ", out_specs[i].shape);
      out_grads_at.push_back(data_of(out_grads.back()));
    }
    for (size_t i = 0; i < in.size(); ++i) {
      if (!wanted[i]) {
        in_grads_at.push_back(nullptr);
        gradients.append(py::none());
        continue;
      }
      in_grads.push_back(new_array({in_specs[i].shape, DType::f32}));
      in_grads_at.push_back(data_of(in_grads.back()));
      std::fill_n(in_grads_at.back(), in_specs[i].shape.size(), __builtin_nanf(""));
      gradients.append(in_grads.back());
    }
  }

  StepState state{seed, step};
  Args args{inputs_at.data(),   outputs_at.data(), kept_at.data(), out_grads_at.data(),
            in_grads_at.data(), scratch.data(),    &state};
  {
    py::gil_scoped_release release;
    OpJob forward(*op, Direction::forward, args, workers);
    Schedule schedule;
    forward.schedule(needs.forward, schedule);
    schedule.run(threads);
    if (output_grads) {
      OpJob backward(*op, Direction::backward, args, workers);
      Schedule back;
      backward.schedule(needs.backward, back);
      back.run(threads);
      for (size_t i = 0; i < in.size(); ++i)
        if ((needs.view || has(needs.passes_gradient, i)) && in_grads_at[i] != nullptr && out_grads_at[0] != nullptr)
          std::copy_n(out_grads_at[0], out_specs[0].shape.size(), in_grads_at[i]);
    }
  }
  return py::make_tuple(py::cast(out), gradients);
}

py::dict op_memory(const std::string& name, const std::vector<py::tuple>& shapes, const py::dict& attributes,
                   const std::vector<bool>& wanted) {
  std::unique_ptr<Op> op = make_op(name, to_attributes(attributes));
  std::vector<Spec> specs;
  for (const py::tuple& shape : shapes) {
    specs.push_back({to_shape(shape), DType::f32});
    require_possible(specs.back().shape, name);
  }
  for (const Spec& spec : op->infer(specs)) require_possible(spec.shape, name);
  check(wanted.size() == specs.size(), "wanted must have one entry for each of the ", specs.size(), " inputs");
  const Requirements needs = op->require(wanted);
  py::dict memory;
  memory["forward"] = needs.forward_scratch;
  memory["backward"] = needs.backward_scratch;
  memory["worker"] = needs.worker_scratch;
  memory["kept"] = needs.kept;
  return memory;
}

}  // namespace

void bind_run_op(py::module_& module) {
  module.def(
      "op_memory", &op_memory, py::arg("name"), py::arg("shapes"), py::arg("attributes"), py::arg("wanted"),
      "The scratch memory of an operation on float32 inputs of these shapes, in elements: of each direction, of\n"
      "each thread, and what forward keeps.");
  module.def("run_op", &run_op, py::arg("name"), py::arg("inputs"), py::arg("attributes") = py::dict(),
             py::arg("output_grads") = py::none(), py::arg("wanted") = py::none(), py::arg("threads") = 1,
             py::arg("seed") = 0, py::arg("step") = 0,
             "One registered operation on arrays: (outputs, gradients of the inputs).\n\n"
             "Without output_grads only the forward direction runs and the second list is empty.");
}

}  // namespace nnfast
