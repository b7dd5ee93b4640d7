#include "ops/perceptron.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "dispatch/dispatch.h"

namespace nnfast {
namespace {

constexpr double kAdvance = 2e7;  // ns between two looks at the world

// Marsaglia's xorshift (2003), as scikit-learn draws from it: the same seed gives its order of samples.
uint32_t draw(uint32_t& state) {
  if (state == 0) state = 1;
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state & 0x7fffffff;
}

void shuffle(std::vector<int64_t>& order, uint32_t seed) {
  const int64_t n = static_cast<int64_t>(order.size());
  for (int64_t i = 0; i < n - 1; ++i) std::swap(order[i], order[i + draw(seed) % (n - i)]);
}

}  // namespace

PerceptronFit::PerceptronFit(const PerceptronData& data, const PerceptronSettings& settings,
                             const std::vector<PerceptronProblem>& problems)
    : data_(data), settings_(settings), states_(problems.size()) {
  for (size_t i = 0; i < problems.size(); ++i) {
    State& state = states_[i];
    state.problem = problems[i];
    state.order.resize(data.samples);
    std::iota(state.order.begin(), state.order.end(), 0);
    if (settings.l1 > 0) state.paid.resize(data.features);
    state.done = settings.max_iter == 0;
  }
  const double pass = static_cast<double>(data.samples) * (10 + static_cast<double>(data.features));
  passes_ = std::max<int64_t>(1, static_cast<int64_t>(kAdvance / std::max(1.0, pass)));
}

bool PerceptronFit::advance(int threads) {
  Schedule schedule;
  const double pass = static_cast<double>(data_.samples) * (10 + 0.3 * static_cast<double>(data_.features));
  schedule.add(*this, 0, static_cast<int64_t>(states_.size()), pass * static_cast<double>(states_.size()));
  schedule.run(threads);
  return std::any_of(states_.begin(), states_.end(), [](const State& state) { return !state.done; });
}

void PerceptronFit::run(int, int64_t task, int) const {
  State& state = states_[task];
  for (int64_t i = 0; i < passes_ && !state.done; ++i) pass(state);
}

void PerceptronFit::pass(State& state) const {
  if (settings_.shuffle) shuffle(state.order, state.problem.seed);
  Kernels::Perceptron::Epoch epoch{};
  epoch.samples = data_.samples;
  epoch.features = data_.features;
  epoch.x = data_.x;
  epoch.labels = data_.labels;
  epoch.positive = state.problem.positive;
  epoch.sample_weights = data_.sample_weights;
  epoch.order = state.order.data();
  epoch.rate_positive = state.problem.rate_positive;
  epoch.rate_negative = state.problem.rate_negative;
  epoch.l1_cost = settings_.l1_cost;
  epoch.l2_cost = settings_.l2_cost;
  epoch.shrink = settings_.shrink;
  epoch.fit_intercept = settings_.fit_intercept;
  epoch.l1 = settings_.l1;
  epoch.due = &state.due;
  epoch.paid = state.paid.data();
  epoch.weights = state.problem.weights;
  epoch.intercept = state.problem.intercept;
  const double loss = kernels().perceptron->epoch(epoch);
  ++state.epochs;
  if (!std::isfinite(loss)) {
    *state.problem.intercept = std::numeric_limits<double>::quiet_NaN();
    state.done = true;
    return;
  }
  // Loss and penalty must fall by tol a sample, or it counts as standing still.
  const bool fell = loss <= state.best - settings_.tol * static_cast<double>(data_.samples);
  state.unchanged = fell ? 0 : state.unchanged + 1;
  state.best = std::min(state.best, loss);
  state.done = state.unchanged >= settings_.n_iter_no_change || state.epochs >= settings_.max_iter;
}

std::vector<int64_t> PerceptronFit::epochs() const {
  std::vector<int64_t> counts;
  for (const State& state : states_) counts.push_back(state.epochs);
  return counts;
}

}  // namespace nnfast
