// Between Python's objects and the core's.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "core/tensor.h"
#include "ops/attributes.h"
#include "ops/update.h"

namespace nnfast {

namespace py = pybind11;

using FloatArray = py::array_t<float, py::array::c_style | py::array::forcecast>;
using IntArray = py::array_t<int32_t, py::array::c_style | py::array::forcecast>;

Attributes to_attributes(const py::dict& values);
// What Optimizer.settings() returns.
UpdateSettings to_update_settings(const py::dict& values);
Shape to_shape(const py::sequence& sizes);
Shape shape_of(const py::array& array);
py::tuple to_tuple(const Shape& shape);
// A new array of the spec's shape and type.
py::array new_array(const Spec& spec);
// A new array with these contents.
py::array copy_of(const float* data, const Spec& spec);
float* data_of(const py::array& array);
// A C-ordered array of float32, or of int32 where the given one holds integers or booleans; the same object where it
// already is one.
py::array to_dense(const py::handle& value);
DType dtype_of(const py::array& dense);

}  // namespace nnfast
