// Pooling, of each channel by itself. Vectors lie along the channels. Forward goes through rows of output pixels,
// backward through rows of input pixels, each with the output rows that see it: so every row is written by one call.
#include "kernels/kernels.h"
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {
namespace {

using Images = Kernels::Pool::Images;

// Places of the maximum, in memory: one byte, or four where the window has more than 256 taps. GCC widens and narrows
// vectors of bytes element by element where it is not told the instruction.
NNFAST_INLINE void store_places(uint8_t* p, VI v) {
#if defined(__AVX512F__)
  _mm512_mask_cvtepi32_storeu_epi8(p, 0xffff, (__m512i)v);
#elif defined(__AVX2__)
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
#else
  for (int i = 0; i < kLanes; ++i) p[i] = static_cast<uint8_t>(v[i]);
#endif
}
NNFAST_INLINE void store_places(int32_t* p, VI v) { *reinterpret_cast<VIu*>(p) = v; }
NNFAST_INLINE VI load_places(const uint8_t* p) {
#if defined(__AVX512F__)
  return (VI)_mm512_maskz_cvtepu8_epi32(0xffff, _mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#elif defined(__AVX2__)
  return (VI)_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p)));
#else
  VI v;
  for (int i = 0; i < kLanes; ++i) v[i] = p[i];
  return v;
#endif
}
NNFAST_INLINE VI load_places(const int32_t* p) { return *reinterpret_cast<const VIu*>(p); }

struct Span {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
};

// The taps of output o that lie inside the image.
NNFAST_INLINE Span taps_inside(const Window& w, int axis, int64_t o) {
  const int64_t start = o * w.stride[axis] - w.pad[axis], rest = w.in[axis] - start;
  return {start < 0 ? -start : 0, rest < w.size[axis] ? rest : w.size[axis]};
}

// The outputs that see input i.
NNFAST_INLINE Span outputs_of(const Window& w, int axis, int64_t i) {
  const int64_t at = i + w.pad[axis], end = at / w.stride[axis] + 1;
  return {at < w.size[axis] ? 0 : (at - w.size[axis]) / w.stride[axis] + 1, end < w.out[axis] ? end : w.out[axis]};
}

// What one output pixel sees of the image.
struct View {
  const float* x;     // the first pixel
  int32_t first_tap;  // its number in the window
  Span taps[3];
  int64_t channels, line, plane;  // floats from pixel to pixel along width, height and depth
  int32_t line_taps, plane_taps;  // and taps

  int64_t count() const { return taps[0].size() * taps[1].size() * taps[2].size(); }

  // f(pixel, number of the tap), in the order of the taps.
  template <class F>
  NNFAST_LAMBDA void each(F&& f) const {
    if (taps[0].size() == 1 && taps[1].size() == 2 && taps[2].size() == 2) {  // most windows there are
      f(x, first_tap);
      f(x + channels, first_tap + 1);
      f(x + line, first_tap + line_taps);
      f(x + line + channels, first_tap + line_taps + 1);
      return;
    }
    const float* front = x;
    int32_t front_tap = first_tap;
    for (int64_t d = taps[0].size(); d > 0; --d, front += plane, front_tap += plane_taps) {
      const float* top = front;
      int32_t top_tap = front_tap;
      for (int64_t h = taps[1].size(); h > 0; --h, top += line, top_tap += line_taps) {
        const float* pixel = top;
        int32_t tap = top_tap;
        for (int64_t k = taps[2].size(); k > 0; --k, pixel += channels, ++tap) f(pixel, tap);
      }
    }
  }
};

// f(view, number of the pixel) for each pixel of some rows of the output.
template <class F>
NNFAST_INLINE void each_output(const Images& images, int64_t first, int64_t count, const float* x, F&& f) {
  const Window& w = *images.window;
  View view;
  view.channels = images.channels;
  view.line = w.in[2] * view.channels;
  view.plane = w.in[1] * view.line;
  view.line_taps = static_cast<int32_t>(w.size[2]);
  view.plane_taps = static_cast<int32_t>(w.size[1] * w.size[2]);
  for (int64_t row = first; row < first + count; ++row) {
    const int64_t h = row % w.out[1], d = row / w.out[1] % w.out[0], image = row / w.out[1] / w.out[0];
    view.taps[0] = taps_inside(w, 0, d);
    view.taps[1] = taps_inside(w, 1, h);
    const float* start = x + image * w.in[0] * view.plane +
                         (d * w.stride[0] - w.pad[0] + view.taps[0].begin) * view.plane +
                         (h * w.stride[1] - w.pad[1] + view.taps[1].begin) * view.line;
    const int32_t start_tap = static_cast<int32_t>((view.taps[0].begin * w.size[1] + view.taps[1].begin) * w.size[2]);
    for (int64_t o = 0; o < w.out[2]; ++o) {
      view.taps[2] = taps_inside(w, 2, o);
      view.x = start + (o * w.stride[2] - w.pad[2] + view.taps[2].begin) * view.channels;
      view.first_tap = start_tap + static_cast<int32_t>(view.taps[2].begin);
      f(view, row * w.out[2] + o);
    }
  }
}

// Each vector of channels, four at a time as long as they last: f(vectors, whether the last one is partial, channel).
template <class F>
NNFAST_INLINE void each_channel(int64_t channels, F&& f) {
  int64_t c = 0;
  for (; c + 4 * kLanes <= channels; c += 4 * kLanes) f(Index<4>{}, Index<0>{}, c);
  for (; c + kLanes <= channels; c += kLanes) f(Index<1>{}, Index<0>{}, c);
  if (c < channels) f(Index<1>{}, Index<1>{}, c);
}

template <class Place>
void max_rows(const Images& images, int64_t first, int64_t count, const float* x, float* y, Place* places) {
  const int64_t channels = images.channels;
  each_output(images, first, count, x, [&](const View& view, int64_t pixel) NNFAST_LAMBDA {
    each_channel(channels, [&](auto vectors, auto partial, int64_t c) NNFAST_LAMBDA {
      constexpr int kVectors = decltype(vectors)::value;
      constexpr bool kPartial = decltype(partial)::value;
      V best[kVectors];
      VI at[kVectors];
      static_for<kVectors>([&](auto v) NNFAST_LAMBDA {
        best[v] = broadcast(-__builtin_inff());
        at[v] = view.first_tap - VI{};
      });
      view.each([&](const float* p, int32_t tap) NNFAST_LAMBDA {
        static_for<kVectors>([&](auto v) NNFAST_LAMBDA {
          const V value = read<kPartial>(p + c + v * kLanes, channels - c);
          const VI better = (value > best[v]) | (value != value);  // never again after a NaN but for another
          best[v] = select(better, value, best[v]);
          at[v] = better ? tap - VI{} : at[v];
        });
      });
      static_for<kVectors>([&](auto v) NNFAST_LAMBDA {
        if (y) write<kPartial>(y + pixel * channels + c + v * kLanes, best[v], channels - c);
        if (places) store_places(places + pixel * images.places_step + c + v * kLanes, at[v]);
      });
    });
  });
}

void max(const Images& images, int64_t first, int64_t count, const float* x, float* y, void* places) {
  if (images.wide_places)
    max_rows(images, first, count, x, y, static_cast<int32_t*>(places));
  else
    max_rows(images, first, count, x, y, static_cast<uint8_t*>(places));
}

void average(const Images& images, int64_t first, int64_t count, const float* x, float* y) {
  const int64_t channels = images.channels;
  each_output(images, first, count, x, [&](const View& view, int64_t pixel) NNFAST_LAMBDA {
    const V taps = broadcast(static_cast<float>(view.count()));
    each_channel(channels, [&](auto vectors, auto partial, int64_t c) NNFAST_LAMBDA {
      constexpr int kVectors = decltype(vectors)::value;
      constexpr bool kPartial = decltype(partial)::value;
      V sum[kVectors];
      static_for<kVectors>([&](auto v) NNFAST_LAMBDA { sum[v] = V{}; });
      view.each([&](const float* p, int32_t) NNFAST_LAMBDA {
        static_for<kVectors>([&](auto v) NNFAST_LAMBDA { sum[v] += read<kPartial>(p + c + v * kLanes, channels - c); });
      });
      static_for<kVectors>([&](auto v) NNFAST_LAMBDA {
        write<kPartial>(y + pixel * channels + c + v * kLanes, sum[v] / taps, channels - c);
      });
    });
  });
}

void clear(int64_t n, float* x) {
  for (int64_t i = 0; i < n; ++i) x[i] = 0;
}

// The part of one output row in one row of dx: `Gradient` knows the row, what its pixels give, and to which taps.
// Without Accumulate, columns that several outputs see must not exist, and those that none sees stay as they are. Past:
// dx is written past the cache.
template <bool Accumulate, bool Past = false, class Gradient>
void spread_row(const Images& images, const Gradient& gradient, float* dx) {
  const Window& w = *images.window;
  for (int64_t o = 0; o < w.out[2]; ++o) {
    const Span taps = taps_inside(w, 2, o);
    float* pixels = dx + (o * w.stride[2] - w.pad[2]) * images.channels;
    each_channel(images.channels, [&](auto vectors, auto partial, int64_t c) NNFAST_LAMBDA {
      constexpr int kVectors = decltype(vectors)::value;
      constexpr bool kPartial = decltype(partial)::value;
      typename Gradient::Part part[kVectors];
      static_for<kVectors>(
          [&](auto v) NNFAST_LAMBDA { part[v] = gradient.template part<kPartial>(o, c + v * kLanes, taps.size()); });
      const auto add = [&](int64_t k) NNFAST_LAMBDA {
        static_for<kVectors>([&](auto v) NNFAST_LAMBDA {
          float* p = pixels + k * images.channels + c + v * kLanes;
          V sum = part[v].at(k);
          if constexpr (Accumulate) sum += read<kPartial>(p, images.channels - c);
          if constexpr (Past && !kPartial)
            stream(p, sum);
          else
            write<kPartial>(p, sum, images.channels - c);
        });
      };
      if (taps.size() == 2) {
        add(taps.begin);
        add(taps.begin + 1);
      } else {
        for (int64_t k = taps.begin; k < taps.end; ++k) add(k);
      }
    });
  }
}

// make(output row, depth and height of the tap that meets the row of dx) gives the Gradient.
template <class Make>
NNFAST_INLINE void spread_rows(const Images& images, int64_t first, int64_t count, float* dx, Make&& make) {
  const Window& w = *images.window;
  const int64_t width = w.in[2] * images.channels;
  const bool apart = w.size[2] <= w.stride[2];  // no column is seen by two outputs
  const int64_t covered = w.size[2] == w.stride[2] ? w.out[2] * w.stride[2] - w.pad[2] : 0;
  const bool past =
      images.past_cache && are_lines(images.channels, dx) && w.size[0] <= w.stride[0] && w.size[1] <= w.stride[1];
  for (int64_t row = first; row < first + count; ++row) {
    const int64_t h = row % w.in[1], d = row / w.in[1] % w.in[0], image = row / w.in[1] / w.in[0];
    float* out = dx + row * width;
    bool fresh = true;
    const Span depths = outputs_of(w, 0, d), heights = outputs_of(w, 1, h);
    for (int64_t od = depths.begin; od < depths.end; ++od)
      for (int64_t oh = heights.begin; oh < heights.end; ++oh) {
        const auto gradient =
            make((image * w.out[0] + od) * w.out[1] + oh, d + w.pad[0] - od * w.stride[0],
                 h + w.pad[1] - oh * w.stride[1], taps_inside(w, 0, od).size(), taps_inside(w, 1, oh).size());
        if (fresh && apart) {
          if (covered < w.in[2]) clear(width - covered * images.channels, out + covered * images.channels);
          if (past)
            spread_row<false, true>(images, gradient, out);
          else
            spread_row<false>(images, gradient, out);
        } else {
          if (fresh) clear(width, out);
          spread_row<true>(images, gradient, out);
        }
        fresh = false;
      }
    if (fresh) clear(width, out);
  }
  if (past) fence_streams();
}

template <class Place>
struct MaxGradient {
  const Images& images;
  const float* dy;      // of the output row
  const Place* places;  // of the output row
  int32_t tap;          // the first of the taps that meet the row of dx

  struct Part {
    V dy;
    VI column;
    NNFAST_LAMBDA V at(int64_t k) const { return select(column == static_cast<int32_t>(k), dy, V{}); }
  };
  template <bool Partial>
  NNFAST_LAMBDA Part part(int64_t o, int64_t c, int64_t) const {
    return {read<Partial>(dy + o * images.channels + c, images.channels - c),
            load_places(places + o * images.places_step + c) - tap};
  }
};

template <class Place>
void max_backward_rows(const Images& images, int64_t first, int64_t count, const float* dy, const Place* places,
                       float* dx) {
  const Window& w = *images.window;
  spread_rows(images, first, count, dx, [&](int64_t row, int64_t d, int64_t h, int64_t, int64_t) NNFAST_LAMBDA {
    return MaxGradient<Place>{images, dy + row * w.out[2] * images.channels,
                              places + row * w.out[2] * images.places_step,
                              static_cast<int32_t>((d * w.size[1] + h) * w.size[2])};
  });
}

void max_backward(const Images& images, int64_t first, int64_t count, const float* dy, const void* places, float* dx) {
  if (images.wide_places)
    max_backward_rows(images, first, count, dy, static_cast<const int32_t*>(places), dx);
  else
    max_backward_rows(images, first, count, dy, static_cast<const uint8_t*>(places), dx);
}

struct AverageGradient {
  const Images& images;
  const float* dy;  // of the output row
  int64_t lines;    // rows of the image that a window sees

  struct Part {
    V share;
    NNFAST_LAMBDA V at(int64_t) const { return share; }
  };
  template <bool Partial>
  NNFAST_LAMBDA Part part(int64_t o, int64_t c, int64_t columns) const {
    return {read<Partial>(dy + o * images.channels + c, images.channels - c) /
            broadcast(static_cast<float>(lines * columns))};
  }
};

void average_backward(const Images& images, int64_t first, int64_t count, const float* dy, float* dx) {
  spread_rows(images, first, count, dx,
              [&](int64_t row, int64_t, int64_t, int64_t depths, int64_t heights) NNFAST_LAMBDA {
                return AverageGradient{images, dy + row * images.window->out[2] * images.channels, depths * heights};
              });
}

}  // namespace

extern const Kernels::Pool pool_kernels;
const Kernels::Pool pool_kernels = {max, max_backward, average, average_backward};

}  // namespace nnfast::NNFAST_ISA
