// The perceptron rule (Rosenblatt, 1958), one problem for each class: this class or any other.
#pragma once
#include <cstdint>
#include <limits>
#include <vector>

#include "core/parallel.h"

namespace nnfast {

struct PerceptronSettings {
  double shrink = 1;  // what weights are multiplied by with each sample (L2)
  double l1 = 0;
  double l1_cost = 0, l2_cost = 0;  // see Kernels::Perceptron
  bool fit_intercept = true;
  bool shuffle = true;
  int64_t max_iter = 1000;
  double tol = 1e-3;
  int64_t n_iter_no_change = 5;
};

struct PerceptronData {
  int64_t samples = 0, features = 0;
  const double* x = nullptr;  // (samples, features)
  const int32_t* labels = nullptr;
  const double* sample_weights = nullptr;
};

// A class against the others: which label is positive, what a mistake moves the weights by where it is and where it is
// not, what the order of samples follows from, and where the weights are.
struct PerceptronProblem {
  int32_t positive = 0;
  double rate_positive = 1, rate_negative = 1;
  uint32_t seed = 0;
  double* weights = nullptr;
  double* intercept = nullptr;
};

class PerceptronFit final : public Job {
 public:
  PerceptronFit(const PerceptronData& data, const PerceptronSettings& settings,
                const std::vector<PerceptronProblem>& problems);

  // Goes through the samples for some milliseconds, on up to so many threads, each taking whole problems. False once
  // all problems are done.
  bool advance(int threads);
  std::vector<int64_t> epochs() const;
  void run(int phase, int64_t task, int worker) const override;

 private:
  struct State {
    PerceptronProblem problem;
    std::vector<int64_t> order;
    std::vector<double> paid;
    double due = 0;
    double best = std::numeric_limits<double>::infinity();
    int64_t unchanged = 0, epochs = 0;
    bool done = false;
  };
  void pass(State& state) const;

  PerceptronData data_;
  PerceptronSettings settings_;
  mutable std::vector<State> states_;  // a task changes its own
  int64_t passes_ = 1;                 // in one advance
};

}  // namespace nnfast
