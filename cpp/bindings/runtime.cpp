#include <pybind11/stl.h>

#include <map>
#include <string>

#include "bindings/bindings.h"
#include "core/threads.h"
#include "core/trial.h"
#include "dispatch/dispatch.h"
#include "ops/conv_pass.h"
#include "ops/registry.h"

namespace nnfast {

namespace py = pybind11;

void bind_runtime(py::module_& module) {
  module.attr("version") = NNFAST_VERSION;
  module.attr("compiler") = "g++ " __VERSION__;
  module.def("isa", [] { return std::string(kernels().isa); }, "The name of the ISA whose kernels are in use.");
  module.def("isa_reason", [] { return isa_reason(); }, "Why that ISA was chosen.");
  module.def(
      "runnable_isas",
      [] {
        std::vector<std::string> names;
        for (const Kernels* table : runnable_kernels()) names.push_back(table->isa);
        return names;
      },
      "The ISAs whose kernels this CPU can run, weakest first.");
  module.def("use_isa", &use_isa, py::arg("name"), "Use the kernels of the named ISA from now on (for tests).");
  module.def("num_threads", &num_threads, "How many threads a large operation uses.");
  module.def("num_threads_reason", &num_threads_reason, "Why that many.");
  module.def("cgroup_quota", &cgroup_quota, py::arg("root"),
             "The CPUs that the cgroup files below a folder grant, 0 where they set no limit (for tests).");
  module.def("set_num_threads", &set_num_threads, py::arg("count"),
             "Use at most this many threads for a large operation; 1 runs everything on the calling thread. "
             "In a forked child it stays 1.");
  py::class_<Trial>(module, "Trial", "Whether repeated work is faster shared or alone (for tests).")
      .def(py::init())
      .def("shares_next", &Trial::shares_next, py::arg("threads"), py::arg("guess"))
      .def("took", [](Trial& trial, int64_t ns) { trial.took(std::chrono::nanoseconds(ns)); }, py::arg("ns"));
  module.def(
      "activations",
      [] {
        std::map<std::string, float> defaults;
        for (const ActivationInfo& activation : kActivations) defaults[activation.name] = activation.alpha;
        return defaults;
      },
      "The names of all activations, with the default of their parameter alpha (0 where they have none).");
  module.def("winograd_allowed", &winograd_allowed, "Whether convolutions may use Winograd's algorithm.");
  module.def("allow_winograd", &allow_winograd, py::arg("allow"),
             "From now on plan convolutions with Winograd's algorithm where it pays, or without.");
  module.def("op_names", &op_names, "The names of all registered operations.");
}

}  // namespace nnfast
