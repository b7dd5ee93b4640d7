#include "kernels/elementwise.h"

#include "kernels/kernels.h"

namespace nnfast::NNFAST_ISA {
namespace {

struct Whole {
  NNFAST_INLINE V get(const float* p) { return load(p); }
  NNFAST_INLINE void put(float* p, V v) { store(p, v); }
};
struct First {
  int64_t n;
  inline __attribute__((always_inline)) V get(const float* p) const { return load_first(p, n); }
  inline __attribute__((always_inline)) void put(float* p, V v) const { store_first(p, v, n); }
};
// body(position, lanes) for each vector of n elements, where lanes.get and lanes.put load and store; the last vector
// is padded with zeros.
template <class Body>
NNFAST_INLINE void for_vectors(int64_t n, const Body& body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, Whole{});
  if (i < n) body(i, First{n - i});
}

// An operand as vectors, whether it steps or stands still: `at` then always gives the same place.
struct Operand {
  float repeated[kLanes];
  const float* data;
  int64_t mask;
  inline __attribute__((always_inline)) Operand(const float* x, int64_t step) {
    if (x != nullptr && step != 0) {
      data = x;
      mask = -1;
    } else {
      store(repeated, broadcast(x != nullptr ? *x : 0.0f));
      data = repeated;
      mask = 0;
    }
  }
  Operand(const Operand&) = delete;
  inline __attribute__((always_inline)) const float* at(int64_t i) const { return data + (i & mask); }
};

template <Unary U>
void unary(int64_t n, const float* x, float* y) {
  for_vectors(n, [=](int64_t i, auto lanes) NNFAST_LAMBDA { lanes.put(y + i, UnaryFormula<U>::f(lanes.get(x + i))); });
}

template <Unary U>
void unary_backward(int64_t n, const float* x, const float* y, const float* dy, float* dx) {
  constexpr auto reads = kUnary[static_cast<int>(U)].derivative_reads;
  [[maybe_unused]] const float* v = reads == UnaryInfo::x ? x : y;
  for_vectors(n, [=](int64_t i, auto lanes) NNFAST_LAMBDA {
    V at{};
    if constexpr (reads != UnaryInfo::nothing) at = lanes.get(v + i);
    lanes.put(dx + i, UnaryFormula<U>::df(at, lanes.get(dy + i)));
  });
}

template <Binary B>
void binary(int64_t n, const float* a, int64_t a_step, const float* b, int64_t b_step, float* y) {
  const Operand first(a, a_step), second(b, b_step);
  for_vectors(n, [&](int64_t i, auto lanes) NNFAST_LAMBDA {
    lanes.put(y + i, BinaryFormula<B>::f(lanes.get(first.at(i)), lanes.get(second.at(i))));
  });
}

template <Binary B, int K>
void binary_backward(int64_t n, const float* a, int64_t a_step, const float* b, int64_t b_step, const float* y,
                     const float* dy, float* dx) {
  constexpr auto reads = kBinary[static_cast<int>(B)].derivatives_read;
  const Operand first(a, a_step), second(b, b_step);
  for_vectors(n, [&](int64_t i, auto lanes) NNFAST_LAMBDA {
    V at{}, bt{}, yt{};
    if constexpr (reads != BinaryInfo::nothing) {
      at = lanes.get(first.at(i));
      bt = lanes.get(second.at(i));
    }
    if constexpr (reads == BinaryInfo::inputs_and_y) yt = lanes.get(y + i);
    const V d = lanes.get(dy + i);
    lanes.put(dx + i, K == 0 ? BinaryFormula<B>::da(at, bt, yt, d) : BinaryFormula<B>::db(at, bt, yt, d));
  });
}

void where(int64_t n, const float* condition, int64_t condition_step, const float* a, int64_t a_step, const float* b,
           int64_t b_step, float* y) {
  const Operand test(condition, condition_step), first(a, a_step), second(b, b_step);
  for_vectors(n, [&](int64_t i, auto lanes) NNFAST_LAMBDA {
    lanes.put(y + i, lanes.get(test.at(i)) != 0.0f ? lanes.get(first.at(i)) : lanes.get(second.at(i)));
  });
}

void clip(int64_t n, const float* x, float low, float high, float* y) {
  for_vectors(n, [=](int64_t i, auto lanes)
                     NNFAST_LAMBDA { lanes.put(y + i, at_most(at_least(lanes.get(x + i), low), high)); });
}

void clip_backward(int64_t n, const float* x, const float* dy, float low, float high, float* dx) {
  for_vectors(n, [=](int64_t i, auto lanes) NNFAST_LAMBDA {
    const V v = lanes.get(x + i);
    lanes.put(dx + i, keep_where((v >= low) & (v <= high), lanes.get(dy + i)));
  });
}

void accumulate(int64_t n, const float* x, float* y) {
  for_vectors(n, [=](int64_t i, auto lanes) NNFAST_LAMBDA { lanes.put(y + i, lanes.get(y + i) + lanes.get(x + i)); });
}

void add_n(int64_t n, int64_t count, const float* const* xs, int64_t offset, float* y) {
  for_vectors(n, [=](int64_t i, auto lanes) NNFAST_LAMBDA {
    V total = lanes.get(xs[0] + offset + i);
    for (int64_t k = 1; k < count; ++k) total += lanes.get(xs[k] + offset + i);
    lanes.put(y + i, total);
  });
}

float sum(int64_t n, const float* x) {
  V sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    static_for<4>([&](auto k) NNFAST_LAMBDA { sums[k] += load(x + i + k * kLanes); });
  for (; i + kLanes <= n; i += kLanes) sums[0] += load(x + i);
  if (i < n) sums[1] += load_first(x + i, n - i);
  return sum_across((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

void to_int(int64_t n, const float* x, int32_t* y) {
  for (int64_t i = 0; i < n; ++i)
    y[i] = x[i] >= -2147483648.0f && x[i] < 2147483648.0f ? static_cast<int32_t>(x[i]) : INT32_MIN;
}

void to_float(int64_t n, const int32_t* x, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(x[i]);
}

}  // namespace

extern const Kernels::Elementwise elementwise_kernels;
const Kernels::Elementwise elementwise_kernels = {
#define NNFAST_ROW(name, reads) unary<Unary::name>,
    {NNFAST_UNARY(NNFAST_ROW)},
#undef NNFAST_ROW
#define NNFAST_ROW(name, reads) unary_backward<Unary::name>,
    {NNFAST_UNARY(NNFAST_ROW)},
#undef NNFAST_ROW
#define NNFAST_ROW(name, reads) binary<Binary::name>,
    {NNFAST_BINARY(NNFAST_ROW)},
#undef NNFAST_ROW
#define NNFAST_ROW(name, reads) binary_backward<Binary::name, 0>,
    {{NNFAST_BINARY(NNFAST_ROW)},
#undef NNFAST_ROW
#define NNFAST_ROW(name, reads) binary_backward<Binary::name, 1>,
     {NNFAST_BINARY(NNFAST_ROW)}},
#undef NNFAST_ROW
    where,
    clip,
    clip_backward,
    accumulate,
    add_n,
    sum,
    to_int,
    to_float,
};

}  // namespace nnfast::NNFAST_ISA
