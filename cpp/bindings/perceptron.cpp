// The perceptron rule on arrays: behind nnfast.sklearn.Perceptron.
#include "ops/perceptron.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "core/check.h"
#include "core/threads.h"

namespace nnfast {
namespace {

namespace py = pybind11;
using namespace pybind11::literals;

using Doubles = py::array_t<double, py::array::c_style>;
using Labels = py::array_t<int32_t, py::array::c_style>;

std::vector<int64_t> perceptron(const Doubles& x, const Labels& labels, const Doubles& sample_weights,
                                const std::vector<int32_t>& positives,
                                const std::vector<std::pair<double, double>>& rates, const std::vector<uint32_t>& seeds,
                                Doubles& coef, Doubles& intercept, double shrink, double l1, double l1_cost,
                                double l2_cost, bool fit_intercept, bool shuffle, int64_t max_iter, double tol,
                                int64_t n_iter_no_change, int threads) {
  check(x.ndim() == 2 && labels.ndim() == 1 && sample_weights.ndim() == 1 && labels.size() == x.shape(0) &&
            sample_weights.size() == x.shape(0),
        "expected x (samples, features), labels (samples,) and sample_weights (samples,)");
  const auto count = static_cast<py::ssize_t>(positives.size());
  check(coef.ndim() == 2 && coef.shape(0) == count && coef.shape(1) == x.shape(1) && intercept.size() == count &&
            rates.size() == positives.size() && seeds.size() == positives.size(),
        "expected a row of coef, an intercept, two rates and a seed for each of the ", count, " problems");
  check(threads >= 1 && threads <= kMaxThreads, "threads must be from 1 to ", kMaxThreads, ", received ", threads);
  const PerceptronData data{x.shape(0), x.shape(1), x.data(), labels.data(), sample_weights.data()};
  std::vector<PerceptronProblem> problems;
  for (py::ssize_t i = 0; i < count; ++i)
    problems.push_back({positives[i], rates[i].first, rates[i].second, seeds[i], coef.mutable_data() + i * x.shape(1),
                        intercept.mutable_data() + i});
  PerceptronFit fit(data, {shrink, l1, l1_cost, l2_cost, fit_intercept, shuffle, max_iter, tol, n_iter_no_change},
                    problems);
  for (bool more = true; more;) {
    {
      py::gil_scoped_release release;
      more = fit.advance(threads);
    }
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  }
  return fit.epochs();
}

}  // namespace

void bind_perceptron(py::module_& module) {
  module.def("perceptron", &perceptron, "x"_a.noconvert(), "labels"_a.noconvert(), "sample_weights"_a.noconvert(),
             "positives"_a, "rates"_a, "seeds"_a, "coef"_a.noconvert(), "intercept"_a.noconvert(), py::kw_only(),
             "shrink"_a, "l1"_a, "l1_cost"_a, "l2_cost"_a, "fit_intercept"_a, "shuffle"_a, "max_iter"_a, "tol"_a,
             "n_iter_no_change"_a, "threads"_a,
             "Changes coef and intercept in place; returns the passes over the samples of each problem.");
}

}  // namespace nnfast
