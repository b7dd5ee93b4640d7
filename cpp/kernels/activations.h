// The activation functions: their one list and, for kernels, a struct each with f and df.
// To add one: a row and a struct here, and its function in python/nnfast/activations.py.
#pragma once

// A(name, what its derivative reads, default of its parameter alpha)
//   nothing or y: the derivative follows from the output, so a fused layer need not keep its pre-activation;
//   x: it needs the input.
// Definitions and defaults are those of Keras 3, on the names' own lines where a name alone does not say them.
// clang-format off
#define NNFAST_ACTIVATIONS(A)                                              \
  A(linear, nothing, 0)                                                    \
  A(relu, y, 0)                                                            \
  A(relu_squared, y, 0)                                                    \
  A(leaky_relu, y, 0.2f)      /* alpha >= 0: the negative slope */         \
  A(relu6, y, 0)                                                           \
  A(elu, y, 1)                /* alpha >= 0 */                             \
  A(selu, y, 0)                                                            \
  A(celu, y, 1)               /* alpha > 0 */                              \
  A(gelu, x, 0)               /* x Φ(x), by erf */                         \
  A(gelu_tanh, x, 0)          /* its approximation by tanh */              \
  A(sigmoid, y, 0)                                                         \
  A(log_sigmoid, y, 0)                                                     \
  A(hard_sigmoid, y, 0)       /* x/6 + 1/2, kept in 0…1 */                 \
  A(tanh, y, 0)                                                            \
  A(hard_tanh, y, 0)                                                       \
  A(tanh_shrink, x, 0)        /* x - tanh x */                             \
  A(softplus, y, 0)                                                        \
  A(softsign, y, 0)                                                        \
  A(silu, x, 0)               /* swish */                                  \
  A(hard_silu, x, 0)          /* hard_swish */                             \
  A(mish, x, 0)                                                            \
  A(exponential, y, 0)                                                     \
  A(squareplus, y, 4)         /* (x + sqrt(x² + alpha)) / 2, alpha >= 0 */ \
  A(sparse_plus, y, 0)                                                     \
  A(sparse_sigmoid, y, 0)                                                  \
  A(soft_shrink, y, 0.5f)     /* alpha >= 0: the threshold */              \
  A(hard_shrink, y, 0.5f)     /* alpha >= 0: the threshold */              \
  A(threshold, x, 0)          /* x where it is above alpha, else 0 */      \
  A(step, nothing, 0)         /* 1 from x = 0 upwards; gradient 0 */
// clang-format on

namespace nnfast {

enum class Activation {
#define NNFAST_ROW(name, reads, alpha) name,
  NNFAST_ACTIVATIONS(NNFAST_ROW)
#undef NNFAST_ROW
};

struct ActivationInfo {
  enum Reads { nothing, x, y };
  const char* name;
  Reads derivative_reads;
  float alpha;  // default of its parameter; 0 where it has none
};
constexpr ActivationInfo kActivations[] = {
#define NNFAST_ROW(name, reads, alpha) {#name, ActivationInfo::reads, alpha},
    NNFAST_ACTIVATIONS(NNFAST_ROW)
#undef NNFAST_ROW
};
constexpr int kNumActivations = sizeof(kActivations) / sizeof(kActivations[0]);
constexpr bool derivative_reads_input(Activation a) {
  return kActivations[static_cast<int>(a)].derivative_reads == ActivationInfo::x;
}
constexpr bool derivative_reads_output(Activation a) {
  return kActivations[static_cast<int>(a)].derivative_reads == ActivationInfo::y;
}

}  // namespace nnfast

#ifdef NNFAST_ISA
#include "kernels/math.h"

namespace nnfast::NNFAST_ISA {
namespace {

// f(x, alpha) gives y; df(v, dy, alpha) gives dx, where v is y or x as the list says.
template <Activation>
struct Formula;

NNFAST_INLINE V clamp(V x, float low, float high) { return at_most(at_least(x, low), high); }

template <>
struct Formula<Activation::linear> {
  NNFAST_INLINE V f(V x, V) { return x; }
  NNFAST_INLINE V df(V, V dy, V) { return dy; }
};
template <>
struct Formula<Activation::relu> {
  NNFAST_INLINE V f(V x, V) { return at_least(x, 0.0f); }
  NNFAST_INLINE V df(V y, V dy, V) { return keep_where(y > 0.0f, dy); }
};
template <>
struct Formula<Activation::relu_squared> {
  NNFAST_INLINE V f(V x, V) {
    V positive = at_least(x, 0.0f);
    return positive * positive;
  }
  NNFAST_INLINE V df(V y, V dy, V) { return dy * (2.0f * sqrt(y)); }
};
template <>
struct Formula<Activation::leaky_relu> {
  NNFAST_INLINE V f(V x, V alpha) { return x < 0.0f ? x * alpha : x; }
  NNFAST_INLINE V df(V y, V dy, V alpha) { return y > 0.0f ? dy : dy * alpha; }
};
template <>
struct Formula<Activation::relu6> {
  NNFAST_INLINE V f(V x, V) { return clamp(x, 0.0f, 6.0f); }
  NNFAST_INLINE V df(V y, V dy, V) { return keep_where((y > 0.0f) & (y < 6.0f), dy); }
};
template <>
struct Formula<Activation::elu> {
  NNFAST_INLINE V f(V x, V alpha) { return x < 0.0f ? expm1(x) * alpha : x; }
  NNFAST_INLINE V df(V y, V dy, V alpha) { return y > 0.0f ? dy : dy * (y + alpha); }
};
template <>
struct Formula<Activation::selu> {
  static constexpr float kScale = 1.05070098f;
  static constexpr float kScaleAlpha = 1.75809934f;
  NNFAST_INLINE V f(V x, V) { return x < 0.0f ? expm1(x) * kScaleAlpha : x * kScale; }
  NNFAST_INLINE V df(V y, V dy, V) { return dy * (y > 0.0f ? broadcast(kScale) : y + kScaleAlpha); }
};
template <>
struct Formula<Activation::celu> {
  NNFAST_INLINE V f(V x, V alpha) { return x < 0.0f ? expm1(x / alpha) * alpha : x; }
  NNFAST_INLINE V df(V y, V dy, V alpha) { return y > 0.0f ? dy : dy * (y / alpha + 1.0f); }
};
template <>
struct Formula<Activation::gelu> {
  static constexpr float kFar = 15.0f;  // from here on the tail is 0 or 1
  // max(x, 0) - |x| Q(|x|), Q the normal distribution's upper tail: no cancellation on either side. 3.6 ULP, for the
  // tail is a product of four rounded factors.
  NNFAST_INLINE V f(V x, V) {
    V a = at_most(abs(x), kFar);
    Scaled e = exp_minus_half_square(a);
    V lost = a * normal_tail_ratio(a) * e.value * e.scale;
    return from_bits(bits(at_least(x, 0.0f) - lost) | sign_bit(x));
  }
  // Φ(x) + x φ(x)
  NNFAST_INLINE V df(V x, V dy, V) {
    V a = at_most(abs(x), kFar);
    Scaled e = exp_minus_half_square(a);
    V exponential = e.value * e.scale;
    V upper = 1.0f + exponential * (a * 0.398942280f - normal_tail_ratio(a));
    return dy * (x < 0.0f ? 1.0f - upper : upper);
  }
};
template <>
struct Formula<Activation::gelu_tanh> {
  static constexpr float kTwice = 1.59576912f;  // 2 sqrt(2 / π): (1 + tanh(u)) / 2 = sigmoid(2 u)
  // The same and its product with 0.044715, each as 12 bits and the rest.
  static constexpr float kLinear = 0x1.988p+0f, kLinearRest = 6.59966e-05f;
  static constexpr float kCubic = 0x1.244p-4f, kCubicRest = 4.7186163e-06f;
  // x sigmoid(2 u), 3.1 ULP: exponential, sum, quotient and product are each rounded. 2 u = t (kTwice + … t²) must be
  // known to more bits than a float has, for an error in it is one of e^2u: it is high + low.
  NNFAST_INLINE V f(V x, V) {
    V t = clamp(x, -15.0f, 15.0f);
    V upper = upper_half(t);
    V square = upper_half(upper * upper);
    V square_rest = (upper * upper - square) + (t - upper) * (t + upper);
    V cubic = kCubic * square;
    V slope = cubic + kLinear;
    V larger = max(cubic, broadcast(kLinear)), smaller = min(cubic, broadcast(kLinear));
    V rest = (smaller - (slope - larger)) + kLinearRest + (kCubic * square_rest + kCubicRest * (t * t));
    V slope_upper = upper_half(slope);
    rest += slope - slope_upper;
    V high = upper * slope_upper;
    V low = upper * rest + (t - upper) * (slope_upper + rest);
    VI negative = x < 0.0f;
    VI flip = ~sign_bit(t) & (int32_t)0x80000000;  // -|2 u|
    Scaled e = exp_scaled(from_bits(bits(high) ^ flip), from_bits(bits(low) ^ flip));
    V top = negative ? t * e.value : x;
    return top / (1.0f + e.value * e.scale) * (negative ? e.scale : broadcast(1.0f));
  }
  NNFAST_INLINE V df(V x, V dy, V) {
    V t = clamp(x, -15.0f, 15.0f);
    V s = sigmoid(t * (kTwice + (kTwice * 0.044715f) * (t * t)));
    V inner = kTwice + (3.0f * 0.044715f * kTwice) * (t * t);
    return dy * (s + t * s * (1.0f - s) * inner);
  }
};
template <>
struct Formula<Activation::sigmoid> {
  NNFAST_INLINE V f(V x, V) { return sigmoid(x); }
  NNFAST_INLINE V df(V y, V dy, V) { return dy * (y * (1.0f - y)); }
};
template <>
struct Formula<Activation::log_sigmoid> {
  NNFAST_INLINE V f(V x, V) { return -softplus(-x); }
  NNFAST_INLINE V df(V y, V dy, V) { return dy * -expm1(y); }
};
template <>
struct Formula<Activation::hard_sigmoid> {
  NNFAST_INLINE V f(V x, V) { return clamp((x + 3.0f) * (1.0f / 6.0f), 0.0f, 1.0f); }
  NNFAST_INLINE V df(V y, V dy, V) { return keep_where((y > 0.0f) & (y < 1.0f), dy * (1.0f / 6.0f)); }
};
template <>
struct Formula<Activation::tanh> {
  NNFAST_INLINE V f(V x, V) { return tanh(x); }
  NNFAST_INLINE V df(V y, V dy, V) { return dy * (1.0f - y * y); }
};
template <>
struct Formula<Activation::hard_tanh> {
  NNFAST_INLINE V f(V x, V) { return clamp(x, -1.0f, 1.0f); }
  NNFAST_INLINE V df(V y, V dy, V) { return keep_where((y > -1.0f) & (y < 1.0f), dy); }
};
template <>
struct Formula<Activation::tanh_shrink> {
  NNFAST_INLINE V f(V x, V) {
    V z = x * x;
    V small = x * z *
              polynomial(z, 0.333333343f, -0.133334368f, 0.0539849065f, -0.0219450332f, 0.0088431295f, -0.00279150787f);
    return abs(x) < 0.625f ? small : x - tanh(x);
  }
  NNFAST_INLINE V df(V x, V dy, V) {
    V t = tanh(x);
    return dy * (t * t);
  }
};
template <>
struct Formula<Activation::softplus> {
  NNFAST_INLINE V f(V x, V) { return softplus(x); }
  NNFAST_INLINE V df(V y, V dy, V) { return dy * -expm1(-y); }
};
template <>
struct Formula<Activation::softsign> {
  NNFAST_INLINE V f(V x, V) {
    V a = at_most(abs(x), 1e30f);
    return with_sign(a / (1.0f + a), x);
  }
  NNFAST_INLINE V df(V y, V dy, V) {
    V t = 1.0f - abs(y);
    return dy * (t * t);
  }
};
template <>
struct Formula<Activation::silu> {
  NNFAST_INLINE V f(V x, V) {
    Scaled e = exp_scaled(-abs(x));
    VI negative = x < 0.0f;
    V top = negative ? at_least(x, kExpZero) * e.value : x;
    return top / (1.0f + e.value * e.scale) * (negative ? e.scale : broadcast(1.0f));
  }
  NNFAST_INLINE V df(V x, V dy, V) {
    V t = clamp(x, kExpZero, -kExpZero);
    V s = sigmoid(t);
    return dy * (s + t * s * (1.0f - s));
  }
};
template <>
struct Formula<Activation::hard_silu> {
  NNFAST_INLINE V f(V x, V) { return at_least(x, -3.0f) * clamp((x + 3.0f) * (1.0f / 6.0f), 0.0f, 1.0f); }
  NNFAST_INLINE V df(V x, V dy, V) {
    V inside = x * (1.0f / 3.0f) + 0.5f;
    return x >= 3.0f ? dy : keep_where(x > -3.0f, dy * inside);
  }
};
template <>
struct Formula<Activation::mish> {
  // tanh(log(1 + e^x)) = n / (n + 2) where n = e^x (e^x + 2); for x > 0 both over e^2x.
  NNFAST_INLINE V f(V x, V) {
    Scaled e = exp_scaled(-abs(x));
    V s = e.value * e.scale;
    VI negative = x < 0.0f;
    V top = negative ? e.value * (s + 2.0f) : 2.0f * s + 1.0f;
    V bottom = negative ? s * (s + 2.0f) + 2.0f : top + 2.0f * s * s;
    return at_least(x, kExpZero) * top / bottom * (negative ? e.scale : broadcast(1.0f));
  }
  NNFAST_INLINE V df(V x, V dy, V) {
    V a = at_most(abs(x), -kExpZero);
    V s = exp(-a);
    VI negative = x < 0.0f;
    V top = negative ? s * (s + 2.0f) : 2.0f * s + 1.0f;
    V bottom = top + (negative ? broadcast(2.0f) : 2.0f * s * s);
    V t = top / bottom;
    V sigma = (negative ? s : broadcast(1.0f)) / (1.0f + s);
    V gap = (negative ? broadcast(2.0f) : 2.0f * s * s) / bottom;  // 1 - t
    return dy * (t + (negative ? -a : a) * sigma * gap * (1.0f + t));
  }
};
template <>
struct Formula<Activation::exponential> {
  NNFAST_INLINE V f(V x, V) { return exp(x); }
  NNFAST_INLINE V df(V y, V dy, V) { return dy * y; }
};
template <>
struct Formula<Activation::squareplus> {
  // Half of sqrt(x² + b) + |x|; for x < 0, b / 4 over it, which is the same without the cancellation.
  NNFAST_INLINE V f(V x, V b) {
    V a = abs(x);
    V root = sqrt(x * x + b);
    root = a > 1e18f ? a : root;
    V half = 0.5f * root + 0.5f * a;
    return x < 0.0f ? 0.25f * b / half : half;
  }
  // y² - x y = b / 4, so dy/dx = y² / (y² + b / 4).
  NNFAST_INLINE V df(V y, V dy, V b) { return keep_where(y > 0.0f, dy / (1.0f + 0.25f * b / (y * y))); }
};
template <>
struct Formula<Activation::sparse_plus> {
  NNFAST_INLINE V f(V x, V) {
    V t = at_least(x, -1.0f) + 1.0f;
    return x < 1.0f ? 0.25f * t * t : x;
  }
  NNFAST_INLINE V df(V y, V dy, V) { return dy * at_most(sqrt(y), 1.0f); }
};
template <>
struct Formula<Activation::sparse_sigmoid> {
  NNFAST_INLINE V f(V x, V) { return clamp(0.5f * x + 0.5f, 0.0f, 1.0f); }
  NNFAST_INLINE V df(V y, V dy, V) { return keep_where((y > 0.0f) & (y < 1.0f), 0.5f * dy); }
};
template <>
struct Formula<Activation::soft_shrink> {
  NNFAST_INLINE V f(V x, V threshold) {
    return x > threshold ? x - threshold : (x < -threshold ? x + threshold : 0.0f * x);
  }
  NNFAST_INLINE V df(V y, V dy, V) { return keep_where(y != 0.0f, dy); }
};
template <>
struct Formula<Activation::hard_shrink> {
  NNFAST_INLINE V f(V x, V threshold) { return keep_where(~(abs(x) <= threshold), x); }
  NNFAST_INLINE V df(V y, V dy, V) { return keep_where(y != 0.0f, dy); }
};
template <>
struct Formula<Activation::threshold> {
  NNFAST_INLINE V f(V x, V threshold) { return keep_where(~(x <= threshold), x); }
  NNFAST_INLINE V df(V x, V dy, V threshold) { return keep_where(x > threshold, dy); }
};
template <>
struct Formula<Activation::step> {
  NNFAST_INLINE V f(V x, V) { return x != x ? x : keep_where(x >= 0.0f, broadcast(1.0f)); }
  NNFAST_INLINE V df(V, V, V) { return V{}; }
};

}  // namespace
}  // namespace nnfast::NNFAST_ISA
#endif
