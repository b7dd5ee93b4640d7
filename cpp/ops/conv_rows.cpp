// Convolution of images with few channels, by rows: the pixels that a row of the window sees are neighbours in memory,
// so that a tile of output pixels reads them where they are, and no patches are gathered. Rows of the input are copied
// once, with the zeros that pad them, for a band of output rows at a time. Backward-data is left to patches.
#include <algorithm>

#include "core/buffer.h"
#include "dispatch/dispatch.h"
#include "ops/conv_pass.h"

namespace nnfast {
namespace {

constexpr int64_t kBandFloats = 12 * 1024;  // of copied rows: 48 KB
constexpr int64_t kMostRows = 16;           // of a window
constexpr int64_t kMostDepth = 512;         // summed in one chain

class RowsPass : public ConvPass {
 protected:
  explicit RowsPass(const ConvShape& shape)
      : shape_(shape),
        w_(shape.window),
        depth_(w_.size[2] * shape.channels),
        width_(((w_.out[2] - 1) * w_.stride[2] + w_.size[2]) * shape.channels),
        ld_(round_up(width_, kLine)) {
    // Output rows of a band: few enough for the copies, and for tasks.
    const double cost = shape.flops() / kFlopsPerNs;
    const int64_t wanted = static_cast<int64_t>(std::clamp(cost / 2e4, 1.0, 32.0));
    const int64_t rows = shape.images * w_.out[1];
    const int64_t fitting = (kBandFloats / ld_ - (w_.size[1] - 1) * w_.dilation[1] - 1) / w_.stride[1] + 1;
    band_ = std::clamp<int64_t>(std::min(fitting, ceil_div(rows, wanted)), 1, w_.out[1]);
    bands_ = ceil_div(w_.out[1], band_);
    worker_scratch_ = rows_of(band_) * ld_;
  }

  // Input rows that so many output rows see.
  int64_t rows_of(int64_t out) const { return (out - 1) * w_.stride[1] + (w_.size[1] - 1) * w_.dilation[1] + 1; }

  // The rows that the output rows first … first+count-1 of an image see, ld_ apart, with zeros around the image.
  void copy_rows(const float* x, int64_t image, int64_t first, int64_t count, float* out) const {
    const int64_t channels = shape_.channels, row_floats = w_.in[2] * channels;
    const int64_t left = std::min(width_, w_.pad[2] * channels);
    const int64_t inside = std::clamp<int64_t>(width_ - left, 0, row_floats);
    for (int64_t row = first * w_.stride[1] - w_.pad[1], end = row + rows_of(count); row < end; ++row, out += ld_) {
      if (row < 0 || row >= w_.in[1]) {
        std::fill_n(out, width_, 0.0f);
        continue;
      }
      std::fill_n(out, left, 0.0f);
      std::copy_n(x + (image * w_.in[1] + row) * row_floats, inside, out + left);
      std::fill_n(out + left + inside, width_ - left - inside, 0.0f);
    }
  }

  const ConvShape shape_;
  const Window& w_;
  const int64_t depth_;       // products in a row of the window
  const int64_t width_, ld_;  // floats of a copied row; from row to row
  int64_t band_, bands_;      // output rows of a task; tasks of an image
};

class RowsForward final : public RowsPass {
 public:
  RowsForward(const ConvShape& shape, const ConvEpilogue& epilogue) : RowsPass(shape), epilogue_(epilogue) {
    panel_ = kernels().gemm->columns * depth_;
    row_floats_ = ceil_div(shape.out_channels, kernels().gemm->columns) * panel_;
    scratch_ = w_.size[1] * row_floats_;
    phases_.push_back({1, scratch_ / kFloatsPerNs});
    phases_.push_back({shape.images * bands_, shape.flops() / kFlopsPerNs});
    part_rows_ = MomentParts::part_rows(w_.out[2], band_);
    if (epilogue.moments)
      for (int64_t band = 0; band < shape.images * bands_; ++band) moments_.add(rows_in(band), part_rows_, w_.out[2]);
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    const int64_t n = shape_.out_channels;
    if (phase == 0) {
      for (int64_t k = 0; k < w_.size[1]; ++k)
        kernels().gemm->pack(depth_, n, args.w + k * depth_ * n, n, false, scratch + k * row_floats_);
      return;
    }
    const int64_t image = task / bands_, first = task % bands_ * band_, count = rows_in(task);
    copy_rows(args.x, image, first, count, worker.scratch);
    const float *x[kMostRows], *w[kMostRows];
    for (int64_t k = 0; k < w_.size[1]; ++k) w[k] = scratch + k * row_floats_;
    const bool relu = epilogue_.activation == Activation::relu && args.activated == args.out;
    const int64_t at = (image * w_.out[1] + first) * w_.out[2] * n;
    for (int64_t row = 0; row < count; ++row) {
      for (int64_t k = 0; k < w_.size[1]; ++k) x[k] = worker.scratch + (row * w_.stride[1] + k * w_.dilation[1]) * ld_;
      kernels().conv->rows({x, w, w_.size[1], depth_, w_.stride[2] * shape_.channels, w_.out[2], panel_, n,
                            epilogue_.bias ? args.bias : nullptr, relu, args.out + at + row * w_.out[2] * n, n});
      const int64_t done = row % part_rows_ + 1;
      if (args.moments && (done == part_rows_ || row + 1 == count))
        MomentParts::take(args.moments, first_part(task) + row / part_rows_, done * w_.out[2], 0, n,
                          args.out + at + (row + 1 - done) * w_.out[2] * n, n);
    }
    if (!relu) activate(epilogue_, args.out + at, args.activated + at, count * w_.out[2], n, n);
  }

 private:
  int64_t rows_in(int64_t band) const { return std::min(band_, w_.out[1] - band % bands_ * band_); }
  int64_t first_part(int64_t band) const {
    const int64_t of_band = ceil_div(band_, part_rows_), of_last = ceil_div(rows_in(bands_ - 1), part_rows_);
    return band / bands_ * ((bands_ - 1) * of_band + of_last) + band % bands_ * of_band;
  }

  const ConvEpilogue epilogue_;
  int64_t panel_, row_floats_;  // of packed weights: a column panel, a row of the window
  int64_t part_rows_;           // output rows whose moments are taken together
};

// dw of each row of the window: (pixels × depth)ᵀ · dy, added up over the output rows.
class RowsBackwardWeights final : public RowsPass {
 public:
  explicit RowsBackwardWeights(const ConvShape& shape) : RowsPass(shape) {
    const double cost = shape.flops() / kFlopsPerNs;
    const int64_t wanted = static_cast<int64_t>(std::clamp(cost / 2e4, 1.0, 32.0));
    const int64_t affordable = 3 + shape.input_size() / shape.weight_size();
    const int64_t all = std::max<int64_t>(1, shape.images * bands_);
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
    const int64_t begin = task * chunk_, end = std::min(shape_.images * bands_, begin + chunk_);
    for (int64_t band = begin; band < end; ++band) {
      const int64_t image = band / bands_, first = band % bands_ * band_, count = std::min(band_, w_.out[1] - first);
      copy_rows(args.x, image, first, count, worker.scratch);
      for (int64_t row = 0; row < count; ++row)
        for (int64_t k = 0; k < w_.size[1]; ++k) {
          Kernels::Gemm::Block block = gemm_block(depth_, n, w_.out[2]);
          block.a = worker.scratch + (row * w_.stride[1] + k * w_.dilation[1]) * ld_;
          block.a_row = 1;
          block.a_k = w_.stride[2] * shape_.channels;
          block.a_panel = block.height;
          block.b = args.dy + ((image * w_.out[1] + first + row) * w_.out[2]) * n;
          block.b_k = n;
          block.b_panel = kernels().gemm->columns;
          block.c = dw + k * depth_ * n;
          block.ldc = n;
          block.accumulate = band > begin || row > 0;
          multiply(block);
        }
    }
  }

 private:
  int64_t chunk_, chunks_;  // bands summed in one chain
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
  // the window is too short.
  return shape.window.out[2] >= 16;
}

std::unique_ptr<ConvPass> make_rows_forward(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return std::make_unique<RowsForward>(shape, epilogue);
}
std::unique_ptr<ConvPass> make_rows_backward_weights(const ConvShape& shape) {
  return std::make_unique<RowsBackwardWeights>(shape);
}

}  // namespace nnfast
