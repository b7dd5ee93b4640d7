// Images under an affine map. Where an output pixel lies in the input is worked out once for all its channels; vectors
// lie along the channels.
#include "kernels/kernels.h"
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {
namespace {

using Images = Kernels::Resample::Images;
using Fill = Kernels::Resample::Fill;

// Beyond this, and for NaN, every place is as far outside as any: it must fit into an integer.
constexpr double kFar = 1e9;
NNFAST_INLINE double within_reach(double x) { return x > -kFar ? (x < kFar ? x : kFar) : -kFar; }

NNFAST_INLINE int64_t floor_of(double x) {
  const int64_t whole = static_cast<int64_t>(x);
  return x < static_cast<double>(whole) ? whole - 1 : whole;
}

// The pixel of 0 … n-1 that stands for pixel i, or -1 for none.
NNFAST_INLINE int64_t pixel_for(Fill fill, int64_t i, int64_t n) {
  if (i >= 0 && i < n) return i;
  if (fill == Fill::constant) return -1;
  if (fill == Fill::nearest) return i < 0 ? 0 : n - 1;
  const int64_t period = fill == Fill::wrap ? n : 2 * n;
  int64_t at = i % period;
  if (at < 0) at += period;
  return at < n ? at : period - 1 - at;
}

// The pixels that make up one of the output, 4 at most, by their place in the image, with their weights; and what the
// constant outside gives.
struct Mix {
  int64_t at[4];
  float weight[4];
  int count = 0;
  float outside = 0;

  NNFAST_LAMBDA void add(const Images& images, int64_t x, int64_t y, double share) {
    const int64_t column = pixel_for(images.fill, x, images.width), row = pixel_for(images.fill, y, images.height);
    if (column < 0 || row < 0) {
      outside += static_cast<float>(share) * images.value;
      return;
    }
    at[count] = (row * images.width + column) * images.channels;
    weight[count++] = static_cast<float>(share);
  }
};

NNFAST_INLINE Mix mix_of(const Images& images, const float* t, int64_t column, int64_t row) {
  const double u = static_cast<double>(column), v = static_cast<double>(row);
  const double x = within_reach(t[0] * u + t[1] * v + t[2]), y = within_reach(t[3] * u + t[4] * v + t[5]);
  Mix mix;
  if (!images.bilinear) {
    mix.add(images, floor_of(x + 0.5), floor_of(y + 0.5), 1);
    return mix;
  }
  const int64_t left = floor_of(x), top = floor_of(y);
  const double right = x - static_cast<double>(left), bottom = y - static_cast<double>(top);
  // A pixel of weight 0 is left out: it may be infinite.
  mix.add(images, left, top, (1 - right) * (1 - bottom));
  if (right > 0) mix.add(images, left + 1, top, right * (1 - bottom));
  if (bottom > 0) mix.add(images, left, top + 1, (1 - right) * bottom);
  if (right > 0 && bottom > 0) mix.add(images, left + 1, top + 1, right * bottom);
  return mix;
}

template <bool Partial>
NNFAST_INLINE void blend(const Mix& mix, const float* x, float* y, int64_t lanes) {
  V sum = broadcast(mix.outside);
  for (int i = 0; i < mix.count; ++i) sum += mix.weight[i] * read<Partial>(x + mix.at[i], lanes);
  write<Partial>(y, sum, lanes);
}

void forward(const Images& images, const float* transform, int64_t first, int64_t count, const float* x, float* y) {
  for (int64_t row = first; row < first + count; ++row)
    for (int64_t column = 0; column < images.out_width; ++column) {
      const Mix mix = mix_of(images, transform, column, row);
      float* pixel = y + (row * images.out_width + column) * images.channels;
      int64_t c = 0;
      for (; c + kLanes <= images.channels; c += kLanes) blend<false>(mix, x + c, pixel + c, kLanes);
      if (c < images.channels) blend<true>(mix, x + c, pixel + c, images.channels - c);
    }
}

template <bool Partial>
NNFAST_INLINE void spread(const Mix& mix, const float* dy, float* dx, int64_t lanes) {
  const V gradient = read<Partial>(dy, lanes);
  for (int i = 0; i < mix.count; ++i) {
    float* p = dx + mix.at[i];
    write<Partial>(p, read<Partial>(p, lanes) + mix.weight[i] * gradient, lanes);
  }
}

void backward(const Images& images, const float* transform, int64_t channel, int64_t channels, const float* dy,
              float* dx) {
  const int64_t end = channel + channels;
  for (int64_t pixel = 0; pixel < images.height * images.width; ++pixel)
    for (int64_t c = channel; c < end; ++c) dx[pixel * images.channels + c] = 0;
  for (int64_t row = 0; row < images.out_height; ++row)
    for (int64_t column = 0; column < images.out_width; ++column) {
      const Mix mix = mix_of(images, transform, column, row);
      const float* pixel = dy + (row * images.out_width + column) * images.channels;
      int64_t c = channel;
      for (; c + kLanes <= end; c += kLanes) spread<false>(mix, pixel + c, dx + c, kLanes);
      if (c < end) spread<true>(mix, pixel + c, dx + c, end - c);
    }
}

}  // namespace

extern const Kernels::Resample resample_kernels;
const Kernels::Resample resample_kernels = {forward, backward};

}  // namespace nnfast::NNFAST_ISA
