// Depthwise convolution: each channel by itself. Vectors lie along the channels; a row of pixels at a time.
#include "kernels/kernels.h"
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {
namespace {

using Line = Kernels::Depthwise::Line;
using Weights = Kernels::Depthwise::Weights;

// NP pixels from pixel i on, NV vectors of channels from c on. A multiplication takes a load of its own, and both keep
// pace: nothing is gained by holding neighbouring pixels in registers.
template <int NP, int NV, bool Partial>
NNFAST_INLINE void pixels(const Line& s, int64_t i, int64_t c, int64_t lanes) {
  float* out = s.out + i * s.out_step + c;
  if (s.next)
    static_for<NP>([&](auto p) NNFAST_LAMBDA {
      static_for<NV>([&](auto v)
                         NNFAST_LAMBDA { __builtin_prefetch(s.next + (i + p) * s.x_step + c + v * kLanes, 0, 2); });
    });
  V acc[NP * NV];
  static_for<NP>([&](auto p) NNFAST_LAMBDA {
    static_for<NV>([&](auto v) NNFAST_LAMBDA {
      if (s.accumulate)
        acc[p * NV + v] = read<Partial>(out + p * s.out_step + v * kLanes, lanes);
      else
        acc[p * NV + v] = s.bias ? read<Partial>(s.bias + c + v * kLanes, lanes) : V{};
    });
  });
  for (int64_t r = 0; r < s.num_rows; ++r) {
    const float* x = s.x[r] + i * s.x_step + c;
    const float* w = s.w[r] + c;
    for (int64_t tap = 0; tap < s.taps; ++tap, x += s.tap_step, w += s.w_step) {
      static_for<NV>([&](auto v) NNFAST_LAMBDA {
        const V weight = read<Partial>(w + v * kLanes, lanes);
        static_for<NP>([&](auto p) NNFAST_LAMBDA {
          acc[p * NV + v] += read<Partial>(x + p * s.x_step + v * kLanes, lanes) * weight;
        });
      });
    }
  }
  static_for<NP>([&](auto p) NNFAST_LAMBDA {
    static_for<NV>([&](auto v)
                       NNFAST_LAMBDA { write<Partial>(out + p * s.out_step + v * kLanes, acc[p * NV + v], lanes); });
  });
}

template <int NP>
int64_t blocks_of_pixels(const Line& s, int64_t i) {
  for (; i + NP <= s.count; i += NP) {
    int64_t c = 0;
    constexpr int NV = NP == 1 ? 4 : 8 / NP;  // enough sums in the making to hide a multiplication's latency
    if constexpr (NV > 1)
      for (; c + NV * kLanes <= s.channels; c += NV * kLanes) pixels<NP, NV, false>(s, i, c, kLanes);
    for (; c + kLanes <= s.channels; c += kLanes) pixels<NP, 1, false>(s, i, c, kLanes);
    if (c < s.channels) pixels<NP, 1, true>(s, i, c, s.channels - c);
  }
  return i;
}

void line(const Line& s) {
  int64_t i = blocks_of_pixels<8>(s, 0);
  i = blocks_of_pixels<4>(s, i);
  i = blocks_of_pixels<2>(s, i);
  blocks_of_pixels<1>(s, i);
}

// NT neighbouring taps of one kernel row, NV vectors of channels: dw += Σ x dy over pixels that all taps see.
template <int NT, int NV, bool Partial>
NNFAST_INLINE void weight_sums(const Weights& s, int64_t tap, int64_t c, int64_t lanes) {
  V acc[NT * NV];
  float* dw = s.dw + tap * s.w_step + c;
  static_for<NT>([&](auto t) NNFAST_LAMBDA {
    static_for<NV>([&](auto v)
                       NNFAST_LAMBDA { acc[t * NV + v] = read<Partial>(dw + t * s.w_step + v * kLanes, lanes); });
  });
  const float* x = s.x + tap * s.tap_step + c;
  const float* dy = s.dy + c;
  for (int64_t i = 0; i < s.count; ++i, x += s.x_step, dy += s.dy_step) {
    V d[NV];
    static_for<NV>([&](auto v) NNFAST_LAMBDA { d[v] = read<Partial>(dy + v * kLanes, lanes); });
    static_for<NT>([&](auto t) NNFAST_LAMBDA {
      static_for<NV>([&](auto v) NNFAST_LAMBDA {
        acc[t * NV + v] += read<Partial>(x + t * s.tap_step + v * kLanes, lanes) * d[v];
      });
    });
  }
  static_for<NT>([&](auto t) NNFAST_LAMBDA {
    static_for<NV>([&](auto v)
                       NNFAST_LAMBDA { write<Partial>(dw + t * s.w_step + v * kLanes, acc[t * NV + v], lanes); });
  });
}

template <int NT>
int64_t blocks_of_taps(const Weights& s, int64_t tap) {
  for (; tap + NT <= s.taps; tap += NT) {
    int64_t c = 0;
    for (; c + 2 * kLanes <= s.channels; c += 2 * kLanes) weight_sums<NT, 2, false>(s, tap, c, kLanes);
    for (; c + kLanes <= s.channels; c += kLanes) weight_sums<NT, 1, false>(s, tap, c, kLanes);
    if (c < s.channels) weight_sums<NT, 1, true>(s, tap, c, s.channels - c);
  }
  return tap;
}

void weights(const Weights& s) {
  // All channels of a few pixels before the next: memory is then read as it lies.
  constexpr int64_t kPixels = 16;
  Weights part = s;
  for (int64_t i = 0; i < s.count; i += kPixels, part.x += kPixels * s.x_step, part.dy += kPixels * s.dy_step) {
    part.count = s.count - i < kPixels ? s.count - i : kPixels;
    int64_t tap = blocks_of_taps<5>(part, 0);
    tap = blocks_of_taps<3>(part, tap);
    blocks_of_taps<1>(part, tap);
  }
}

void repeat(int64_t n, int64_t times, const float* x, float* out) {
  constexpr int64_t kMost = 16;
  int64_t i = 0;
  if (times <= kMost && n >= kLanes) {
    // A vector of x becomes `times` of out: element k of them is lane k / times, here of k + 1/2, so that it is exact.
    VI lanes[kMost];
    for (int64_t part = 0; part < times; ++part) {
      const V k = __builtin_convertvector(lane_index(), V) + (static_cast<float>(part * kLanes) + 0.5f);
      lanes[part] = __builtin_convertvector(k / static_cast<float>(times), VI);
    }
    for (; i + kLanes <= n; i += kLanes) {
      const V v = load(x + i);
      for (int64_t part = 0; part < times; ++part)
        store(out + i * times + part * kLanes, __builtin_shuffle(v, lanes[part]));
    }
  }
  for (; i < n; ++i)
    for (int64_t t = 0; t < times; ++t) out[i * times + t] = x[i];
}

void sum_repeated(int64_t n, int64_t times, const float* x, float* out) {
  for (int64_t i = 0; i < n; ++i, x += times) {
    float sum = x[0];
    for (int64_t t = 1; t < times; ++t) sum += x[t];
    out[i] = sum;
  }
}

}  // namespace

extern const Kernels::Depthwise depthwise_kernels;
const Kernels::Depthwise depthwise_kernels = {line, weights, repeat, sum_repeated};

}  // namespace nnfast::NNFAST_ISA
