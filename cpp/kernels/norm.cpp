// Normalization over columns (batch, group, instance) and over rows (layer, RMS).
#include "kernels/kernels.h"
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {
namespace {

// ---- By column: x is (M, C), every statistic has C elements ----

// Vectors of columns handled at once: 256 bytes of each row where there are so many, or half of that. Reading rows in
// such stretches matters more than keeping all sums in registers: with 16 of them, where some are in memory, two
// vectors at once took twice as long as eight (64×32×32×64 on Zen 3).
constexpr int kBlock = kLanes == 16 ? 4 : 8;

// NV vectors side by side; with kWhole false the last one has `lanes` columns only.
template <int NV, bool kWhole>
struct Columns {
  static constexpr int vectors = NV;
  int64_t lanes;
  V load(const float* p, int v) const NNFAST_LAMBDA {
    return kWhole ? nnfast::NNFAST_ISA::load(p + v * kLanes) : load_first(p + v * kLanes, lanes);
  }
  void store(float* p, int v, V value) const NNFAST_LAMBDA {
    if (kWhole)
      nnfast::NNFAST_ISA::store(p + v * kLanes, value);
    else
      store_first(p + v * kLanes, value, lanes);
  }
  template <bool kPast>
  __attribute__((always_inline)) void write(float* p, int v, V value) const {
    if (kPast)
      stream(p + v * kLanes, value);
    else
      store(p, v, value);
  }
};

// f(columns, first column) for all C columns from c on: as many vectors at once as there are, by powers of two.
template <int NV = kBlock, class F>
NNFAST_INLINE void for_columns(int64_t C, F&& f, int64_t c = 0) {
  for (; c + NV * kLanes <= C; c += NV * kLanes) f(Columns<NV, true>{kLanes}, c);
  if constexpr (NV > 1)
    for_columns<NV / 2>(C, f, c);
  else if (c < C)
    f(Columns<1, false>{C - c}, c);
}

// So many accumulators for each vector that an add need not wait for the one before.
constexpr int accumulators(int vectors) { return vectors < 4 ? 4 / vectors : 1; }

// f(row, u) for M rows, U of them at a time: u, a constant, picks the accumulator, so that one add need not wait
// for the one before.
template <int U, class F>
NNFAST_INLINE void for_rows(int64_t M, F&& f) {
  int64_t m = 0;
  for (; m + U <= M; m += U) static_for<U>([&](auto u) NNFAST_LAMBDA { f(m + u, u); });
  for (; m < M; ++m) f(m, Index<0>{});
}

template <int U, int NV>
NNFAST_INLINE V total(const V (&sums)[U][NV], int v) {
  V sum = sums[0][v];
  for (int u = 1; u < U; ++u) sum += sums[u][v];
  return sum;
}

// Sums of (x − k) and (x − k)², where k is the mean of the first rows: Σ(x − k)² is then at most 1 + M/kFirst times
// the sum of squares that is wanted, so that little is lost in the subtraction, however far from zero the data.
constexpr int kFirst = 16;

void moments(int64_t M, int64_t C, const float* x, int64_t ldx, float* mean, float* squares) {
  for_columns(C, [&](auto columns, int64_t c) NNFAST_LAMBDA {
    constexpr int NV = decltype(columns)::vectors, U = accumulators(NV);
    const float* xc = x + c;
    V k[NV] = {}, sum[U][NV] = {}, square[U][NV] = {};
    const int64_t first = M < kFirst ? M : kFirst;
    for (int64_t m = 0; m < first; ++m)
      static_for<NV>([&](auto v) NNFAST_LAMBDA { k[v] += columns.load(xc + m * ldx, v); });
    static_for<NV>([&](auto v) NNFAST_LAMBDA { k[v] *= 1.0f / static_cast<float>(first); });
    for_rows<U>(M, [&](int64_t m, auto u) NNFAST_LAMBDA {
      static_for<NV>([&](auto v) NNFAST_LAMBDA {
        const V d = columns.load(xc + m * ldx, v) - k[v];
        sum[u][v] += d;
        square[u][v] += d * d;
      });
    });
    static_for<NV>([&](auto v) NNFAST_LAMBDA {
      const V s = total(sum, v), offset = s * (1.0f / static_cast<float>(M));
      const V rest = total(square, v) - s * offset;
      columns.store(mean + c, v, k[v] + offset);
      columns.store(squares + c, v, select(rest < 0.0f, V{}, rest));
    });
  });
}

// The exact sums of the union (Chan, Golub, LeVeque 1979), in double.
void combine_moments(int64_t parts, const int64_t* counts, int64_t C, int64_t ld, const float* means,
                     const float* squares, float* mean, float* variance) {
  constexpr int kWide = 16;
  double rows = 0;
  for (int64_t part = 0; part < parts; ++part) rows += static_cast<double>(counts[part]);
  for (int64_t begin = 0; begin < C; begin += kWide) {
    const int64_t width = C - begin < kWide ? C - begin : kWide;
    double sum[kWide] = {}, square[kWide] = {}, center[kWide] = {};
    auto add = [&](int64_t n) NNFAST_LAMBDA {
      for (int64_t part = 0; part < parts; ++part) {
        const double count = static_cast<double>(counts[part]);
        const float* at = means + part * ld + begin;
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) sum[i] += count * at[i];
      }
      for (int64_t i = 0; i < n; ++i) center[i] = sum[i] / rows;
      for (int64_t part = 0; part < parts; ++part) {
        const double count = static_cast<double>(counts[part]);
        const float *at = means + part * ld + begin, *square_at = squares + part * ld + begin;
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) {
          const double d = at[i] - center[i];
          square[i] += square_at[i] + count * d * d;
        }
      }
    };
    if (width == kWide)
      add(kWide);
    else
      add(width);
    for (int64_t i = 0; i < width; ++i) {
      mean[begin + i] = static_cast<float>(center[i]);
      variance[begin + i] = static_cast<float>(square[i] / rows);
    }
  }
}

template <bool kRelu, bool kResidual, bool kPast>
NNFAST_INLINE void normalize_(int64_t M, int64_t C, const float* x, const float* mean, const float* scale,
                              const float* shift, const float* residual, float* y) {
  for_columns(C, [&](auto columns, int64_t c) NNFAST_LAMBDA {
    constexpr int NV = decltype(columns)::vectors;
    V center[NV], a[NV], b[NV];
    static_for<NV>([&](auto v) NNFAST_LAMBDA {
      center[v] = columns.load(mean + c, v);
      a[v] = columns.load(scale + c, v);
      b[v] = columns.load(shift + c, v);
    });
    for (int64_t m = 0; m < M; ++m)
      static_for<NV>([&](auto v) NNFAST_LAMBDA {
        V z = (columns.load(x + m * C + c, v) - center[v]) * a[v] + b[v];
        if (kResidual) z += columns.load(residual + m * C + c, v);
        if (kRelu) z = select(z < 0.0f, V{}, z);  // a NaN stays one
        columns.template write<kPast>(y + m * C + c, v, z);
      });
  });
  if (kPast) fence_streams();
}
template <bool kRelu, bool kPast>
NNFAST_INLINE void normalize_(int64_t M, int64_t C, const float* x, const float* mean, const float* scale,
                              const float* shift, const float* residual, float* y) {
  if (residual != nullptr)
    normalize_<kRelu, true, kPast>(M, C, x, mean, scale, shift, residual, y);
  else
    normalize_<kRelu, false, kPast>(M, C, x, mean, scale, shift, residual, y);
}
void normalize(int64_t M, int64_t C, const float* x, const float* mean, const float* scale, const float* shift,
               const float* residual, bool relu, bool past_cache, float* y) {
  if (past_cache && are_lines(C, y))
    (relu ? normalize_<true, true> : normalize_<false, true>)(M, C, x, mean, scale, shift, residual, y);
  else
    (relu ? normalize_<true, false> : normalize_<false, false>)(M, C, x, mean, scale, shift, residual, y);
}

// Where dz = dy·[z > 0] has its mask from.
enum class Mask { none, input, output };

template <Mask kMask, class C>
NNFAST_INLINE V masked(C columns, const float* dy, const float* y, int v, V d, V a, V b) {
  const V dz = columns.load(dy, v);
  if (kMask == Mask::input) return select(d * a + b > 0.0f, dz, V{});
  if (kMask == Mask::output) return select(columns.load(y, v) > 0.0f, dz, V{});
  return dz;
}

template <Mask kMask, bool kWrites>
NNFAST_INLINE void gradient_sums_(int64_t M, int64_t C, const float* x, const float* y, const float* dy,
                                  const float* mean, const float* scale, const float* shift, float* sum, float* product,
                                  float* out) {
  for_columns(C, [&](auto columns, int64_t c) NNFAST_LAMBDA {
    constexpr int NV = decltype(columns)::vectors, U = accumulators(NV);
    V center[NV], a[NV] = {}, b[NV] = {}, s[U][NV] = {}, p[U][NV] = {};
    static_for<NV>([&](auto v) NNFAST_LAMBDA {
      center[v] = columns.load(mean + c, v);
      if (kMask != Mask::input) return;
      a[v] = columns.load(scale + c, v);
      b[v] = columns.load(shift + c, v);
    });
    for_rows<U>(M, [&](int64_t m, auto u) NNFAST_LAMBDA {
      static_for<NV>([&](auto v) NNFAST_LAMBDA {
        const int64_t at = m * C + c;
        const V d = columns.load(x + at, v) - center[v];
        const V dz = masked<kMask>(columns, dy + at, y + at, v, d, a[v], b[v]);
        if (kWrites) columns.store(out + at, v, dz);
        s[u][v] += dz;
        p[u][v] += dz * d;
      });
    });
    static_for<NV>([&](auto v) NNFAST_LAMBDA {
      columns.store(sum + c, v, columns.load(sum + c, v) + total(s, v));
      columns.store(product + c, v, columns.load(product + c, v) + total(p, v));
    });
  });
}
template <Mask kMask>
NNFAST_INLINE void gradient_sums_(int64_t M, int64_t C, const float* x, const float* y, const float* dy,
                                  const float* mean, const float* scale, const float* shift, float* sum, float* product,
                                  float* dz) {
  if (dz != nullptr)
    gradient_sums_<kMask, true>(M, C, x, y, dy, mean, scale, shift, sum, product, dz);
  else
    gradient_sums_<kMask, false>(M, C, x, y, dy, mean, scale, shift, sum, product, dz);
}
void gradient_sums(int64_t M, int64_t C, const float* x, const float* y, const float* dy, const float* mean,
                   const float* scale, const float* shift, bool relu, float* sum, float* product, float* dz) {
  if (!relu)
    gradient_sums_<Mask::none>(M, C, x, x, dy, mean, scale, shift, sum, product, dz);
  else if (y == nullptr)
    gradient_sums_<Mask::input>(M, C, x, x, dy, mean, scale, shift, sum, product, dz);
  else
    gradient_sums_<Mask::output>(M, C, x, y, dy, mean, scale, shift, sum, product, dz);
}

template <Mask kMask, bool kPast>
NNFAST_INLINE void normalize_backward_(int64_t M, int64_t C, const float* x, const float* y, const float* dy,
                                       const float* mean, const float* scale, const float* shift, const float* offset,
                                       const float* slope, float* dx) {
  for_columns(C, [&](auto columns, int64_t c) NNFAST_LAMBDA {
    constexpr int NV = decltype(columns)::vectors;
    V center[NV], a[NV], b[NV] = {}, p[NV], q[NV];
    static_for<NV>([&](auto v) NNFAST_LAMBDA {
      center[v] = columns.load(mean + c, v);
      a[v] = columns.load(scale + c, v);
      if (kMask == Mask::input) b[v] = columns.load(shift + c, v);
      p[v] = columns.load(offset + c, v);
      q[v] = columns.load(slope + c, v);
    });
    for (int64_t m = 0; m < M; ++m)
      static_for<NV>([&](auto v) NNFAST_LAMBDA {
        const int64_t at = m * C + c;
        const V d = columns.load(x + at, v) - center[v];
        const V dz = masked<kMask>(columns, dy + at, y + at, v, d, a[v], b[v]);
        columns.template write<kPast>(dx + at, v, a[v] * dz - p[v] - q[v] * d);
      });
  });
  if (kPast) fence_streams();
}
template <bool kPast>
NNFAST_INLINE void normalize_backward_(int64_t M, int64_t C, const float* x, const float* y, const float* dy,
                                       const float* mean, const float* scale, const float* shift, bool relu,
                                       const float* offset, const float* slope, float* dx) {
  if (!relu)
    normalize_backward_<Mask::none, kPast>(M, C, x, x, dy, mean, scale, shift, offset, slope, dx);
  else if (y == nullptr)
    normalize_backward_<Mask::input, kPast>(M, C, x, x, dy, mean, scale, shift, offset, slope, dx);
  else
    normalize_backward_<Mask::output, kPast>(M, C, x, y, dy, mean, scale, shift, offset, slope, dx);
}
void normalize_backward(int64_t M, int64_t C, const float* x, const float* y, const float* dy, const float* mean,
                        const float* scale, const float* shift, bool relu, const float* offset, const float* slope,
                        bool past_cache, float* dx) {
  if (past_cache && are_lines(C, dx))
    normalize_backward_<true>(M, C, x, y, dy, mean, scale, shift, relu, offset, slope, dx);
  else
    normalize_backward_<false>(M, C, x, y, dy, mean, scale, shift, relu, offset, slope, dx);
}

// ---- By row: x is (M, N), mean and inv_std have M elements, gamma and beta N ----

// f(columns, first, u) over N columns; four neighbours in turn have their own u. Every kStretch columns `flush` runs:
// float sums stay short, the long sum is kept in double.
constexpr int64_t kStretch = 4096;
template <int U, class F, class Flush>
NNFAST_INLINE void for_row(int64_t N, F&& f, Flush&& flush) {
  for (int64_t begin = 0; begin < N; begin += kStretch) {
    const int64_t end = N - begin < kStretch ? N : begin + kStretch;
    int64_t n = begin;
    for (; n + U * kLanes <= end; n += U * kLanes)
      static_for<U>([&](auto u) NNFAST_LAMBDA { f(Columns<1, true>{kLanes}, n + u * kLanes, u); });
    for (; n + kLanes <= end; n += kLanes) f(Columns<1, true>{kLanes}, n, Index<0>{});
    if (n < end) f(Columns<1, false>{end - n}, n, Index<0>{});
    flush();
  }
}

template <int U>
NNFAST_INLINE double take(V (&sums)[U]) {
  V sum{};
  static_for<U>([&](auto u) NNFAST_LAMBDA {
    sum += sums[u];
    sums[u] = V{};
  });
  return sum_across(sum);
}

// Σ f(x, r) over each of R rows, in double; f is told which lanes count. The rows are read one after the other, the
// sums across lanes are taken together.
template <int R, class F>
NNFAST_INLINE void row_sums(int64_t N, const float* x, double (&result)[R], F&& f) {
  static_for<R>([&](auto r) NNFAST_LAMBDA {
    V sums[4] = {};
    result[r] = 0;
    for_row<4>(
        N,
        [&](auto columns, int64_t n, auto u)
            NNFAST_LAMBDA { sums[u] += f(columns, columns.load(x + r * N + n, 0), r); },
        [&]() NNFAST_LAMBDA { result[r] += take(sums); });
  });
}

// R rows at once: one waits for its sums while another is added up.
template <bool kCentered, bool kPast, int R>
NNFAST_INLINE void normalize_rows_(int64_t N, const float* x, const float* gamma, const float* beta, float epsilon,
                                   float* y, float* mean, float* inv_std) {
  const double size = static_cast<double>(N);
  double sums[R];
  V center[R] = {}, scale[R];
  if (kCentered) {
    row_sums(N, x, sums, [](auto, V v, auto) NNFAST_LAMBDA { return v; });
    static_for<R>([&](auto r) NNFAST_LAMBDA {
      mean[r] = static_cast<float>(sums[r] / size);
      center[r] = broadcast(mean[r]);
    });
  }
  row_sums(N, x, sums, [&](auto columns, V v, auto r) NNFAST_LAMBDA {
    const V d = v - center[r];
    return columns.lanes == kLanes ? d * d : select(first_lanes(columns.lanes), d * d, V{});
  });
  static_for<R>([&](auto r) NNFAST_LAMBDA {
    inv_std[r] = static_cast<float>(1.0 / __builtin_sqrt(sums[r] / size + static_cast<double>(epsilon)));
    scale[r] = broadcast(inv_std[r]);
  });
  static_for<R>([&](auto r) NNFAST_LAMBDA {
    for_row<1>(
        N,
        [&](auto columns, int64_t n, auto) NNFAST_LAMBDA {
          V v = (columns.load(x + r * N + n, 0) - center[r]) * scale[r];
          if (gamma != nullptr) v *= columns.load(gamma + n, 0);
          if (beta != nullptr) v += columns.load(beta + n, 0);
          if (kPast) __builtin_prefetch(x + (r + R) * N + n);  // the rows after these: 0.8 to 0.97 of the time
          columns.template write<kPast>(y + r * N + n, 0, v);
        },
        []() NNFAST_LAMBDA {});
  });
}

constexpr int kRows = kLanes == 16 ? 4 : 2;  // together: four vectors a row stay in registers
constexpr int64_t kShortRow = 1024;          // more than one at a time stay in a level-1 cache

// A parameter of every row, perhaps null: a copy of it where each load would touch two cache lines.
struct Parameter {
  alignas(64) float copy[kShortRow];

  const float* aligned(int64_t N, const float* p) {
    if (reinterpret_cast<uintptr_t>(p) % sizeof(V) == 0 || N > kShortRow) return p;
    for (int64_t n = 0; n < N; ++n) copy[n] = p[n];
    return copy;
  }
};

template <bool kCentered, bool kPast>
NNFAST_INLINE void normalize_rows(int64_t M, int64_t N, const float* x, const float* gamma, const float* beta,
                                  float epsilon, float* y, float* mean, float* inv_std) {
  Parameter scale, offset;
  gamma = scale.aligned(N, gamma);
  beta = offset.aligned(N, beta);
  int64_t m = 0;
  auto rows = [&](auto count) NNFAST_LAMBDA {
    normalize_rows_<kCentered, kPast, decltype(count)::value>(N, x + m * N, gamma, beta, epsilon, y + m * N,
                                                              kCentered ? mean + m : nullptr, inv_std + m);
    m += count;
  };
  if (N <= kShortRow)
    while (m + kRows <= M) rows(Index<kRows>{});
  while (m < M) rows(Index<1>{});
  if (kPast) fence_streams();
}

// R rows at once, so that the sums over rows are loaded and stored once for all of them:
// x̂ = (x − mean)·inv_std, g = dy·gamma, dx = inv_std·(g − Σg/N − x̂·Σ(g·x̂)/N)   (Σg only where centered).
template <bool kCentered, bool kPast, int R>
NNFAST_INLINE void normalize_rows_backward_(int64_t N, const float* x, const float* dy, const float* gamma,
                                            const float* mean, const float* inv_std, float* dx, float* dgamma,
                                            float* dbeta) {
  V center[R] = {}, scale[R], g_sums[R] = {}, product_sums[R] = {};
  double g_sum[R] = {}, product_sum[R] = {};
  static_for<R>([&](auto r) NNFAST_LAMBDA {
    if (kCentered) center[r] = broadcast(mean[r]);
    scale[r] = broadcast(inv_std[r]);
  });
  for_row<1>(
      N,
      [&](auto columns, int64_t n, auto) NNFAST_LAMBDA {
        const V w = gamma != nullptr ? columns.load(gamma + n, 0) : broadcast(1.0f);
        V over_rows{}, product_over_rows{};
        static_for<R>([&](auto r) NNFAST_LAMBDA {
          const V d = columns.load(dy + r * N + n, 0);  // zero beyond the row's end
          const V d_hat = d * ((columns.load(x + r * N + n, 0) - center[r]) * scale[r]);
          if (kCentered) g_sums[r] += d * w;
          product_sums[r] += d_hat * w;
          over_rows += d;
          product_over_rows += d_hat;
        });
        if (dgamma != nullptr) columns.store(dgamma + n, 0, columns.load(dgamma + n, 0) + product_over_rows);
        if (dbeta != nullptr) columns.store(dbeta + n, 0, columns.load(dbeta + n, 0) + over_rows);
      },
      [&]() NNFAST_LAMBDA {
        static_for<R>([&](auto r) NNFAST_LAMBDA {
          g_sum[r] += sum_across(g_sums[r]);
          product_sum[r] += sum_across(product_sums[r]);
          g_sums[r] = product_sums[r] = V{};
        });
      });
  if (dx == nullptr) return;
  const double share = 1.0 / static_cast<double>(N);
  static_for<R>([&](auto r) NNFAST_LAMBDA {
    const V offset = broadcast(static_cast<float>(g_sum[r] * share)) * scale[r];
    const V slope = broadcast(static_cast<float>(product_sum[r] * share)) * scale[r] * scale[r];
    for_row<1>(
        N,
        [&](auto columns, int64_t n, auto) NNFAST_LAMBDA {
          const V w = gamma != nullptr ? columns.load(gamma + n, 0) * scale[r] : scale[r];
          V v = columns.load(dy + r * N + n, 0) * w - (columns.load(x + r * N + n, 0) - center[r]) * slope;
          if (kCentered) v -= offset;
          if (kPast) {
            __builtin_prefetch(x + (r + R) * N + n);
            __builtin_prefetch(dy + (r + R) * N + n);
          }
          columns.template write<kPast>(dx + r * N + n, 0, v);
        },
        []() NNFAST_LAMBDA {});
  });
}
template <bool kCentered, bool kPast>
NNFAST_INLINE void normalize_rows_backward(int64_t M, int64_t N, const float* x, const float* dy, const float* gamma,
                                           const float* mean, const float* inv_std, float* dx, float* dgamma,
                                           float* dbeta) {
  Parameter scale;
  gamma = scale.aligned(N, gamma);
  for (int64_t n = 0; n < N; ++n) {
    if (dgamma != nullptr) dgamma[n] = 0;
    if (dbeta != nullptr) dbeta[n] = 0;
  }
  int64_t m = 0;
  auto rows = [&](auto count) NNFAST_LAMBDA {
    normalize_rows_backward_<kCentered, kPast, decltype(count)::value>(
        N, x + m * N, dy + m * N, gamma, kCentered ? mean + m : nullptr, inv_std + m,
        dx != nullptr ? dx + m * N : nullptr, dgamma, dbeta);
    m += count;
  };
  while (m + kRows <= M) rows(Index<kRows>{});
  while (m < M) rows(Index<1>{});
  if (kPast) fence_streams();
}

void layer_norm(int64_t M, int64_t N, const float* x, const float* gamma, const float* beta, float epsilon,
                bool past_cache, float* y, float* mean, float* inv_std) {
  (past_cache && are_lines(N, y) ? normalize_rows<true, true> : normalize_rows<true, false>)(M, N, x, gamma, beta,
                                                                                             epsilon, y, mean, inv_std);
}
void layer_norm_backward(int64_t M, int64_t N, const float* x, const float* dy, const float* gamma, const float* mean,
                         const float* inv_std, bool past_cache, float* dx, float* dgamma, float* dbeta) {
  (past_cache && are_lines(N, dx)
       ? normalize_rows_backward<true, true>
       : normalize_rows_backward<true, false>)(M, N, x, dy, gamma, mean, inv_std, dx, dgamma, dbeta);
}
void rms_norm(int64_t M, int64_t N, const float* x, const float* gamma, float epsilon, bool past_cache, float* y,
              float* inv_rms) {
  (past_cache && are_lines(N, y) ? normalize_rows<false, true>
                                 : normalize_rows<false, false>)(M, N, x, gamma, nullptr, epsilon, y, nullptr, inv_rms);
}
void rms_norm_backward(int64_t M, int64_t N, const float* x, const float* dy, const float* gamma, const float* inv_rms,
                       bool past_cache, float* dx, float* dgamma) {
  (past_cache && are_lines(N, dx)
       ? normalize_rows_backward<false, true>
       : normalize_rows_backward<false, false>)(M, N, x, dy, gamma, nullptr, inv_rms, dx, dgamma, nullptr);
}

}  // namespace

extern const Kernels::Norm norm_kernels;
const Kernels::Norm norm_kernels = {moments,    combine_moments,     normalize, gradient_sums,    normalize_backward,
                                    layer_norm, layer_norm_backward, rms_norm,  rms_norm_backward};

}  // namespace nnfast::NNFAST_ISA
