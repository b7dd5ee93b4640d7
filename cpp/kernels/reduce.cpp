// Reductions along the middle axis of x (outer, M, N), and the way back.
#include "kernels/kernels.h"
#include "kernels/math.h"

namespace nnfast::NNFAST_ISA {
namespace {

// step: one more vector of x into a partial result; y belongs to the output element. merge: partial results.
struct Sum {
  static V start() { return V{}; }
  NNFAST_INLINE V step(V partial, V x, V) { return partial + x; }
  NNFAST_INLINE V join(V a, V b) { return a + b; }
  static double merge(double a, double b) { return a + b; }
};
// A NaN anywhere is the result, as in NumPy.
struct Max {
  static V start() { return broadcast(-kInfinity); }
  NNFAST_INLINE V step(V partial, V x, V) { return (x > partial) | (x != x) ? x : partial; }
  NNFAST_INLINE V join(V a, V b) { return step(a, b, b); }
  static double merge(double a, double b) { return b > a || b != b ? b : a; }
};
struct Min {
  static V start() { return broadcast(kInfinity); }
  NNFAST_INLINE V step(V partial, V x, V) { return (x < partial) | (x != x) ? x : partial; }
  NNFAST_INLINE V join(V a, V b) { return step(a, b, b); }
  static double merge(double a, double b) { return b < a || b != b ? b : a; }
};
struct Prod {
  static V start() { return broadcast(1.0f); }
  NNFAST_INLINE V step(V partial, V x, V) { return partial * x; }
  NNFAST_INLINE V join(V a, V b) { return a * b; }
  static double merge(double a, double b) { return a * b; }
};
struct NonzeroProd : Prod {
  NNFAST_INLINE V step(V partial, V x, V) { return x == 0.0f ? partial : partial * x; }
};
struct CountEqual : Sum {
  NNFAST_INLINE V step(V partial, V x, V y) { return partial + (x == y ? broadcast(1.0f) : V{}); }
};

// Float sums of at most this many terms a lane; longer ones are joined in double.
constexpr int64_t kStretch = 64;

template <class R>
NNFAST_INLINE double reduce_row(int64_t M, const float* x, float y) {
  const V target = broadcast(y);
  double result = R::start()[0];
  for (int64_t begin = 0; begin < M; begin += 4 * kStretch * kLanes) {
    const int64_t end = M - begin < 4 * kStretch * kLanes ? M : begin + 4 * kStretch * kLanes;
    int64_t m = begin;
    V partial[4];
    static_for<4>([&](auto u) NNFAST_LAMBDA { partial[u] = R::start(); });
    for (; m + 4 * kLanes <= end; m += 4 * kLanes)
      static_for<4>([&](auto u) NNFAST_LAMBDA { partial[u] = R::step(partial[u], load(x + m + u * kLanes), target); });
    for (; m + kLanes <= end; m += kLanes) partial[0] = R::step(partial[0], load(x + m), target);
    if (m < end)
      partial[1] = select(first_lanes(end - m), R::step(partial[1], load_first(x + m, end - m), target), partial[1]);
    const V all = R::join(R::join(partial[0], partial[1]), R::join(partial[2], partial[3]));
    result = R::merge(result, across(all, [](V a, V b) NNFAST_LAMBDA { return R::join(a, b); }));
  }
  return result;
}

// NV vectors of columns; the last has `lanes` of them.
template <class R, int NV>
NNFAST_INLINE void reduce_columns(int64_t M, int64_t lanes, int64_t ldx, const float* x, const float* y, double* acc) {
  V target[NV] = {};
  if (y != nullptr)
    static_for<NV>([&](auto v) NNFAST_LAMBDA { target[v] = NV == 1 ? load_first(y, lanes) : load(y + v * kLanes); });
  for (int64_t begin = 0; begin < M; begin += kStretch) {
    const int64_t end = M - begin < kStretch ? M : begin + kStretch;
    V partial[NV];
    static_for<NV>([&](auto v) NNFAST_LAMBDA { partial[v] = R::start(); });
    for (int64_t m = begin; m < end; ++m)
      static_for<NV>([&](auto v) NNFAST_LAMBDA {
        const float* at = x + m * ldx + v * kLanes;
        partial[v] = R::step(partial[v], NV == 1 ? load_first(at, lanes) : load(at), target[v]);
      });
    float out[NV * kLanes];
    static_for<NV>([&](auto v) NNFAST_LAMBDA { store(out + v * kLanes, partial[v]); });
    const int64_t count = NV == 1 ? lanes : NV * kLanes;
    for (int64_t i = 0; i < count; ++i) acc[i] = R::merge(acc[i], out[i]);
  }
}

template <class R>
NNFAST_INLINE void reduce(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float* y,
                          double* acc) {
  for (int64_t o = 0; o < outer; ++o, x += M * ldx, acc += N) {
    if (N == 1 && ldx == 1) {
      acc[0] = R::merge(acc[0], reduce_row<R>(M, x, y != nullptr ? y[o] : 0.0f));
      continue;
    }
    const float* target = y != nullptr ? y + o * N : nullptr;
    int64_t n = 0;
    for (; n + 4 * kLanes <= N; n += 4 * kLanes)
      reduce_columns<R, 4>(M, kLanes, ldx, x + n, target != nullptr ? target + n : nullptr, acc + n);
    for (; n < N; n += kLanes)
      reduce_columns<R, 1>(M, N - n < kLanes ? N - n : kLanes, ldx, x + n, target != nullptr ? target + n : nullptr,
                           acc + n);
  }
}

void sum(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float*, double* acc) {
  reduce<Sum>(outer, M, N, ldx, x, nullptr, acc);
}
void max(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float*, double* acc) {
  reduce<Max>(outer, M, N, ldx, x, nullptr, acc);
}
void min(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float*, double* acc) {
  reduce<Min>(outer, M, N, ldx, x, nullptr, acc);
}
void prod(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float*, double* acc) {
  reduce<Prod>(outer, M, N, ldx, x, nullptr, acc);
}
void nonzero_prod(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float*, double* acc) {
  reduce<NonzeroProd>(outer, M, N, ldx, x, nullptr, acc);
}
void count_equal(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float* y, double* acc) {
  reduce<CountEqual>(outer, M, N, ldx, x, y, acc);
}

// dx[o, m, n] = f(x[o, m, n], a[o, n], b[o, n], c[o, n])
template <class F>
NNFAST_INLINE void spread_(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float* a,
                           const float* b, const float* c, float* dx, F&& f) {
  for (int64_t o = 0; o < outer; ++o, a += N, b += N, c += N) {
    if (N == 1 && ldx == 1) {
      const V va = broadcast(*a), vb = broadcast(*b), vc = broadcast(*c);
      int64_t m = 0;
      for (; m + kLanes <= M; m += kLanes) store(dx + m, f(load(x + m), va, vb, vc));
      if (m < M) store_first(dx + m, f(load_first(x + m, M - m), va, vb, vc), M - m);
      x += M, dx += M;
      continue;
    }
    for (int64_t m = 0; m < M; ++m, x += ldx, dx += ldx) {
      int64_t n = 0;
      for (; n + kLanes <= N; n += kLanes) store(dx + n, f(load(x + n), load(a + n), load(b + n), load(c + n)));
      const int64_t rest = N - n;
      if (rest > 0)
        store_first(
            dx + n,
            f(load_first(x + n, rest), load_first(a + n, rest), load_first(b + n, rest), load_first(c + n, rest)),
            rest);
    }
  }
}
void spread(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* g, float* dx) {
  spread_(outer, M, N, ldx, dx, g, g, g, dx, [](V, V g, V, V) NNFAST_LAMBDA { return g; });
}
void spread_where_equal(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float* y,
                        const float* g, float* dx) {
  spread_(outer, M, N, ldx, x, y, g, g, dx, [](V x, V y, V g, V) NNFAST_LAMBDA { return x == y ? g : V{}; });
}
void spread_quotient(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float* g,
                     const float* at_zero, float* dx) {
  spread_(outer, M, N, ldx, x, g, at_zero, g, dx,
          [](V x, V g, V at_zero, V) NNFAST_LAMBDA { return x == 0.0f ? at_zero : g / x; });
}

}  // namespace

extern const Kernels::Reduce reduce_kernels;
const Kernels::Reduce reduce_kernels = {
    sum, max, min, prod, nonzero_prod, count_equal, spread, spread_where_equal, spread_quotient};

}  // namespace nnfast::NNFAST_ISA
