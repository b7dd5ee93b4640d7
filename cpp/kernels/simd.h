// The vector type of this ISA build, never wider than the machine's own. GCC vector extensions, no intrinsics.
//
// Everything here and in the headers above it has internal linkage (anonymous namespace or `static`): an inline
// function compiled under two flag sets would link as one copy, perhaps the AVX-512 one. No `std` templates.
#pragma once
#include <stdint.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

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

NNFAST_INLINE int64_t at_most(int64_t a, int64_t b) { return a < b ? a : b; }

NNFAST_INLINE V load(const float* p) { return *reinterpret_cast<const Vu*>(p); }
NNFAST_INLINE void store(float* p, V v) { *reinterpret_cast<Vu*>(p) = v; }
// To memory past the cache, a vector at an address that is a multiple of its size; vector by vector, whole cache lines.
// Other threads see it after the fence.
#if defined(__AVX512F__)
NNFAST_INLINE void stream(float* p, V v) { _mm512_stream_ps(p, (__m512)v); }
NNFAST_INLINE void fence_streams() { _mm_sfence(); }
#elif defined(__AVX2__)
NNFAST_INLINE void stream(float* p, V v) { _mm256_stream_ps(p, (__m256)v); }
NNFAST_INLINE void fence_streams() { _mm_sfence(); }
#else
NNFAST_INLINE void stream(float* p, V v) { store(p, v); }
NNFAST_INLINE void fence_streams() {}
#endif
// Whether rows of so many floats can go past the cache: they are whole lines of it.
NNFAST_INLINE bool are_lines(int64_t floats, const float* p) {
  return floats % 16 == 0 && reinterpret_cast<uintptr_t>(p) % 64 == 0;
}
NNFAST_INLINE V broadcast(float x) { return x - V{}; }
NNFAST_INLINE V select(VI mask, V a, V b) { return mask ? a : b; }

// 0, 1, … kLanes-1.
NNFAST_INLINE VI lane_index() {
  VI v;
  for (int i = 0; i < kLanes; ++i) v[i] = i;
  return v;
}
// True in the first n lanes.
NNFAST_INLINE VI first_lanes(int64_t n) { return lane_index() < static_cast<int32_t>(n); }

// The first n lanes of memory, the rest zero; and the first n lanes to memory. 0 <= n <= kLanes.
// These masked moves are what vector extensions cannot say: a memcpy of variable length is a function call.
#if defined(__AVX512F__)
NNFAST_INLINE V load_first(const float* p, int64_t n) {
  return (V)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
}
NNFAST_INLINE void store_first(float* p, V v, int64_t n) {
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), (__m512)v);
}
#elif defined(__AVX2__)
NNFAST_INLINE V load_first(const float* p, int64_t n) { return (V)_mm256_maskload_ps(p, (__m256i)first_lanes(n)); }
NNFAST_INLINE void store_first(float* p, V v, int64_t n) { _mm256_maskstore_ps(p, (__m256i)first_lanes(n), (__m256)v); }
#else
NNFAST_INLINE V load_first(const float* p, int64_t n) {
  V v{};
  for (int i = 0; i < kLanes; ++i)
    if (i < n) v[i] = p[i];
  return v;
}
NNFAST_INLINE void store_first(float* p, V v, int64_t n) {
  for (int i = 0; i < kLanes; ++i)
    if (i < n) p[i] = v[i];
}
#endif

// A whole vector or, where it is partial, its first lanes: for a loop's body, written once, and its rest.
template <bool Partial>
NNFAST_INLINE V read(const float* p, int64_t lanes) {
  if constexpr (Partial)
    return load_first(p, lanes);
  else
    return load(p);
}
template <bool Partial>
NNFAST_INLINE void write(float* p, V v, int64_t lanes) {
  if constexpr (Partial)
    store_first(p, v, lanes);
  else
    store(p, v);
}

// The lanes combined by a fixed tree: halves, quarters, … Lane i meets lane i + kLanes/2 first.
template <class Combine>
NNFAST_INLINE float across(V v, Combine combine) {
  for (int half = kLanes / 2; half > 0; half /= 2) {
    VI other = lane_index() + half;
    v = combine(v, __builtin_shuffle(v, other));  // lanes beyond the first `half` no longer matter
  }
  return v[0];
}
// The second operand where either is NaN, as x86's own instructions have it: where they are not named, GCC 12 often
// compares and selects. (Its header's names for AVX-512's warn of what is not so.)
#if defined(__AVX512F__)
NNFAST_INLINE V max(V a, V b) { return __builtin_ia32_maxps512_mask(a, b, V{}, 0xffff, _MM_FROUND_CUR_DIRECTION); }
NNFAST_INLINE V min(V a, V b) { return __builtin_ia32_minps512_mask(a, b, V{}, 0xffff, _MM_FROUND_CUR_DIRECTION); }
#elif defined(__AVX2__)
NNFAST_INLINE V max(V a, V b) { return (V)_mm256_max_ps((__m256)a, (__m256)b); }
NNFAST_INLINE V min(V a, V b) { return (V)_mm256_min_ps((__m256)a, (__m256)b); }
#else
NNFAST_INLINE V max(V a, V b) { return a > b ? a : b; }
NNFAST_INLINE V min(V a, V b) { return a < b ? a : b; }
#endif
NNFAST_INLINE float sum_across(V v) {
  return across(v, [](V a, V b) NNFAST_LAMBDA { return a + b; });
}
NNFAST_INLINE float max_across(V v) {
  return across(v, [](V a, V b) NNFAST_LAMBDA { return max(a, b); });
}

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
