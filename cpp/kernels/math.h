// exp, log, tanh, erf, … on the vector type V, over the whole float32 range: right infinities, NaN, signed zeros and
// subnormal results. The bound of each error stands beside it, in units in the last place (ULP), for builds with and
// without fused multiply-add; tests/kernels/test_math.py holds them to it on every ISA.
//
// Coefficients are our own minimax fits (Remez), rounded to float32 lowest power first with the rest fitted again.
// Argument reductions follow Cody and Waite, "Software Manual for the Elementary Functions" (1980).
#pragma once
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {
namespace {

NNFAST_INLINE VI bits(V x) { return (VI)x; }
NNFAST_INLINE V from_bits(VI i) { return (V)i; }
NNFAST_INLINE VI sign_bit(V x) { return bits(x) & (int32_t)0x80000000; }
NNFAST_INLINE V abs(V x) { return from_bits(bits(x) & 0x7fffffff); }
// |x| with the sign of s. x must not be negative.
NNFAST_INLINE V with_sign(V x, V s) { return from_bits(bits(x) | sign_bit(s)); }
// NaN where x is NaN (max and min of the hardware would return the bound).
NNFAST_INLINE V at_least(V x, float low) { return x < low ? broadcast(low) : x; }
NNFAST_INLINE V at_most(V x, float high) { return x > high ? broadcast(high) : x; }

// c0 + c1 x + c2 x² + …
NNFAST_INLINE V polynomial(V, float c) { return broadcast(c); }
template <class... Rest>
NNFAST_INLINE V polynomial(V x, float c, Rest... rest) {
  return polynomial(x, rest...) * x + c;
}

constexpr float kInfinity = __builtin_inff();
constexpr float kRoundToInteger = 12582912.0f;  // 1.5 · 2^23: x + this has x rounded to an integer in its low bits

// e^x - 1 for |x| <= ln(2) / 2, as x + x² q(x).
NNFAST_INLINE V expm1_reduced(V r) {
  V q = polynomial(r, 0.5f, 0.166664809f, 0.0416655056f, 0.00837309565f, 0.00140386063f);
  return r * r * q + r;
}

// x = n ln(2) + r, |r| <= ln(2) / 2, for |x| < 200. The first 15 bits of ln(2) times n are exact.
struct Reduced {
  VI n;
  V r;
};
NNFAST_INLINE Reduced reduce_exponent(V x) {
  V shifted = x * 1.44269504f + kRoundToInteger;
  V n = shifted - kRoundToInteger;
  V r = x - n * 0.693145752f;
  return {bits(shifted) - 0x4b400000, r - n * 1.42860677e-6f};
}
// 2^n for -126 <= n <= 127.
NNFAST_INLINE V power_of_two(VI n) { return from_bits((n + 127) << 23); }

NNFAST_INLINE V exp(V x) {
  x = at_most(at_least(x, -104.5f), 89.0f);
  Reduced e = reduce_exponent(x);
  V p = expm1_reduced(e.r) + 1.0f;
  VI half = e.n >> 1;  // two factors: 2^n alone would leave the range before the result does
  return p * power_of_two(half) * power_of_two(e.n - half);
}

NNFAST_INLINE V expm1(V x) {
  V clamped = at_most(at_least(x, -17.5f), 89.0f);
  Reduced e = reduce_exponent(clamped);
  V p = expm1_reduced(e.r);
  V scale = power_of_two(e.n - 1);  // half of 2^n, which is infinite for n = 128
  V y = (scale * p + (scale - 0.5f)) * 2.0f;
  y = e.n == 0 ? p : y;
  return from_bits(bits(y) | sign_bit(x));
}

// log(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)), in two parts: f and the rest.
NNFAST_INLINE V log1p_rest(V f) {
  V q = polynomial(f, 0.333333135f, -0.250001669f, 0.200022236f, -0.166593671f, 0.142095581f, -0.125496015f,
                   0.121082857f, -0.109021269f, 0.0530833714f);
  V z = f * f;
  return q * (f * z) - 0.5f * z;
}

NNFAST_INLINE V log(V x) {
  VI tiny = x < 1.17549435e-38f;
  V scaled = tiny ? x * 8388608.0f : x;
  VI i = bits(scaled);
  VI e = (i - 0x3f3504f3) >> 23;
  V f = from_bits(i - (e << 23)) - 1.0f;
  V n = __builtin_convertvector(e, V) - (tiny ? broadcast(23.0f) : V{});
  V y = n * 0.693145752f + (f + (log1p_rest(f) + n * 1.42860677e-6f));
  y = x == kInfinity ? x : y;
  y = x == 0.0f ? broadcast(-kInfinity) : y;
  return x >= 0.0f ? y : broadcast(__builtin_nanf(""));
}

NNFAST_INLINE V log1p(V x) {
  V u = x + 1.0f;
  V lost = x >= 1.0f ? 1.0f - (u - x) : x - (u - 1.0f);  // what rounding took from 1 + x
  VI i = bits(u);
  VI e = (i - 0x3f3504f3) >> 23;
  VI shift = e > 100 ? VI{} + 100 : e;
  V f = (from_bits(i - (e << 23)) - 1.0f) + lost * power_of_two(-shift);
  V n = __builtin_convertvector(e, V);
  V y = n * 0.693145752f + (f + (log1p_rest(f) + n * 1.42860677e-6f));
  y = e == 0 && abs(x) < 1e-20f ? x : y;
  y = x == kInfinity ? x : y;
  y = x == -1.0f ? broadcast(-kInfinity) : y;
  return x >= -1.0f ? y : broadcast(__builtin_nanf(""));
}

NNFAST_INLINE V tanh(V x) {
  V a = abs(x);
  V z = x * x;
  V p = polynomial(z, -0.333332807f, 0.133314058f, -0.0537365153f, 0.0206281673f, -0.00569229666f);
  V small = p * z * a + a;
  V large = 1.0f - 2.0f / (exp(2.0f * a) + 1.0f);
  return with_sign(a < 0.625f ? small : large, x);
}

NNFAST_INLINE V erf(V x) {
  V a = abs(x);
  V z = x * x;
  V p = polynomial(z, 0.128379151f, -0.376124889f, 0.112817302f, -0.0267629158f, 0.00498725288f, -0.000595897785f);
  V small = p * a + a;
  V t = at_most(a, 4.0f);
  V g = polynomial(t, 1.12851441f, 0.635718167f, 0.105262019f, -0.022890063f, 0.00321498164f, -0.000213987441f);
  V large = 1.0f - exp(-t * g);
  return with_sign(a < 0.925f ? small : large, x);
}

NNFAST_INLINE V sigmoid(V x) {
  V e = exp(-abs(x));
  return (x < 0.0f ? e : broadcast(1.0f)) / (1.0f + e);
}

// log(1 + e^x)
NNFAST_INLINE V softplus(V x) { return at_least(x, 0.0f) + log1p(exp(-abs(x))); }

NNFAST_INLINE V sqrt(V x) {
  V y;
  for (int i = 0; i < kLanes; ++i) y[i] = __builtin_sqrtf(x[i]);
  return y;
}

}  // namespace
}  // namespace nnfast::NNFAST_ISA
