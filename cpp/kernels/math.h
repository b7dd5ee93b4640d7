// exp, log, tanh, erf, … on the vector type V, over the whole float32 range: right infinities, NaN, signed zeros,
// subnormal operands and, where the floating-point mode keeps them, results. The bound of each error stands beside it,
// in units in the last place (ULP), for builds with and without fused multiply-add; tests/kernels/test_math.py holds
// them to it on every ISA.
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
NNFAST_INLINE V keep_where(VI mask, V x) { return from_bits(mask & bits(x)); }
// NaN where x is NaN.
NNFAST_INLINE V at_least(V x, float low) { return max(broadcast(low), x); }
NNFAST_INLINE V at_most(V x, float high) { return min(broadcast(high), x); }

// c0 + c1 x + c2 x² + …
NNFAST_INLINE V polynomial(V, float c) { return broadcast(c); }
template <class... Rest>
NNFAST_INLINE V polynomial(V x, float c, Rest... rest) {
  return polynomial(x, rest...) * x + c;
}

constexpr float kInfinity = __builtin_inff();
constexpr float kNan = __builtin_nanf("");
constexpr float kRoundToInteger = 12582912.0f;  // 1.5 · 2^23: x + this has x rounded to an integer in its low bits
constexpr float kLn2High = 0.693145752f;        // ln(2) to 15 bits: times an integer below 2^9 it is exact
constexpr float kLn2Low = 1.42860677e-6f;       // the rest

// 2^n for -126 <= n <= 127.
NNFAST_INLINE V power_of_two(VI n) { return from_bits((n + 127) << 23); }

// x + correction = n ln(2) + high - low, the difference at most ln(2) / 2; high is exact. For |x| < 200.
struct Reduced {
  VI n;
  V high, low;
};
NNFAST_INLINE Reduced reduce_exponent(V x, V correction) {
  V shifted = (x + correction) * 1.44269504f + kRoundToInteger;
  V n = shifted - kRoundToInteger;
  return {bits(shifted) - 0x4b400000, x - n * kLn2High, n * kLn2Low - correction};
}
// e^(high - low) - 1, as r + r² q(r). Adding `high` last leaves its rounding as the only one that matters.
NNFAST_INLINE V expm1_reduced(const Reduced& e) {
  V r = e.high - e.low;
  V q = polynomial(r, 0.5f, 0.166664809f, 0.0416655056f, 0.00837309565f, 0.00140386063f);
  return (r * r * q - e.low) + e.high;
}

// e^(x + correction) = value · scale, where value is never subnormal: for products with small exponentials.
struct Scaled {
  V value, scale;
};
constexpr float kExpZero = -116.0f;  // e^x, even times |x|, is below half the least subnormal from here on
NNFAST_INLINE Scaled exp_scaled(V x, V correction = V{}) {
  Reduced e = reduce_exponent(at_most(at_least(x, kExpZero), 89.0f), correction);
  VI half = e.n >> 1;  // two factors: 2^n alone would leave the range before the result does
  return {(expm1_reduced(e) + 1.0f) * power_of_two(half), power_of_two(e.n - half)};
}
// 0.9 ULP.
NNFAST_INLINE V exp(V x) {
  Scaled e = exp_scaled(x);
  return e.value * e.scale;
}
// The same where |x| < 87.
NNFAST_INLINE V exp_normal(V x) {
  Reduced e = reduce_exponent(x, V{});
  return (expm1_reduced(e) + 1.0f) * power_of_two(e.n);
}
// The same where x <= 0; below 2^-126 the result may be 0.
NNFAST_INLINE V exp_nonpositive(V x) {
  Reduced e = reduce_exponent(at_least(x, kExpZero), V{});
  // power_of_two with a bound. Compilers know the maximum of a vector and 0 as one instruction, not that of -127.
  const VI biased = e.n + 127;
  return (expm1_reduced(e) + 1.0f) * from_bits((biased > 0 ? biased : VI{}) << 23);
}

// 1.4 ULP.
NNFAST_INLINE V expm1(V x) {
  Reduced e = reduce_exponent(at_most(at_least(x, -17.5f), 89.0f), V{});
  V p = expm1_reduced(e);
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

// 0.8 ULP.
NNFAST_INLINE V log(V x) {
  VI subnormal = x < 1.17549435e-38f;
  V scaled = subnormal ? x * 8388608.0f : x;
  VI i = bits(scaled) & 0x7fffffff;  // negative numbers end as NaN anyway
  VI e = (i - 0x3f3504f3) >> 23;     // scaled = 2^e (1 + f), 1 + f from sqrt(1/2) to sqrt(2)
  V f = from_bits(i - (e << 23)) - 1.0f;
  V n = __builtin_convertvector(e, V) - keep_where(subnormal, broadcast(23.0f));
  V y = n * kLn2High + (f + (log1p_rest(f) + n * kLn2Low));
  y = x == kInfinity ? x : y;
  y = x == 0.0f ? broadcast(-kInfinity) : y;
  return x >= 0.0f ? y : broadcast(kNan);
}

// 1.4 ULP.
NNFAST_INLINE V log1p(V x) {
  V u = x + 1.0f;
  V lost = x >= 1.0f ? 1.0f - (u - x) : x - (u - 1.0f);  // what rounding took from 1 + x
  VI i = bits(u) & 0x7fffffff;                           // below -1 the result is NaN anyway
  VI e = (i - 0x3f3504f3) >> 23;
  VI shift = e > 100 ? VI{} + 100 : e;
  V f = (from_bits(i - (e << 23)) - 1.0f) + lost * power_of_two(-shift);
  V n = __builtin_convertvector(e, V);
  V y = n * kLn2High + (f + (log1p_rest(f) + n * kLn2Low));
  y = abs(x) < 1e-20f ? x : y;  // keeps the sign of 0
  y = x == kInfinity ? x : y;
  y = x == -1.0f ? broadcast(-kInfinity) : y;
  return x >= -1.0f ? y : broadcast(kNan);
}
// log(1 + x) where 0 <= x <= 1. No rounding: below sqrt(2) - 1, f is x itself; above it, (1 + x) / 2 - 1 is exact.
NNFAST_INLINE V log1p_unit(V x) {
  VI upper = x > 0.414213562f;
  V f = upper ? 0.5f * x - 0.5f : x;
  return keep_where(upper, broadcast(kLn2High)) + (f + (log1p_rest(f) + keep_where(upper, broadcast(kLn2Low))));
}

// 1.3 ULP.
NNFAST_INLINE V tanh(V x) {
  V a = abs(x);
  V z = x * x;
  V p = polynomial(z, -0.333332807f, 0.133314058f, -0.0537365153f, 0.0206281673f, -0.00569229666f);
  V small = p * z * a + a;
  V large = 1.0f - 2.0f / (exp_normal(2.0f * at_most(a, 10.0f)) + 1.0f);
  return with_sign(a < 0.625f ? small : large, x);
}

// 1.2 ULP.
NNFAST_INLINE V erf(V x) {
  V a = abs(x);
  V z = x * x;
  V p = polynomial(z, 0.128379151f, -0.376124889f, 0.112817302f, -0.0267629158f, 0.00498725288f, -0.000595897785f);
  V small = p * a + a;
  V t = at_most(a, 4.0f);
  V g = polynomial(t, 1.12851441f, 0.635718167f, 0.105262019f, -0.022890063f, 0.00321498164f, -0.000213987441f);
  V large = 1.0f - exp_normal(-t * g);
  return with_sign(a < 0.925f ? small : large, x);
}

// The normal distribution's upper tail over e^(-a²/2): erfc(a / √2) e^(a²/2) / 2, for 0 <= a <= 15. 1.3 ULP.
NNFAST_INLINE V normal_tail_ratio(V a) {
  V low = polynomial(a - 1.0f, 0.261578292f, -0.137364f, 0.0621071272f, -0.025085235f, 0.00925551448f, -0.00316823903f,
                     0.00101480179f, -0.000302293745f, 8.79485524e-05f, -2.9233337e-05f, 7.31858063e-06f);
  V w = 1.0f / a;
  V high = polynomial(w, 0.398948193f, -0.000325228524f, -0.391449988f, -0.0942196921f, 1.89759195f, -3.0257678f,
                      -0.0316108204f, 6.03996563f, -7.70913315f, 3.29452825f);
  return a < 2.0f ? low : w * high;
}
// The upper 12 bits of x: products of two such are exact.
NNFAST_INLINE V upper_half(V x) { return from_bits(bits(x) & (int32_t)0xfffff000); }
// e^(-a²/2) for 0 <= a <= 15. a² needs more bits than a float has: its upper half is squared exactly.
NNFAST_INLINE Scaled exp_minus_half_square(V a) {
  V upper = upper_half(a);
  return exp_scaled(-0.5f * upper * upper, -0.5f * (a - upper) * (a + upper));
}

// 1.97 ULP. What rounding took from 1 + e^-|x| is made good in the quotient (short of a division by that sum, which
// lies between 1 and 2): without it exponential, sum and quotient add up to 2.4.
NNFAST_INLINE V sigmoid(V x) {
  V e = exp(-abs(x));
  V d = 1.0f + e;
  V y = (x < 0.0f ? e : broadcast(1.0f)) / d;
  return y - y * (e - (d - 1.0f));
}

// log(1 + e^x). 1.7 ULP.
NNFAST_INLINE V softplus(V x) { return at_least(x, 0.0f) + log1p_unit(exp(-abs(x))); }

// Correctly rounded.
NNFAST_INLINE V sqrt(V x) {
  V y;
  for (int i = 0; i < kLanes; ++i) y[i] = __builtin_sqrtf(x[i]);
  return y;
}

// To the nearest integer, ties to even.
NNFAST_INLINE V round(V x) {
  V a = abs(x);
  V y = with_sign((a + 8388608.0f) - 8388608.0f, x);  // 2^23: from there on all are integers
  return a < 8388608.0f ? y : x;
}
NNFAST_INLINE V floor(V x) {
  V y = round(x);
  return with_sign(abs(y > x ? y - 1.0f : y), x);
}

}  // namespace
}  // namespace nnfast::NNFAST_ISA
