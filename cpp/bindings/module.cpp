#include <pybind11/pybind11.h>

#include "dispatch/dispatch.h"

PYBIND11_MODULE(_core, module) {
  module.def("isa", [] { return nnfast::kernels().isa; });
}
