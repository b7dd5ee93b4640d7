// Depthwise convolution: as many groups as channels, each with `multiplier` output channels, in any number of
// dimensions. Where the multiplier is not 1, pieces of the input's rows are first spread so that each output channel
// finds its input channel in its place, and pieces of dx are summed back.
#include <algorithm>

#include "core/buffer.h"
#include "dispatch/dispatch.h"
#include "ops/conv_pass.h"

namespace nnfast {
namespace {

constexpr double kNsPerVector = 0.3;  // a multiplication with its load

// Output pixel i of a row sees the input pixels base + i * step + j * tap_step, j < taps, where they lie inside.
struct Row {
  int64_t count, width, base, step, tap_step, taps;

  int64_t at(int64_t i, int64_t tap) const { return base + i * step + tap * tap_step; }
  bool inside(int64_t i, int64_t tap) const { return at(i, tap) >= 0 && at(i, tap) < width; }
  bool all_inside(int64_t i) const { return inside(i, 0) && inside(i, taps - 1); }
};

// Calls f(first pixel, count, first tap, taps) for runs of output pixels that see the same taps.
template <class F>
void each_run(const Row& row, F&& f) {
  for (int64_t i = 0; i < row.count;) {
    if (row.taps > 0 && row.all_inside(i)) {
      // Positions move monotonously with i: the last pixel that sees all taps, by the tap that leaves first.
      const int64_t far = std::max(row.at(i, 0), row.at(i, row.taps - 1));
      const int64_t end = std::min(row.count, i + (row.width - 1 - far) / row.step + 1);
      f(i, end - i, int64_t{0}, row.taps);
      i = end;
      continue;
    }
    int64_t first = 0, last = row.taps;
    while (first < last && !row.inside(i, first)) ++first;
    while (last > first && !row.inside(i, last - 1)) --last;
    f(i, int64_t{1}, first, last - first);
    ++i;
  }
}

// The row of pixels, numbered over all images, at (image, depth, height), or -1 outside.
int64_t row_at(const int64_t* size, int64_t image, int64_t depth, int64_t height) {
  if (depth < 0 || depth >= size[0] || height < 0 || height >= size[1]) return -1;
  return (image * size[0] + depth) * size[1] + height;
}

class DepthwisePass : public ConvPass {
 protected:
  explicit DepthwisePass(const ConvShape& shape)
      : shape_(shape),
        w_(shape_.window),
        multiplier_(shape.group_out_channels()),
        channels_(shape.out_channels),
        kernel_row_(shape.window.size[2] * shape.out_channels) {}

  double cost() const {
    return shape_.images * shape_.out_pixels() * shape_.taps() * ceil_div(channels_, kernels().lanes) * kNsPerVector +
           (shape_.input_size() + shape_.output_size()) / kFloatsPerNs;
  }
  // Rows are gone through for so many channels at a time that those which the next row sees again are still in a
  // level-1 cache, 32 KB of it; for all channels where that would leave short runs of memory.
  int64_t channel_block(const int64_t* row_pixels) const {
    const int64_t rows = w_.size[0] * w_.size[1] + 1;
    const int64_t fitting = 8 * 1024 / std::max<int64_t>(1, row_pixels[2] * rows) / kLine * kLine;
    return multiplier_ == 1 && fitting >= 128 ? fitting : channels_;
  }
  // So much of a row is gone through at a time: all pixels, unless they are spread. Then so many pixels and channels
  // that `rows` rows of them, spread, stay in a level-1 cache too; `step` of the spread pixels lie between two of the
  // row, which see `reach` of them.
  void choose_pieces(const int64_t* row_pixels, int64_t pixels, int64_t rows, int64_t step, int64_t reach) {
    pixels_ = std::max<int64_t>(1, pixels);
    channel_block_ = channel_block(row_pixels);
    if (multiplier_ == 1) return;
    const int64_t limit = std::clamp<int64_t>(shape_.memory_bound() / 2, 1024, 8 * 1024);
    const int64_t few = std::min<int64_t>(pixels_, 8), of_channel = rows * multiplier_;
    const int64_t fitting = std::max<int64_t>(1, limit / (((few - 1) * step + reach) * of_channel));
    channel_block_ = even_part(shape_.channels, fitting) * multiplier_;
    const int64_t width = limit / (rows * channel_block_);
    pixels_ = std::clamp<int64_t>((width - reach) / step + 1, 1, pixels_);
    spread_ = round_up(((pixels_ - 1) * step + reach) * channel_block_, kLine);
    worker_scratch_ = rows * spread_;
  }
  // Pixels of the input that a piece sees, of `channels` output channels from `channel` on: where they lie, spread
  // where the multiplier is not 1. The row counts its positions from there.
  const float* input_piece(const float* x, int64_t in_row, Row& row, int64_t channel, int64_t channels,
                           float* spread) const {
    const float* from = x + in_row * w_.in[2] * shape_.channels + channel / multiplier_;
    if (multiplier_ == 1) return from;
    const int64_t first = std::clamp<int64_t>(row.base, 0, row.width);
    const int64_t end = std::clamp<int64_t>(row.at(row.count - 1, row.taps - 1) + 1, first, row.width);
    const int64_t n = channels / multiplier_;
    if (n == shape_.channels)
      kernels().depthwise->repeat((end - first) * n, multiplier_, from + first * n, spread);
    else
      for (int64_t pixel = first; pixel < end; ++pixel)
        kernels().depthwise->repeat(n, multiplier_, from + pixel * shape_.channels,
                                    spread + (pixel - first) * channels);
    row.base -= first;
    row.width = end - first;
    return spread;
  }
  // From pixel to pixel of what is spread, in a piece of so many channels.
  int64_t pixel_step(int64_t channels) const { return multiplier_ == 1 ? channels_ : channels; }

  const ConvShape shape_;
  const Window& w_;
  const int64_t multiplier_, channels_, kernel_row_;
  int64_t pixels_ = 1, channel_block_ = 1;  // of a piece
  int64_t spread_ = 0;                      // floats of a piece
};

constexpr int kMaxRows = 16;  // kernel rows in one call

class DepthwiseForward final : public DepthwisePass {
 public:
  DepthwiseForward(const ConvShape& shape, const ConvEpilogue& epilogue) : DepthwisePass(shape), epilogue_(epilogue) {
    rows_ = shape.images * w_.out[0] * w_.out[1];
    rows_per_task_ = std::clamp<int64_t>(static_cast<int64_t>(2e4 * rows_ / cost()), 1, std::max<int64_t>(1, rows_));
    choose_pieces(w_.in, w_.out[2], std::min<int64_t>(kMaxRows, w_.size[0] * w_.size[1]), w_.stride[2],
                  (w_.size[2] - 1) * w_.dilation[2] + 1);
    phases_.push_back({ceil_div(rows_, rows_per_task_), cost()});
    part_rows_ = MomentParts::part_rows(w_.out[2], rows_per_task_);
    if (epilogue.moments)
      for (int64_t first = 0; first < rows_; first += rows_per_task_)
        moments_.add(std::min(rows_per_task_, rows_ - first), part_rows_, w_.out[2]);
  }

  void run(const ConvArgs& args, int, int64_t task, float*, const Worker& worker) const override {
    const int64_t end = std::min(rows_, (task + 1) * rows_per_task_);
    const int64_t begin = task * rows_per_task_, part = task * ceil_div(rows_per_task_, part_rows_);
    for (int64_t first = 0; first < channels_; first += channel_block_) {
      const int64_t channels = std::min(channel_block_, channels_ - first);
      for (int64_t row = begin; row < end; ++row) {
        for (int64_t pixel = 0; pixel < w_.out[2]; pixel += pixels_)
          forward_piece(args, row, pixel, std::min(pixels_, w_.out[2] - pixel), first, channels, worker.scratch);
        const int64_t done = (row - begin) % part_rows_ + 1;
        if (args.moments && (done == part_rows_ || row + 1 == end))
          MomentParts::take(args.moments, part + (row - begin) / part_rows_, done * w_.out[2], first, channels,
                            args.out + (row + 1 - done) * w_.out[2] * channels_ + first, channels_);
      }
    }
  }

 private:
  void forward_piece(const ConvArgs& args, int64_t row, int64_t pixel, int64_t pixels, int64_t channel,
                     int64_t channels, float* spread) const {
    const int64_t oh = row % w_.out[1], od = row / w_.out[1] % w_.out[0], image = row / w_.out[1] / w_.out[0];
    const int64_t at = (row * w_.out[2] + pixel) * channels_ + channel;
    const float* bias = epilogue_.bias ? args.bias + channel : nullptr;
    const Row whole{pixels, w_.in[2], pixel * w_.stride[2] - w_.pad[2], w_.stride[2], w_.dilation[2], w_.size[2]};
    Row piece = whole;
    const float *x[kMaxRows], *w[kMaxRows];
    int64_t count = 0;
    bool accumulate = false;
    for (int64_t k = 0; k < w_.size[0] * w_.size[1]; ++k) {
      const int64_t in = row_at(w_.in, image, od * w_.stride[0] - w_.pad[0] + k / w_.size[1] * w_.dilation[0],
                                oh * w_.stride[1] - w_.pad[1] + k % w_.size[1] * w_.dilation[1]);
      if (in < 0) continue;
      piece = whole;
      x[count] = input_piece(args.x, in, piece, channel, channels, spread + count * spread_);
      w[count++] = args.w + k * kernel_row_ + channel;
      if (count == kMaxRows) {
        sum_rows(piece, channels, bias, x, w, count, accumulate, args.out + at, nullptr);
        count = 0;
        accumulate = true;
      }
    }
    // The next output row sees one row more, most likely.
    const int64_t next = row_at(w_.in, image, od * w_.stride[0] - w_.pad[0] + (w_.size[0] - 1) * w_.dilation[0],
                                (oh + 1) * w_.stride[1] - w_.pad[1] + (w_.size[1] - 1) * w_.dilation[1]);
    const bool soon = next >= 0 && multiplier_ == 1;
    if (count > 0 || !accumulate)
      sum_rows(piece, channels, bias, x, w, count, accumulate, args.out + at,
               soon ? args.x + next * w_.in[2] * channels_ + channel : nullptr);
    activate(epilogue_, args.out + at, args.activated + at, pixels, channels, channels_);
  }
  void sum_rows(const Row& row, int64_t channels, const float* bias, const float** x, const float** w, int64_t count,
                bool accumulate, float* out, const float* next) const {
    const int64_t step = pixel_step(channels);
    each_run(row, [&](int64_t first, int64_t pixels, int64_t tap, int64_t taps) {
      const float *from[kMaxRows], *weights[kMaxRows];
      for (int64_t r = 0; r < count; ++r) {
        from[r] = x[r] + row.at(first, tap) * step;
        weights[r] = w[r] + tap * channels_;
      }
      kernels().depthwise->line({from, weights, count, taps, pixels, channels, row.step * step, row.tap_step * step,
                                 channels_, channels_, bias, out + first * channels_, accumulate,
                                 next ? next + row.at(first, tap) * channels_ : nullptr});
    });
  }

  const ConvEpilogue epilogue_;
  int64_t rows_, rows_per_task_;  // of output pixels, of all images
  int64_t part_rows_;             // output rows whose moments are taken together
};

class DepthwiseBackwardData final : public DepthwisePass {
 public:
  explicit DepthwiseBackwardData(const ConvShape& shape) : DepthwisePass(shape) {
    rows_ = shape.images * w_.in[0] * w_.in[1];
    rows_per_task_ = std::clamp<int64_t>(static_cast<int64_t>(2e4 * rows_ / cost()), 1, std::max<int64_t>(1, rows_));
    // Columns of dx a stride apart meet the same taps: pieces begin at a multiple of it.
    choose_pieces(w_.out, ceil_div(w_.in[2], w_.stride[2]), 1, w_.stride[2], w_.stride[2]);
    pixels_ *= w_.stride[2];
    // Tap kw meets input column iw where iw + pad - kw * dilation is a multiple of the stride: every period_-th tap.
    for (period_ = 1; period_ * w_.dilation[2] % w_.stride[2] != 0;) ++period_;
    phases_.push_back({ceil_div(rows_, rows_per_task_), cost()});
  }

  void run(const ConvArgs& args, int, int64_t task, float*, const Worker& worker) const override {
    const int64_t end = std::min(rows_, (task + 1) * rows_per_task_);
    for (int64_t first = 0; first < channels_; first += channel_block_) {
      const int64_t channels = std::min(channel_block_, channels_ - first);
      for (int64_t row = task * rows_per_task_; row < end; ++row)
        for (int64_t column = 0; column < w_.in[2]; column += pixels_) {
          const int64_t columns = std::min(pixels_, w_.in[2] - column);
          float* dx = args.out + (row * w_.in[2] + column) * shape_.channels + first / multiplier_;
          backward_piece(args, row, column, columns, first, channels, multiplier_ == 1 ? dx : worker.scratch);
          if (multiplier_ > 1) sum_piece(columns, channels, worker.scratch, dx);
        }
    }
  }

 private:
  void sum_piece(int64_t columns, int64_t channels, const float* spread, float* dx) const {
    const int64_t n = channels / multiplier_;
    if (n == shape_.channels) return kernels().depthwise->sum_repeated(columns * n, multiplier_, spread, dx);
    for (int64_t column = 0; column < columns; ++column)
      kernels().depthwise->sum_repeated(n, multiplier_, spread + column * channels, dx + column * shape_.channels);
  }
  void backward_piece(const ConvArgs& args, int64_t row, int64_t column, int64_t columns, int64_t channel,
                      int64_t channels, float* dx) const {
    const int64_t ih = row % w_.in[1], id = row / w_.in[1] % w_.in[0], image = row / w_.in[1] / w_.in[0];
    const float *dy[kMaxRows], *w[kMaxRows];
    int64_t count = 0;
    bool accumulate = false;
    // From the last row of the window to the first: rows of dy ascending.
    for (int64_t k = w_.size[0] * w_.size[1] - 1; k >= 0; --k) {
      const int64_t out =
          row_at(w_.out, image, output_at(w_, 0, id, k / w_.size[1]), output_at(w_, 1, ih, k % w_.size[1]));
      if (out < 0) continue;
      dy[count] = args.dy + out * w_.out[2] * channels_ + channel;
      w[count++] = args.w + k * kernel_row_ + channel;
      if (count == kMaxRows) {
        sum_rows(column, columns, channels, dy, w, count, accumulate, dx, nullptr);
        count = 0;
        accumulate = true;
      }
    }
    const int64_t next = row_at(w_.out, image, output_at(w_, 0, id, 0), output_at(w_, 1, ih + 1, 0));
    if (count > 0 || !accumulate)
      sum_rows(column, columns, channels, dy, w, count, accumulate, dx,
               next >= 0 ? args.dy + next * w_.out[2] * channels_ + channel : nullptr);
  }
  void sum_rows(int64_t begin, int64_t columns, int64_t channels, const float** dy, const float** w, int64_t count,
                bool accumulate, float* dx, const float* next) const {
    const int64_t stride = w_.stride[2], dilation = w_.dilation[2], step = pixel_step(channels);
    for (int64_t column = 0; column < std::min(stride, columns); ++column) {
      const int64_t at = begin + column + w_.pad[2];
      int64_t tap = 0;
      while (tap < period_ && (at - tap * dilation) % stride != 0) ++tap;
      const int64_t taps = tap < period_ && tap < w_.size[2] ? ceil_div(w_.size[2] - tap, period_) : 0;
      const Row row{ceil_div(columns - column, stride), w_.out[2], (at - tap * dilation) / stride, 1,
                    -period_ * dilation / stride,       taps};
      each_run(row, [&](int64_t first, int64_t pixels, int64_t skipped, int64_t run_taps) {
        const float *from[kMaxRows], *weights[kMaxRows];
        for (int64_t r = 0; r < count; ++r) {
          from[r] = dy[r] + row.at(first, skipped) * channels_;
          weights[r] = w[r] + (tap + skipped * period_) * channels_;
        }
        kernels().depthwise->line({from, weights, count, run_taps, pixels, channels, channels_,
                                   row.tap_step * channels_, period_ * channels_, stride * step, nullptr,
                                   dx + (column + first * stride) * step, accumulate,
                                   next && column == 0 ? next + (begin / stride + first) * channels_ : nullptr});
      });
    }
  }

  int64_t rows_, rows_per_task_;  // of input pixels, of all images
  int64_t period_;
};

class DepthwiseBackwardWeights final : public DepthwisePass {
 public:
  explicit DepthwiseBackwardWeights(const ConvShape& shape) : DepthwisePass(shape) {
    rows_ = shape.images * w_.out[0] * w_.out[1];
    // Chunks of rows, each with a sum of its own.
    const int64_t wanted = static_cast<int64_t>(std::clamp(cost() / 2e4, 1.0, 32.0));
    const int64_t affordable = 3 + shape.input_size() / shape.weight_size();
    const int64_t chunks = std::clamp<int64_t>(std::min(wanted, affordable), 1, std::max<int64_t>(1, rows_));
    chunk_ = ceil_div(std::max<int64_t>(1, rows_), chunks);
    chunks_ = ceil_div(std::max<int64_t>(1, rows_), chunk_);
    scratch_ = chunks_ * shape.weight_size();
    choose_pieces(w_.in, w_.out[2], 1, w_.stride[2], (w_.size[2] - 1) * w_.dilation[2] + 1);
    if (multiplier_ == 1) channel_block_ = channels_;
    phases_.push_back({chunks_, cost()});
    phases_.push_back({1, chunks_ * shape.weight_size() / kFloatsPerNs});
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    const int64_t n = shape_.weight_size();
    if (phase == 1) return sum_parts(scratch, chunks_, n, n, 0, 1, args.out);
    float* dw = scratch + task * n;
    std::fill_n(dw, n, 0.0f);
    const int64_t end = std::min(rows_, (task + 1) * chunk_);
    for (int64_t row = task * chunk_; row < end; ++row) add_row(args, row, dw, worker.scratch);
  }

 private:
  void add_row(const ConvArgs& args, int64_t out_row, float* dw, float* spread) const {
    const int64_t oh = out_row % w_.out[1], od = out_row / w_.out[1] % w_.out[0];
    const int64_t image = out_row / w_.out[1] / w_.out[0];
    const float* dy = args.dy + out_row * w_.out[2] * channels_;
    for (int64_t k = 0; k < w_.size[0] * w_.size[1]; ++k) {
      const int64_t in = row_at(w_.in, image, od * w_.stride[0] - w_.pad[0] + k / w_.size[1] * w_.dilation[0],
                                oh * w_.stride[1] - w_.pad[1] + k % w_.size[1] * w_.dilation[1]);
      if (in < 0) continue;
      for (int64_t channel = 0; channel < channels_; channel += channel_block_)
        for (int64_t pixel = 0; pixel < w_.out[2]; pixel += pixels_)
          add_piece(args.x, in, pixel, channel, dy + pixel * channels_ + channel, dw + k * kernel_row_ + channel,
                    spread);
    }
  }
  void add_piece(const float* x, int64_t in_row, int64_t pixel, int64_t channel, const float* dy, float* dw,
                 float* spread) const {
    const int64_t channels = std::min(channel_block_, channels_ - channel), step = pixel_step(channels);
    Row row{std::min(pixels_, w_.out[2] - pixel),
            w_.in[2],
            pixel * w_.stride[2] - w_.pad[2],
            w_.stride[2],
            w_.dilation[2],
            w_.size[2]};
    const float* from = input_piece(x, in_row, row, channel, channels, spread);
    each_run(row, [&](int64_t first, int64_t pixels, int64_t tap, int64_t taps) {
      kernels().depthwise->weights({from + row.at(first, tap) * step, dy + first * channels_, dw + tap * channels_,
                                    pixels, taps, channels, row.step * step, row.tap_step * step, channels_,
                                    channels_});
    });
  }

  int64_t rows_, chunk_, chunks_;  // of output pixels, of all images; summed in one chain
};

}  // namespace

bool depthwise_applies(const ConvShape& shape) { return shape.group_channels() == 1; }

std::unique_ptr<ConvPass> make_depthwise_forward(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return std::make_unique<DepthwiseForward>(shape, epilogue);
}
std::unique_ptr<ConvPass> make_depthwise_backward_data(const ConvShape& shape) {
  return std::make_unique<DepthwiseBackwardData>(shape);
}
std::unique_ptr<ConvPass> make_depthwise_backward_weights(const ConvShape& shape) {
  return std::make_unique<DepthwiseBackwardWeights>(shape);
}

}  // namespace nnfast
