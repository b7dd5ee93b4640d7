// nnfast.kernels.gemm. A plain C function rather than an overload of pybind11's: at 32×32×32 the product takes 0.6 µs,
// so the call must take less.
#include <cstring>
#include <exception>
#include <new>

#include "bindings/bindings.h"
#include "bindings/convert.h"
#include "core/buffer.h"
#include "core/parallel.h"
#include "core/threads.h"
#include "dispatch/dispatch.h"
#include "ops/gemm.h"

namespace nnfast {
namespace {

using py::detail::npy_api;
using NumpyArray = py::detail::PyArray_Proxy;

constexpr double kReleaseGil = 2e4;           // ns: shorter work is done before another thread would get its turn
constexpr int64_t kKeep = int64_t{64} << 20;  // elements of scratch memory kept for a thread's next call

// One thread's plans and scratch memory, kept from call to call.
struct Cache {
  struct Entry {
    GemmSpec spec;
    const Kernels* isa = nullptr;
    Gemm gemm;
    Trial trial;
  };
  static constexpr int kEntries = 32;
  Entry entries[kEntries];
  Buffer scratch, worker_scratch;

  Entry& plan(const GemmSpec& spec) {
    const int64_t mix = spec.m * 31 + spec.n * 17 + spec.k * 7 + spec.lda * 5 + spec.transpose_a * 3 + spec.transpose_b;
    Entry& entry = entries[(mix ^ mix >> 5 ^ mix >> 10) & (kEntries - 1)];
    if (entry.isa != &kernels() || std::memcmp(&entry.spec, &spec, sizeof spec) != 0)
      entry = {spec, &kernels(), Gemm(spec), Trial()};
    return entry;
  }
  static void reserve(Buffer& buffer, int64_t size) {
    if (buffer.size() < size) buffer = Buffer(size);
  }
  void trim() {
    if (scratch.size() > kKeep) scratch = Buffer();
    if (worker_scratch.size() > kKeep) worker_scratch = Buffer();
  }
};
thread_local Cache cache;

class GemmJob final : public Job {
 public:
  GemmJob(const Gemm& gemm, const GemmArgs& args) : gemm_(gemm), args_(args) {}
  void run(int phase, int64_t task, int worker) const override {
    const Worker own{workers_ + worker * stride_, worker};
    gemm_.run(phase, task, own, scratch_, args_);
  }
  void set_scratch(float* scratch, float* workers, int64_t stride) {
    scratch_ = scratch;
    workers_ = workers;
    stride_ = stride;
  }

 private:
  const Gemm& gemm_;
  const GemmArgs& args_;
  float* scratch_ = nullptr;
  float* workers_ = nullptr;
  int64_t stride_ = 0;
};

void multiply(const GemmSpec& spec, const GemmArgs& args) {
  Cache::Entry& entry = cache.plan(spec);
  const Gemm& gemm = entry.gemm;
  const int threads = num_threads();
  const int64_t stride = round_up(gemm.worker_scratch(), kLine);
  if (gemm.scratch() > 0) Cache::reserve(cache.scratch, gemm.scratch());
  if (stride > 0) Cache::reserve(cache.worker_scratch, stride * threads);
  GemmJob job(gemm, args);
  job.set_scratch(cache.scratch.data(), cache.worker_scratch.data(), stride);
  double cost = 0;
  for (const Phase& phase : gemm.phases()) cost += phase.cost;
  if (cost < kReleaseGil) {
    for (size_t phase = 0; phase < gemm.phases().size(); ++phase)
      for (int64_t task = 0; task < gemm.phases()[phase].tasks; ++task) job.run(static_cast<int>(phase), task, 0);
    return;
  }
  py::gil_scoped_release release;
  Schedule schedule;
  for (size_t phase = 0; phase < gemm.phases().size(); ++phase)
    schedule.add(job, static_cast<int>(phase), gemm.phases()[phase].tasks, gemm.phases()[phase].cost);
  schedule.run(threads, &entry.trial);
  cache.trim();
}

PyObject* float32() {
  static PyObject* const descr = npy_api::get().PyArray_DescrFromType_(npy_api::NPY_FLOAT_);
  return descr;
}

// Whether the object is an array of native, aligned float32.
bool is_float32(PyObject* object) {
  if (!npy_api::get().PyArray_Check_(object)) return false;
  const auto* array = py::detail::array_proxy(object);
  return array->descr == float32() && (array->flags & npy_api::NPY_ARRAY_ALIGNED_) != 0;
}

// An array of float32 from anything that holds numbers. Called only for what is not one already.
py::array converted(PyObject* object, const char* name) {
  py::array array = py::array::ensure(py::handle(object));
  if (!array) {
    PyErr_Clear();
    throw py::type_error(std::string("gemm: expected ") + name + " to be an array of numbers, received " +
                         Py_TYPE(object)->tp_name);
  }
  if (std::strchr("biuf", array.dtype().kind()) == nullptr)
    throw py::type_error(std::string("gemm: expected ") + name + " to hold real numbers, received dtype " +
                         std::string(py::str(array.dtype())) + "; convert it, e.g. " + name + ".astype(\"float32\")");
  py::array dense = FloatArray::ensure(array);
  if (!dense) throw py::error_already_set();
  return dense;
}

// A matrix as BLAS sees it: rows of memory `ld` apart, perhaps its transpose.
struct Matrix {
  const float* data;
  int64_t rows, columns, ld;
  bool transposed;   // memory holds (columns, rows)
  py::object owner;  // of a converted copy
};

bool rows_lie_dense(int64_t rows, int64_t columns, int64_t row_stride, int64_t column_stride) {
  const int64_t size = sizeof(float);
  return (columns <= 1 || column_stride == size) &&
         (rows <= 1 || (row_stride % size == 0 && row_stride >= columns * size));
}

Matrix matrix(PyObject* object, const char* name) {
  Matrix result;
  if (!is_float32(object)) {
    result.owner = converted(object, name);
    object = result.owner.ptr();
  }
  const NumpyArray* array = py::detail::array_proxy(object);
  if (array->nd != 2)
    throw Error(
        std::string("gemm: expected ") + name + " to be a matrix with two axes, received an array of shape " +
        std::string(py::str(py::handle(object).attr("shape"))) +
        (array->nd == 1 ? "; add an axis, e.g. x[None, :] for one row" : "; use nnfast.ops.matmul for a batch"));
  result.data = reinterpret_cast<const float*>(array->data);
  result.rows = array->dimensions[0];
  result.columns = array->dimensions[1];
  const int64_t strides[] = {array->strides[0], array->strides[1]};
  const int64_t size = sizeof(float);
  if (rows_lie_dense(result.rows, result.columns, strides[0], strides[1])) {
    result.transposed = false;
    result.ld = result.rows <= 1 ? result.columns : strides[0] / size;
  } else if (rows_lie_dense(result.columns, result.rows, strides[1], strides[0])) {
    result.transposed = true;
    result.ld = result.columns <= 1 ? result.rows : strides[1] / size;
  } else {
    result.owner = FloatArray::ensure(py::handle(object));
    if (!result.owner) throw py::error_already_set();
    result.data = static_cast<const float*>(py::reinterpret_borrow<py::array>(result.owner).data());
    result.transposed = false;
    result.ld = result.columns;
  }
  return result;
}

std::string shape_text(int64_t rows, int64_t columns) {
  return "(" + std::to_string(rows) + ", " + std::to_string(columns) + ")";
}

bool overlap(const float* p, int64_t size, const float* q, int64_t other) { return p < q + other && q < p + size; }

// Elements from the first of a matrix to its last.
int64_t extent(int64_t rows, int64_t columns, int64_t ld) {
  return rows == 0 || columns == 0 ? 0 : (rows - 1) * ld + columns;
}

struct Arguments {
  PyObject *a = nullptr, *b = nullptr, *transpose_a = Py_False, *transpose_b = Py_False, *bias = Py_None,
           *activation = Py_None, *out = Py_None;
};

struct Keyword {
  const char* name;
  PyObject* Arguments::* slot;
  PyObject* interned;
};
Keyword keywords[] = {{"a", &Arguments::a, nullptr},
                      {"b", &Arguments::b, nullptr},
                      {"transpose_a", &Arguments::transpose_a, nullptr},
                      {"transpose_b", &Arguments::transpose_b, nullptr},
                      {"bias", &Arguments::bias, nullptr},
                      {"activation", &Arguments::activation, nullptr},
                      {"out", &Arguments::out, nullptr}};

Arguments parse(PyObject* const* values, Py_ssize_t positional, PyObject* names) {
  if (positional > 2)
    throw py::type_error("gemm() takes 2 positional arguments, received " + std::to_string(positional) +
                         "; name the others, e.g. bias=…");
  Arguments arguments;
  for (Py_ssize_t i = 0; i < positional; ++i) arguments.*keywords[i].slot = values[i];
  const Py_ssize_t named = names ? PyTuple_GET_SIZE(names) : 0;
  for (Py_ssize_t i = 0; i < named; ++i) {
    PyObject* name = PyTuple_GET_ITEM(names, i);
    const Keyword* found = nullptr;
    for (const Keyword& keyword : keywords)
      if (keyword.interned == name) found = &keyword;
    if (!found)
      for (const Keyword& keyword : keywords)
        if (PyUnicode_CompareWithASCIIString(name, keyword.name) == 0) found = &keyword;
    if (!found)
      throw py::type_error("gemm() has no argument '" + std::string(py::str(py::handle(name))) +
                           "'; it takes a, b, transpose_a, transpose_b, bias, activation and out");
    if (found - keywords < positional)
      throw py::type_error(std::string("gemm() received two values for argument '") + found->name + "'");
    arguments.*(found->slot) = values[positional + i];
  }
  if (!arguments.a || !arguments.b) throw py::type_error("gemm() needs two matrices, a and b");
  return arguments;
}

bool truth(PyObject* value) {
  if (value == Py_False) return false;
  if (value == Py_True) return true;
  const int result = PyObject_IsTrue(value);
  if (result < 0) throw py::error_already_set();
  return result != 0;
}

Activation activation(PyObject* name) {
  for (int i = 0; i < kNumActivations; ++i)
    if (PyUnicode_CompareWithASCIIString(name, kActivations[i].name) == 0) return static_cast<Activation>(i);
  std::string names;
  for (const ActivationInfo& info : kActivations) names += (names.empty() ? "" : ", ") + std::string(info.name);
  throw Error("gemm: unknown activation '" + std::string(py::str(py::handle(name))) + "'; it can be " + names);
}

py::object new_matrix(int64_t rows, int64_t columns) {
  const Py_intptr_t sizes[] = {rows, columns};
  Py_INCREF(float32());  // the new array's own
  PyObject* array = npy_api::get().PyArray_NewFromDescr_(npy_api::get().PyArray_Type_, float32(), 2, sizes, nullptr,
                                                         nullptr, 0, nullptr);
  if (!array) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(array);
}

py::object gemm(const Arguments& arguments) {
  Matrix a = matrix(arguments.a, "a"), b = matrix(arguments.b, "b");
  const bool transpose_a = truth(arguments.transpose_a), transpose_b = truth(arguments.transpose_b);
  GemmSpec spec;
  std::memset(static_cast<void*>(&spec), 0, sizeof spec);  // compared byte by byte
  spec.m = transpose_a ? a.columns : a.rows;
  spec.k = transpose_a ? a.rows : a.columns;
  spec.n = transpose_b ? b.rows : b.columns;
  const int64_t b_depth = transpose_b ? b.columns : b.rows;
  if (spec.k != b_depth)
    throw Error("gemm: expected the inner sizes to agree, received a of shape " + shape_text(a.rows, a.columns) +
                (transpose_a ? " transposed" : "") + " and b of shape " + shape_text(b.rows, b.columns) +
                (transpose_b ? " transposed" : "") + ", that is " + std::to_string(spec.k) + " and " +
                std::to_string(b_depth) + "; see transpose_a and transpose_b");
  spec.transpose_a = transpose_a != a.transposed;
  spec.transpose_b = transpose_b != b.transposed;
  spec.lda = a.ld;
  spec.ldb = b.ld;
  spec.ldc = spec.n;
  GemmArgs args;
  args.a = a.data;
  args.b = b.data;

  py::object bias;
  if (arguments.bias != Py_None) {
    bias = py::reinterpret_borrow<py::object>(arguments.bias);
    if (!is_float32(arguments.bias) || !(py::detail::array_proxy(arguments.bias)->flags & py::array::c_style))
      bias = converted(arguments.bias, "bias");
    const NumpyArray* vector = py::detail::array_proxy(bias.ptr());
    if (vector->nd != 1 || vector->dimensions[0] != spec.n)
      throw Error("gemm: expected bias of shape (" + std::to_string(spec.n) + ",), received " +
                  std::string(py::str(bias.attr("shape"))) + "; it is added to every row of the product");
    spec.bias = true;
    args.bias = reinterpret_cast<const float*>(vector->data);
  }
  if (arguments.activation != Py_None) {
    if (!PyUnicode_Check(arguments.activation))
      throw py::type_error(std::string("gemm: expected activation to be a name or None, received ") +
                           Py_TYPE(arguments.activation)->tp_name);
    spec.activation = activation(arguments.activation);
    spec.alpha = kActivations[static_cast<int>(spec.activation)].alpha;
  }

  py::object out, result;
  if (arguments.out == Py_None) {
    result = new_matrix(spec.m, spec.n);
  } else {
    out = py::reinterpret_borrow<py::object>(arguments.out);
    const NumpyArray* array = py::detail::array_proxy(arguments.out);
    if (!is_float32(arguments.out))
      throw py::type_error("gemm: expected out to be an array of float32, received " +
                           (npy_api::get().PyArray_Check_(arguments.out)
                                ? "one of dtype " + std::string(py::str(out.attr("dtype")))
                                : std::string(Py_TYPE(arguments.out)->tp_name)));
    if (array->nd != 2 || array->dimensions[0] != spec.m || array->dimensions[1] != spec.n)
      throw Error("gemm: expected out of shape " + shape_text(spec.m, spec.n) + ", received " +
                  std::string(py::str(out.attr("shape"))));
    if (!(array->flags & npy_api::NPY_ARRAY_WRITEABLE_))
      throw Error("gemm: out is read-only; pass an array of your own");
    if (!rows_lie_dense(spec.m, spec.n, array->strides[0], array->strides[1]))
      throw Error("gemm: expected the rows of out to lie densely in memory, received strides " +
                  std::string(py::str(out.attr("strides"))) + "; pass a C-ordered array");
    const int64_t ldc = spec.m <= 1 ? spec.n : array->strides[0] / static_cast<int64_t>(sizeof(float));
    const auto* c = reinterpret_cast<const float*>(array->data);
    const int64_t size = extent(spec.m, spec.n, ldc);
    const bool shared =
        overlap(c, size, a.data, a.transposed ? extent(a.columns, a.rows, a.ld) : extent(a.rows, a.columns, a.ld)) ||
        overlap(c, size, b.data, b.transposed ? extent(b.columns, b.rows, b.ld) : extent(b.rows, b.columns, b.ld)) ||
        (args.bias && overlap(c, size, args.bias, spec.n));
    if (shared) {
      result = new_matrix(spec.m, spec.n);  // copied to out in the end
    } else {
      result = out;
      spec.ldc = ldc;
    }
  }
  args.c = reinterpret_cast<float*>(py::detail::array_proxy(result.ptr())->data);
  multiply(spec, args);
  if (out && out.ptr() != result.ptr()) {
    if (npy_api::get().PyArray_CopyInto_(out.ptr(), result.ptr()) < 0) throw py::error_already_set();
    return out;
  }
  return result;
}

PyObject* call_gemm(PyObject*, PyObject* const* values, Py_ssize_t count, PyObject* names) {
  try {
    return gemm(parse(values, PyVectorcall_NARGS(static_cast<size_t>(count)), names)).release().ptr();
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  }
  return nullptr;
}

PyMethodDef methods[] = {
    {"gemm", reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(call_gemm)), METH_FASTCALL | METH_KEYWORDS,
     R"(gemm($module, a, b, *, transpose_a=False, transpose_b=False, bias=None, activation=None, out=None)
--

Matrix product ``activation(a @ b + bias)``.

Every element is summed in an order that depends on the inner size alone: a row has the same bits whether it is
multiplied alone or among others, and on any number of threads.

Parameters
----------
a : array_like of shape (m, k)
    Or (k, m) where ``transpose_a`` is true. float32 whose rows or columns lie densely in memory is read in place;
    anything else that holds real numbers is converted first.
b : array_like of shape (k, n)
    Or (n, k) where ``transpose_b`` is true.
transpose_a, transpose_b : bool, default False
    Multiply by the transpose.
bias : array_like of shape (n,), optional
    Added to every row.
activation : str, optional
    Name of an activation function, applied last.
out : ndarray of shape (m, n), optional
    float32, C-ordered rows; receives the product. It may overlap the operands.

Returns
-------
ndarray of shape (m, n), float32
    ``out`` where it is given.

Raises
------
TypeError
    Where an operand does not hold real numbers, or out is not an array of float32.
ValueError
    Where shapes do not fit, the activation is unknown or out cannot be written.
)"},
    {nullptr, nullptr, 0, nullptr}};

}  // namespace

void bind_kernels_gemm(py::module_& module) {
  for (Keyword& keyword : keywords) keyword.interned = PyUnicode_InternFromString(keyword.name);
  if (PyModule_AddFunctions(module.ptr(), methods) < 0) throw py::error_already_set();
}

}  // namespace nnfast
