// Optimizer steps on flat blocks that NumPy sees: behind Optimizer.apply, outside a model.
#include "ops/update.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <limits>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "core/buffer.h"
#include "core/parallel.h"
#include "core/threads.h"
#include "dispatch/dispatch.h"

namespace nnfast {
namespace {

// The blocks of a list of variables, each starting on a cache line, and the update stage over them.
class Blocks final : public Job {
 public:
  // variables: (size, whether weight decay is allowed, what multiplies the learning rate) of each.
  Blocks(const py::dict& settings, const std::vector<std::tuple<int64_t, bool, double>>& variables)
      : update_(to_update_settings(settings), lay_out(variables)),
        parameters_(length_),
        gradients_(length_),
        scratch_(update_.scratch()) {
    for (const Update::Slot& slot : update_.slots()) {
      slots_.emplace_back(length_);
      std::fill_n(slots_.back().data(), length_, slot.initial);
      slots_at_.push_back(slots_.back().data());
    }
    for (size_t i = 0; i < update_.phases().size(); ++i)
      schedule_.add(*this, static_cast<int>(i), update_.phases()[i].tasks, update_.phases()[i].cost);
  }

  void step(int64_t step, double learning_rate, int threads) {
    check(step >= 0, "step must not be negative, received ", step);
    check(threads >= 1 && threads <= kMaxThreads, "threads must be from 1 to ", kMaxThreads, ", received ", threads);
    state_ = {parameters_.data(), gradients_.data(), slots_at_.data(), scratch_.data(), step, learning_rate};
    schedule_.run(threads);
  }
  void run(int phase, int64_t task, int) const override { update_.run(phase, task, state_); }

  const Update& update() const { return update_; }
  const std::vector<int64_t>& offsets() const { return offsets_; }
  const Buffer& parameters() const { return parameters_; }
  const Buffer& gradients() const { return gradients_; }
  const Buffer& slot(size_t i) const { return slots_[i]; }

 private:
  std::vector<Segment> lay_out(const std::vector<std::tuple<int64_t, bool, double>>& variables) {
    std::vector<Segment> segments;
    for (const auto& [size, decays, learning_rate] : variables) {
      check(size >= 0, "sizes must not be negative, received ", size);
      offsets_.push_back(length_);
      segments.push_back({length_, round_up(size, kLine), decays, learning_rate});
      length_ += segments.back().size;
    }
    return segments;
  }

  int64_t length_ = 0;
  std::vector<int64_t> offsets_;
  Update update_;
  Buffer parameters_, gradients_, scratch_;
  std::vector<Buffer> slots_;
  std::vector<float*> slots_at_;
  UpdateState state_;
  Schedule schedule_;
};

// The block itself, not a copy; it keeps its owner alive.
py::array view(const py::object& owner, const Buffer& buffer) {
  return py::array_t<float>({buffer.size()}, {sizeof(float)}, buffer.data(), owner);
}

// The array's memory, to be changed in place.
float* in_place(py::array array, const char* name, py::ssize_t size) {
  // NumPy's words for a dtype take longer than a small step: they are asked for only where they are wanted.
  if (!py::array_t<float, py::array::c_style>::check_(array) || !array.writeable())
    throw Error(std::string(name) +
                " is changed in place: expected a writeable, C-ordered float32 array; received dtype " +
                std::string(py::str(array.dtype())) + (array.writeable() ? "" : ", read-only"));
  check(array.size() == size, name, " has ", array.size(), " elements, the parameters have ", size);
  return static_cast<float*>(array.mutable_data());
}

void update_step(const std::string& rule, const std::map<std::string, double>& hyper, const py::array& parameters,
                 const FloatArray& gradients, const std::vector<py::array>& slots, int64_t step, double learning_rate,
                 double weight_decay, float gradient_scale, float clip_value) {
  UpdateSettings settings;
  settings.rule = rule;
  settings.hyper = hyper;
  const Update update(settings, {});
  check(slots.size() == update.slots().size(), "the rule '", rule, "' has ", update.slots().size(), " slots, received ",
        slots.size());
  check(step >= 1, "step counts from 1, received ", step);
  const py::ssize_t size = parameters.size();
  check(gradients.size() == size, "gradients have ", gradients.size(), " elements, the parameters have ", size);
  std::vector<float*> slots_at;
  for (size_t i = 0; i < slots.size(); ++i)
    slots_at.push_back(in_place(slots[i], update.slots()[i].name.c_str(), size));
  float* const parameters_at = in_place(parameters, "parameters", size);

  py::gil_scoped_release release;
  update.apply({size, parameters_at, gradients.data(), slots_at.data(), step, learning_rate, weight_decay,
                gradient_scale, clip_value, nullptr});
}

}  // namespace

void bind_update(py::module_& module) {
  module.def(
      "update_rules",
      [] {
        py::dict rules;
        for (const std::string& name : update_rules()) rules[py::str(name)] = update_hyperparameters(name);
        return rules;
      },
      "The rules of kernels/optimizers.h: the names of each one's hyperparameters.");
  module.def("update_step", &update_step, py::arg("rule"), py::arg("hyper"), py::arg("parameters"),
             py::arg("gradients"), py::arg("slots"), py::arg("step"), py::arg("learning_rate"),
             py::arg("weight_decay") = 0, py::arg("gradient_scale") = 1,
             py::arg("clip_value") = std::numeric_limits<float>::infinity(),
             "The kernel of one rule on arrays, which it changes in place. step counts from 1.");
  py::class_<Blocks>(module, "Update")
      .def(py::init<const py::dict&, const std::vector<std::tuple<int64_t, bool, double>>&>(), py::arg("settings"),
           py::arg("variables"),
           "Flat blocks for variables given as (size, whether weight decay is allowed, what multiplies the learning "
           "rate), and the update stage over them. settings: see Optimizer.settings.")
      .def("step", &Blocks::step, py::arg("step"), py::arg("learning_rate"), py::arg("threads") = 1,
           py::call_guard<py::gil_scoped_release>(), "One step. step: how many there were before.")
      .def_property_readonly("offsets", &Blocks::offsets, "Where each variable starts in the blocks.")
      .def_property_readonly("slot_names",
                             [](const Blocks& self) {
                               std::vector<std::string> names;
                               for (const Update::Slot& slot : self.update().slots()) names.push_back(slot.name);
                               return names;
                             })
      .def_property_readonly("parameters",
                             [](const py::object& self) { return view(self, self.cast<const Blocks&>().parameters()); })
      .def_property_readonly("gradients",
                             [](const py::object& self) { return view(self, self.cast<const Blocks&>().gradients()); })
      .def("slot", [](const py::object& self, size_t index) {
        const auto& blocks = self.cast<const Blocks&>();
        if (index >= blocks.update().slots().size()) throw py::index_error("no such slot");
        return view(self, blocks.slot(index));
      });
}

}  // namespace nnfast
