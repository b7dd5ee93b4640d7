// 64 elements are drawn at a time, by 16 counters of four words each: element 16 w + i of a block is word w of its
// counter i. So every ISA fills whole vectors and draws the same numbers.
#include "kernels/kernels.h"
#include "kernels/math.h"
#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace nnfast::NNFAST_ISA {
namespace {

constexpr int kDrawn = 64;
constexpr int kCounters = 16;
constexpr int kParts = kCounters / kLanes;  // vectors for one word of all counters

typedef uint32_t VU __attribute__((vector_size(kLanes * 4)));
typedef uint64_t VL __attribute__((vector_size(kLanes * 4)));

// The 64-bit products of the low halves of each lane.
NNFAST_INLINE VL multiply_low(VL a, uint32_t b) {
  const VL factor = VL{} + b;
#if defined(__AVX512F__)
  return (VL)_mm512_maskz_mul_epu32(0xff, (__m512i)a, (__m512i)factor);  // plain mul_epu32 warns in GCC 12
#elif defined(__AVX2__)
  return (VL)_mm256_mul_epu32((__m256i)a, (__m256i)factor);
#elif defined(__SSE2__)
  return (VL)_mm_mul_epu32((__m128i)a, (__m128i)factor);
#else
  return (a & 0xffffffffu) * factor;
#endif
}

// Four words of kLanes counters. Counters of even index and of odd index are kept apart, in the low halves of 64-bit
// lanes, where a product finds room.
struct Words {
  VU w[4];
};
struct Half {
  VL w[4];
};
NNFAST_INLINE void philox_round(Half& h, uint32_t key0, uint32_t key1) {
  const VL p = multiply_low(h.w[0], 0xd2511f53u), q = multiply_low(h.w[2], 0xcd9e8d57u);
  h.w[0] = (q >> 32) ^ h.w[1] ^ key0;
  h.w[2] = (p >> 32) ^ h.w[3] ^ key1;
  h.w[1] = q;
  h.w[3] = p;
}
// The counters from `position` on.
NNFAST_INLINE Words philox(uint32_t position, const Kernels::Stream& stream) {
  VL pair;
  for (int i = 0; i < kLanes / 2; ++i) pair[i] = 2 * i;
  const VL even = pair + position;
  Half a{{even, VL{} + stream.counter[0], VL{} + stream.counter[1], VL{} + stream.counter[2]}};
  Half b = a;
  b.w[0] += 1;
  uint32_t key0 = stream.key[0], key1 = stream.key[1];
  static_for<10>([&](auto) NNFAST_LAMBDA {
    philox_round(a, key0, key1);
    philox_round(b, key0, key1);
    key0 += 0x9e3779b9u;
    key1 += 0xbb67ae85u;
  });
  Words words;
  for (int k = 0; k < 4; ++k) words.w[k] = (VU)((a.w[k] & 0xffffffffu) | (b.w[k] << 32));
  return words;
}

// 24 bits of a word as a number in 0 … 1, 1 excluded.
NNFAST_INLINE VI upper_bits(VU word) { return (VI)(word >> 8); }
NNFAST_INLINE V unit(VU word) { return __builtin_convertvector(upper_bits(word), V) * 5.96046448e-8f; }

// body(part, words) for the vectors of counters of the block that begins at element `first`.
template <class Body>
NNFAST_INLINE void draw(int64_t first, const Kernels::Stream& stream, const Body& body) {
  const uint32_t position = static_cast<uint32_t>(first / 4);
  for (int part = 0; part < kParts; ++part) body(part, philox(position + static_cast<uint32_t>(part * kLanes), stream));
}
// Where the elements of word w, vector `part`, stand in the block.
constexpr int place(int w, int part) { return w * kCounters + part * kLanes; }

// Blocks of kDrawn elements straight into y, the last through a copy.
template <class Fill>
NNFAST_INLINE void for_blocks(int64_t n, float* y, const Fill& fill) {
  int64_t i = 0;
  for (; i + kDrawn <= n; i += kDrawn) fill(i, y + i);
  if (i == n) return;
  float last[kDrawn];
  fill(i, last);
  for (int64_t k = 0; i + k < n; ++k) y[i + k] = last[k];
}

void uniform(int64_t n, int64_t first, const Kernels::Stream& stream, float low, float high, float* y) {
  const float width = high - low;
  for_blocks(n, y, [&](int64_t i, float* out) NNFAST_LAMBDA {
    draw(first + i, stream, [&](int part, const Words& words) NNFAST_LAMBDA {
      for (int k = 0; k < 4; ++k) store(out + place(k, part), unit(words.w[k]) * width + low);
    });
  });
}

// Box and Muller (1958): two independent normal numbers from two uniform ones.
NNFAST_INLINE void normal_pair(VU a, VU b, V& first, V& second) {
  const V u = (__builtin_convertvector((VI)(a >> 1), V) + 0.5f) * 4.65661287e-10f;  // 2^-31: above 0
  const V radius = sqrt(-2.0f * log(u));
  const V turn = unit(b) * 4.0f;  // in quarters
  const V shifted = turn + kRoundToInteger;
  const VI quarter = bits(shifted);
  const V r = (turn - (shifted - kRoundToInteger)) * 1.57079633f;
  const V z = r * r;
  const V sine = r + r * z * polynomial(z, -0.166666667f, 0.00833333333f, -0.000198412638f, 2.75553576e-6f);
  const V cosine = 1.0f - 0.5f * z + z * z * polynomial(z, 0.0416666666f, -0.00138888838f, 2.4799520e-5f);
  const VI swapped = (quarter & 1) != 0;
  const V c = swapped ? sine : cosine, s = swapped ? cosine : sine;
  first = radius * from_bits(bits(c) ^ ((quarter + 1) << 30 & (int32_t)0x80000000));
  second = radius * from_bits(bits(s) ^ (quarter << 30 & (int32_t)0x80000000));
}

void normal(int64_t n, int64_t first, const Kernels::Stream& stream, float mean, float stddev, float* y) {
  for_blocks(n, y, [&](int64_t i, float* out) NNFAST_LAMBDA {
    draw(first + i, stream, [&](int part, const Words& words) NNFAST_LAMBDA {
      for (int k = 0; k < 4; k += 2) {
        V a, b;
        normal_pair(words.w[k], words.w[k + 1], a, b);
        store(out + place(k, part), a * stddev + mean);
        store(out + place(k + 1, part), b * stddev + mean);
      }
    });
  });
}

// A bit for each lane, from the sign bits; and back.
NNFAST_INLINE uint64_t to_bits(VI mask) {
#if defined(__AVX512F__)
  return static_cast<uint32_t>(_mm512_movepi32_mask((__m512i)mask));
#elif defined(__AVX2__)
  return static_cast<uint32_t>(_mm256_movemask_ps((__m256)mask));
#elif defined(__SSE2__)
  return static_cast<uint32_t>(_mm_movemask_ps((__m128)mask));
#else
  uint64_t set = 0;
  for (int i = 0; i < kLanes; ++i) set |= static_cast<uint64_t>(mask[i] & 1) << i;
  return set;
#endif
}
NNFAST_INLINE VI from_lane_bits(uint64_t set) {
  const VI bit = (VI{} + 1) << lane_index();
  return ((VI{} + static_cast<int32_t>(set & ((uint64_t{1} << kLanes) - 1))) & bit) != 0;
}

void drop(int64_t n, int64_t first, const Kernels::Stream& stream, int32_t threshold, const float* x, float scale,
          float shift, float other, float* y, uint32_t* kept) {
  auto block = [&](int64_t i, const float* in, float* out) NNFAST_LAMBDA {
    uint64_t set = 0;
    draw(first + i, stream, [&](int part, const Words& words) NNFAST_LAMBDA {
      for (int k = 0; k < 4; ++k) {
        const VI keep = upper_bits(words.w[k]) >= threshold;
        set |= to_bits(keep) << place(k, part);
        store(out + place(k, part), keep ? load(in + place(k, part)) * scale + shift : broadcast(other));
      }
    });
    kept[i / 32] = static_cast<uint32_t>(set);
    kept[i / 32 + 1] = static_cast<uint32_t>(set >> 32);
  };
  int64_t i = 0;
  for (; i + kDrawn <= n; i += kDrawn) block(i, x + i, y + i);
  if (i == n) return;
  float in[kDrawn] = {}, out[kDrawn];
  for (int64_t k = 0; i + k < n; ++k) in[k] = x[i + k];
  block(i, in, out);
  for (int64_t k = 0; i + k < n; ++k) y[i + k] = out[k];
}

void drop_backward(int64_t n, const uint32_t* kept, const float* dy, float scale, float* dx) {
  int64_t i = 0;
  auto mask = [&]() NNFAST_LAMBDA { return from_lane_bits(kept[i / 32] >> (i % 32)); };
  for (; i + kLanes <= n; i += kLanes) store(dx + i, keep_where(mask(), load(dy + i) * scale));
  if (i < n) store_first(dx + i, keep_where(mask(), load_first(dy + i, n - i) * scale), n - i);
}

}  // namespace

extern const Kernels::Random random_kernels;
const Kernels::Random random_kernels = {uniform, normal, drop, drop_backward};

}  // namespace nnfast::NNFAST_ISA
