// The register tile of the GEMM kernels, from the number of vector registers.
//
// A tile of kTileRows × kTileVectors accumulators is updated by kTileVectors loads of b and kTileRows broadcasts of a
// for each k; what the accumulators leave over must hold the loads and one broadcast. Measured on Zen 4 with GCC 12,
// share of the FMA peak: 14×2 of 32 registers 0.98 (on Zen 5 0.99), 6×2 of 16 registers 0.99; with 16 registers and no
// FMA 3×3.
//
// kUnroll: how many k a loop takes at a time. With 16 registers half of the instructions are no products, and their
// number tells where a core is shared with a busy sibling: on such a Zen 3 four k at a time, 21.3 instructions each
// instead of 24, are 1.05 to 1.15 times as fast, on a free one as fast. What will be wanted soon is asked for as often:
// with each k, that is more lines than Emerald Rapids gets from its level-3 cache meanwhile, and the operands wait with
// them (with every other, 1024³ is 1.03 times as fast, 2048³ 1.045). Of four, GCC 12 keeps two sums of a tile on the
// stack with 32 registers.
#pragma once
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kTileRows = 14, kTileVectors = 2, kUnroll = 2;
#elif defined(__AVX2__)
constexpr int kTileRows = 6, kTileVectors = 2, kUnroll = 4;
#elif defined(__aarch64__)
constexpr int kTileRows = 8, kTileVectors = 2, kUnroll = 1;
#else
constexpr int kTileRows = 3, kTileVectors = 3, kUnroll = 1;
#endif
constexpr int kTileColumns = kTileVectors * kLanes;

// sum += a * b, for each b. In the machine's own words for AVX2: left to itself GCC 12 loads elements of a early where
// a loop is unrolled, lets the sums change registers, and runs out of them. Of variables of its own: an element of an
// array that such words write to stays in memory.
#if defined(__AVX2__) && !defined(__AVX512F__)
NNFAST_INLINE void add_products(const float& a, V b0, V b1, V& sum0, V& sum1) {
  V av, s0 = sum0, s1 = sum1;
  asm("vbroadcastss %3, %2\n\tvfmadd231ps %4, %2, %0\n\tvfmadd231ps %5, %2, %1"
      : "+x"(s0), "+x"(s1), "=&x"(av)
      : "m"(a), "x"(b0), "x"(b1));
  sum0 = s0;
  sum1 = s1;
}
#else
NNFAST_INLINE void add_products(const float& a, V b0, V b1, V& sum0, V& sum1) {
  const V av = broadcast(a);
  sum0 += av * b0;
  sum1 += av * b1;
}
#endif

// Keeps the compiler from knowing a stride: it would make an index register of its sum with each constant.
NNFAST_INLINE void hide(int64_t& stride) { asm("" : "+r"(stride)); }
// And from making use of a stride before this place: what follows from it would wait on the stack, which makes a
// training step of layers of 32 a twentieth longer.
NNFAST_INLINE int64_t from_here(int64_t stride) {
  asm volatile("" : "+r"(stride));
  return stride;
}

// One of the strides of a is 1. Down a column all rows of a are within reach of one pointer; along its rows three are,
// with scaled indices: fewer registers to advance.
constexpr int kReach = 3;

// sums += the products of one k: element `at`, of MT rows, by the vectors of b. Of the pointers, to each kReach rows
// that are row1 apart (AlongRows), or to all.
template <int MT, bool AlongRows, int NV>
NNFAST_INLINE void add_products_of(const float* const* a, int at, int64_t& row1, int64_t& row2, const V (&b)[NV],
                                   V* sums) {
  static_for<MT>([&](auto i) NNFAST_LAMBDA {
    constexpr int g = AlongRows ? i / kReach : 0, r = AlongRows ? i % kReach : i;
    const float& x = a[g][AlongRows ? (r == 0 ? 0 : r == 1 ? row1 : row2) + at : r];
    if constexpr (NV == 2)
      add_products(x, b[0], b[1], sums[2 * i], sums[2 * i + 1]);
    else
      static_for<NV>([&](auto j) NNFAST_LAMBDA { sums[i * NV + j] += broadcast(x) * b[j]; });
    if constexpr (r == 1) hide(row1);
    if constexpr (r == 2) hide(row2);
  });
}

// The longest chain of additions into one accumulator: short enough that rounding errors stay small, long enough that
// adding the chains up costs little (one in a hundred of a tile's cycles on Zen 5).
constexpr int kChain = 384;

}  // namespace
}  // namespace nnfast::NNFAST_ISA
