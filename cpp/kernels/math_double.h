// Powers, sines and cosines of float32 values, computed in double: what float32 arithmetic cannot do to the last bit
// without long detours. Written for one element and free of branches, so that loops over them become vector code.
#pragma once
#include "kernels/math.h"

namespace nnfast::NNFAST_ISA {
namespace {

NNFAST_INLINE int64_t double_bits(double x) {
  int64_t i;
  __builtin_memcpy(&i, &x, sizeof i);
  return i;
}
NNFAST_INLINE double double_of_bits(int64_t i) {
  double x;
  __builtin_memcpy(&x, &i, sizeof x);
  return x;
}
NNFAST_INLINE double double_polynomial(double, double c) { return c; }
template <class... Rest>
NNFAST_INLINE double double_polynomial(double x, double c, Rest... rest) {
  return double_polynomial(x, rest...) * x + c;
}

constexpr double kRoundToIntegerDouble = 6755399441055744.0;  // 1.5 · 2^52
constexpr double kInfinityDouble = __builtin_inf();

// log2(x) for positive, finite x; relative error 2^-45.
NNFAST_INLINE double log2_double(float x) {
  const int64_t i = double_bits(x);  // subnormal float32 numbers are normal here
  const int64_t e = (i - 0x3fe6a09e667f3bcd) >> 52;
  const double m = double_of_bits(i - e * (int64_t{1} << 52));  // from sqrt(1/2) to sqrt(2)
  const double s = (m - 1.0) / (m + 1.0);
  const double p = double_polynomial(s * s, 2.88539008177785, 0.9617966941134033, 0.5770779423460797,
                                     0.4122092543900376, 0.3199056095487907, 0.2829014765845376);
  return s * p + static_cast<double>(static_cast<int32_t>(e));
}
// 2^t to float32: 0 and infinity where it leaves the range; relative error 2^-34 before rounding.
NNFAST_INLINE float exp2_to_float(double t) {
  t = t < -200.0 ? -200.0 : t;
  t = t > 200.0 ? 200.0 : t;
  const double shifted = t + kRoundToIntegerDouble;
  const double f = t - (shifted - kRoundToIntegerDouble);
  const double p = double_polynomial(f, 0.9999999999997619, 0.6931471805464939, 0.24022650698885584,
                                     0.05550410939424815, 0.00961812854203631, 0.0013333451980949151,
                                     0.00015403852124040165, 1.5309759422465392e-05, 1.3175815851858593e-06);
  return static_cast<float>(
      p * double_of_bits(static_cast<int64_t>(static_cast<uint64_t>(double_bits(shifted) + 1023) << 52)));
}

// x to the power y, all cases as IEEE 754's pow. 0.6 ULP.
NNFAST_INLINE float power_of(float x, float y) {
  const float a = __builtin_fabsf(x);
  double log = log2_double(a);
  log = a == 0.0f ? -kInfinityDouble : log;
  log = a == __builtin_inff() ? kInfinityDouble : log;
  float result = exp2_to_float(y * log);
  const double whole = y;
  const double half = 0.5 * whole;
  // Floats from 2^24 on are even integers; the sums below round to integers up to 2^51.
  const bool large = __builtin_fabsf(y) >= 16777216.0f;
  const bool integer = large | (((whole + kRoundToIntegerDouble) - kRoundToIntegerDouble) == whole);
  const bool odd = integer & !large & (((half + kRoundToIntegerDouble) - kRoundToIntegerDouble) != half);
  const bool negative = __builtin_signbit(x) != 0;
  result = negative & odd ? -result : result;
  result = (x < 0.0f) & (a != __builtin_inff()) & !integer ? __builtin_nanf("") : result;
  result = (x != x) | (y != y) ? __builtin_nanf("") : result;
  result = (a == 1.0f) & (__builtin_fabsf(y) == __builtin_inff()) ? 1.0f : result;
  return (x == 1.0f) | (y == 0.0f) ? 1.0f : result;
}

// x = n π/2 + r, |r| <= π/4; only n's last two bits are meant.
struct Angle {
  int64_t n;
  double r;
};
// Three parts of π/2; those before the last have 25 bits, so that n times them is exact.
constexpr float kLargestSimpleAngle = 268435456.0f;  // 2^28
NNFAST_INLINE Angle reduce_angle(float x) {
  const double shifted = x * 0.6366197723675814 + kRoundToIntegerDouble;
  const double n = shifted - kRoundToIntegerDouble;
  return {double_bits(shifted),
          ((x - n * 1.5707962512969970703) - n * 7.5497894158615963534e-8) - n * 5.3903028581581190529e-15};
}
// The same for larger |x| (Payne and Hanek, 1983): from 2/π only the bits matter that, times x, do not give
// multiples of 4.
NNFAST_INLINE Angle reduce_large_angle(float x) {
  constexpr uint32_t kTwoOverPi[] = {0xa2f9836eu, 0x4e441529u, 0xfc2757d1u, 0xf534ddc0u,
                                     0xdb629599u, 0x3c439041u, 0xfe5163abu, 0xdebbc561u};
  uint32_t i;
  __builtin_memcpy(&i, &x, sizeof i);
  const uint64_t mantissa = (i & 0x7fffffu) | 0x800000u;
  const int skip = static_cast<int>((i >> 23) & 255) - 150 - 2;  // x = mantissa · 2^(skip + 2); 3 <= skip <= 102
  const uint32_t* w = kTwoOverPi + skip / 32;
  const int shift = skip % 32;
  auto word = [&](int k) { return (static_cast<uint64_t>(w[k]) << 32 | w[k + 1]) << shift >> 32; };
  // The 96 bits that follow, times the mantissa, modulo 2^96.
  uint64_t low = word(2) * mantissa;
  uint64_t middle = word(1) * mantissa + (low >> 32);
  uint64_t high = (word(0) * mantissa + (middle >> 32)) & 0xffffffffu;
  const uint64_t fraction = high << 32 | (middle & 0xffffffffu);  // of 4 quarter turns, in units of 2^-64
  const uint64_t n = (fraction + (uint64_t{1} << 61)) >> 62;
  const int64_t rest = static_cast<int64_t>((fraction << 2) + ((low & 0xffffffffu) >> 30));
  const double r = static_cast<double>(rest) * (1.5707963267948966 / 18446744073709551616.0);
  const bool negative = i >> 31;
  return {negative ? -static_cast<int64_t>(n) : static_cast<int64_t>(n), negative ? -r : r};
}
// sin(x + quarter · π/2). 0.6 ULP.
NNFAST_INLINE float sine_of(const Angle& angle, int quarter) {
  const double z = angle.r * angle.r;
  const double sine =
      angle.r + angle.r * z *
                    double_polynomial(z, -0.16666666666631585, 0.008333333325270403, -0.00019841263822118223,
                                      2.7555357554173297e-06, -2.4761636521739943e-08);
  const double cosine = 1.0 - 0.5 * z +
                        z * z *
                            double_polynomial(z, 0.04166666662279369, -0.0013888883750396085, 2.4799519200983057e-05,
                                              -2.721017008306921e-07);
  const int64_t n = angle.n + quarter;
  const double y = n & 1 ? cosine : sine;
  return static_cast<float>(n & 2 ? -y : y);
}

// sin(x + quarter · π/2) for a vector.
NNFAST_INLINE V sine(V x, int quarter) {
  float in[kLanes], out[kLanes];
  store(in, x);
  int large = 0;
  for (int i = 0; i < kLanes; ++i) large |= __builtin_fabsf(in[i]) >= kLargestSimpleAngle;
  for (int i = 0; i < kLanes; ++i) out[i] = sine_of(reduce_angle(in[i]), quarter);
  if (large)
    for (int i = 0; i < kLanes; ++i)
      if (__builtin_fabsf(in[i]) >= kLargestSimpleAngle && __builtin_isfinite(in[i]))
        out[i] = sine_of(reduce_large_angle(in[i]), quarter);
  V y = load(out);
  // -0 keeps its sign; infinities have no sine.
  y = quarter == 0 ? (x == 0.0f ? x : y) : y;
  return from_bits(bits(x) & 0x7fffffff) == from_bits(VI{} + 0x7f800000) ? broadcast(__builtin_nanf("")) : y;
}
NNFAST_INLINE V sin(V x) { return sine(x, 0); }
NNFAST_INLINE V cos(V x) { return sine(x, 1); }

NNFAST_INLINE V power(V x, V y) {
  float a[kLanes], b[kLanes], c[kLanes];
  store(a, x);
  store(b, y);
  for (int i = 0; i < kLanes; ++i) c[i] = power_of(a[i], b[i]);
  return load(c);
}

}  // namespace
}  // namespace nnfast::NNFAST_ISA
