// Pooling, of each channel by itself. Vectors lie along the channels. Forward goes through rows of output pixels,
// backward through rows of input pixels, each with the output rows that see it: so every row is written by one call.
#include "kernels/kernels.h"
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {
namespace {

using Images = Kernels::Pool::Images;

// Places of the maximum, in memory: one byte, or four where the window has more than 256 taps.
typedef uint8_t Bytes __attribute__((vector_size(kLanes), aligned(1), may_alias));
NNFAST_INLINE void store_places(uint8_t* p, VI v) { *reinterpret_cast<Bytes*>(p) = __builtin_convertvector(v, Bytes); }
NNFAST_INLINE void store_places(int32_t* p, VI v) { *reinterpret_cast<VIu*>(p) = v; }
NNFAST_INLINE VI load_places(const uint8_t* p) {
  return __builtin_convertvector(*reinterpret_cast<const Bytes*>(p), VI);
}
NNFAST_INLINE VI load_places(const int32_t* p) { return *reinterpret_cast<const VIu*>(p); }

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

// What one output pixel sees: taps inside the image, and where tap (0, 0, 0) would lie.
struct View {
  const Window& window;
  int64_t channels;
  const float* x;
  Span taps[3];

  // f(pixel, number of the tap), in the order of the taps.
  template <class F>
  NNFAST_INLINE void each(const View& view, F&& f) {
    const Window& w = view.window;
    for (int64_t d = view.taps[0].begin; d < view.taps[0].end; ++d)
      for (int64_t h = view.taps[1].begin; h < view.taps[1].end; ++h) {
        const int64_t line = d * w.size[1] + h;
        const float* pixel = view.x + ((d * w.in[1] + h) * w.in[2] + view.taps[2].begin) * view.channels;
        for (int64_t k = view.taps[2].begin; k < view.taps[2].end; ++k, pixel += view.channels)
          f(pixel, static_cast<int32_t>(line * w.size[2] + k));
      }
  }
  int64_t count() const { return taps[0].size() * taps[1].size() * taps[2].size(); }
};

// f(view, number of the pixel) for each pixel of some rows of the output.
template <class F>
NNFAST_INLINE void each_output(const Images& images, int64_t first, int64_t count, const float* x, F&& f) {
  const Window& w = *images.window;
  for (int64_t row = first; row < first + count; ++row) {
    const int64_t h = row % w.out[1], d = row / w.out[1] % w.out[0], image = row / w.out[1] / w.out[0];
    const int64_t top = h * w.stride[1] - w.pad[1], front = d * w.stride[0] - w.pad[0];
    const int64_t line = (image * w.in[0] + front) * w.in[1] + top;
    View view{w, images.channels, nullptr, {taps_inside(w, 0, d), taps_inside(w, 1, h), {}}};
    for (int64_t o = 0; o < w.out[2]; ++o) {
      view.x = x + (line * w.in[2] + o * w.stride[2] - w.pad[2]) * images.channels;
      view.taps[2] = taps_inside(w, 2, o);
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
    const int32_t first_tap = static_cast<int32_t>(
        (view.taps[0].begin * view.window.size[1] + view.taps[1].begin) * view.window.size[2] + view.taps[2].begin);
    each_channel(channels, [&](auto vectors, auto partial, int64_t c) NNFAST_LAMBDA {
      constexpr int kVectors = decltype(vectors)::value;
      constexpr bool kPartial = decltype(partial)::value;
      V best[kVectors];
      VI at[kVectors];
      static_for<kVectors>([&](auto v) NNFAST_LAMBDA {
        best[v] = broadcast(-__builtin_inff());
        at[v] = first_tap - VI{};
      });
      View::each(view, [&](const float* p, int32_t tap) NNFAST_LAMBDA {
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
      View::each(view, [&](const float* p, int32_t) NNFAST_LAMBDA {
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
// Without Accumulate, columns that several outputs see must not exist, and those that none sees stay as they are.
template <bool Accumulate, class Gradient>
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
      for (int64_t k = taps.begin; k < taps.end; ++k)
        static_for<kVectors>([&](auto v) NNFAST_LAMBDA {
          float* p = pixels + k * images.channels + c + v * kLanes;
          V sum = part[v].at(k);
          if constexpr (Accumulate) sum += read<kPartial>(p, images.channels - c);
          write<kPartial>(p, sum, images.channels - c);
        });
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
          spread_row<false>(images, gradient, out);
        } else {
          if (fresh) clear(width, out);
          spread_row<true>(images, gradient, out);
        }
        fresh = false;
      }
    if (fresh) clear(width, out);
  }
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
