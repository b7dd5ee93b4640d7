// Depthwise convolution: each channel by itself. Vectors lie along the channels; a row of pixels at a time.
#include "kernels/kernels.h"
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {
namespace {

using Line = Kernels::Depthwise::Line;
using Weights = Kernels::Depthwise::Weights;

// Asks for the vectors of the next row that lie where those of NP pixels from pixel i on, NV from channel c on, do.
template <int NP, int NV>
NNFAST_INLINE void ask_ahead(const Line& s, int64_t i, int64_t c) {
  if (!s.next) return;
  static_for<NP>([&](auto p) NNFAST_LAMBDA {
    static_for<NV>([&](auto v)
                       NNFAST_LAMBDA { __builtin_prefetch(s.next + (i + p) * s.x_step + c + v * kLanes, 0, 2); });
  });
}

template <bool Partial>
NNFAST_INLINE V begin(const Line& s, const float* out, int64_t c, int64_t lanes) {
  return s.accumulate ? read<Partial>(out, lanes) : s.bias ? read<Partial>(s.bias + c, lanes) : V{};
}

// NP pixels from pixel i on, NV vectors of channels from c on.
template <int NP, int NV, bool Partial>
NNFAST_INLINE void pixels(const Line& s, int64_t i, int64_t c, int64_t lanes) {
  float* out = s.out + i * s.out_step + c;
  ask_ahead<NP, NV>(s, i, c);
  V acc[NP * NV];
  static_for<NP>([&](auto p) NNFAST_LAMBDA {
    static_for<NV>([&](auto v) NNFAST_LAMBDA {
      acc[p * NV + v] = begin<Partial>(s, out + p * s.out_step + v * kLanes, c + v * kLanes, lanes);
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

// The same where the taps of a pixel are the first taps of its neighbours: each vector of x is read once, for all the
// sums that it is in. NT taps in a row of the window, a vector of channels.
template <int NP, int NT, bool Partial>
NNFAST_INLINE void neighbours(const Line& s, int64_t i, int64_t c, int64_t lanes) {
  ask_ahead<NP, 1>(s, i, c);
  // Along the taps, which may lead back.
  const bool back = s.tap_step != s.x_step;
  const int64_t first = back ? i + NP - 1 : i, out_step = back ? -s.out_step : s.out_step;
  float* out = s.out + first * s.out_step + c;
  V acc[NP];
  static_for<NP>([&](auto p) NNFAST_LAMBDA { acc[p] = begin<Partial>(s, out + p * out_step, c, lanes); });
  for (int64_t r = 0; r < s.num_rows; ++r) {
    const float* x = s.x[r] + first * s.x_step + c;
    V weight[NT];
    static_for<NT>([&](auto t) NNFAST_LAMBDA { weight[t] = read<Partial>(s.w[r] + t * s.w_step + c, lanes); });
    static_for<NP + NT - 1>([&](auto at) NNFAST_LAMBDA {
      const V v = read<Partial>(x, lanes);
      x += s.tap_step;
      static_for<NT>([&](auto t) NNFAST_LAMBDA {
        constexpr int p = at - t;
        if constexpr (p >= 0 && p < NP) acc[p] += v * weight[t];
      });
    });
  }
  static_for<NP>([&](auto p) NNFAST_LAMBDA { write<Partial>(out + p * out_step, acc[p], lanes); });
}

template <int NT>
int64_t blocks_of_neighbours(const Line& s) {
  constexpr int NP = 8;
  int64_t i = 0;
  for (; i + NP <= s.count; i += NP) {
    int64_t c = 0;
    for (; c + kLanes <= s.channels; c += kLanes) neighbours<NP, NT, false>(s, i, c, kLanes);
    if (c < s.channels) neighbours<NP, NT, true>(s, i, c, s.channels - c);
  }
  return i;
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
  const bool near = s.tap_step == s.x_step || s.tap_step == -s.x_step;
  int64_t i = near && s.taps == 3 ? blocks_of_neighbours<3>(s) : near && s.taps == 5 ? blocks_of_neighbours<5>(s) : 0;
  i = blocks_of_pixels<8>(s, i);
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

// The same for all taps of a row of the window, where the taps of a pixel are the first taps of its neighbours: each
// vector of x is read once. At least NT - 1 pixels.
template <int NT, int NV, bool Partial>
NNFAST_INLINE void neighbour_sums(const Weights& s, int64_t c, int64_t lanes) {
  V acc[NT * NV], d[NT * NV];  // d: of the last NT pixels, the last one first
  float* dw = s.dw + c;
  static_for<NT>([&](auto t) NNFAST_LAMBDA {
    static_for<NV>([&](auto v)
                       NNFAST_LAMBDA { acc[t * NV + v] = read<Partial>(dw + t * s.w_step + v * kLanes, lanes); });
  });
  const float* x = s.x + c;
  const float* dy = s.dy + c;
  // The next pixel of x, and of dy while there are any, for taps First … Last.
  auto step = [&](auto first, auto last, auto any) NNFAST_LAMBDA {
    static_for<NV>([&](auto v) NNFAST_LAMBDA {
      static_for<NT - 1>([&](auto t) NNFAST_LAMBDA { d[(NT - 1 - t) * NV + v] = d[(NT - 2 - t) * NV + v]; });
      if constexpr (any) d[v] = read<Partial>(dy + v * kLanes, lanes);
      const V value = read<Partial>(x + v * kLanes, lanes);
      static_for<NT>([&](auto t) NNFAST_LAMBDA {
        if constexpr (t >= first && t <= last) acc[t * NV + v] += value * d[t * NV + v];
      });
    });
    x += s.x_step;
    dy += s.dy_step;
  };
  static_for<NT - 1>([&](auto i) NNFAST_LAMBDA { step(Index<0>{}, i, Index<1>{}); });
  int64_t i = NT - 1;
  for (; i + NT <= s.count; i += NT)
    static_for<NT>([&](auto) NNFAST_LAMBDA { step(Index<0>{}, Index<NT - 1>{}, Index<1>{}); });
  for (; i < s.count; ++i) step(Index<0>{}, Index<NT - 1>{}, Index<1>{});
  static_for<NT - 1>([&](auto i) NNFAST_LAMBDA { step(Index<i + 1>{}, Index<NT - 1>{}, Index<0>{}); });
  static_for<NT>([&](auto t) NNFAST_LAMBDA {
    static_for<NV>([&](auto v)
                       NNFAST_LAMBDA { write<Partial>(dw + t * s.w_step + v * kLanes, acc[t * NV + v], lanes); });
  });
}

template <int NT>
void sums_of_neighbours(const Weights& s) {
  int64_t c = 0;
  for (; c + 2 * kLanes <= s.channels; c += 2 * kLanes) neighbour_sums<NT, 2, false>(s, c, kLanes);
  for (; c + kLanes <= s.channels; c += kLanes) neighbour_sums<NT, 1, false>(s, c, kLanes);
  if (c < s.channels) neighbour_sums<NT, 1, true>(s, c, s.channels - c);
}

void weights(const Weights& s) {
  // All channels of a few pixels before the next: memory is then read as it lies.
  const int64_t pixels = s.channels < 128 ? 2048 / s.channels : 16;
  Weights part = s;
  for (int64_t i = 0; i < s.count; i += pixels, part.x += pixels * s.x_step, part.dy += pixels * s.dy_step) {
    part.count = s.count - i < pixels ? s.count - i : pixels;
    if (s.taps == 3 && s.tap_step == s.x_step && part.count >= 2) {
      sums_of_neighbours<3>(part);
      continue;
    }
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
