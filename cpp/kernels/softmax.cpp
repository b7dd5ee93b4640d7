// Softmax and the cross-entropies, those of classes each in two forms: along memory, one row at a time; and down the
// lanes, kLanes rows at a time, for rows too short to fill vectors and for axes that are not the last.
#include "kernels/kernels.h"
#include "kernels/math.h"

namespace nnfast::NNFAST_ISA {
namespace {

// Rows up to this length are turned so that a lane is a row. An estimate, not timed yet: a short row along
// memory leaves most lanes idle.
constexpr int kTurned = 16;

// The rows of a block as columns of kLanes; what is missing repeats the first row.
struct Turned {
  alignas(64) float at[kTurned * kLanes];

  void read(int64_t rows, int64_t C, const float* x) NNFAST_LAMBDA {
    if (rows == kLanes) {
      for (int64_t c = 0; c < C; ++c)
        for (int r = 0; r < kLanes; ++r) at[c * kLanes + r] = x[r * C + c];
    } else {
      for (int64_t c = 0; c < C; ++c)
        for (int r = 0; r < kLanes; ++r) at[c * kLanes + r] = x[(r < rows ? r : 0) * C + c];
    }
  }
  void write(int64_t rows, int64_t C, float* y) const NNFAST_LAMBDA {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < C; ++c) y[r * C + c] = at[c * kLanes + r];
  }
};

// f(first, lanes) for n elements, a vector at a time; the last may be partly filled.
template <class F>
NNFAST_INLINE void for_vectors(int64_t n, F&& f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(i, Index<kLanes>{});
  if (i < n) f(i, n - i);
}
// Lanes may be a constant: a whole vector.
NNFAST_INLINE V load_some(const float* p, Index<kLanes>) { return load(p); }
NNFAST_INLINE V load_some(const float* p, int64_t lanes) { return load_first(p, lanes); }
NNFAST_INLINE void store_some(float* p, V v, Index<kLanes>) { store(p, v); }
NNFAST_INLINE void store_some(float* p, V v, int64_t lanes) { store_first(p, v, lanes); }
NNFAST_INLINE V keep_lanes(V v, V, Index<kLanes>) { return v; }
NNFAST_INLINE V keep_lanes(V v, V otherwise, int64_t lanes) { return select(first_lanes(lanes), v, otherwise); }

// Four vectors side by side, since each maximum waits for the one before it.
NNFAST_INLINE float row_max(int64_t C, const float* x) {
  V largest[4];
  for (V& v : largest) v = broadcast(-kInfinity);
  int64_t begin = 0;
  for (; begin + 4 * kLanes <= C; begin += 4 * kLanes)
    static_for<4>([&](auto i) NNFAST_LAMBDA { largest[i] = max(largest[i], load(x + begin + i * kLanes)); });
  for_vectors(C - begin, [&](int64_t c, auto lanes) NNFAST_LAMBDA {
    largest[0] = max(largest[0], keep_lanes(load_some(x + begin + c, lanes), largest[0], lanes));
  });
  return max_across(max(max(largest[0], largest[1]), max(largest[2], largest[3])));
}

// ---- Softmax and log softmax ----

template <bool kLog>
NNFAST_INLINE void softmax_row(int64_t C, const float* x, float* y) {
  const V largest = broadcast(row_max(C, x));
  V sums{};
  for_vectors(C, [&](int64_t c, auto lanes) NNFAST_LAMBDA {
    const V d = load_some(x + c, lanes) - largest;
    const V e = exp_nonpositive(d);
    sums += keep_lanes(e, V{}, lanes);
    store_some(y + c, kLog ? d : e, lanes);
  });
  const V sum = broadcast(sum_across(sums));
  const V last = kLog ? log(sum) : 1.0f / sum;
  for_vectors(C, [&](int64_t c, auto lanes) NNFAST_LAMBDA {
    const V v = load_some(y + c, lanes);
    store_some(y + c, kLog ? v - last : v * last, lanes);
  });
}

// The same down the lanes: element c of a row is at x[c * ld].
template <bool kLog, class Lanes>
NNFAST_INLINE void softmax_lanes(int64_t C, int64_t ld, Lanes lanes, const float* x, float* y) {
  V largest = broadcast(-kInfinity), sum{};
  for (int64_t c = 0; c < C; ++c) largest = max(largest, load_some(x + c * ld, lanes));
  for (int64_t c = 0; c < C; ++c) {
    const V d = load_some(x + c * ld, lanes) - largest;
    const V e = exp_nonpositive(d);
    sum += e;
    store_some(y + c * ld, kLog ? d : e, lanes);
  }
  const V last = kLog ? log(sum) : 1.0f / sum;
  for (int64_t c = 0; c < C; ++c) {
    const V v = load_some(y + c * ld, lanes);
    store_some(y + c * ld, kLog ? v - last : v * last, lanes);
  }
}

// dx = y·(dy − Σ dy·y); for the logarithm dx = dy − e^y·Σ dy.
template <bool kLog>
NNFAST_INLINE void softmax_backward_row(int64_t C, const float* y, const float* dy, float* dx) {
  V sums{};
  for_vectors(C, [&](int64_t c, auto lanes) NNFAST_LAMBDA {
    const V d = load_some(dy + c, lanes);
    sums += kLog ? d : d * load_some(y + c, lanes);
  });
  const V sum = broadcast(sum_across(sums));
  for_vectors(C, [&](int64_t c, auto lanes) NNFAST_LAMBDA {
    const V d = load_some(dy + c, lanes), v = load_some(y + c, lanes);
    store_some(dx + c, kLog ? d - exp(v) * sum : v * (d - sum), lanes);
  });
}
template <bool kLog, class Lanes>
NNFAST_INLINE void softmax_backward_lanes(int64_t C, int64_t ld, Lanes lanes, const float* y, const float* dy,
                                          float* dx) {
  V sum{};
  for (int64_t c = 0; c < C; ++c) {
    const V d = load_some(dy + c * ld, lanes);
    sum += kLog ? d : d * load_some(y + c * ld, lanes);
  }
  for (int64_t c = 0; c < C; ++c) {
    const V d = load_some(dy + c * ld, lanes), v = load_some(y + c * ld, lanes);
    store_some(dx + c * ld, kLog ? d - exp(v) * sum : v * (d - sum), lanes);
  }
}

template <bool kLog>
NNFAST_INLINE void softmax_(int64_t M, int64_t C, int64_t inner, const float* x, float* y) {
  if (inner > 1) {
    for (int64_t m = 0; m < M; ++m)
      for_vectors(inner, [&](int64_t i, auto lanes) NNFAST_LAMBDA {
        softmax_lanes<kLog>(C, inner, lanes, x + m * C * inner + i, y + m * C * inner + i);
      });
  } else if (C > kTurned) {
    for (int64_t m = 0; m < M; ++m) softmax_row<kLog>(C, x + m * C, y + m * C);
  } else {
    Turned turned;
    for (int64_t m = 0; m < M; m += kLanes) {
      const int64_t rows = M - m < kLanes ? M - m : kLanes;
      turned.read(rows, C, x + m * C);
      softmax_lanes<kLog>(C, kLanes, Index<kLanes>{}, turned.at, turned.at);
      turned.write(rows, C, y + m * C);
    }
  }
}
template <bool kLog>
NNFAST_INLINE void softmax_backward_(int64_t M, int64_t C, int64_t inner, const float* y, const float* dy, float* dx) {
  if (inner > 1) {
    for (int64_t m = 0; m < M; ++m)
      for_vectors(inner, [&](int64_t i, auto lanes) NNFAST_LAMBDA {
        const int64_t at = m * C * inner + i;
        softmax_backward_lanes<kLog>(C, inner, lanes, y + at, dy + at, dx + at);
      });
  } else if (C > kTurned) {
    for (int64_t m = 0; m < M; ++m) softmax_backward_row<kLog>(C, y + m * C, dy + m * C, dx + m * C);
  } else {
    Turned turned, gradient;
    for (int64_t m = 0; m < M; m += kLanes) {
      const int64_t rows = M - m < kLanes ? M - m : kLanes;
      turned.read(rows, C, y + m * C);
      gradient.read(rows, C, dy + m * C);
      softmax_backward_lanes<kLog>(C, kLanes, Index<kLanes>{}, turned.at, gradient.at, turned.at);
      turned.write(rows, C, dx + m * C);
    }
  }
}

void softmax(int64_t M, int64_t C, int64_t inner, const float* x, float* y) { softmax_<false>(M, C, inner, x, y); }
void softmax_backward(int64_t M, int64_t C, int64_t inner, const float* y, const float* dy, float* dx) {
  softmax_backward_<false>(M, C, inner, y, dy, dx);
}
void log_softmax(int64_t M, int64_t C, int64_t inner, const float* x, float* y) { softmax_<true>(M, C, inner, x, y); }
void log_softmax_backward(int64_t M, int64_t C, int64_t inner, const float* y, const float* dy, float* dx) {
  softmax_backward_<true>(M, C, inner, y, dy, dx);
}

// ---- Softmax + cross-entropy with class labels ----
// d = x − max, s = Σ e^d, target t_c = smoothing/C + (1 − smoothing)·[c = label],
// loss = log s − Σ t_c·d_c, gradient = e^d/s − t.

NNFAST_INLINE VI load_labels(const int32_t* p, int64_t n) {
  VI v{};
  if (n == kLanes)
    v = *reinterpret_cast<const VIu*>(p);
  else
    for (int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
}

struct Labels {
  const float smoothing;
  const bool ignores;
  const int32_t ignored;
  const float weight;  // of the gradient

  VI is_ignored(VI labels) const { return ignores ? labels == ignored : VI{}; }
  static VI is_valid(VI labels, int64_t C) { return (labels >= 0) & (labels < static_cast<int32_t>(C)); }
  // 0 where the label is ignored, NaN where there is no such class.
  V outcome(V v, VI labels, int64_t C) const {
    v = select(is_valid(labels, C), v, broadcast(__builtin_nanf("")));
    return ignores ? select(is_ignored(labels), V{}, v) : v;
  }
};

NNFAST_INLINE void cross_entropy_lanes(int64_t C, const float* x, VI labels, const Labels& rules, float* gradient,
                                       V& loss) {
  const float off = rules.smoothing / static_cast<float>(C), on = 1.0f - rules.smoothing;
  V largest = broadcast(-kInfinity), sum{}, d_sum{}, d_label{};
  for (int64_t c = 0; c < C; ++c) largest = max(largest, load(x + c * kLanes));
  for (int64_t c = 0; c < C; ++c) {
    const V d = load(x + c * kLanes) - largest;
    const V e = exp_nonpositive(d);
    sum += e;
    d_sum += d;
    d_label = select(labels == static_cast<int32_t>(c), d, d_label);
    store(gradient + c * kLanes, e);
  }
  loss = log(sum) - on * d_label;
  if (off != 0.0f) loss -= off * d_sum;
  loss = rules.outcome(loss, labels, C);
  const V scale = rules.weight / sum;
  for (int64_t c = 0; c < C; ++c) {
    const V target = rules.weight * select(labels == static_cast<int32_t>(c), broadcast(on + off), broadcast(off));
    store(gradient + c * kLanes, rules.outcome(load(gradient + c * kLanes) * scale - target, labels, C));
  }
}

// The sums of one row, for the loss of several rows at once: the logarithm is as dear as a vector of exponentials.
// The gradient may be null.
NNFAST_INLINE void cross_entropy_row(int64_t C, const float* x, int32_t label, const Labels& rules, float* gradient,
                                     float& sum, float& d_target) {
  const V largest = broadcast(row_max(C, x));
  V sums{}, d_sums{};
  for_vectors(C, [&](int64_t c, auto lanes) NNFAST_LAMBDA {
    const V d = load_some(x + c, lanes) - largest;
    const V e = exp_nonpositive(d);
    sums += keep_lanes(e, V{}, lanes);
    d_sums += keep_lanes(d, V{}, lanes);
    if (gradient != nullptr) store_some(gradient + c, e, lanes);
  });
  const float off = rules.smoothing / static_cast<float>(C), on = 1.0f - rules.smoothing;
  const bool valid = label >= 0 && label < C;
  sum = sum_across(sums);
  d_target = valid ? on * (x[label] - largest[0]) : 0.0f;
  if (off != 0.0f) d_target += off * sum_across(d_sums);
  if (gradient == nullptr) return;
  if (rules.ignores && label == rules.ignored) {
    for_vectors(C, [&](int64_t c, auto lanes) NNFAST_LAMBDA { store_some(gradient + c, V{}, lanes); });
  } else if (!valid) {
    for_vectors(C, [&](int64_t c, auto lanes)
                       NNFAST_LAMBDA { store_some(gradient + c, broadcast(__builtin_nanf("")), lanes); });
  } else {
    const V scale = broadcast(rules.weight / sum), offset = broadcast(rules.weight * off);
    for_vectors(C, [&](int64_t c, auto lanes) NNFAST_LAMBDA {
      store_some(gradient + c, load_some(gradient + c, lanes) * scale - offset, lanes);
    });
    gradient[label] -= rules.weight * on;
  }
}

void softmax_cross_entropy(int64_t M, int64_t C, const float* x, const int32_t* labels, float smoothing, bool ignores,
                           int32_t ignored, float weight, float* loss, float* gradient) {
  const Labels rules{smoothing, ignores, ignored, weight};
  for (int64_t m = 0; m < M; m += kLanes) {
    const int64_t rows = M - m < kLanes ? M - m : kLanes;
    const VI label = load_labels(labels + m, rows);
    V result;
    if (C <= kTurned) {
      Turned turned, turned_gradient;
      turned.read(rows, C, x + m * C);
      cross_entropy_lanes(C, turned.at, label, rules, turned_gradient.at, result);
      if (gradient != nullptr) turned_gradient.write(rows, C, gradient + m * C);
    } else {
      float sum[kLanes] = {}, d_target[kLanes] = {};
      for (int64_t r = 0; r < rows; ++r)
        cross_entropy_row(C, x + (m + r) * C, labels[m + r], rules,
                          gradient != nullptr ? gradient + (m + r) * C : nullptr, sum[r], d_target[r]);
      result = rules.outcome(log(load(sum)) - load(d_target), label, C);
    }
    store_first(loss + m, result, rows);
  }
}

// ---- Softmax + cross-entropy with target probabilities t' = t·(1 − smoothing) + smoothing/C ----
// loss = log s·Σ t' − Σ t'·d, gradient = e^d/s·Σ t' − t'. A class of target 0 counts nothing, even at x = −∞.

NNFAST_INLINE V product_or_zero(V t, V d) { return select(t == 0.0f, V{}, t * d); }

NNFAST_INLINE void cross_entropy_dense_lanes(int64_t C, const float* x, const float* t, float smoothing,
                                             float* gradient, V& loss) {
  const float off = smoothing / static_cast<float>(C), on = 1.0f - smoothing;
  V largest = broadcast(-kInfinity), sum{}, t_sum{}, td_sum{};
  for (int64_t c = 0; c < C; ++c) largest = max(largest, load(x + c * kLanes));
  for (int64_t c = 0; c < C; ++c) {
    const V d = load(x + c * kLanes) - largest, target = load(t + c * kLanes) * on + off;
    const V e = exp_nonpositive(d);
    sum += e;
    t_sum += target;
    td_sum += product_or_zero(target, d);
    store(gradient + c * kLanes, e);
  }
  loss = log(sum) * t_sum - td_sum;
  const V scale = t_sum / sum;
  for (int64_t c = 0; c < C; ++c)
    store(gradient + c * kLanes, load(gradient + c * kLanes) * scale - (load(t + c * kLanes) * on + off));
}

NNFAST_INLINE void cross_entropy_dense_row(int64_t C, const float* x, const float* t, float smoothing, float* gradient,
                                           float& sum, float& t_sum, float& td_sum) {
  const float off = smoothing / static_cast<float>(C), on = 1.0f - smoothing;
  const V largest = broadcast(row_max(C, x));
  V sums{}, t_sums{}, td_sums{};
  for_vectors(C, [&](int64_t c, auto lanes) NNFAST_LAMBDA {
    const V d = load_some(x + c, lanes) - largest;
    const V target = keep_lanes(load_some(t + c, lanes) * on + off, V{}, lanes);
    const V e = exp_nonpositive(d);
    sums += keep_lanes(e, V{}, lanes);
    t_sums += target;
    td_sums += product_or_zero(target, d);
    if (gradient != nullptr) store_some(gradient + c, e, lanes);
  });
  sum = sum_across(sums);
  t_sum = sum_across(t_sums);
  td_sum = sum_across(td_sums);
  if (gradient == nullptr) return;
  const V scale = broadcast(t_sum / sum);
  for_vectors(C, [&](int64_t c, auto lanes) NNFAST_LAMBDA {
    store_some(gradient + c, load_some(gradient + c, lanes) * scale - (load_some(t + c, lanes) * on + off), lanes);
  });
}

void softmax_cross_entropy_dense(int64_t M, int64_t C, const float* x, const float* t, float smoothing, float* loss,
                                 float* gradient) {
  for (int64_t m = 0; m < M; m += kLanes) {
    const int64_t rows = M - m < kLanes ? M - m : kLanes;
    V result;
    if (C <= kTurned) {
      Turned turned, target, turned_gradient;
      turned.read(rows, C, x + m * C);
      target.read(rows, C, t + m * C);
      cross_entropy_dense_lanes(C, turned.at, target.at, smoothing, turned_gradient.at, result);
      if (gradient != nullptr) turned_gradient.write(rows, C, gradient + m * C);
    } else {
      float sum[kLanes] = {}, t_sum[kLanes] = {}, td_sum[kLanes] = {};
      for (int64_t r = 0; r < rows; ++r)
        cross_entropy_dense_row(C, x + (m + r) * C, t + (m + r) * C, smoothing,
                                gradient != nullptr ? gradient + (m + r) * C : nullptr, sum[r], t_sum[r], td_sum[r]);
      result = log(load(sum)) * load(t_sum) - load(td_sum);
    }
    store_first(loss + m, result, rows);
  }
}

// ---- Sigmoid + cross-entropy ----
// With s = share of the other side (1 − t where x > 0, else t): loss = |x|·s + log(1 + e^−|x|), and its gradient is
// ±(s − sigmoid(−|x|)), which loses nothing where the answer is right. A share of 0 counts nothing, even at ±∞.

struct Binary {
  V loss, gradient;
};
NNFAST_INLINE Binary binary_cross_entropy(V x, V t) {
  const V a = abs(x), e = exp(-a);
  const V other = x > 0.0f ? 1.0f - t : t;
  const V away = other - e / (1.0f + e);
  return {product_or_zero(other, a) + log1p_unit(e), x > 0.0f ? away : -away};
}

void sigmoid_cross_entropy(int64_t M, int64_t C, const float* x, const float* t, float smoothing, float* loss,
                           float* gradient) {
  const float on = 1.0f - smoothing, off = 0.5f * smoothing, share = 1.0f / static_cast<float>(C);
  const auto at = [&](int64_t i, auto lanes) NNFAST_LAMBDA {
    const Binary b = binary_cross_entropy(load_some(x + i, lanes), load_some(t + i, lanes) * on + off);
    if (gradient != nullptr) store_some(gradient + i, b.gradient * share, lanes);
    return b.loss;
  };
  if (C == 1) {
    for_vectors(M, [&](int64_t m, auto lanes) NNFAST_LAMBDA { store_some(loss + m, at(m, lanes), lanes); });
    return;
  }
  for (int64_t m = 0; m < M; ++m) {
    V sums{};
    for_vectors(C, [&](int64_t c, auto lanes) NNFAST_LAMBDA { sums += keep_lanes(at(m * C + c, lanes), V{}, lanes); });
    loss[m] = sum_across(sums) * share;
  }
}

// ---- dx[m, c] = gradient[m, c]·dy[m] ----

void scale_rows(int64_t M, int64_t C, const float* gradient, const float* dy, float* dx) {
  if (C >= kLanes) {
    for (int64_t m = 0; m < M; ++m) {
      const V scale = broadcast(dy[m]);
      for_vectors(C, [&](int64_t c, auto lanes) NNFAST_LAMBDA {
        store_some(dx + m * C + c, load_some(gradient + m * C + c, lanes) * scale, lanes);
      });
    }
  } else {
    for (int64_t m = 0; m < M; ++m)
      for (int64_t c = 0; c < C; ++c) dx[m * C + c] = gradient[m * C + c] * dy[m];
  }
}

}  // namespace

extern const Kernels::Softmax softmax_kernels;
const Kernels::Softmax softmax_kernels = {
    softmax,
    softmax_backward,
    log_softmax,
    log_softmax_backward,
    softmax_cross_entropy,
    softmax_cross_entropy_dense,
    sigmoid_cross_entropy,
    scale_rows,
};

}  // namespace nnfast::NNFAST_ISA
