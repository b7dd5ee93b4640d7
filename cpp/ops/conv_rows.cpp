// Convolution of images with few channels, by rows: the pixels that a row of the window sees are neighbours in memory,
// so that a tile of output pixels reads them where they are, and no patches are gathered. What a piece of the output
// sees, a band of rows or, of long rows, a part of one, is copied with the zeros that pad it. Backward-data is left to
// patches.
#include <algorithm>

#include "core/buffer.h"
#include "dispatch/dispatch.h"
#include "ops/conv_pass.h"

namespace nnfast {
namespace {

constexpr int64_t kBandFloats = 12 * 1024;  // of copied rows: 48 KB
constexpr int64_t kLeastColumns = 64;       // output pixels of a part of a row
constexpr int64_t kMostRows = 16;           // of a window
constexpr int64_t kMostDepth = 512;         // summed in one chain
constexpr int64_t kMostSummed = 512;        // pixels, too

// Products of a row of the window that row_sums takes together, a divisor of their number; 0 where a matrix product of
// the row is faster: of many output channels, or of many pixels, unless the whole row is taken.
int64_t summed_depth(const ConvShape& shape) {
  const int64_t depth = shape.window.size[2] * shape.channels;
  int64_t divisor = Kernels::Conv::kShortRow;
  while (depth % divisor != 0) --divisor;
  const bool few = shape.out_channels <= kernels().lanes && shape.window.out[2] <= 128 && shape.depth() <= kMostDepth;
  return depth == divisor || (few && divisor >= 5) ? divisor : 0;
}

class RowsPass : public ConvPass {
 protected:
  explicit RowsPass(const ConvShape& shape) : shape_(shape), w_(shape.window), depth_(w_.size[2] * shape.channels) {
    const double cost = shape.flops() / kFlopsPerNs;
    const int64_t wanted = static_cast<int64_t>(std::clamp(cost / 2e4, 1.0, 32.0));
    const int64_t rows = std::max<int64_t>(1, shape.images * w_.out[1]), row = std::max<int64_t>(1, w_.out[2]);
    // Few enough pixels for the copies, and for tasks, at first in a row, then in rows.
    const int64_t row_pixels = kBandFloats / (rows_of(1) * shape.channels);
    const int64_t fitting_columns = (row_pixels - w_.size[2]) / w_.stride[2] + 1;
    columns_ =
        even_part(row, std::max(kLeastColumns, std::min(fitting_columns, ceil_div(row, ceil_div(wanted, rows)))));
    parts_ = ceil_div(row, columns_);
    ld_ = round_up(width_of(columns_), kLine);
    const int64_t fitting = (kBandFloats / ld_ - (w_.size[1] - 1) * w_.dilation[1] - 1) / w_.stride[1] + 1;
    band_ = std::clamp<int64_t>(std::min(fitting, ceil_div(rows * parts_, wanted)), 1, w_.out[1]);
    bands_ = ceil_div(w_.out[1], band_);
    worker_scratch_ = rows_of(band_) * ld_;
  }

  // A part of a band of output rows.
  struct Piece {
    int64_t image, row, rows, column, columns;
  };
  int64_t pieces() const { return shape_.images * bands_ * parts_; }
  Piece piece(int64_t index) const {
    const int64_t band = index / parts_, row = band % bands_ * band_, column = index % parts_ * columns_;
    return {band / bands_, row, std::min(band_, w_.out[1] - row), column, std::min(columns_, w_.out[2] - column)};
  }
  // Where a row of it begins in the output.
  int64_t output_at(const Piece& p, int64_t row) const {
    return ((p.image * w_.out[1] + p.row + row) * w_.out[2] + p.column) * shape_.out_channels;
  }

  // Input rows that so many output rows see; floats of the pixels that so many in a row see.
  int64_t rows_of(int64_t out) const { return (out - 1) * w_.stride[1] + (w_.size[1] - 1) * w_.dilation[1] + 1; }
  int64_t width_of(int64_t out) const { return ((out - 1) * w_.stride[2] + w_.size[2]) * shape_.channels; }

  // The rows that a piece sees, ld_ apart, with zeros around the image.
  void copy_rows(const float* x, const Piece& p, float* out) const {
    const int64_t channels = shape_.channels, row_floats = w_.in[2] * channels, width = width_of(p.columns);
    const int64_t at = (p.column * w_.stride[2] - w_.pad[2]) * channels;  // in the row of the image
    const int64_t begin = std::clamp<int64_t>(-at, 0, width);
    const int64_t end = std::clamp<int64_t>(row_floats - at, begin, width);
    for (int64_t row = p.row * w_.stride[1] - w_.pad[1], last = row + rows_of(p.rows); row < last; ++row, out += ld_) {
      if (row < 0 || row >= w_.in[1]) {
        std::fill_n(out, width, 0.0f);
        continue;
      }
      std::fill_n(out, begin, 0.0f);
      std::copy_n(x + (p.image * w_.in[1] + row) * row_floats + at + begin, end - begin, out + begin);
      std::fill_n(out + end, width - end, 0.0f);
    }
  }

  const ConvShape shape_;
  const Window& w_;
  const int64_t depth_;      // products in a row of the window
  int64_t columns_, parts_;  // output pixels of a piece in a row; pieces of a row
  int64_t band_, bands_;     // output rows of a piece; bands of an image
  int64_t ld_;               // from copied row to copied row
};

class RowsForward final : public RowsPass {
 public:
  RowsForward(const ConvShape& shape, const ConvEpilogue& epilogue) : RowsPass(shape), epilogue_(epilogue) {
    panel_ = kernels().gemm->columns * depth_;
    row_floats_ = ceil_div(shape.out_channels, kernels().gemm->columns) * panel_;
    scratch_ = w_.size[1] * row_floats_;
    phases_.push_back({1, scratch_ / kFloatsPerNs});
    phases_.push_back({pieces(), shape.flops() / kFlopsPerNs});
    part_rows_ = parts_ > 1 ? 1 : MomentParts::part_rows(w_.out[2], band_);  // of pixels that lie one after the other
    if (epilogue.moments)
      for (int64_t i = 0; i < pieces(); ++i) moments_.add(piece(i).rows, part_rows_, piece(i).columns);
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    const int64_t n = shape_.out_channels;
    if (phase == 0) {
      for (int64_t k = 0; k < w_.size[1]; ++k)
        kernels().gemm->pack(depth_, n, args.w + k * depth_ * n, n, false, scratch + k * row_floats_);
      return;
    }
    const Piece p = piece(task);
    copy_rows(args.x, p, worker.scratch);
    const float *x[kMostRows], *w[kMostRows];
    for (int64_t k = 0; k < w_.size[1]; ++k) w[k] = scratch + k * row_floats_;
    const bool relu = epilogue_.activation == Activation::relu && args.activated == args.out;
    for (int64_t row = 0; row < p.rows; ++row) {
      for (int64_t k = 0; k < w_.size[1]; ++k) x[k] = worker.scratch + (row * w_.stride[1] + k * w_.dilation[1]) * ld_;
      const int64_t at = output_at(p, row);
      kernels().conv->rows({x, w, w_.size[1], depth_, w_.stride[2] * shape_.channels, p.columns, panel_, n,
                            epilogue_.bias ? args.bias : nullptr, relu, args.out + at, n});
      const int64_t done = row % part_rows_ + 1;
      if (args.moments && (done == part_rows_ || row + 1 == p.rows))
        MomentParts::take(args.moments, first_part(task) + row / part_rows_, done * p.columns, 0, n,
                          args.out + output_at(p, row + 1 - done), n);
      if (!relu) activate(epilogue_, args.out + at, args.activated + at, p.columns, n, n);
    }
  }

 private:
  // Of the moments that a piece takes: as many as every piece of its band.
  int64_t first_part(int64_t index) const {
    const int64_t band = index / parts_ % bands_, image = index / parts_ / bands_, last = bands_ - 1;
    const int64_t of_band = ceil_div(band_, part_rows_), of_last = ceil_div(w_.out[1] - last * band_, part_rows_);
    const int64_t before = image * (last * of_band + of_last) + band * of_band;
    return before * parts_ + index % parts_ * (band == last ? of_last : of_band);
  }

  const ConvEpilogue epilogue_;
  int64_t panel_, row_floats_;  // of packed weights: a column panel, a row of the window
  int64_t part_rows_;           // output rows whose moments are taken together
};

// dw of each row of the window: (pixels × depth)ᵀ · dy, added up over the output rows.
class RowsBackwardWeights final : public RowsPass {
 public:
  explicit RowsBackwardWeights(const ConvShape& shape) : RowsPass(shape), summed_(summed_depth(shape)) {
    const double cost = shape.flops() / kFlopsPerNs;
    const int64_t wanted = static_cast<int64_t>(std::clamp(cost / 2e4, 1.0, 32.0));
    const int64_t affordable = 3 + shape.input_size() / shape.weight_size();
    const int64_t all = std::max<int64_t>(1, pieces());
    const int64_t chunks =
        std::clamp<int64_t>(shape.images * shape.out_pixels() / 512, 1, std::min({wanted, affordable, all}));
    chunk_ = ceil_div(all, chunks);
    chunks_ = ceil_div(all, chunk_);
    scratch_ = chunks_ * shape.weight_size();
    phases_.push_back({chunks_, cost});
    phases_.push_back({1, scratch_ / kFloatsPerNs});
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    const int64_t weights = shape_.weight_size(), n = shape_.out_channels;
    if (phase == 1) return sum_parts(scratch, chunks_, weights, weights, 0, 1, args.out);
    float* dw = scratch + task * weights;
    if (shape_.images == 0) std::fill_n(dw, weights, 0.0f);
    const int64_t begin = task * chunk_, end = std::min(pieces(), begin + chunk_);
    for (int64_t index = begin; index < end; ++index) {
      const Piece p = piece(index);
      copy_rows(args.x, p, worker.scratch);
      if (summed_ > 0)
        sum_piece(args, p, index == begin, worker.scratch, dw);
      else
        for (int64_t row = 0; row < p.rows; ++row)
          for (int64_t k = 0; k < w_.size[1]; ++k)
            multiply_transposed(depth_, n, p.columns, row_of(worker.scratch, row, k), w_.stride[2] * shape_.channels,
                                args.dy + output_at(p, row), n, index > begin || row > 0, dw + k * depth_ * n);
    }
  }

 private:
  // What row k of the window sees at a row of the piece.
  const float* row_of(const float* copied, int64_t row, int64_t k) const {
    return copied + (row * w_.stride[1] + k * w_.dilation[1]) * ld_;
  }
  // dw (+)= what a piece adds, at most kMostSummed pixels in a chain: some of a row, or some rows.
  void sum_piece(const ConvArgs& args, const Piece& p, bool first, const float* copied, float* dw) const {
    const int64_t n = shape_.out_channels, step = w_.stride[2] * shape_.channels;
    const int64_t columns = std::min(p.columns, kMostSummed), lines = kMostSummed / columns;
    for (int64_t row = 0; row < p.rows; row += lines)
      for (int64_t column = 0; column < p.columns; column += columns) {
        const float* x[kMostDepth];
        int64_t rows = 0;
        for (int64_t k = 0; k < w_.size[1]; ++k)
          for (int64_t at = 0; at < depth_; at += summed_) x[rows++] = row_of(copied, row, k) + column * step + at;
        kernels().conv->row_sums({x, rows, summed_, step, w_.stride[1] * ld_, std::min(columns, p.columns - column),
                                  std::min(lines, p.rows - row), n, args.dy + output_at(p, row) + column * n,
                                  w_.out[2] * n, dw, !first || row > 0 || column > 0});
      }
  }
  const int64_t summed_;    // as in summed_depth
  int64_t chunk_, chunks_;  // pieces summed in one chain
};

}  // namespace

bool rows_apply(const ConvShape& shape) {
  const Window& w = shape.window;
  const bool flat = w.in[0] == 1 && w.size[0] == 1 && w.out[0] == 1 && w.pad[0] == 0;
  return shape.groups == 1 && flat && w.dilation[2] == 1 && w.size[1] <= kMostRows;
}

bool rows_pay(const ConvShape& shape) {
  // Measured on two Zen 5 cores, times as fast as patches: forward 1.0 to 2.0 for 1 to 16 channels, windows of 3×3 to
  // 7×7 and strides of 1 and 2, the fewer channels the more; 0.95 to 1.1 for 32 and more.
  return rows_apply(shape) && shape.channels <= 16 && shape.depth() <= kMostDepth;
}

bool rows_pay_for_weights(const ConvShape& shape) {
  // 1.0 to 1.4 for output rows of 28 pixels and more; 0.85 for 10 pixels, where a product of its own for each row of
  // the window is too short. Sums that stay in registers: 1.3 to 4, where a vector is not left half empty.
  const int64_t summed = summed_depth(shape);
  const bool whole = summed == shape.window.size[2] * shape.channels;
  return shape.window.out[2] >= 16 || whole || (summed > 0 && 2 * shape.out_channels > kernels().lanes);
}

std::unique_ptr<ConvPass> make_rows_forward(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return std::make_unique<RowsForward>(shape, epilogue);
}
std::unique_ptr<ConvPass> make_rows_backward_weights(const ConvShape& shape) {
  return std::make_unique<RowsBackwardWeights>(shape);
}

}  // namespace nnfast
