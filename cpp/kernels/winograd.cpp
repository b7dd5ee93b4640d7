// Winograd's convolution F(4×4, 3×3): a tile of 4×4 output pixels from 36 products instead of 144.
//
// With x̂ = Bᵀ x B (6×6 input pixels), ŵ = G w Gᵀ (3×3 taps) and m = Σ over channels of x̂ ∘ ŵ, y = Aᵀ m A. The gradient
// is that of these formulas: dm = A dy Aᵀ, dŵ = Σ over tiles of x̂ ∘ dm, dw = Gᵀ dŵ G. (Lavin and Gray, "Fast algorithms
// for convolutional neural networks", 2016.)
//
// The points of interpolation are 0, ±√½, ±√2, ∞ rather than Lavin's 0, ±1, ±2, ∞: no more operations and half the
// rounding error, about twice that of the direct sum (after Alam et al., "Winograd convolution for deep neural
// networks: efficient point selection", ACM TECS 2022, whose family c, 1/c this is).
#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "kernels/tiles.h"
#include "kernels/transpose.h"

namespace nnfast::NNFAST_ISA {
namespace {

constexpr float kP = 0.70710678118654752f, kQ = 1.41421356237309505f;  // √½, √2

// Rows 2J and 2J+1 of Bᵀ in the order 0, 5; 1, 2; 3, 4, applied to d: pairs share their even and odd halves.
template <int J>
NNFAST_INLINE void input_pair(const V (&d)[6], V& a, V& b) {
  if constexpr (J == 0) {
    a = (d[0] - 2.5f * d[2]) + d[4];
    b = (d[1] - 2.5f * d[3]) + d[5];
  } else if constexpr (J == 1) {
    const V even = d[4] - 2.0f * d[2], odd = kP * d[3] - kQ * d[1];
    a = even + odd;
    b = even - odd;
  } else {
    const V even = d[4] - 0.5f * d[2], odd = kQ * d[3] - kP * d[1];
    a = even + odd;
    b = even - odd;
  }
}
constexpr int kFirst[3] = {0, 1, 3}, kSecond[3] = {5, 2, 4};

// Aᵀ: 6 → 4.
NNFAST_INLINE void output_column(const V (&m)[6], V (&y)[4]) {
  const V a = m[1] + m[2], b = m[1] - m[2], c = m[3] + m[4], d = m[3] - m[4];
  y[0] = m[0] + a + c;
  y[1] = kP * b + kQ * d;
  y[2] = 0.5f * a + 2.0f * c;
  y[3] = (0.5f * kP) * b + ((2.0f * kQ) * d + m[5]);
}
// A: 4 → 6.
NNFAST_INLINE void gradient_column(const V (&y)[4], V (&m)[6]) {
  const V a = y[0] + 0.5f * y[2], b = kP * y[1] + (0.5f * kP) * y[3];
  const V c = y[0] + 2.0f * y[2], d = kQ * y[1] + (2.0f * kQ) * y[3];
  m[0] = y[0];
  m[1] = a + b;
  m[2] = a - b;
  m[3] = c + d;
  m[4] = c - d;
  m[5] = y[3];
}
// G: 3 → 6, rows [1 0 0], [-2/3 ∓√2/3 -1/3], [1/6 ±√2/6 1/3], [0 0 1].
NNFAST_INLINE void weight_column(V w0, V w1, V w2, V (&u)[6]) {
  const V a = (-2.0f / 3) * w0 - (1.0f / 3) * w2, b = (kQ / 3) * w1;
  const V c = (1.0f / 6) * w0 + (1.0f / 3) * w2, d = (kQ / 6) * w1;
  u[0] = w0;
  u[1] = a - b;
  u[2] = a + b;
  u[3] = c + d;
  u[4] = c - d;
  u[5] = w2;
}
// Gᵀ: 6 → 3.
NNFAST_INLINE void weight_gradient_column(const V (&u)[6], V (&w)[3]) {
  const V a = u[1] + u[2], b = u[2] - u[1], c = u[3] + u[4], d = u[3] - u[4];
  w[0] = u[0] + ((1.0f / 6) * c - (2.0f / 3) * a);
  w[1] = (kQ / 3) * b + (kQ / 6) * d;
  w[2] = u[5] + ((1.0f / 3) * c - (1.0f / 3) * a);
}

using Images = Kernels::Winograd::Images;

// One tile: where it lies in the image.
struct Tile {
  int64_t image, row, column;
  Tile(const Images& s, int64_t t)
      : image(t / (s.tile_rows * s.tile_columns)), row(t / s.tile_columns % s.tile_rows), column(t % s.tile_columns) {}
  void next(const Images& s) {
    if (++column < s.tile_columns) return;
    column = 0;
    if (++row < s.tile_rows) return;
    row = 0;
    ++image;
  }
};

// Pixels top … top+size-1 and left … left+size-1 of an image, lanes channels of each, with zeros around the image.
template <int Size, bool Partial>
NNFAST_INLINE void copy_padded(const Images& s, const float* image, int64_t top, int64_t left, int64_t lanes,
                               float* out) {
  for (int i = 0; i < Size; ++i)
    for (int j = 0; j < Size; ++j, out += kLanes) {
      const bool inside = top + i >= 0 && top + i < s.height && left + j >= 0 && left + j < s.width;
      store(out, inside ? read<Partial>(image + ((top + i) * s.width + left + j) * s.pixel, lanes) : V{});
    }
}

// Calls f(channel, lanes, partial) for each vector of channels.
template <class F>
NNFAST_INLINE void each_vector(int64_t channels, F&& f) {
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) f(c, kLanes, Index<0>{});
  if (c < channels) f(c, channels - c, Index<1>{});
}

// x (6×6 pixels, row and pixel strides) → 36 vectors, `position` apart.
template <bool Partial>
NNFAST_INLINE void input_vector(const float* x, int64_t row, int64_t pixel, int64_t lanes, float* v, int64_t position) {
  static_for<3>([&](auto pair) NNFAST_LAMBDA {
    V e[2][6];
    static_for<6>([&](auto i) NNFAST_LAMBDA {
      V d[6];
      static_for<6>([&](auto j) NNFAST_LAMBDA { d[j] = read<Partial>(x + i * row + j * pixel, lanes); });
      input_pair<pair>(d, e[0][i], e[1][i]);
    });
    static_for<2>([&](auto half) NNFAST_LAMBDA {
      constexpr int j = half == 0 ? kFirst[pair] : kSecond[pair];
      static_for<3>([&](auto k) NNFAST_LAMBDA {
        V a, b;
        input_pair<k>(e[half], a, b);
        store(v + (kFirst[k] * 6 + j) * position, a);
        store(v + (kSecond[k] * 6 + j) * position, b);
      });
    });
  });
}

void input(const Images& s, const float* x, int64_t first, int64_t count, float* v, int64_t ldv, int64_t position) {
  Tile tile(s, first);
  for (int64_t t = 0; t < count; ++t, v += ldv, tile.next(s)) {
    const int64_t top = tile.row * 4 - s.pad_height, left = tile.column * 4 - s.pad_width;
    const float* image = x + tile.image * s.height * s.width * s.pixel;
    if (top >= 0 && left >= 0 && top + 6 <= s.height && left + 6 <= s.width) {
      const float* at = image + (top * s.width + left) * s.pixel;
      each_vector(s.channels, [&](int64_t c, int64_t lanes, auto partial) NNFAST_LAMBDA {
        input_vector<partial>(at + c, s.width * s.pixel, s.pixel, lanes, v + c, position);
      });
    } else {
      float padded[36 * kLanes];
      each_vector(s.channels, [&](int64_t c, int64_t lanes, auto partial) NNFAST_LAMBDA {
        copy_padded<6, partial>(s, image + c, top, left, lanes, padded);
        input_vector<false>(padded, 6 * kLanes, kLanes, kLanes, v + c, position);
      });
    }
  }
}

// Sums of (y − k) and (y − k)² over the pixels of some tiles, where k is the mean of the first tile's: Σ(y − k)² is
// then not much more than what is wanted, however far from zero the data. Rows of sums and of squares, and of k.
struct Moments {
  float *sum, *square, *k;
  Moments(float* moments, int64_t ld) : sum(moments), square(moments + ld), k(moments + 2 * ld) {}
};
// Of the first tile: rows × columns pixels of y.
template <bool Partial>
NNFAST_INLINE void begin_moments(const Moments& moments, int64_t c, const float* y, int64_t row, int64_t pixel,
                                 int64_t rows, int64_t columns, int64_t lanes) {
  V k{}, sum{}, square{};
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) k += read<Partial>(y + i * row + j * pixel, lanes);
  k *= 1.0f / static_cast<float>(rows * columns);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      const V d = read<Partial>(y + i * row + j * pixel, lanes) - k;
      sum += d;
      square += d * d;
    }
  store(moments.sum + c, sum);
  store(moments.square + c, square);
  store(moments.k + c, k);
}
// The mean of so many pixels, and the sum of squares about it, in the places of the sums.
NNFAST_INLINE void end_moments(const Moments& moments, int64_t c, int64_t pixels) {
  const V sum = load(moments.sum + c), offset = sum * (1.0f / static_cast<float>(pixels));
  const V rest = load(moments.square + c) - sum * offset;
  store(moments.sum + c, load(moments.k + c) + offset);
  store(moments.square + c, select(rest < 0.0f, V{}, rest));
}

template <bool kMoments>
NNFAST_INLINE void output_(const Images& s, const float* m, int64_t ldm, int64_t position, int64_t first, int64_t count,
                           const float* bias, bool relu, float* y, Moments moments) {
  int64_t pixels = 0;
  Tile tile(s, first);
  for (int64_t t = 0; t < count; ++t, m += ldm, tile.next(s)) {
    const int64_t rows = at_most(4, s.height - tile.row * 4), columns = at_most(4, s.width - tile.column * 4);
    const bool whole = rows == 4 && columns == 4;
    const int64_t row = s.width * s.pixel, pixel = s.pixel;
    float* at = y + (tile.image * s.height + tile.row * 4) * row + tile.column * 4 * pixel;
    pixels += rows * columns;
    each_vector(s.channels, [&](int64_t c, int64_t lanes, auto partial) NNFAST_LAMBDA {
      V e[4][6];
      static_for<6>([&](auto j) NNFAST_LAMBDA {
        V in[6], out[4];
        static_for<6>([&](auto i) NNFAST_LAMBDA { in[i] = load(m + c + (i * 6 + j) * position); });
        output_column(in, out);
        static_for<4>([&](auto i) NNFAST_LAMBDA { e[i][j] = out[i]; });
      });
      const V add = bias ? read<partial>(bias + c, lanes) : V{};
      V center{}, sum{}, square{};
      if (kMoments && t > 0) {
        center = load(moments.k + c);
        sum = load(moments.sum + c);
        square = load(moments.square + c);
      }
      static_for<4>([&](auto i) NNFAST_LAMBDA {
        V out[4];
        output_column(e[i], out);
        static_for<4>([&](auto j) NNFAST_LAMBDA {
          V value = out[j] + add;
          if (relu) value = select(value < V{}, V{}, value);  // written so that a NaN stays one
          if (!whole && (i >= rows || j >= columns)) return;
          write<partial>(at + c + i * row + j * pixel, value, lanes);
          if (!kMoments) return;
          const V d = value - center;
          sum += d;
          square += d * d;
        });
      });
      if (!kMoments) return;
      if (t == 0) return begin_moments<partial>(moments, c, at + c, row, pixel, rows, columns, lanes);
      store(moments.sum + c, sum);
      store(moments.square + c, square);
    });
  }
  if (kMoments)
    for (int64_t c = 0; c < s.channels; c += kLanes) end_moments(moments, c, pixels);
}

void output(const Images& s, const float* m, int64_t ldm, int64_t position, int64_t first, int64_t count,
            const float* bias, bool relu, float* y, float* moments, int64_t ld_moments) {
  if (moments)
    output_<true>(s, m, ldm, position, first, count, bias, relu, y, {moments, ld_moments});
  else
    output_<false>(s, m, ldm, position, first, count, bias, relu, y, {nullptr, 0});
}

template <bool Partial>
NNFAST_INLINE void gradient_vector(const float* dy, int64_t row, int64_t pixel, int64_t lanes, float* m,
                                   int64_t position) {
  V e[6][4];
  static_for<4>([&](auto j) NNFAST_LAMBDA {
    V in[4], out[6];
    static_for<4>([&](auto i) NNFAST_LAMBDA { in[i] = read<Partial>(dy + i * row + j * pixel, lanes); });
    gradient_column(in, out);
    static_for<6>([&](auto i) NNFAST_LAMBDA { e[i][j] = out[i]; });
  });
  static_for<6>([&](auto i) NNFAST_LAMBDA {
    V out[6];
    gradient_column(e[i], out);
    static_for<6>([&](auto j) NNFAST_LAMBDA { store(m + (i * 6 + j) * position, out[j]); });
  });
}

void gradient(const Images& s, const float* dy, int64_t first, int64_t count, float* m, int64_t ldm, int64_t position) {
  Tile tile(s, first);
  for (int64_t t = 0; t < count; ++t, m += ldm, tile.next(s)) {
    const int64_t top = tile.row * 4, left = tile.column * 4;
    const float* image = dy + tile.image * s.height * s.width * s.pixel;
    if (top + 4 <= s.height && left + 4 <= s.width) {
      const float* at = image + (top * s.width + left) * s.pixel;
      each_vector(s.channels, [&](int64_t c, int64_t lanes, auto partial) NNFAST_LAMBDA {
        gradient_vector<partial>(at + c, s.width * s.pixel, s.pixel, lanes, m + c, position);
      });
    } else {
      float padded[16 * kLanes];
      each_vector(s.channels, [&](int64_t c, int64_t lanes, auto partial) NNFAST_LAMBDA {
        copy_padded<4, partial>(s, image + c, top, left, lanes, padded);
        gradient_vector<false>(padded, 4 * kLanes, kLanes, kLanes, m + c, position);
      });
    }
  }
}

// Nine vectors of weights, taps in order → 36 vectors.
NNFAST_INLINE void weight_vector(const V (&w)[9], float* u, int64_t position) {
  V e[6][3];
  static_for<3>([&](auto j) NNFAST_LAMBDA {
    V out[6];
    weight_column(w[j], w[3 + j], w[6 + j], out);
    static_for<6>([&](auto i) NNFAST_LAMBDA { e[i][j] = out[i]; });
  });
  static_for<6>([&](auto i) NNFAST_LAMBDA {
    V out[6];
    weight_column(e[i][0], e[i][1], e[i][2], out);
    static_for<6>([&](auto j) NNFAST_LAMBDA { store(u + (i * 6 + j) * position, out[j]); });
  });
}

void weights(int64_t channels, int64_t n, int64_t ldw, const float* w, float* u, int64_t position) {
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t k = 0; k < kTileColumns; k += kLanes) {
      const int64_t lanes = at_most(kLanes, n - k);
      V tap[9] = {};
      if (lanes > 0)
        static_for<9>([&](auto i) NNFAST_LAMBDA { tap[i] = load_first(w + (i * channels + c) * ldw + k, lanes); });
      weight_vector(tap, u + c * kTileColumns + k, position);
    }
}

void weights_rotated(int64_t channels, int64_t n, int64_t first, int64_t ldw, const float* w, float* u,
                     int64_t position) {
  for (int64_t k = 0; k < ldw; k += kLanes) {
    const int64_t depth = at_most(kLanes, ldw - k);
    for (int64_t c = 0; c < kTileColumns; c += kLanes) {
      V tap[9][kLanes];
      for (int i = 0; i < 9; ++i) {
        V rows[kLanes];
        static_for<kLanes>([&](auto r) NNFAST_LAMBDA {
          rows[r] = c + r < n ? load_first(w + ((8 - i) * channels + first + c + r) * ldw + k, depth) : V{};
        });
        transpose(rows);
        static_for<kLanes>([&](auto r) NNFAST_LAMBDA { tap[i][r] = rows[r]; });
      }
      for (int64_t r = 0; r < depth; ++r) {
        V one[9];
        static_for<9>([&](auto i) NNFAST_LAMBDA { one[i] = tap[i][r]; });
        weight_vector(one, u + (k + r) * kTileColumns + c, position);
      }
    }
  }
}

void weight_gradient(int64_t n, const float* u, int64_t position, int64_t count, int64_t part, float* dw, int64_t tap) {
  each_vector(n, [&](int64_t k, int64_t lanes, auto partial) NNFAST_LAMBDA {
    V e[3][6];
    static_for<6>([&](auto j) NNFAST_LAMBDA {
      V in[6], out[3];
      static_for<6>([&](auto i) NNFAST_LAMBDA {
        const float* at = u + k + (i * 6 + j) * position;
        in[i] = V{};
        for (int64_t p = 0; p < count; ++p) in[i] += read<partial>(at + p * part, lanes);
      });
      weight_gradient_column(in, out);
      static_for<3>([&](auto i) NNFAST_LAMBDA { e[i][j] = out[i]; });
    });
    static_for<3>([&](auto i) NNFAST_LAMBDA {
      V out[3];
      weight_gradient_column(e[i], out);
      static_for<3>([&](auto j) NNFAST_LAMBDA { write<partial>(dw + k + (i * 3 + j) * tap, out[j], lanes); });
    });
  });
}

}  // namespace

extern const Kernels::Winograd winograd_kernels;
const Kernels::Winograd winograd_kernels = {input, output, gradient, weights, weights_rotated, weight_gradient};

}  // namespace nnfast::NNFAST_ISA
