// Patches of images: gathered into rows before a matrix product (forward and backward-weights), summed from rows after
// one (backward-data); and column sums.
#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "kernels/tiles.h"

namespace nnfast::NNFAST_ISA {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }  // b > 0
int64_t at_least(int64_t a, int64_t b) { return a > b ? a : b; }

void zero(int64_t n, float* out) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(out + i, V{});
  store_first(out + i, V{}, n - i);
}

// n floats, n > 0; writes whole vectors, up to kLanes - 1 zeros beyond. NV: the number of vectors, or 0 for any.
template <int NV>
NNFAST_INLINE void copy_run(const float* from, int64_t n, float* to) {
  const int64_t vectors = NV ? NV : (n + kLanes - 1) / kLanes;
  const int64_t whole = vectors - 1;
  if constexpr (NV > 0)
    static_for<NV - 1>([&](auto v) NNFAST_LAMBDA { store(to + v * kLanes, load(from + v * kLanes)); });
  else
    for (int64_t v = 0; v < whole; ++v) store(to + v * kLanes, load(from + v * kLanes));
  store(to + whole * kLanes, load_first(from + whole * kLanes, n - whole * kLanes));
}

template <int NV>
void copy_runs(const float* from, int64_t step, int64_t n, float* to, int64_t ld, int64_t count) {
  for (int64_t i = 0; i < count; ++i, from += step, to += ld) copy_run<NV>(from, n, to);
}

// `pixels` neighbours of an image row for each of `count` output pixels of one row. The first of them is pixel
// `column` for the first output pixel, `stride` further for each next.
void gather_runs(const float* row, int64_t width, int64_t ldx, int64_t channels, int64_t column, int64_t stride,
                 int64_t pixels, float* out, int64_t ld, int64_t count) {
  const int64_t n = pixels == 1 ? channels : pixels * ldx;
  // Those whose run lies inside the image: [inside, outside).
  const int64_t outside = at_least(0, at_most(count, ceil_div(width - pixels - column + 1, stride)));
  const int64_t inside = at_least(0, at_most(outside, ceil_div(-column, stride)));
  auto border = [&](int64_t i) {
    float* to = out + i * ld;
    if (pixels == 1) return zero(n, to);
    const int64_t at = column + i * stride;
    const int64_t first = at_least(0, at_most(pixels, -at)), end = at_least(first, at_most(pixels, width - at));
    zero(first * ldx, to);
    if (end > first) copy_run<0>(row + (at + first) * ldx, (end - first) * ldx, to + first * ldx);
    zero(n - end * ldx, to + end * ldx);
  };
  for (int64_t i = 0; i < inside; ++i) border(i);
  const float* from = row + (column + inside * stride) * ldx;
  float* to = out + inside * ld;
  const int64_t vectors = (n + kLanes - 1) / kLanes;
  (vectors == 1   ? copy_runs<1>
   : vectors == 2 ? copy_runs<2>
   : vectors == 3 ? copy_runs<3>
   : vectors == 4 ? copy_runs<4>
                  : copy_runs<0>)(from, stride * ldx, n, to, ld, outside - inside);
  for (int64_t i = outside; i < count; ++i) border(i);
}

void gather(const Kernels::Conv::Patches& s, int64_t first, int64_t count, float* out, int64_t ld) {
  const Window& w = *s.window;
  const bool joined = w.dilation[2] == 1 && s.channels == s.ldx;  // the taps of a kernel row are neighbours in memory
  int64_t pixel[3];                                               // of the output: depth, height, width
  int64_t rest = first / w.out[2];
  pixel[2] = first % w.out[2];
  pixel[1] = rest % w.out[1];
  rest /= w.out[1];
  pixel[0] = rest % w.out[0];
  int64_t image = rest / w.out[0];
  const int64_t row_size = w.in[2] * s.ldx;

  while (count > 0) {
    const int64_t segment = at_most(count, w.out[2] - pixel[2]);
    float* to = out;
    for (int64_t tap = s.first_tap, end = s.first_tap + s.taps; tap < end;) {
      const int64_t kw = tap % w.size[2], kh = tap / w.size[2] % w.size[1], kd = tap / w.size[2] / w.size[1];
      const int64_t pixels = joined ? at_most(w.size[2] - kw, end - tap) : 1;
      const int64_t id = pixel[0] * w.stride[0] - w.pad[0] + kd * w.dilation[0];
      const int64_t ih = pixel[1] * w.stride[1] - w.pad[1] + kh * w.dilation[1];
      const int64_t iw = pixel[2] * w.stride[2] - w.pad[2] + kw * w.dilation[2];
      if (id < 0 || id >= w.in[0] || ih < 0 || ih >= w.in[1])
        for (int64_t i = 0; i < segment; ++i) zero(pixels * s.channels, to + i * ld);
      else
        gather_runs(s.x + ((image * w.in[0] + id) * w.in[1] + ih) * row_size, w.in[2], s.ldx, s.channels, iw,
                    w.stride[2], pixels, to, ld, segment);
      to += pixels * s.channels;
      tap += pixels;
    }
    out += segment * ld;
    count -= segment;
    pixel[2] = 0;
    if (++pixel[1] == w.out[1]) {
      pixel[1] = 0;
      if (++pixel[0] == w.out[0]) {
        pixel[0] = 0;
        ++image;
      }
    }
  }
}

// NV vectors of channels of one pixel: the sum over the kernel rows of `count` taps each, `step` apart.
template <int NV, bool Partial>
NNFAST_INLINE void sum_pixel(const float* const* rows, int64_t num_rows, int64_t offset, int64_t count, int64_t step,
                             float* dx, int64_t last, bool accumulate) {
  V acc[NV];
  static_for<NV>([&](auto v) NNFAST_LAMBDA {
    if (!accumulate)
      acc[v] = V{};
    else if constexpr (Partial && v == NV - 1)
      acc[v] = load_first(dx + v * kLanes, last);
    else
      acc[v] = load(dx + v * kLanes);
  });
  for (int64_t r = 0; r < num_rows; ++r) {
    const float* from = rows[r] + offset;
    for (int64_t i = 0; i < count; ++i, from += step)
      // Lanes beyond the channels read the next tap, or the row's margin: they are not stored.
      static_for<NV>([&](auto v) NNFAST_LAMBDA { acc[v] += load(from + v * kLanes); });
  }
  static_for<NV>([&](auto v) NNFAST_LAMBDA {
    if constexpr (Partial && v == NV - 1)
      store_first(dx + v * kLanes, acc[v], last);
    else
      store(dx + v * kLanes, acc[v]);
  });
}

void sum_patches(const Kernels::Conv::PatchSum& s) {
  const Window& w = *s.window;
  const int64_t stride = w.stride[2], dilation = w.dilation[2];
  // Tap kw meets input column iw where iw + pad - kw * dilation is a multiple of the stride: every `period`-th tap.
  int64_t period = stride;
  for (int64_t p = 1; p < stride; ++p)
    if (p * dilation % stride == 0) {
      period = p;
      break;
    }
  const int64_t back = period * dilation / stride;  // output pixels from one such tap to the next
  const int64_t step = period * s.tap_stride - back * s.ld;
  const int64_t vectors = (s.channels + kLanes - 1) / kLanes;
  for (int64_t iw = 0; iw < w.in[2]; ++iw) {
    float* dx = s.dx + iw * s.lddx;
    int64_t kw = 0;
    while (kw < period && kw < w.size[2] && (iw + w.pad[2] - kw * dilation) % stride != 0) ++kw;
    int64_t count = 0, offset = 0;
    if (kw < period && kw < w.size[2]) {
      int64_t ow = (iw + w.pad[2] - kw * dilation) / stride;  // exact
      if (ow >= w.out[2]) {
        const int64_t skip = ceil_div(ow - w.out[2] + 1, back);
        kw += skip * period;
        ow -= skip * back;
      }
      if (kw < w.size[2] && ow >= 0) {
        count = at_most((w.size[2] - kw + period - 1) / period, ow / back + 1);
        offset = ow * s.ld + kw * s.tap_stride;
      }
    }
    const int64_t rows = count > 0 ? s.num_rows : 0;
    int64_t v = 0;
    for (; v + 4 < vectors; v += 4)
      sum_pixel<4, false>(s.rows, rows, offset + v * kLanes, count, step, dx + v * kLanes, 0, s.accumulate);
    const int64_t last = s.channels - (vectors - 1) * kLanes;
    auto* finish = vectors - v == 4   ? sum_pixel<4, true>
                   : vectors - v == 3 ? sum_pixel<3, true>
                   : vectors - v == 2 ? sum_pixel<2, true>
                                      : sum_pixel<1, true>;
    finish(s.rows, rows, offset + v * kLanes, count, step, dx + v * kLanes, last, s.accumulate);
  }
}

// MT pixels, NV vectors of output channels, `lanes` of the last.
template <int MT, int NV>
void rows_tile(const Kernels::Conv::Rows& s, int64_t pixel, int64_t column, int64_t lanes) {
  V acc[MT * NV];
  static_for<NV>([&](auto j) NNFAST_LAMBDA {
    const V bias = !s.bias       ? V{}
                   : j == NV - 1 ? load_first(s.bias + column + j * kLanes, lanes)
                                 : load(s.bias + column + j * kLanes);
    static_for<MT>([&](auto i) NNFAST_LAMBDA { acc[i * NV + j] = bias; });
  });
  // Pixels in groups of three off one pointer, the reach of an address with a scaled index.
  constexpr int kGroups = (MT + 2) / 3;
  const int64_t step = s.step;
  for (int64_t r = 0; r < s.num_rows; ++r) {
    const float* x[kGroups];
    static_for<kGroups>([&](auto g) NNFAST_LAMBDA { x[g] = s.x[r] + (pixel + 3 * g) * step; });
    const float* w = s.w[r] + column / kTileColumns * s.w_panel;
    for (int64_t k = s.depth; k > 0; --k, w += kTileColumns) {
      V wv[NV];
      static_for<NV>([&](auto j) NNFAST_LAMBDA { wv[j] = load(w + j * kLanes); });
      static_for<MT>([&](auto i) NNFAST_LAMBDA {
        const V xv = broadcast(x[i / 3][(i % 3) * step]);
        static_for<NV>([&](auto j) NNFAST_LAMBDA { acc[i * NV + j] += xv * wv[j]; });
      });
      static_for<kGroups>([&](auto g) NNFAST_LAMBDA { ++x[g]; });
    }
  }
  if (s.relu)  // written so that a NaN stays one
    static_for<MT * NV>([&](auto i) NNFAST_LAMBDA { acc[i] = select(acc[i] < V{}, V{}, acc[i]); });
  float* y = s.y + pixel * s.ldy + column;
  static_for<MT>([&](auto i) NNFAST_LAMBDA {
    static_for<NV>([&](auto j) NNFAST_LAMBDA {
      if (j == NV - 1 && lanes < kLanes)
        store_first(y + i * s.ldy + j * kLanes, acc[i * NV + j], lanes);
      else
        store(y + i * s.ldy + j * kLanes, acc[i * NV + j]);
    });
  });
}

using RowsTile = void (*)(const Kernels::Conv::Rows&, int64_t, int64_t, int64_t);
struct RowsTiles {
  RowsTile of[kTileRows][kTileVectors];  // [pixels - 1][vectors - 1]
};
template <int... R, int... C>
constexpr RowsTiles make_rows_tiles(Indices<R...>, Indices<C...>) {
  RowsTiles tiles{};
  auto row = [&](auto r) { ((tiles.of[r][C] = rows_tile<r + 1, C + 1>), ...); };
  (row(Index<R>{}), ...);
  return tiles;
}
constexpr RowsTiles kRowsTiles = make_rows_tiles(MakeIndices<kTileRows>::type{}, MakeIndices<kTileVectors>::type{});

void rows(const Kernels::Conv::Rows& s) {
  const int64_t tiles = (s.count + kTileRows - 1) / kTileRows;
  for (int64_t column = 0; column < s.n; column += kTileColumns) {
    const int64_t columns = at_most(kTileColumns, s.n - column), vectors = (columns + kLanes - 1) / kLanes;
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t pixel = s.count * tile / tiles, pixels = s.count * (tile + 1) / tiles - pixel;
      kRowsTiles.of[pixels - 1][vectors - 1](s, pixel, column, columns - (vectors - 1) * kLanes);
    }
  }
}

// R rows of the window from `row` on, of D products each, and a vector of output channels: their sums over the pixels
// stay in registers.
template <int R, int D>
void row_sums_tile(const Kernels::Conv::RowSums& s, int64_t row, int64_t column) {
  const int64_t lanes = at_most(kLanes, s.n - column);
  V acc[R * D] = {};
  const float *x[R], *dy;
  auto add = [&](V d) NNFAST_LAMBDA {
    static_for<R>([&](auto r) NNFAST_LAMBDA {
      static_for<D>([&](auto k) NNFAST_LAMBDA { acc[r * D + k] += broadcast(x[r][k]) * d; });
      x[r] += s.step;
    });
    dy += s.n;
  };
  // Lanes beyond n, of the pixels after this one, are summed too, and not stored.
  const int64_t whole = lanes == kLanes ? s.count : at_least(0, s.count - (kLanes - lanes + s.n - 1) / s.n);
  for (int64_t line = 0; line < s.lines; ++line) {
    static_for<R>([&](auto r) NNFAST_LAMBDA { x[r] = s.x[row + r] + line * s.line_step; });
    dy = s.dy + line * s.dy_line + column;
    for (int64_t i = 0; i < whole; ++i) add(load(dy));
    for (int64_t i = whole; i < s.count; ++i) add(load_first(dy, lanes));
  }
  static_for<R * D>([&](auto k) NNFAST_LAMBDA {
    float* dw = s.dw + (row * D + k) * s.n + column;
    store_first(dw, s.accumulate ? load_first(dw, lanes) + acc[k] : acc[k], lanes);
  });
}

using RowSumsTile = void (*)(const Kernels::Conv::RowSums&, int64_t, int64_t);
constexpr int kMostSums = kTileRows * kTileVectors, kMostSumRows = 7, kMostProducts = Kernels::Conv::kShortRow;
struct RowSumsTiles {
  RowSumsTile of[kMostSumRows][kMostProducts];  // [rows - 1][products - 1]; null where they would not fit in registers
};
template <int R, int D>
constexpr RowSumsTile row_sums_tile_or_null() {
  if constexpr (R * D <= kMostSums)
    return row_sums_tile<R, D>;
  else
    return nullptr;
}
template <int... R, int... D>
constexpr RowSumsTiles make_row_sums_tiles(Indices<R...>, Indices<D...>) {
  RowSumsTiles tiles{};
  auto row = [&](auto r) { ((tiles.of[r][D] = row_sums_tile_or_null<r + 1, D + 1>()), ...); };
  (row(Index<R>{}), ...);
  return tiles;
}
constexpr RowSumsTiles kRowSumsTiles =
    make_row_sums_tiles(MakeIndices<kMostSumRows>::type{}, MakeIndices<kMostProducts>::type{});

void row_sums(const Kernels::Conv::RowSums& s) {
  const int64_t most = at_most(kMostSumRows, kMostSums / s.depth), tiles = (s.num_rows + most - 1) / most;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t row = s.num_rows * tile / tiles, rows = s.num_rows * (tile + 1) / tiles - row;
    for (int64_t column = 0; column < s.n; column += kLanes) kRowSumsTiles.of[rows - 1][s.depth - 1](s, row, column);
  }
}

void column_sums(int64_t m, int64_t n, const float* a, int64_t lda, float* out) {
  for (int64_t j = 0; j < n; j += kLanes) {
    const int64_t lanes = at_most(kLanes, n - j);
    V acc[4] = {};
    int64_t i = 0;
    for (; i + 4 <= m; i += 4)
      static_for<4>([&](auto r) NNFAST_LAMBDA { acc[r] += load_first(a + (i + r) * lda + j, lanes); });
    for (; i < m; ++i) acc[0] += load_first(a + i * lda + j, lanes);
    store_first(out + j, (acc[0] + acc[1]) + (acc[2] + acc[3]), lanes);
  }
}

}  // namespace

extern const Kernels::Conv conv_kernels;
const Kernels::Conv conv_kernels = {gather, sum_patches, rows, row_sums, column_sums};

}  // namespace nnfast::NNFAST_ISA
