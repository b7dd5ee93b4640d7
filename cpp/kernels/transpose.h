// A square of vectors, transposed in registers.
#pragma once
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {
namespace {

// Lane j of rows[i] becomes lane i of what rows[j] was. Interleaving the first half of the rows with the
// second, as often as the size has bits, is a transposition.
template <int... I>
NNFAST_INLINE V interleave_low(V a, V b, Indices<I...>) {
  return __builtin_shufflevector(a, b, (I % 2 * kLanes + I / 2)...);
}
template <int... I>
NNFAST_INLINE V interleave_high(V a, V b, Indices<I...>) {
  return __builtin_shufflevector(a, b, (I % 2 * kLanes + kLanes / 2 + I / 2)...);
}
NNFAST_INLINE void transpose(V (&rows)[kLanes]) {
  using All = typename MakeIndices<kLanes>::type;
  constexpr int kBits = kLanes == 16 ? 4 : kLanes == 8 ? 3 : 2;
  static_for<kBits>([&](auto) NNFAST_LAMBDA {
    V next[kLanes];
    static_for<kLanes / 2>([&](auto i) NNFAST_LAMBDA {
      next[2 * i] = interleave_low(rows[i], rows[i + kLanes / 2], All{});
      next[2 * i + 1] = interleave_high(rows[i], rows[i + kLanes / 2], All{});
    });
    static_for<kLanes>([&](auto i) NNFAST_LAMBDA { rows[i] = next[i]; });
  });
}

}  // namespace
}  // namespace nnfast::NNFAST_ISA
