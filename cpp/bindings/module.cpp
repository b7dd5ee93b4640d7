#include "bindings/bindings.h"

PYBIND11_MODULE(_core, module) {
  module.doc() = "The C++ core of nnfast.";
  nnfast::bind_runtime(module);
  nnfast::bind_run_op(module);
  nnfast::bind_run_direction(module);
  nnfast::bind_kernels_gemm(module);
  nnfast::bind_data(module);
  nnfast::bind_graph(module);
  nnfast::bind_update(module);
  nnfast::bind_perceptron(module);
}
