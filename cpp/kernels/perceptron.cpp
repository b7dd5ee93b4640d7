// The perceptron's pass over its samples, in double precision: its weights are sums of samples, and whether a sample is
// on the right side may hang on the last bits.
#include "kernels/kernels.h"
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {
namespace {

constexpr int kDoubles = kLanes / 2;
typedef double D __attribute__((vector_size(kDoubles * 8)));
typedef double Du __attribute__((vector_size(kDoubles * 8), aligned(8), may_alias));

NNFAST_INLINE D load(const double* p) { return *reinterpret_cast<const Du*>(p); }
NNFAST_INLINE void store(double* p, D v) { *reinterpret_cast<Du*>(p) = v; }

double dot(int64_t n, const double* x, const double* w) {
  D sum[4] = {};
  int64_t i = 0;
  for (; i + 4 * kDoubles <= n; i += 4 * kDoubles)
    static_for<4>([&](auto u) NNFAST_LAMBDA { sum[u] += load(x + i + u * kDoubles) * load(w + i + u * kDoubles); });
  for (; i + kDoubles <= n; i += kDoubles) sum[0] += load(x + i) * load(w + i);
  const D all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
  double result = 0;
  for (int lane = 0; lane < kDoubles; ++lane) result += all[lane];
  for (; i < n; ++i) result += x[i] * w[i];
  return result;
}

// w = w shrink + x step
void move(int64_t n, double shrink, double step, const double* x, double* w) {
  int64_t i = 0;
  for (; i + kDoubles <= n; i += kDoubles) store(w + i, load(w + i) * shrink + load(x + i) * step);
  for (; i < n; ++i) w[i] = w[i] * shrink + x[i] * step;
}

// L1 by its cumulative penalty (Tsuruoka et al., 2009): each weight is drawn towards 0 by what it still owes, and never
// beyond. due: what a weight that was never 0 owes; paid: what each has paid.
void pay(int64_t n, double due, double* w, double* paid) {
  for (int64_t i = 0; i < n; ++i) {
    const double before = w[i];
    if (before > 0) {
      const double rest = before - (due + paid[i]);
      w[i] = rest > 0 ? rest : 0;
    } else if (before < 0) {
      const double rest = before + (due - paid[i]);
      w[i] = rest < 0 ? rest : 0;
    }
    paid[i] += w[i] - before;
  }
}

double cost_of(int64_t n, const double* w, double l1, double l2) {
  D absolute{}, squares{};
  int64_t i = 0;
  for (; i + kDoubles <= n; i += kDoubles) {
    const D v = load(w + i);
    absolute += v < 0.0 ? -v : v;
    squares += v * v;
  }
  double cost = 0;
  for (int lane = 0; lane < kDoubles; ++lane) cost += l1 * absolute[lane] + l2 * squares[lane];
  for (; i < n; ++i) cost += l1 * __builtin_fabs(w[i]) + l2 * w[i] * w[i];
  return cost;
}

double epoch(const Kernels::Perceptron::Epoch& e) {
  double loss = 0, intercept = *e.intercept;
  for (int64_t i = 0; i < e.samples; ++i) {
    const int64_t row = e.order[i];
    const double* x = e.x + row * e.features;
    const bool positive = e.labels[row] == e.positive;
    const double margin = (dot(e.features, x, e.weights) + intercept) * (positive ? 1.0 : -1.0);
    if (e.l1_cost > 0 || e.l2_cost > 0) loss += cost_of(e.features, e.weights, e.l1_cost, e.l2_cost);
    double step = 0;
    if (!(margin > 0)) {  // a NaN, where products have overflowed, is then seen in the loss
      loss -= margin;
      step = (positive ? e.rate_positive : -e.rate_negative) * e.sample_weights[row];
    }
    if (step != 0 || e.shrink != 1) move(e.features, e.shrink, step, x, e.weights);
    if (e.fit_intercept) intercept += step;
    if (e.l1 > 0) pay(e.features, *e.due += e.l1, e.weights, e.paid);
  }
  *e.intercept = intercept;
  return loss;
}

}  // namespace

extern const Kernels::Perceptron perceptron_kernels;
const Kernels::Perceptron perceptron_kernels = {epoch};

}  // namespace nnfast::NNFAST_ISA
