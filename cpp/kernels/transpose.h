// A square of vectors, transposed in registers.
#pragma once
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {
namespace {

constexpr int kQuads = kLanes / 4;  // of four lanes, 128 bits, within which a shuffle costs the least

// Of each quad of a and of b: the elements 0 0 1 1, 2 2 3 3; the pairs 01 01, 23 23. Then whole quads: 0 2 … of a and
// of b, 1 3 … of both.
template <int... I>
NNFAST_INLINE V elements_low(V a, V b, Indices<I...>) {
  return __builtin_shufflevector(a, b, (I / 4 * 4 + I % 4 / 2 + I % 2 * kLanes)...);
}
template <int... I>
NNFAST_INLINE V elements_high(V a, V b, Indices<I...>) {
  return __builtin_shufflevector(a, b, (I / 4 * 4 + 2 + I % 4 / 2 + I % 2 * kLanes)...);
}
template <int... I>
NNFAST_INLINE V pairs_low(V a, V b, Indices<I...>) {
  return __builtin_shufflevector(a, b, (I / 4 * 4 + I % 2 + I % 4 / 2 * kLanes)...);
}
template <int... I>
NNFAST_INLINE V pairs_high(V a, V b, Indices<I...>) {
  return __builtin_shufflevector(a, b, (I / 4 * 4 + 2 + I % 2 + I % 4 / 2 * kLanes)...);
}
template <int... I>
NNFAST_INLINE V even_quads(V a, V b, Indices<I...>) {
  return __builtin_shufflevector(a, b, (I / 4 * 2 % kQuads * 4 + I % 4 + I / 4 * 2 / kQuads * kLanes)...);
}
template <int... I>
NNFAST_INLINE V odd_quads(V a, V b, Indices<I...>) {
  return __builtin_shufflevector(a, b, (I / 4 * 2 % kQuads * 4 + 4 + I % 4 + I / 4 * 2 / kQuads * kLanes)...);
}

// Squares of 4×4, one in each quad of the four vectors.
NNFAST_INLINE void transpose_quads(V* r) {
  using All = typename MakeIndices<kLanes>::type;
  const V a = elements_low(r[0], r[1], All{}), b = elements_high(r[0], r[1], All{});
  const V c = elements_low(r[2], r[3], All{}), d = elements_high(r[2], r[3], All{});
  r[0] = pairs_low(a, c, All{});
  r[1] = pairs_high(a, c, All{});
  r[2] = pairs_low(b, d, All{});
  r[3] = pairs_high(b, d, All{});
}

// Lane j of rows[i] becomes lane i of what rows[j] was: squares of 4×4 first, then the quads among each other.
NNFAST_INLINE void transpose(V (&rows)[kLanes]) {
  using All = typename MakeIndices<kLanes>::type;
  static_for<kQuads>([&](auto q) NNFAST_LAMBDA { transpose_quads(rows + 4 * q); });
  // Interleaving as often as the number of quads has bits puts quad q of row 4p + i where quad p of row 4q + i is.
  static_for<kQuads == 4 ? 2 : kQuads / 2>([&](auto) NNFAST_LAMBDA {
    V next[kLanes];
    static_for<4>([&](auto i) NNFAST_LAMBDA {
      static_for<kQuads / 2>([&](auto p) NNFAST_LAMBDA {
        const V a = rows[4 * 2 * p + i], b = rows[4 * (2 * p + 1) + i];
        next[4 * p + i] = even_quads(a, b, All{});
        next[4 * (p + kQuads / 2) + i] = odd_quads(a, b, All{});
      });
    });
    static_for<kLanes>([&](auto i) NNFAST_LAMBDA { rows[i] = next[i]; });
  });
}

// Lane i of columns[j] = row(i)[j], from memory: where the machine's vectors have halves, each is loaded to where one
// round of shuffles would bring it.
#if defined(__AVX2__)
typedef float Half __attribute__((vector_size(kLanes * 2)));
typedef float Halfu __attribute__((vector_size(kLanes * 2), aligned(4), may_alias));
template <int... I>
NNFAST_INLINE V load_halves(const float* low, const float* high, Indices<I...>) {
  const Half a = *reinterpret_cast<const Halfu*>(low), b = *reinterpret_cast<const Halfu*>(high);
  return __builtin_shufflevector(a, b, I...);
}
template <class Row>
NNFAST_INLINE void load_transposed(Row&& row, V (&columns)[kLanes]) {
  using All = typename MakeIndices<kLanes>::type;
  constexpr int kHalf = kLanes / 2;
  static_for<kQuads / 2>([&](auto g) NNFAST_LAMBDA {
    static_for<4>([&](auto i) NNFAST_LAMBDA {
      const float *low = row(8 * g + i), *high = row(8 * g + 4 + i);
      columns[4 * g + i] = load_halves(low, high, All{});
      columns[kHalf + 4 * g + i] = load_halves(low + kHalf, high + kHalf, All{});
    });
  });
  static_for<2>([&](auto half) NNFAST_LAMBDA {
    V* column = columns + half * kHalf;
    static_for<kQuads / 2>([&](auto g) NNFAST_LAMBDA { transpose_quads(column + 4 * g); });
    if constexpr (kQuads == 4)
      static_for<4>([&](auto i) NNFAST_LAMBDA {
        const V a = column[i], b = column[4 + i];
        column[i] = even_quads(a, b, All{});
        column[4 + i] = odd_quads(a, b, All{});
      });
  });
}
#else
template <class Row>
NNFAST_INLINE void load_transposed(Row&& row, V (&columns)[kLanes]) {
  static_for<kLanes>([&](auto i) NNFAST_LAMBDA { columns[i] = load(row(i)); });
  transpose(columns);
}
#endif

}  // namespace
}  // namespace nnfast::NNFAST_ISA
