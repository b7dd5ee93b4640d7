// The vector type of this ISA build, never wider than the machine's own. GCC vector extensions, no intrinsics.
//
// Everything here and in the headers above it has internal linkage (anonymous namespace or `static`): an inline
// function compiled under two flag sets would link as one copy, perhaps the AVX-512 one. No `std` templates.
#pragma once
#include <stdint.h>

#ifndef NNFAST_ISA
#error "kernels are compiled once per ISA: see isa.cmake"
#endif

#define NNFAST_INLINE static inline __attribute__((always_inline))
#define NNFAST_LAMBDA __attribute__((always_inline))

namespace nnfast::NNFAST_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float V __attribute__((vector_size(kLanes * 4)));
typedef int32_t VI __attribute__((vector_size(kLanes * 4)));
// The same for memory of any alignment and type.
typedef float Vu __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));
typedef int32_t VIu __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

NNFAST_INLINE V load(const float* p) { return *reinterpret_cast<const Vu*>(p); }
NNFAST_INLINE void store(float* p, V v) { *reinterpret_cast<Vu*>(p) = v; }
NNFAST_INLINE V broadcast(float x) { return x - V{}; }
NNFAST_INLINE V select(VI mask, V a, V b) { return mask ? a : b; }

// The first n lanes of memory, the rest zero; and the first n lanes to memory. 0 <= n <= kLanes.
NNFAST_INLINE V load_first(const float* p, int64_t n) {
  V v{};
  __builtin_memcpy(&v, p, n * sizeof(float));
  return v;
}
NNFAST_INLINE void store_first(float* p, V v, int64_t n) { __builtin_memcpy(p, &v, n * sizeof(float)); }

template <int I>
struct Index {
  static constexpr int value = I;
  constexpr operator int() const { return I; }
};
template <int... I>
struct Indices {};
template <int N, int... I>
struct MakeIndices : MakeIndices<N - 1, N - 1, I...> {};
template <int... I>
struct MakeIndices<0, I...> {
  using type = Indices<I...>;
};
template <class F, int... I>
NNFAST_INLINE void static_for_(F&& f, Indices<I...>) {
  (f(Index<I>{}), ...);
}
// f(0), …, f(N-1) with constant indices: arrays of vectors indexed so stay in registers (a plain loop is unrolled
// too late for GCC to split the array, and every accumulator then lives on the stack).
template <int N, class F>
NNFAST_INLINE void static_for(F&& f) {
  static_for_(static_cast<F&&>(f), typename MakeIndices<N>::type{});
}

}  // namespace
}  // namespace nnfast::NNFAST_ISA
