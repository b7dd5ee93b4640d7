#include "bindings/convert.h"

#include <pybind11/stl.h>

#include <algorithm>

#include "bindings/array_memory.h"

namespace nnfast {
namespace {

int64_t to_int64(const py::handle& value, const std::string& name) {
  int overflow = 0;
  const int64_t number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
  // Not check, which would have the value written out for each attribute of each call.
  if (overflow != 0)
    throw Error(name + ": expected an integer of at most 64 bits, received " + std::string(py::str(value)));
  return number;
}

}  // namespace

Attributes to_attributes(const py::dict& values) {
  Attributes attributes;
  for (const auto& [key, value] : values) {
    const std::string name = py::str(key);
    if (value.is_none()) continue;
    if (py::isinstance<py::bool_>(value)) {
      attributes.set(name, value.cast<bool>());
    } else if (py::isinstance<py::int_>(value)) {
      attributes.set(name, to_int64(value, name));
    } else if (py::isinstance<py::float_>(value)) {
      attributes.set(name, value.cast<double>());
    } else if (py::isinstance<py::str>(value)) {
      attributes.set(name, value.cast<std::string>());
    } else if (py::isinstance<py::sequence>(value)) {
      const auto items = py::reinterpret_borrow<py::sequence>(value);
      std::vector<int64_t> integers;
      for (const auto& item : items)
        if (py::isinstance<py::int_>(item)) integers.push_back(to_int64(item, name));
      if (integers.size() == items.size())
        attributes.set(name, integers);
      else
        attributes.set(name, value.cast<std::vector<double>>());
    } else {
      throw py::type_error("attribute '" + name +
                           "' must be a bool, int, float, str or a sequence of numbers, received " +
                           std::string(py::str(py::type::of(value))));
    }
  }
  return attributes;
}

UpdateSettings to_update_settings(const py::dict& values) {
  UpdateSettings settings;
  settings.rule = values["rule"].cast<std::string>();
  settings.hyper = values["hyper"].cast<std::map<std::string, double>>();
  auto number = [&](const char* name, auto& setting) {
    if (values.contains(name) && !values[name].is_none())
      setting = values[name].cast<std::remove_reference_t<decltype(setting)>>();
  };
  number("weight_decay", settings.weight_decay);
  number("clipvalue", settings.clipvalue);
  number("clipnorm", settings.clipnorm);
  number("global_clipnorm", settings.global_clipnorm);
  number("use_ema", settings.use_ema);
  number("ema_momentum", settings.ema_momentum);
  number("ema_overwrite_frequency", settings.ema_overwrite_frequency);
  number("gradient_accumulation_steps", settings.gradient_accumulation_steps);
  return settings;
}

Shape to_shape(const py::sequence& sizes) { return Shape(sizes.cast<std::vector<int64_t>>()); }

Shape shape_of(const py::array& array) {
  return Shape(std::vector<int64_t>(array.shape(), array.shape() + array.ndim()));
}

py::tuple to_tuple(const Shape& shape) {
  py::tuple sizes(shape.rank());
  for (int i = 0; i < shape.rank(); ++i) sizes[i] = shape[i];
  return sizes;
}

py::array new_array(const Spec& spec) {
  const std::vector<int64_t> sizes = spec.shape.to_vector();
  if (spec.shape.size() < kLargeArray) {
    if (spec.dtype == DType::i32) return py::array_t<int32_t>(sizes);
    return py::array_t<float>(sizes);
  }
  auto [data, owner] = array_memory(spec.shape.size());
  if (spec.dtype == DType::i32) return py::array_t<int32_t>(sizes, reinterpret_cast<int32_t*>(data), owner);
  return py::array_t<float>(sizes, data, owner);
}

py::array copy_of(const float* data, const Spec& spec) {
  py::array array = new_array(spec);
  std::copy_n(data, spec.shape.size(), data_of(array));
  return array;
}

float* data_of(const py::array& array) { return static_cast<float*>(const_cast<void*>(array.data())); }

py::array to_dense(const py::handle& value) {
  auto array = py::array::ensure(value);
  if (!array) {
    PyErr_Clear();
    throw py::type_error("expected an array of numbers, received " + std::string(py::str(py::type::of(value))));
  }
  const char kind = array.dtype().kind();
  py::array dense;
  if (kind == 'i' || kind == 'u' || kind == 'b') {
    dense = IntArray::ensure(array);
  } else if (kind == 'f') {
    dense = FloatArray::ensure(array);
  } else {
    throw py::type_error("expected an array of numbers, received one of dtype " + std::string(py::str(array.dtype())));
  }
  if (!dense) throw py::error_already_set();
  return dense;
}

DType dtype_of(const py::array& dense) { return dense.dtype().kind() == 'f' ? DType::f32 : DType::i32; }

}  // namespace nnfast
