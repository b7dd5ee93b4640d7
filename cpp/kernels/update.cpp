// Optimizer steps: one pass over the parameters, their gradients and the optimizer's slots.
//
// A rule is a struct made once a call from the scalars of the step, in double precision, and applied to one vector of
// elements at a time: step(p, g, slots) changes the parameter p and the slots. The formulas are those of Keras 3,
// where epsilon stands included; optimizers.h lists the rules.
#include "kernels/kernels.h"
#include "kernels/math.h"
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {

extern const Kernels::Update update_kernels;

namespace {

NNFAST_INLINE V all(double x) { return broadcast(static_cast<float>(x)); }
// Elements of padding are all zero: with epsilon 0 they would become 0/0.
NNFAST_INLINE V positive(double epsilon) { return all(epsilon > 1e-37 ? epsilon : 1e-37); }
// A NaN comes through each of these.
NNFAST_INLINE V clip(V x, V limit) { return max(-limit, min(limit, x)); }
NNFAST_INLINE V sign(V x) { return x > 0 ? V{} + 1 : (x < 0 ? V{} - 1 : x); }
// a / (√x + ε) for x >= 0, within 4 ULP. AVX-512's root and division take 33 cycles a vector of 16 on Zen 4, an
// estimate of 14 bits and a Newton step each take 10: it decides the step of a model that fits the cache.
NNFAST_INLINE V over_root(V a, V x, V epsilon) {
#if defined(__AVX512F__)
  // Where the estimates are finite; what is cut off is below any ε.
  x = max(all(1.2e-38), min(all(3.4e38), x));
  const V r = __builtin_ia32_rsqrt14ps512_mask(x, V{}, 0xffff);
  const V s = x * r;
  const V d = s * (1.5f - 0.5f * (s * r)) + epsilon;
  const V q = __builtin_ia32_rcp14ps512_mask(d, V{}, 0xffff);
  return a * (q + q * (1 - d * q));
#else
  return a / (sqrt(x) + epsilon);
#endif
}
// xⁿ for n >= 0, without the C library: kernels call nothing.
NNFAST_INLINE double power(double x, int64_t n) {
  double result = 1;
  for (; n > 0; n >>= 1, x *= x)
    if (n & 1) result *= x;
  return result;
}

// p -= lr·g
struct Sgd {
  static constexpr int kSlots = 0;
  V rate;

  explicit Sgd(const UpdateArgs& args) : rate(all(args.learning_rate)) {}
  NNFAST_LAMBDA void step(V& p, V g, V*) const { p -= rate * g; }
};

// d = lr·(1 - dampening)·g,  m = momentum·m - d,  p += m; or, after Nesterov, p += momentum·m - d
template <bool kNesterov>
struct SgdMomentum {
  static constexpr int kSlots = 1;
  V momentum, rate;

  explicit SgdMomentum(const UpdateArgs& args)
      : momentum(all(args.hyper[0])), rate(all(args.learning_rate * (1 - args.hyper[1]))) {}
  NNFAST_LAMBDA void step(V& p, V g, V* slots) const {
    V& m = slots[0];
    const V d = rate * g;
    m = momentum * m - d;
    p += kNesterov ? momentum * m - d : m;
  }
};

// a += g²,  p -= lr·g / √(a + ε)
struct Adagrad {
  static constexpr int kSlots = 1;
  V rate, epsilon;

  explicit Adagrad(const UpdateArgs& args) : rate(all(args.learning_rate)), epsilon(positive(args.hyper[0])) {}
  NNFAST_LAMBDA void step(V& p, V g, V* slots) const {
    V& a = slots[0];
    a += g * g;
    p -= rate * g / sqrt(a + epsilon);
  }
};

// v = ρ·v + (1 - ρ)·g²,  d = lr·g / √(v + ε)
//   centered: a = ρ·a + (1 - ρ)·g,  d = lr·g / √(v - a² + ε)
// p -= d;  with momentum: m = momentum·m + d,  p -= m
template <bool kMomentum, bool kCentered>
struct RmsProp {
  static constexpr int kSlots = 1 + kMomentum + kCentered;
  V rate, rho, rest, momentum, epsilon;

  explicit RmsProp(const UpdateArgs& args)
      : rate(all(args.learning_rate)),
        rho(all(args.hyper[0])),
        rest(all(1 - args.hyper[0])),
        momentum(all(args.hyper[1])),
        epsilon(positive(args.hyper[2])) {}
  NNFAST_LAMBDA void step(V& p, V g, V* slots) const {
    V& v = slots[0];
    v = rho * v + rest * (g * g);
    V variance = v;
    if constexpr (kCentered) {
      V& a = slots[kSlots - 1];
      a = rho * a + rest * g;
      variance -= a * a;
      variance = variance < 0 ? V{} : variance;  // by rounding, where all gradients are alike
    }
    const V d = rate * g / sqrt(variance + epsilon);
    if constexpr (kMomentum) {
      V& m = slots[1];
      m = momentum * m + d;
      p -= m;
    } else {
      p -= d;
    }
  }
};

// a = ρ·a + (1 - ρ)·g²,  d = g·√(b + ε) / √(a + ε),  b = ρ·b + (1 - ρ)·d²,  p -= lr·d
struct Adadelta {
  static constexpr int kSlots = 2;
  V rate, rho, rest, epsilon;

  explicit Adadelta(const UpdateArgs& args)
      : rate(all(args.learning_rate)),
        rho(all(args.hyper[0])),
        rest(all(1 - args.hyper[0])),
        epsilon(positive(args.hyper[1])) {}
  NNFAST_LAMBDA void step(V& p, V g, V* slots) const {
    V &a = slots[0], &b = slots[1];
    a = rho * a + rest * (g * g);
    const V d = sqrt(b + epsilon) * g / sqrt(a + epsilon);
    b = rho * b + rest * (d * d);
    p -= rate * d;
  }
};

// m += (g - m)·(1 - β₁),  v += (g² - v)·(1 - β₂),  p -= α·m / (√v + ε)  with  α = lr·√(1 - β₂ᵗ) / (1 - β₁ᵗ)
//   amsgrad: the largest v so far in place of v
template <bool kAmsgrad>
struct Adam {
  static constexpr int kSlots = 2 + kAmsgrad;
  V alpha, rest_1, rest_2, epsilon;

  explicit Adam(const UpdateArgs& args)
      : rest_1(all(1 - args.hyper[0])), rest_2(all(1 - args.hyper[1])), epsilon(positive(args.hyper[2])) {
    alpha = all(args.learning_rate * __builtin_sqrt(1 - power(args.hyper[1], args.step)) /
                (1 - power(args.hyper[0], args.step)));
  }
  NNFAST_LAMBDA void step(V& p, V g, V* slots) const {
    V &m = slots[0], &v = slots[1];
    m += (g - m) * rest_1;
    v += (g * g - v) * rest_2;
    V largest = v;
    if constexpr (kAmsgrad) largest = slots[2] = max(slots[2], v);
    p -= over_root(alpha * m, largest, epsilon);
  }
};

// As Adam, with u_t = β₁·(1 - 0.96ᵗ/2), U_t = u_1 · … · u_t and
//   m̂ = m·u_{t+1} / (1 - U_{t+1}) + g·(1 - u_t) / (1 - U_t),  p -= lr·m̂ / (√(v / (1 - β₂ᵗ)) + ε)
struct Nadam {
  static constexpr int kSlots = 2;
  V of_m, of_g, rest_1, rest_2, correction, epsilon;

  explicit Nadam(const UpdateArgs& args)
      : rest_1(all(1 - args.hyper[0])), rest_2(all(1 - args.hyper[1])), epsilon(positive(args.hyper[2])) {
    const double beta_1 = args.hyper[0], warmth = 0.5 * power(0.96, args.step);
    const double now = beta_1 * (1 - warmth), next = beta_1 * (1 - 0.96 * warmth);
    const double product = product_of_momentums(beta_1, args.step);
    of_m = all(args.learning_rate * next / (1 - product * next));
    of_g = all(args.learning_rate * (1 - now) / (1 - product));
    correction = all(1 / (1 - power(args.hyper[1], args.step)));
  }
  NNFAST_LAMBDA void step(V& p, V g, V* slots) const {
    V &m = slots[0], &v = slots[1];
    m += (g - m) * rest_1;
    v += (g * g - v) * rest_2;
    p -= over_root(of_m * m + of_g * g, v * correction, epsilon);
  }

 private:
  // U_t, from the number of the step alone: β₁ᵗ times a product that has settled when 0.96ⁱ is below rounding.
  static double product_of_momentums(double beta_1, int64_t t) {
    double product = power(beta_1, t), warmth = 0.5;
    for (int64_t i = 1; i <= t && product > 1e-17 && warmth > 1e-17; ++i) {
      warmth *= 0.96;
      product *= 1 - warmth;
    }
    return product;
  }
};

// m += (g - m)·(1 - β₁),  u = max(β₂·u, |g|),  p -= lr/(1 - β₁ᵗ) · m / (u + ε)
struct Adamax {
  static constexpr int kSlots = 2;
  V rate, rest_1, beta_2, epsilon;

  explicit Adamax(const UpdateArgs& args)
      : rate(all(args.learning_rate / (1 - power(args.hyper[0], args.step)))),
        rest_1(all(1 - args.hyper[0])),
        beta_2(all(args.hyper[1])),
        epsilon(positive(args.hyper[2])) {}
  NNFAST_LAMBDA void step(V& p, V g, V* slots) const {
    V &m = slots[0], &u = slots[1];
    m += (g - m) * rest_1;
    u = max(beta_2 * u, abs(g));
    p -= rate * m / (u + epsilon);
  }
};

// As Adam, where v has been seen long enough, with  α = r·lr·√(1 - β₂ᵗ) / (1 - β₁ᵗ)  and
//   ρ∞ = 2/(1 - β₂) - 1,  ρ = ρ∞ - 2t·β₂ᵗ/(1 - β₂ᵗ),  r² = (ρ - 4)(ρ - 2)·ρ∞ / ((ρ∞ - 4)(ρ∞ - 2)·ρ);
// before that, where ρ <= 5:  p -= lr/(1 - β₁ᵗ) · m
struct RAdam {
  static constexpr int kSlots = 2;
  bool rectified;
  V alpha, rest_1, rest_2, epsilon;

  explicit RAdam(const UpdateArgs& args)
      : rest_1(all(1 - args.hyper[0])), rest_2(all(1 - args.hyper[1])), epsilon(positive(args.hyper[2])) {
    const double fading = power(args.hyper[1], args.step), seen = 1 - fading;
    const double longest = 2 / (1 - args.hyper[1]) - 1, length = longest - 2.0 * args.step * fading / seen;
    double rate = args.learning_rate / (1 - power(args.hyper[0], args.step));
    rectified = length > 5;
    if (rectified)
      rate *= __builtin_sqrt(seen * (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length));
    alpha = all(rate);
  }
  NNFAST_LAMBDA void step(V& p, V g, V* slots) const {
    V &m = slots[0], &v = slots[1];
    m += (g - m) * rest_1;
    v += (g * g - v) * rest_2;
    p -= alpha * (rectified ? over_root(m, v, epsilon) : m);
  }
};

// p -= lr·sign(β₁·m + (1 - β₁)·g),  m = β₂·m + (1 - β₂)·g
struct Lion {
  static constexpr int kSlots = 1;
  V rate, beta_1, rest_1, beta_2, rest_2;

  explicit Lion(const UpdateArgs& args)
      : rate(all(args.learning_rate)),
        beta_1(all(args.hyper[0])),
        rest_1(all(1 - args.hyper[0])),
        beta_2(all(args.hyper[1])),
        rest_2(all(1 - args.hyper[1])) {}
  NNFAST_LAMBDA void step(V& p, V g, V* slots) const {
    V& m = slots[0];
    p -= rate * sign(beta_1 * m + rest_1 * g);
    m = beta_2 * m + rest_2 * g;
  }
};

// Elements ahead of its use, of the parameters alone: other threads have read them since the last step, and a line that
// several caches hold is written only once the others have given it up. With two threads of an Emerald Rapids the step
// of a layer of 256x256 takes half of the time so.
constexpr int64_t kAhead = 256;

// Plain: the gradient as it is, and no decay, which most models have: 4 to 9 % of Adam's time with AVX-512.
template <class Rule, bool Plain>
void steps(const UpdateArgs& args) {
  const Rule rule(args);
  const V scale = broadcast(args.gradient_scale), limit = broadcast(args.clip_value);
  const V decay = all(args.learning_rate * args.weight_decay);
  auto apply = [&](V& p, V g, V* values) NNFAST_LAMBDA {
    if constexpr (!Plain) {
      p -= p * decay;
      g = clip(g * scale, limit);
    }
    rule.step(p, g, values);
  };
  for (int64_t row = 0; row < args.rows; ++row) {
    const int64_t n = args.n;
    float* const parameters = args.parameters + row * args.ld;
    const float* const gradients = args.gradients + row * args.ld_gradients;
    float* slots[Rule::kSlots + 1];
    for (int s = 0; s < Rule::kSlots; ++s) slots[s] = args.slots[s] + row * args.ld;
    int64_t i = 0;
    for (; i + kLanes <= n; i += kLanes) {
      __builtin_prefetch(parameters + i + kAhead, 1);
      V p = load(parameters + i), values[Rule::kSlots + 1];
      static_for<Rule::kSlots>([&](auto s) NNFAST_LAMBDA { values[s] = load(slots[s] + i); });
      apply(p, load(gradients + i), values);
      store(parameters + i, p);
      static_for<Rule::kSlots>([&](auto s) NNFAST_LAMBDA { store(slots[s] + i, values[s]); });
    }
    if (const int64_t rest = n - i; rest > 0) {
      V p = load_first(parameters + i, rest), values[Rule::kSlots + 1];
      static_for<Rule::kSlots>([&](auto s) NNFAST_LAMBDA { values[s] = load_first(slots[s] + i, rest); });
      apply(p, load_first(gradients + i, rest), values);
      store_first(parameters + i, p, rest);
      static_for<Rule::kSlots>([&](auto s) NNFAST_LAMBDA { store_first(slots[s] + i, values[s], rest); });
    }
  }
}

template <class Rule>
void step(const UpdateArgs& args) {
  if (args.gradient_scale == 1 && args.clip_value == __builtin_inff() && args.weight_decay == 0)
    steps<Rule, true>(args);
  else
    steps<Rule, false>(args);
}

typedef double VD __attribute__((vector_size(kLanes * 4)));
typedef float Half __attribute__((vector_size(kLanes * 2)));
typedef float Halfu __attribute__((vector_size(kLanes * 2), aligned(4), may_alias));

NNFAST_INLINE VD square(Half x) {
  const VD wide = __builtin_convertvector(x, VD);
  return wide * wide;
}

double sum_of_squares(int64_t n, const float* x) {
  constexpr int kHalf = kLanes / 2;
  VD sums[4] = {};
  int64_t i = 0;
  for (; i + 4 * kHalf <= n; i += 4 * kHalf)
    static_for<4>([&](auto k) NNFAST_LAMBDA { sums[k] += square(*reinterpret_cast<const Halfu*>(x + i + k * kHalf)); });
  const VD sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  double total = 0;
  for (int k = 0; k < kHalf; ++k) total += sum[k];
  for (; i < n; ++i) total += static_cast<double>(x[i]) * x[i];
  return total;
}

void accumulate(int64_t n, const float* __restrict x, float* __restrict sum) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) sum[i] += x[i];
}

void take_sum(int64_t n, float scale, float* __restrict x, float* __restrict sum) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    x[i] = (x[i] + sum[i]) * scale;
    sum[i] = 0;
  }
}

void move_average(int64_t n, float rate, const float* __restrict x, float* __restrict average) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) average[i] += (x[i] - average[i]) * rate;
}

}  // namespace

#define NNFAST_PLAIN_(...) __VA_ARGS__
#define NNFAST_PLAIN(rule) NNFAST_PLAIN_ rule
#define NNFAST_STEP(name, rule, slots, hyper) step<NNFAST_PLAIN(rule)>,
const Kernels::Update update_kernels = {
    {NNFAST_OPTIMIZERS(NNFAST_STEP)}, sum_of_squares, accumulate, take_sum, move_average,
};

}  // namespace nnfast::NNFAST_ISA
