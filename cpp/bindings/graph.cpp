// Graph, Variable, Block, OptimizerState and Program for Python.
#include <pybind11/functional.h>
#include <pybind11/stl.h>

#include <chrono>
#include <optional>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "bindings/custom_op.h"
#include "graph/executor.h"

namespace nnfast {
namespace {

using namespace pybind11::literals;

// A shorter run is over before another Python thread could have made use of the lock.
constexpr double kReleaseAbove = 5e3;  // ns
constexpr auto kSignalsEvery = std::chrono::milliseconds(50);

const char* dtype_name(DType dtype) { return dtype == DType::f32 ? "float32" : "int32"; }

DType to_dtype(const std::string& name) {
  check(name == "float32" || name == "int32", "dtype must be 'float32' or 'int32', received '", name, "'");
  return name == "float32" ? DType::f32 : DType::i32;
}

// The array's memory, once it is dense, of the planned type, and of the planned shape (beyond the rows, where only
// those may differ). Arrays that had to be converted are kept alive in `held`.
const float* checked_data(const py::handle& given, const Spec& spec, bool any_rows, int index,
                          std::vector<py::array>& held, int64_t* rows = nullptr) {
  py::array array;
  if (spec.dtype == DType::f32)
    array = FloatArray::ensure(given);
  else
    array = IntArray::ensure(given);
  if (!array) throw py::error_already_set();
  const Shape shape = shape_of(array);
  bool fits = shape.rank() == spec.shape.rank();
  for (int i = any_rows ? 1 : 0; fits && i < shape.rank(); ++i) fits = shape[i] == spec.shape[i];
  check(fits, "input ", index, ": planned for shape ", spec.shape, ", received ", shape);
  if (rows != nullptr) *rows = shape.rank() == 0 ? 1 : shape[0];
  held.push_back(array);
  return static_cast<const float*>(array.data());
}

std::vector<const float*> checked_inputs(const Plan& plan, const py::sequence& given, std::vector<py::array>& held) {
  const int count = plan.graph().num_inputs();
  check(static_cast<int>(py::len(given)) == count, "expected ", count, " inputs, received ", py::len(given));
  std::vector<const float*> inputs;
  for (int i = 0; i < count; ++i)
    inputs.push_back(checked_data(given[i], plan.graph().value(plan.graph().input_value(i)).spec, false, i, held));
  return inputs;
}

py::list run(Program& program, const py::sequence& given, uint64_t seed, uint64_t step) {
  std::vector<py::array> held;
  const std::vector<const float*> inputs = checked_inputs(program.plan(), given, held);
  const Program::Lease executor = program.acquire();
  if (program.cost() > kReleaseAbove) {
    py::gil_scoped_release release;
    executor->run(inputs, seed, step);
  } else {
    executor->run(inputs, seed, step);
  }
  py::list outputs;
  const std::vector<Spec>& specs = program.plan().output_specs();
  for (size_t i = 0; i < specs.size(); ++i) outputs.append(copy_of(executor->output(static_cast<int>(i)), specs[i]));
  return outputs;
}

// Ctrl-C ends a long run between two steps.
class Signals {
 public:
  bool none() {
    const auto now = std::chrono::steady_clock::now();
    if (now - asked_ < kSignalsEvery) return true;
    asked_ = now;
    py::gil_scoped_acquire acquire;
    return PyErr_CheckSignals() == 0;
  }

 private:
  std::chrono::steady_clock::time_point asked_ = std::chrono::steady_clock::now();
};

py::array_t<double> train(Program& program, const py::sequence& given, const std::optional<py::array_t<int64_t>>& rows,
                          int64_t first_row, int64_t steps,
                          const py::array_t<double, py::array::c_style | py::array::forcecast>& learning_rates,
                          uint64_t seed) {
  const Plan& plan = program.plan();
  const int count = plan.graph().num_inputs();
  check(static_cast<int>(py::len(given)) == count, "expected ", count, " inputs, received ", py::len(given));
  std::vector<py::array> held;
  Executor::Feed feed;
  int64_t available = -1, batch = 0;
  for (int i = 0; i < count; ++i) {
    const Spec& spec = plan.graph().value(plan.graph().input_value(i)).spec;
    int64_t has = 0;
    feed.inputs.push_back(checked_data(given[i], spec, true, i, held, &has));
    check(available < 0 || has == available, "input ", i, " has ", has, " rows, input 0 has ", available);
    available = has;
    batch = spec.shape.rank() == 0 ? 1 : spec.shape[0];
  }
  check(steps >= 0 && learning_rates.size() >= steps, "expected a learning rate for each of the ", steps, " steps");
  if (rows) {
    check(rows->size() == steps * batch, "expected ", steps * batch, " row numbers, received ", rows->size());
    for (int64_t i = 0; i < rows->size(); ++i)
      check(rows->data()[i] >= 0 && rows->data()[i] < available, "row ", rows->data()[i], " of ", available);
    feed.rows = rows->data();
  } else {
    check(first_row >= 0 && first_row + steps * batch <= available, "rows ", first_row, " to ",
          first_row + steps * batch, " of ", available);
  }
  feed.first_row = first_row;
  feed.steps = steps;
  feed.learning_rates = learning_rates.data();
  feed.seed = seed;

  const Program::Lease executor = program.acquire();
  py::array_t<double> sums(executor->num_sums());
  std::fill_n(sums.mutable_data(), sums.size(), 0.0);
  double* sums_at = sums.mutable_data();
  Signals signals;
  int64_t done = 0;
  {
    py::gil_scoped_release release;
    done = executor->train(feed, sums_at, [&] { return signals.none(); });
  }
  if (done < steps) throw py::error_already_set();
  return sums;
}

py::array_t<float> view_of(float* data, int64_t size, const py::object& owner) {
  return py::array_t<float>({size}, {static_cast<int64_t>(sizeof(float))}, data, owner);
}

void bind_variable(py::module_& module) {
  py::class_<Variable, std::shared_ptr<Variable>>(module, "Variable", "A parameter or a state, float32 or int32.")
      .def(py::init([](const std::string& name, const py::sequence& shape, const std::string& dtype) {
             return std::make_shared<Variable>(name, Spec{to_shape(shape), to_dtype(dtype)});
           }),
           "name"_a, "shape"_a, "dtype"_a = "float32")
      .def_property_readonly("name", &Variable::name)
      .def_property_readonly("shape", [](const Variable& v) { return to_tuple(v.spec().shape); })
      .def_property_readonly("dtype", [](const Variable& v) { return dtype_name(v.spec().dtype); })
      .def(
          "numpy", [](const Variable& v) { return copy_of(v.data(), v.spec()); }, "A copy of the contents.")
      .def(
          "assign",
          [](Variable& v, const py::object& value) {
            std::vector<py::array> held;
            const float* data = checked_data(value, v.spec(), false, 0, held);
            std::copy_n(data, v.spec().shape.size(), v.data());
          },
          "value"_a, "Copies the value in; it must have the variable's shape.");

  py::class_<Block, std::shared_ptr<Block>>(module, "Block", "Variables side by side, with their gradients.")
      .def(py::init<std::vector<std::shared_ptr<Variable>>>(), "variables"_a)
      .def("owns_all", &Block::owns_all, "False once another block has taken one of the variables.")
      .def(
          "gradient",
          [](const Block& block, int i) {
            check(i >= 0 && i < static_cast<int>(block.variables().size()), "no variable ", i);
            return copy_of(block.gradients() + block.offset(i), {block.variables()[i]->spec().shape, DType::f32});
          },
          "index"_a, "A copy of the last gradient of one variable.");

  py::class_<OptimizerState, std::shared_ptr<OptimizerState>>(module, "OptimizerState",
                                                              "What an optimizer works on and remembers.")
      .def(py::init([](std::shared_ptr<Block> block, const py::dict& settings, const std::vector<bool>& decays,
                       const std::vector<double>& multipliers) {
             check(decays.size() == block->variables().size() && multipliers.size() == decays.size(),
                   "expected an entry of decays and multipliers for each variable");
             return std::make_shared<OptimizerState>(std::move(block), to_update_settings(settings), decays,
                                                     multipliers);
           }),
           "block"_a, "settings"_a, "decays"_a, "multipliers"_a)
      .def_readwrite("steps_taken", &OptimizerState::steps_taken)
      .def_property_readonly("block", &OptimizerState::block)
      .def_property_readonly("num_slots", &OptimizerState::num_slots)
      .def_property_readonly("slot_names",
                             [](const OptimizerState& s) {
                               std::vector<std::string> names;
                               for (const auto& slot : s.update().slots()) names.push_back(slot.name);
                               return names;
                             })
      .def_property_readonly("average_slot", [](const OptimizerState& s) { return s.update().average_slot(); })
      .def(
          "slot",
          [](const py::object& self, int i) {
            const auto& state = self.cast<OptimizerState&>();
            check(i >= 0 && i < state.num_slots(), "no slot ", i);
            return view_of(state.slot(i), state.block()->size(), self);
          },
          "index"_a, "One slot's memory, for all variables side by side: a view, not a copy.")
      .def(
          "values",
          [](const py::object& self) {
            const auto& state = self.cast<OptimizerState&>();
            return view_of(state.block()->values(), state.block()->size(), self);
          },
          "The parameters' memory: a view, not a copy.");
}

template <class Function>
void for_each_custom_op(PyObject* self, Function&& function) {
  auto held = reinterpret_cast<py::detail::instance*>(self)->get_value_and_holder();
  if (!held.holder_constructed()) return;  // the constructor is still running
  for (const Node& node : held.value_ptr<Program>()->plan().graph().nodes())
    if (auto* op = dynamic_cast<CustomOp*>(node.op.get())) function(*op);
}

// Python functions in a graph may lead back to the program that runs it.
void collect_garbage(PyHeapTypeObject* heap_type) {
  PyTypeObject* type = &heap_type->ht_type;
  type->tp_flags |= Py_TPFLAGS_HAVE_GC;
  type->tp_traverse = [](PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    int result = 0;
    for_each_custom_op(self, [&](const CustomOp& op) {
      if (result == 0) result = op.traverse(visit, arg);
    });
    return result;
  };
  type->tp_clear = [](PyObject* self) {
    for_each_custom_op(self, [](CustomOp& op) { op.clear(); });
    return 0;
  };
}

}  // namespace

void bind_graph(py::module_& module) {
  bind_variable(module);
  module.def(
      "lay_out",
      [](const std::vector<std::tuple<int64_t, int, int>>& buffers) {
        std::vector<Lifetime> lifetimes;
        for (const auto& [size, first, last] : buffers) lifetimes.push_back({size, first, last});
        const Layout layout = lay_out(lifetimes);
        return std::make_pair(layout.offsets, layout.size);
      },
      "buffers"_a, "Where buffers of (size, first step, last step) lie in an arena, and its size, all in elements.");

  py::class_<Graph>(module, "Graph", "Values and the nodes that compute them; executes nothing.")
      .def(py::init<>())
      .def(
          "input",
          [](Graph& g, const py::sequence& shape, const std::string& dtype) {
            return g.input({to_shape(shape), to_dtype(dtype)});
          },
          "shape"_a, "dtype"_a = "float32")
      .def("variable", &Graph::variable, "variable"_a)
      .def(
          "constant",
          [](Graph& g, const py::object& value) {
            const py::array array = to_dense(value);
            return g.constant({shape_of(array), dtype_of(array)}, array.data());
          },
          "value"_a)
      .def(
          "add",
          [](Graph& g, const std::string& op, const std::vector<ValueId>& inputs, const py::dict& attributes,
             const std::string& label) { return g.add(op, to_attributes(attributes), inputs, label); },
          "op"_a, "inputs"_a, "attributes"_a = py::dict(), "label"_a = "")
      .def(
          "custom",
          [](Graph& g, const std::string& name, const py::object& forward, const py::object& backward,
             const std::vector<ValueId>& inputs, const py::sequence& shape, const std::string& label) {
            auto op = std::make_shared<CustomOp>(name, forward, backward, to_shape(shape));
            return g.add(std::move(op), "custom", Attributes(), inputs, label)[0];
          },
          "name"_a, "forward"_a, "backward"_a, "inputs"_a, "shape"_a, "label"_a = "",
          "An operation whose directions are Python functions on arrays.")
      .def("assign", &Graph::assign, "target"_a, "value"_a, "after_update"_a = false)
      .def(
          "shape",
          [](const Graph& g, ValueId id) {
            g.require_value(id);
            return to_tuple(g.value(id).spec.shape);
          },
          "value"_a)
      .def(
          "dtype",
          [](const Graph& g, ValueId id) {
            g.require_value(id);
            return dtype_name(g.value(id).spec.dtype);
          },
          "value"_a)
      .def_property_readonly("num_nodes", [](const Graph& g) { return g.nodes().size(); });

  py::class_<Program>(module, "Program", py::custom_type_setup(collect_garbage),
                      "A planned graph: how often it runs, it allocates and decides nothing anew.")
      .def(py::init([](Graph& graph, const std::vector<ValueId>& outputs, const std::vector<ValueId>& accumulate,
                       ValueId loss, std::shared_ptr<Block> block, std::shared_ptr<OptimizerState> optimizer,
                       const std::vector<ValueId>& gradients_of, bool keep_gradients) {
             if (optimizer != nullptr) block = optimizer->block();
             const bool at_once = optimizer != nullptr && optimizer->update().is_elementwise() && !keep_gradients;
             auto plan = std::make_shared<Plan>(
                 std::move(graph), Purpose{outputs, accumulate, loss, std::move(block), gradients_of, at_once});
             return std::make_unique<Program>(std::move(plan), std::move(optimizer));
           }),
           "graph"_a, "outputs"_a, "accumulate"_a = std::vector<ValueId>(), "loss"_a = -1, "block"_a = nullptr,
           "optimizer"_a = nullptr, "gradients_of"_a = std::vector<ValueId>(), "keep_gradients"_a = false,
           "Takes the graph over, which is empty afterwards. keep_gradients: Block.gradient will be asked for after a "
           "step of the optimizer, which otherwise may use a gradient up as soon as it is made.")
      .def("run", &run, "inputs"_a, "seed"_a = 0, "step"_a = 0, "One run without an optimizer: the outputs.")
      .def("train", &train, "inputs"_a, "rows"_a, "first_row"_a, "steps"_a, "learning_rates"_a, "seed"_a = 0,
           "Steps over rows of whole data sets: the sums of what is accumulated.")
      .def(
          "describe", [](const Program& p) { return p.plan().describe(); }, "The steps and the memory, as text.")
      .def(
          "profile",
          [](Program& p, const py::sequence& given, int runs) {
            check(runs >= 1, "runs must be at least 1, received ", runs);
            std::vector<py::array> held;
            const std::vector<const float*> inputs = checked_inputs(p.plan(), given, held);
            const Program::Lease executor = p.acquire();
            py::gil_scoped_release release;
            return p.plan().describe(executor->profile(inputs, runs));
          },
          "inputs"_a, "runs"_a = 11, "The same with the time of each step.")
      .def_property_readonly("arena_bytes", [](const Program& p) { return p.plan().layout().size * 4; });
}

}  // namespace nnfast
