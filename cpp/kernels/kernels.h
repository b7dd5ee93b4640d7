// The function pointers of one ISA. Ops reach every kernel through this table; kernels().gemm->… .
//
// Kernels run on one thread, allocate nothing, throw nothing, and take sizes in elements. Matrices are row-major
// with a leading dimension ld*. Images are NHWC: N images, H×W pixels, C channels; OH, OW, OC of the output;
// KH, KW of the window. Convolution kernels are (KH, KW, C, OC), dense ones (in, out).
//
// One struct a family, filled in the file of the same name; table.cpp gathers them.
#pragma once
#include <cstdint>

#include "kernels/activations.h"
#include "kernels/elementwise.h"
#include "kernels/optimizers.h"

namespace nnfast {

// How a window moves over images along depth, height and width (1 where an image has fewer axes): output o sees the
// inputs o * stride - pad + k * dilation for 0 <= k < size, zero where they lie outside the image.
struct Window {
  int64_t in[3], out[3], size[3], stride[3], dilation[3], pad[3];
};

struct Kernels {
  // Indexed by Activation. Arrays may overlap where they are the same array: y and x, dx and dy.
  struct Activations {
    // y = f(x)
    void (*forward[kNumActivations])(int64_t n, const float* x, float* y, float alpha);
    // dx = f'(x) dy. Of x and y, only what derivative_reads names is read; the other may be null.
    void (*backward[kNumActivations])(int64_t n, const float* x, const float* y, const float* dy, float* dx,
                                      float alpha);
  };

  // Reductions over m of x (outer, M, N), rows at ldx: where N < ldx, outer is 1.
  struct Reduce {
    // acc[o, n] = acc[o, n] ⊕ x[o, 0, n] ⊕ … ⊕ x[o, M-1, n]; acc is dense and holds what came before. y belongs to
    // count_equal; the others do not read it.
    using Accumulate = void (*)(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float* y,
                                double* acc);
    Accumulate sum;
    Accumulate max;  // NaN where any is
    Accumulate min;
    Accumulate prod;
    Accumulate nonzero_prod;
    Accumulate count_equal;  // how many x[o, m, n] equal y[o, n], or 0 where y is null
    // dx[o, m, n] = g[o, n]
    void (*spread)(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* g, float* dx);
    // dx[o, m, n] = x[o, m, n] == y[o, n] ? g[o, n] : 0
    void (*spread_where_equal)(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float* y,
                               const float* g, float* dx);
    // dx[o, m, n] = x[o, m, n] == 0 ? at_zero[o, n] : g[o, n] / x[o, m, n]
    void (*spread_quotient)(int64_t outer, int64_t M, int64_t N, int64_t ldx, const float* x, const float* g,
                            const float* at_zero, float* dx);
  };

  // Normalization. By column (batch, group, instance norm): x, y, dy, dx are (M, C), dense, everything else has C
  // elements; z = (x − mean)·scale + shift + residual, y = relu ? max(z, 0) : z, dz = relu ? dy·[z > 0] : dy.
  // By row (layer, RMS norm): x, y, dy, dx are (M, N), mean and inv_std have M elements, gamma and beta N.
  struct Norm {
    // mean[c] of x[:, c], squares[c] = Σ_m (x[m, c] − mean[c])²; rows of x are ldx apart. M > 0.
    void (*moments)(int64_t M, int64_t C, const float* x, int64_t ldx, float* mean, float* squares);
    // The mean and the (biased) variance of all rows from the moments of `parts` parts of counts[part] rows; part p's
    // are at means + p·ld and squares + p·ld.
    void (*combine_moments)(int64_t parts, const int64_t* counts, int64_t C, int64_t ld, const float* means,
                            const float* squares, float* mean, float* variance);
    // residual (M, C) or null. y may be x or residual, but not where it shall go past the cache.
    void (*normalize)(int64_t M, int64_t C, const float* x, const float* mean, const float* scale, const float* shift,
                      const float* residual, bool relu, bool past_cache, float* y);
    // sum += Σ_m dz, product += Σ_m dz·(x − mean). y may be null where nothing was added: z is computed again to see
    // where it is positive. dz (M, C), which may be dy, is written where it is not null.
    void (*gradient_sums)(int64_t M, int64_t C, const float* x, const float* y, const float* dy, const float* mean,
                          const float* scale, const float* shift, bool relu, float* sum, float* product, float* dz);
    // dx = scale·dz − offset − slope·(x − mean). dx may be dy, but not where it shall go past the cache.
    void (*normalize_backward)(int64_t M, int64_t C, const float* x, const float* y, const float* dy, const float* mean,
                               const float* scale, const float* shift, bool relu, const float* offset,
                               const float* slope, bool past_cache, float* dx);
    // y = (x − mean)·inv_std·gamma + beta, inv_std = 1/√(variance + epsilon); gamma, beta may be null. y may be x, but
    // not where it shall go past the cache; so for those below.
    void (*layer_norm)(int64_t M, int64_t N, const float* x, const float* gamma, const float* beta, float epsilon,
                       bool past_cache, float* y, float* mean, float* inv_std);
    // dgamma and dbeta summed over these M rows; gamma, dx, dgamma, dbeta may be null.
    void (*layer_norm_backward)(int64_t M, int64_t N, const float* x, const float* dy, const float* gamma,
                                const float* mean, const float* inv_std, bool past_cache, float* dx, float* dgamma,
                                float* dbeta);
    // y = x·inv_rms·gamma, inv_rms = 1/√(mean of x² + epsilon); gamma may be null.
    void (*rms_norm)(int64_t M, int64_t N, const float* x, const float* gamma, float epsilon, bool past_cache, float* y,
                     float* inv_rms);
    void (*rms_norm_backward)(int64_t M, int64_t N, const float* x, const float* dy, const float* gamma,
                              const float* inv_rms, bool past_cache, float* dx, float* dgamma);
  };

  // Rows of C classes: x, y, dx, gradient, t are (M, C); loss, labels, dy have M elements.
  struct Softmax {
    // Along the middle axis of (M, C, inner). y and x, dx and dy may be the same array.
    void (*softmax)(int64_t M, int64_t C, int64_t inner, const float* x, float* y);
    void (*softmax_backward)(int64_t M, int64_t C, int64_t inner, const float* y, const float* dy, float* dx);
    void (*log_softmax)(int64_t M, int64_t C, int64_t inner, const float* x, float* y);
    void (*log_softmax_backward)(int64_t M, int64_t C, int64_t inner, const float* y, const float* dy, float* dx);
    // loss = −Σ target·log softmax(x), gradient = weight·d loss / dx, or null where it is not wanted. The target is 1
    // at the label, made smooth: t·(1 − smoothing) + smoothing/C. Loss and gradient are 0 where the label is the
    // ignored one, NaN where it is none of 0 … C-1.
    void (*cross_entropy)(int64_t M, int64_t C, const float* x, const int32_t* labels, float smoothing, bool ignores,
                          int32_t ignored, float weight, float* loss, float* gradient);
    // The same with the target t given.
    void (*cross_entropy_dense)(int64_t M, int64_t C, const float* x, const float* t, float smoothing, float* loss,
                                float* gradient);
    // loss = mean over c of max(x, 0) − x·t + log(1 + e^−|x|), the cross-entropy of sigmoid(x), with the target made
    // smooth: t·(1 − smoothing) + smoothing/2; gradient = d loss / dx, or null.
    void (*sigmoid_cross_entropy)(int64_t M, int64_t C, const float* x, const float* t, float smoothing, float* loss,
                                  float* gradient);
    // dx[m, c] = gradient[m, c]·dy[m]
    void (*scale_rows)(int64_t M, int64_t C, const float* gradient, const float* dy, float* dx);
  };

  // Operations on each element. An operand with step 0 is one value for all of them; steps are 0 or 1. Arrays may
  // overlap where they are the same array. Operands that a derivative does not read may be null.
  struct Elementwise {
    // Indexed by Unary.
    void (*unary[kNumUnary])(int64_t n, const float* x, float* y);
    void (*unary_backward[kNumUnary])(int64_t n, const float* x, const float* y, const float* dy, float* dx);
    // Indexed by Binary.
    void (*binary[kNumBinary])(int64_t n, const float* a, int64_t a_step, const float* b, int64_t b_step, float* y);
    // The gradient of the first operand, and of the second.
    using BinaryBackward = void (*)(int64_t n, const float* a, int64_t a_step, const float* b, int64_t b_step,
                                    const float* y, const float* dy, float* dx);
    BinaryBackward binary_backward[2][kNumBinary];
    // y = condition ≠ 0 ? a : b
    void (*where)(int64_t n, const float* condition, int64_t condition_step, const float* a, int64_t a_step,
                  const float* b, int64_t b_step, float* y);
    // y = x kept in low … high; dx = dy where x is in it.
    void (*clip)(int64_t n, const float* x, float low, float high, float* y);
    void (*clip_backward)(int64_t n, const float* x, const float* dy, float low, float high, float* dx);
    // y += x
    void (*accumulate)(int64_t n, const float* x, float* y);
    // y = xs[0][offset + i] + xs[1][offset + i] + …
    void (*add_n)(int64_t n, int64_t count, const float* const* xs, int64_t offset, float* y);
    // In 4 vectors' worth of lanes, then across them: the order depends on n alone.
    float (*sum)(int64_t n, const float* x);
    // Fractions are dropped; NaN and what int32 cannot hold give its least value.
    void (*to_int)(int64_t n, const float* x, int32_t* y);
    void (*to_float)(int64_t n, const int32_t* x, float* y);
  };

  // Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011).
  // Element i of a stream is the same wherever, whenever and on whatever ISA it is drawn. `first` is the index of the
  // first element and a multiple of 64.
  struct Stream {
    uint32_t key[2];
    uint32_t counter[3];  // beside the position
  };
  struct Random {
    // In low … high, high excluded but for rounding.
    void (*uniform)(int64_t n, int64_t first, const Stream& stream, float low, float high, float* y);
    void (*normal)(int64_t n, int64_t first, const Stream& stream, float mean, float stddev, float* y);
    // y = kept ? x scale + shift : other. An element is kept where its uniform number, 24 bits, is at least
    // `threshold`; kept[i / 32] gets a bit for it.
    void (*drop)(int64_t n, int64_t first, const Stream& stream, int32_t threshold, const float* x, float scale,
                 float shift, float other, float* y, uint32_t* kept);
    // dx = kept ? dy scale : 0
    void (*drop_backward)(int64_t n, const uint32_t* kept, const float* dy, float scale, float* dx);
  };

  const char* isa;  // "baseline", "avx2", "avx512"
  int lanes;        // floats in a vector
  const Activations* activations;
  const Elementwise* elementwise;
  const Random* random;

  // Matrix products. Every element of c is a sum of chains: the products of up to `chain` consecutive k, added one by
  // one to zero in the order of k, then added to c; so its bits depend on k alone, not on m, n, place or packing.
  struct Gemm {
    // A block of c (m×n) = a (m×k) · b (k×n), in chains of `chain`. Rows of c come in panels of `height` <= rows (the
    // last may be lower), columns in panels of `columns`. Element (i, k) of row panel p is at
    // a[p * a_panel + i * a_row + k * a_k], where a_row or a_k is 1, element (k, j) of column panel q at
    // b[q * b_panel + k * b_k + j]: so a may lie in memory as it is, in either order, or packed; b in place or packed,
    // columns next to each other.
    // panel, k × columns elements: each column panel of b is copied there on its first use, and then read from there.
    // Or null, except where b_transposed, which says that element (k, j) is at b[q * b_panel + j * b_k + k].
    struct Block {
      int64_t m, n, k;
      int64_t chain;
      int height;
      const float* a;
      int64_t a_row, a_k, a_panel;
      const float* b;
      int64_t b_k, b_panel;
      bool b_transposed = false;
      float* panel = nullptr;
      // Or null: b of the block after this one, whose first columns are asked for while the last of this are used.
      const float* after = nullptr;
      float* c;
      int64_t ldc;
      bool accumulate;     // c += …
      const float* bias;   // (n,), added last; or null
      bool relu;           // then max(c, 0)
      const float* slope;  // (m×n, leading dimension ldc) or null: then zero where it is not above 0
      // c, and slope, are not in a cache near by: they are asked for while the products are made.
      bool far_c = false;
      // All columns of a row panel before the next panel: for a small b, and rows of a and c that follow each other
      // without a gap, k in one chain. The rows of the next panel are asked for meanwhile.
      bool rows_first = false;
      // Or null: the columns of b after these, next_rows × (next_panels * columns), their rows next_k apart. They are
      // copied to next_copy, as pack does, while tiles are made.
      const float* next = nullptr;
      int64_t next_k = 0, next_rows = 0, next_panels = 0;
      float* next_copy = nullptr;
      // Or null: memory that will be wanted soon, and how many cache lines of it. Asked for while tiles are made.
      const float* ahead[2] = {};
      int64_t ahead_lines[2] = {};
    };
    // A step of an optimizer with c as the gradient: parameters and slots lie as c would.
    struct Step {
      void (*rule)(const UpdateArgs& args);
      UpdateArgs args;  // but for n, rows, gradients and slots
      int num_slots;
      float* slots[kMaxSlots];
    };
    int rows, columns;  // of the register tile
    int chain;
    bool rows_by_k;  // how pack_rows leaves what is not transposed
    void (*block)(const Block& block);
    // The same for a gradient that nobody keeps: each part of c is used as soon as it is made, and not written. The
    // block is k deep at once, its b in place or packed; nothing is added to c or done with it.
    void (*block_and_step)(const Block& block, const Step& step);
    // b (k×n), or its transpose (n×k) → out[n/columns, rounded up][k][columns], zeros beyond n.
    void (*pack)(int64_t k, int64_t n, const float* b, int64_t ldb, bool transposed, float* out);
    // a (m×k) → out[m/height, rounded up][height][ldo]; its transpose (k×m), and a where rows_by_k, →
    // out[m/height, rounded up][k][height], a panel height * ldo apart. ldo >= k.
    void (*pack_rows)(int64_t m, int64_t k, int height, const float* a, int64_t lda, bool transposed, float* out,
                      int64_t ldo);
    // out[j] = x[0, j] + … + x[m-1, j]
    void (*column_sums)(int64_t m, int64_t n, const float* x, int64_t ldx, float* out);
  };
  const Gemm* gemm;

  // Products of few rows: y (rows×n) = x (rows×k) · w (k×n), its elements summed in the same order as by Gemm.
  struct Thin {
    struct Product {
      int rows;  // 1 … most_rows
      int64_t n, k, chain;
      const float* x;  // element (i, k) at x[i * x_row + k * x_k]
      int64_t x_row, x_k;
      const float* w;  // element (k, j) at w[k * ldw + j]; transposed: at w[j * ldw + k]
      int64_t ldw;
      bool transposed;
      float* y;  // element (i, j) at y[i * y_row + j * y_column]
      int64_t y_row, y_column;
      bool accumulate;    // y += …
      const float* bias;  // or null: added last, an element to each column; or to each row
      bool bias_of_rows;
    };
    int most_rows;
    void (*product)(const Product& product);
  };
  const Thin* thin;
  const Norm* norm;
  const Reduce* reduce;

  struct Conv {
    // The patches of output pixels, numbered over all images: (taps, channels), from first_tap onwards; taps are
    // numbered over the window's depth, height and width.
    struct Patches {
      const Window* window;
      const float* x;    // at the first channel wanted
      int64_t ldx;       // from pixel to pixel: the channels of the image
      int64_t channels;  // of each pixel
      int64_t first_tap, taps;
    };
    // One row of pixels of dx from the gradients of the patches that saw it, at one depth.
    struct PatchSum {
      const Window* window;
      const float* const* rows;  // num_rows: each the patches of one row of output pixels, from a kernel row's taps on
      int64_t num_rows;
      int64_t ld;          // from patch to patch
      int64_t tap_stride;  // from tap to tap, at least channels
      int64_t channels;
      float* dx;  // (in[2], channels), lddx
      int64_t lddx;
      bool accumulate;  // dx += …
    };
    // Patches of output pixels first … first+count-1 → out (count, taps * channels), ld >= taps * channels + lanes - 1;
    // what lies between is overwritten.
    void (*gather)(const Patches& patches, int64_t first, int64_t count, float* out, int64_t ld);
    // Reads up to lanes - 1 floats beyond each patch.
    void (*sum_patches)(const PatchSum& sum);
    // A row of output pixels from rows of the image: y[p, :] = bias + Σ over rows r and k < depth of x[r][p * step + k]
    // · w[r][k, :]. w[r] is packed as by Gemm::pack: column panel q of it is w_panel * q further.
    struct Rows {
      const float* const* x;
      const float* const* w;
      int64_t num_rows, depth, step, count;
      int64_t w_panel, n;
      const float* bias;  // or null
      bool relu;
      float* y;  // (count, n), ldy
      int64_t ldy;
    };
    void (*rows)(const Rows& rows);
    // What some rows of output pixels add to dw: dw[r, k, :] (+)= Σ over lines l and pixels p of
    // x[r][l * line_step + p * step + k] · dy[l * dy_line + p * n, :]. At most kShortRow products in a row of the
    // window.
    struct RowSums {
      const float* const* x;
      int64_t num_rows, depth, step, line_step, count, lines, n;
      const float* dy;
      int64_t dy_line;
      float* dw;  // (num_rows, depth, n)
      bool accumulate;
    };
    static constexpr int64_t kShortRow = 9;
    void (*row_sums)(const RowSums& sums);
    // a (m×n) → out (n,): the sum of each column, in an order fixed by m.
    void (*column_sums)(int64_t m, int64_t n, const float* a, int64_t lda, float* out);
  };
  const Conv* conv;

  // Convolution of each channel by itself.
  struct Depthwise {
    // out (count pixels, channels) (+)= bias + Σ over rows and taps of x · w. Rows of x and of w lie anywhere; the
    // steps are from pixel to pixel of out, of x for the next pixel of out, of x and of w for the next tap.
    struct Line {
      const float* const* x;
      const float* const* w;
      int64_t num_rows, taps, count, channels;
      int64_t x_step, tap_step, w_step, out_step;
      const float* bias;  // or null; where accumulate is not set
      float* out;
      bool accumulate;
      const float* next;  // or null: a row like those of x that will be wanted soon
    };
    void (*line)(const Line& line);
    // dw (taps, channels) += Σ over `count` pixels of x · dy.
    struct Weights {
      const float* x;
      const float* dy;
      float* dw;
      int64_t count, taps, channels;
      int64_t x_step, tap_step, dy_step, w_step;
    };
    void (*weights)(const Weights& weights);
    // x (n) → out (n, times), each element `times` times; x (n, times) → out (n), the sums.
    void (*repeat)(int64_t n, int64_t times, const float* x, float* out);
    void (*sum_repeated)(int64_t n, int64_t times, const float* x, float* out);
  };
  const Depthwise* depthwise;

  // Pooling of each channel by itself. Rows first … first+count-1 are rows of pixels, numbered over all images (and
  // depths): of y going forward, of dx going back. Windows see nothing outside the image, and always something.
  struct Pool {
    struct Images {
      const Window* window;  // without dilation
      int64_t channels;
      int64_t places_step = 0;   // from pixel to pixel of places: at least the channels, rounded up to whole vectors
      bool wide_places = false;  // places are int32_t, else uint8_t
      bool past_cache = false;   // where dx is written, if it is whole lines and no two windows overlap
    };
    // y = the largest x that the window sees, NaN where any is; places = the number of its tap, the first of equals
    // (the last NaN). y or places may be null.
    void (*max)(const Images& images, int64_t first, int64_t count, const float* x, float* y, void* places);
    // dx = Σ over the windows that see x: dy where x is at their place
    void (*max_backward)(const Images& images, int64_t first, int64_t count, const float* dy, const void* places,
                         float* dx);
    // y = the mean of the x that the window sees
    void (*average)(const Images& images, int64_t first, int64_t count, const float* x, float* y);
    void (*average_backward)(const Images& images, int64_t first, int64_t count, const float* dy, float* dx);
  };
  const Pool* pool;

  // Images resampled: pixel (u, v) of the output, u along the width, is what the input shows at (t0 u + t1 v + t2,
  // t3 u + t4 v + t5), between its pixels by their distance (bilinear) or at the nearest one.
  struct Resample {
    enum class Fill { constant, nearest, reflect, wrap };  // outside a b c: the value, a … c, b a … c b, b c … a b
    struct Images {
      int64_t height, width, channels;  // of the input
      int64_t out_height, out_width;
      bool bilinear;
      Fill fill;
      float value;  // the constant
    };
    // Rows first … first+count-1 of the output, of one image.
    void (*forward)(const Images& images, const float* transform, int64_t first, int64_t count, const float* x,
                    float* y);
    // dx of one image, some of its channels.
    void (*backward)(const Images& images, const float* transform, int64_t channel, int64_t channels, const float* dy,
                     float* dx);
  };
  const Resample* resample;
  const Softmax* softmax;

  struct Update {
    void (*step[kNumOptimizers])(const UpdateArgs& args);  // in the order of optimizers.h
    // Σ x², in double precision.
    double (*sum_of_squares)(int64_t n, const float* x);
    // sum += x
    void (*accumulate)(int64_t n, const float* x, float* sum);
    // x = (x + sum) · scale, sum = 0
    void (*take_sum)(int64_t n, float scale, float* x, float* sum);
    // average += (x - average) · rate
    void (*move_average)(int64_t n, float rate, const float* x, float* average);
  };
  const Update* update;

  struct Move {
    // x (rows, columns) → its transpose y (columns, rows).
    void (*transpose)(int64_t rows, int64_t columns, const float* x, int64_t ldx, float* y, int64_t ldy);
  };
  const Move* move;

  // Convolution with a 3×3 window by F(4×4, 3×3): of tiles of 4×4 output pixels that see 6×6 input pixels. A tile is 36
  // values a channel, one for each position: channel c of tile t at position p is at [p * position + t * ld + c]. Whole
  // vectors of channels are written there.
  struct Winograd {
    struct Images {
      int64_t height, width, channels;  // of the images read or written: of the channels so many,
      int64_t pixel;                    // of the floats of a pixel
      int64_t tile_rows, tile_columns;  // of tiles in an image
      int64_t pad_height, pad_width;    // a tile sees pixels from 4 * tile - pad on
    };
    // Tiles first … first+count-1, numbered over all images: x → Bᵀ x B.
    void (*input)(const Images& images, const float* x, int64_t first, int64_t count, float* v, int64_t ldv,
                  int64_t position);
    // m → y = Aᵀ m A, plus the bias (channels,) or null, then max(y, 0) where relu is set. moments, or null: three rows
    // of whole vectors, ld_moments apart: the mean of these pixels, the sum of squares about it, and scratch.
    void (*output)(const Images& images, const float* m, int64_t ldm, int64_t position, int64_t first, int64_t count,
                   const float* bias, bool relu, float* y, float* moments, int64_t ld_moments);
    // dy → A dy Aᵀ.
    void (*gradient)(const Images& images, const float* dy, int64_t first, int64_t count, float* m, int64_t ldm,
                     int64_t position);
    // w (9, channels, ldw), n columns of it → G w Gᵀ as one panel (channels, Gemm::columns) at each position.
    void (*weights)(int64_t channels, int64_t n, int64_t ldw, const float* w, float* u, int64_t position);
    // The same of w rotated by half a turn and transposed: channels first … first+n-1 → a panel (ldw, Gemm::columns).
    void (*weights_rotated)(int64_t channels, int64_t n, int64_t first, int64_t ldw, const float* w, float* u,
                            int64_t position);
    // n columns of one channel: the sum of `count` parts of u, `part` apart → dw = Gᵀ u G, taps `tap` apart.
    void (*weight_gradient)(int64_t n, const float* u, int64_t position, int64_t count, int64_t part, float* dw,
                            int64_t tap);
  };
  const Winograd* winograd;

  struct Perceptron {
    // One pass over samples x (samples, features), in double precision, in the given order of rows. y is +1 where the
    // label is the positive one, else -1. Where y (w·x + intercept) <= 0:
    // w = shrink w + rate y sample_weight x, and intercept += rate y sample_weight; elsewhere w = shrink w.
    struct Epoch {
      int64_t samples, features;
      const double* x;
      const int32_t* labels;
      int32_t positive;
      const double* sample_weights;
      const int64_t* order;
      double rate_positive, rate_negative;  // of samples with y = 1 and with y = -1
      double l1_cost, l2_cost;              // of Σ |w| and Σ w², in the sum that is returned
      double shrink;
      bool fit_intercept;
      double l1;        // what each weight is to be drawn towards 0 after each sample, and …
      double* due;      // … what that has come to so far,
      double* paid;     // (features,) what each weight has been changed by for it
      double* weights;  // (features,)
      double* intercept;
    };
    // Returns Σ over samples of max(0, -y (w·x + intercept)) and the costs of w, each as it was found.
    double (*epoch)(const Epoch& epoch);
  };
  const Perceptron* perceptron;
};

}  // namespace nnfast
