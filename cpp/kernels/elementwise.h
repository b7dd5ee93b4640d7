// Operations of one and of two operands on each element: their lists and, for kernels, a struct each with f and its
// derivatives. To add one: a row and a struct here, and its function in python/nnfast/ops/elementwise.py.
#pragma once

// A(name, what its derivative reads)
// clang-format off
#define NNFAST_UNARY(A)     \
  A(negative, nothing)      \
  A(exp, y)                 \
  A(log, x)                 \
  A(log1p, x)               \
  A(expm1, y)               \
  A(sqrt, y)                \
  A(rsqrt, y)               \
  A(square, x)              \
  A(abs, x)                 \
  A(sign, nothing)          \
  A(reciprocal, y)          \
  A(sin, x)                 \
  A(cos, x)                 \
  A(erf, x)                 \
  A(floor, nothing)         \
  A(ceil, nothing)          \
  A(round, nothing)         \
  A(isfinite, nothing)      \
  A(isnan, nothing)         \
  A(isinf, nothing)         \
  A(logical_not, nothing)

// A(name, what its derivatives read: nothing, inputs, or inputs and y)
// Comparisons give 0 or 1 and have gradient 0.
#define NNFAST_BINARY(A)        \
  A(add, nothing)               \
  A(subtract, nothing)          \
  A(multiply, inputs)           \
  A(divide, inputs)             \
  A(power, inputs_and_y)        \
  A(maximum, inputs)            \
  A(minimum, inputs)            \
  A(prelu, inputs)              \
  A(equal, nothing)             \
  A(not_equal, nothing)         \
  A(less, nothing)              \
  A(less_equal, nothing)        \
  A(greater, nothing)           \
  A(greater_equal, nothing)     \
  A(logical_and, nothing)       \
  A(logical_or, nothing)
// clang-format on

namespace nnfast {

enum class Unary {
#define NNFAST_ROW(name, reads) name,
  NNFAST_UNARY(NNFAST_ROW)
#undef NNFAST_ROW
};
struct UnaryInfo {
  enum Reads { nothing, x, y };
  const char* name;
  Reads derivative_reads;
};
constexpr UnaryInfo kUnary[] = {
#define NNFAST_ROW(name, reads) {#name, UnaryInfo::reads},
    NNFAST_UNARY(NNFAST_ROW)
#undef NNFAST_ROW
};
constexpr int kNumUnary = sizeof(kUnary) / sizeof(kUnary[0]);

enum class Binary {
#define NNFAST_ROW(name, reads) name,
  NNFAST_BINARY(NNFAST_ROW)
#undef NNFAST_ROW
};
struct BinaryInfo {
  enum Reads { nothing, inputs, inputs_and_y };
  const char* name;
  Reads derivatives_read;
};
constexpr BinaryInfo kBinary[] = {
#define NNFAST_ROW(name, reads) {#name, BinaryInfo::reads},
    NNFAST_BINARY(NNFAST_ROW)
#undef NNFAST_ROW
};
constexpr int kNumBinary = sizeof(kBinary) / sizeof(kBinary[0]);

}  // namespace nnfast

#ifdef NNFAST_ISA
#include "kernels/math.h"
#include "kernels/math_double.h"

namespace nnfast::NNFAST_ISA {
namespace {

NNFAST_INLINE V one_where(VI mask) { return keep_where(mask, broadcast(1.0f)); }
NNFAST_INLINE VI is_finite(V x) { return (bits(x) & 0x7f800000) != 0x7f800000; }

// f(x) gives y; df(v, dy) gives dx, where v is y or x as the list says.
template <Unary>
struct UnaryFormula;

template <>
struct UnaryFormula<Unary::negative> {
  NNFAST_INLINE V f(V x) { return -x; }
  NNFAST_INLINE V df(V, V dy) { return -dy; }
};
template <>
struct UnaryFormula<Unary::exp> {
  NNFAST_INLINE V f(V x) { return exp(x); }
  NNFAST_INLINE V df(V y, V dy) { return dy * y; }
};
template <>
struct UnaryFormula<Unary::log> {
  NNFAST_INLINE V f(V x) { return log(x); }
  NNFAST_INLINE V df(V x, V dy) { return dy / x; }
};
template <>
struct UnaryFormula<Unary::log1p> {
  NNFAST_INLINE V f(V x) { return log1p(x); }
  NNFAST_INLINE V df(V x, V dy) { return dy / (x + 1.0f); }
};
template <>
struct UnaryFormula<Unary::expm1> {
  NNFAST_INLINE V f(V x) { return expm1(x); }
  NNFAST_INLINE V df(V y, V dy) { return dy * (y + 1.0f); }
};
template <>
struct UnaryFormula<Unary::sqrt> {
  NNFAST_INLINE V f(V x) { return sqrt(x); }
  NNFAST_INLINE V df(V y, V dy) { return 0.5f * dy / y; }
};
template <>
struct UnaryFormula<Unary::rsqrt> {
  NNFAST_INLINE V f(V x) { return 1.0f / sqrt(x); }
  NNFAST_INLINE V df(V y, V dy) { return -0.5f * dy * (y * y * y); }
};
template <>
struct UnaryFormula<Unary::square> {
  NNFAST_INLINE V f(V x) { return x * x; }
  NNFAST_INLINE V df(V x, V dy) { return 2.0f * dy * x; }
};
template <>
struct UnaryFormula<Unary::abs> {
  NNFAST_INLINE V f(V x) { return abs(x); }
  NNFAST_INLINE V df(V x, V dy) { return keep_where(x != 0.0f, from_bits(bits(dy) ^ sign_bit(x))); }
};
template <>
struct UnaryFormula<Unary::sign> {
  NNFAST_INLINE V f(V x) { return x != x ? x : with_sign(one_where(x != 0.0f), x); }
  NNFAST_INLINE V df(V, V) { return V{}; }
};
template <>
struct UnaryFormula<Unary::reciprocal> {
  NNFAST_INLINE V f(V x) { return 1.0f / x; }
  NNFAST_INLINE V df(V y, V dy) { return -dy * (y * y); }
};
template <>
struct UnaryFormula<Unary::sin> {
  NNFAST_INLINE V f(V x) { return sin(x); }
  NNFAST_INLINE V df(V x, V dy) { return dy * cos(x); }
};
template <>
struct UnaryFormula<Unary::cos> {
  NNFAST_INLINE V f(V x) { return cos(x); }
  NNFAST_INLINE V df(V x, V dy) { return -dy * sin(x); }
};
template <>
struct UnaryFormula<Unary::erf> {
  NNFAST_INLINE V f(V x) { return erf(x); }
  NNFAST_INLINE V df(V x, V dy) { return dy * (1.12837917f * exp(-x * x)); }
};
template <>
struct UnaryFormula<Unary::floor> {
  NNFAST_INLINE V f(V x) { return floor(x); }
  NNFAST_INLINE V df(V, V) { return V{}; }
};
template <>
struct UnaryFormula<Unary::ceil> {
  NNFAST_INLINE V f(V x) { return -floor(-x); }
  NNFAST_INLINE V df(V, V) { return V{}; }
};
template <>
struct UnaryFormula<Unary::round> {  // ties to even
  NNFAST_INLINE V f(V x) { return round(x); }
  NNFAST_INLINE V df(V, V) { return V{}; }
};
template <>
struct UnaryFormula<Unary::isfinite> {
  NNFAST_INLINE V f(V x) { return one_where(is_finite(x)); }
  NNFAST_INLINE V df(V, V) { return V{}; }
};
template <>
struct UnaryFormula<Unary::isnan> {
  NNFAST_INLINE V f(V x) { return one_where(x != x); }
  NNFAST_INLINE V df(V, V) { return V{}; }
};
template <>
struct UnaryFormula<Unary::isinf> {
  NNFAST_INLINE V f(V x) { return one_where(abs(x) == kInfinity); }
  NNFAST_INLINE V df(V, V) { return V{}; }
};
template <>
struct UnaryFormula<Unary::logical_not> {
  NNFAST_INLINE V f(V x) { return one_where(x == 0.0f); }
  NNFAST_INLINE V df(V, V) { return V{}; }
};

// f(a, b) gives y; da(a, b, y, dy) and db(a, b, y, dy) give the gradients of the operands.
template <Binary>
struct BinaryFormula;

template <>
struct BinaryFormula<Binary::add> {
  NNFAST_INLINE V f(V a, V b) { return a + b; }
  NNFAST_INLINE V da(V, V, V, V dy) { return dy; }
  NNFAST_INLINE V db(V, V, V, V dy) { return dy; }
};
template <>
struct BinaryFormula<Binary::subtract> {
  NNFAST_INLINE V f(V a, V b) { return a - b; }
  NNFAST_INLINE V da(V, V, V, V dy) { return dy; }
  NNFAST_INLINE V db(V, V, V, V dy) { return -dy; }
};
template <>
struct BinaryFormula<Binary::multiply> {
  NNFAST_INLINE V f(V a, V b) { return a * b; }
  NNFAST_INLINE V da(V, V b, V, V dy) { return dy * b; }
  NNFAST_INLINE V db(V a, V, V, V dy) { return dy * a; }
};
template <>
struct BinaryFormula<Binary::divide> {
  NNFAST_INLINE V f(V a, V b) { return a / b; }
  NNFAST_INLINE V da(V, V b, V, V dy) { return dy / b; }
  NNFAST_INLINE V db(V a, V b, V, V dy) { return -dy * (a / b) / b; }
};
template <>
struct BinaryFormula<Binary::power> {
  NNFAST_INLINE V f(V a, V b) { return power(a, b); }
  NNFAST_INLINE V da(V a, V b, V, V dy) { return b == 0.0f ? V{} : dy * (b * power(a, b - 1.0f)); }
  NNFAST_INLINE V db(V a, V b, V y, V dy) { return (a == 0.0f) & (b >= 0.0f) ? V{} : dy * (y * log(a)); }
};
// Where equal, each operand gets half the gradient, as in PyTorch.
template <>
struct BinaryFormula<Binary::maximum> {
  NNFAST_INLINE V f(V a, V b) { return a != a ? a : (a > b ? a : b); }
  NNFAST_INLINE V da(V a, V b, V, V dy) { return a == b ? 0.5f * dy : keep_where(a > b, dy); }
  NNFAST_INLINE V db(V a, V b, V, V dy) { return a == b ? 0.5f * dy : keep_where(b > a, dy); }
};
template <>
struct BinaryFormula<Binary::minimum> {
  NNFAST_INLINE V f(V a, V b) { return a != a ? a : (a < b ? a : b); }
  NNFAST_INLINE V da(V a, V b, V, V dy) { return a == b ? 0.5f * dy : keep_where(a < b, dy); }
  NNFAST_INLINE V db(V a, V b, V, V dy) { return a == b ? 0.5f * dy : keep_where(b < a, dy); }
};
template <>
struct BinaryFormula<Binary::prelu> {
  NNFAST_INLINE V f(V x, V alpha) { return x < 0.0f ? x * alpha : x; }
  NNFAST_INLINE V da(V x, V alpha, V, V dy) { return x > 0.0f ? dy : dy * alpha; }
  NNFAST_INLINE V db(V x, V, V, V dy) { return keep_where(x < 0.0f, dy * x); }
};

template <class Test>
struct Comparison {
  NNFAST_INLINE V f(V a, V b) { return one_where(Test::holds(a, b)); }
  NNFAST_INLINE V da(V, V, V, V) { return V{}; }
  NNFAST_INLINE V db(V, V, V, V) { return V{}; }
};
#define NNFAST_COMPARISON(name, expression)                 \
  struct name##_test {                                      \
    NNFAST_INLINE VI holds(V a, V b) { return expression; } \
  };                                                        \
  template <>                                               \
  struct BinaryFormula<Binary::name> : Comparison<name##_test> {};
NNFAST_COMPARISON(equal, a == b)
NNFAST_COMPARISON(not_equal, a != b)
NNFAST_COMPARISON(less, a < b)
NNFAST_COMPARISON(less_equal, a <= b)
NNFAST_COMPARISON(greater, a > b)
NNFAST_COMPARISON(greater_equal, a >= b)
NNFAST_COMPARISON(logical_and, (a != 0.0f) & (b != 0.0f))
NNFAST_COMPARISON(logical_or, (a != 0.0f) | (b != 0.0f))
#undef NNFAST_COMPARISON

}  // namespace
}  // namespace nnfast::NNFAST_ISA
#endif
