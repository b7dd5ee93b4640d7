// The parts of the extension module; each adds its names.
#pragma once
#include <pybind11/pybind11.h>

namespace nnfast {

void bind_runtime(pybind11::module_& module);        // ISA, threads, build
void bind_run_op(pybind11::module_& module);         // single operations on arrays
void bind_run_direction(pybind11::module_& module);  // their directions apart
void bind_kernels_gemm(pybind11::module_& module);
void bind_update(pybind11::module_& module);  // optimizer steps on flat blocks
void bind_data(pybind11::module_& module);    // looks at data
void bind_perceptron(pybind11::module_& module);
void bind_graph(pybind11::module_& module);   // graphs, variables and programs
void bind_update(pybind11::module_& module);  // optimizer steps on flat blocks

}  // namespace nnfast
