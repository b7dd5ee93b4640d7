// Quick looks at data that training takes before each run.
#include <cmath>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "core/random.h"

namespace nnfast {
namespace {

template <class T>
bool all_classes(const T* values, int64_t count, int64_t num_classes) {
  bool all = true;
  for (int64_t i = 0; i < count; ++i) {
    const T value = values[i];
    all = all && value >= 0 && value < static_cast<T>(num_classes) &&
          value == static_cast<T>(static_cast<int64_t>(value));
  }
  return all;
}

// NaN compares false everywhere above, before the conversion to an integer that it has no answer to.
bool are_classes(const py::handle& given, int64_t num_classes) {
  const auto array = py::array::ensure(given, py::array::c_style);
  if (!array) throw py::error_already_set();
  const int64_t count = array.size();
  const auto is = [&](const py::dtype& dtype) { return array.dtype().is(dtype) || array.dtype().equal(dtype); };
  if (is(py::dtype::of<int32_t>())) return all_classes(static_cast<const int32_t*>(array.data()), count, num_classes);
  if (is(py::dtype::of<int64_t>())) return all_classes(static_cast<const int64_t*>(array.data()), count, num_classes);
  if (is(py::dtype::of<float>())) return all_classes(static_cast<const float*>(array.data()), count, num_classes);
  const auto doubles = py::array_t<double, py::array::c_style | py::array::forcecast>::ensure(array);
  if (!doubles) throw py::error_already_set();
  return all_classes(doubles.data(), count, num_classes);
}

bool all_finite(const FloatArray& array) {
  // A sum of zeros unless some element is infinite or NaN.
  float zero = 0;
  const float* values = array.data();
  for (int64_t i = 0; i < array.size(); ++i) zero += values[i] * 0.0f;
  return zero == 0.0f;
}

py::array_t<int64_t> permutation(int64_t count, uint64_t seed, uint64_t stream) {
  check(count >= 0, "count must not be negative, received ", count);
  py::array_t<int64_t> order(count);
  permute(count, CounterRandom(seed, stream), order.mutable_data());
  return order;
}

}  // namespace

void bind_data(py::module_& module) {
  module.def("are_classes", &are_classes, py::arg("values"), py::arg("num_classes"),
             "Whether all values are whole numbers from 0 to num_classes - 1.");
  module.def("all_finite", &all_finite, py::arg("values"), "Whether no float32 is infinite or NaN.");
  module.def("permutation", &permutation, py::arg("count"), py::arg("seed"), py::arg("stream"),
             "0 … count-1 in random order: a function of seed and stream.");
}

}  // namespace nnfast
