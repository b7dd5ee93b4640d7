// Convolution as matrix products of patches (implicit GEMM), in any number of dimensions, with any stride, padding,
// dilation and groups. With patch (pixels × depth) the rows that the output pixels see,
//   forward           y = patch · w
//   backward-weights  dw = patchᵀ · dy
//   backward-data     dpatch = dy · wᵀ, and dx sums the dpatch of every pixel that saw it.
// No multiplication is spent on what a stride skips. Only a tile of patch or dpatch exists at a time, in the thread's
// own scratch, meant to stay in the level-2 cache.
#include <algorithm>

#include "core/buffer.h"
#include "dispatch/dispatch.h"
#include "ops/conv_pass.h"
#include "ops/gemm.h"

namespace nnfast {

namespace {

constexpr int64_t kTileFloats = 48 * 1024;  // of patches: 192 KB, so that weights and results fit beside them in 512 KB

// Of what the convolution may need, packed weights, or sums of them for chunks of pixels, take four times the weights
// and half of the input at most; each of two threads has half of the rest.
int64_t fitting_floats(const ConvShape& shape) {
  return (shape.memory_bound() - 4 * shape.weight_size() - shape.input_size() / 2) / 2;
}
int64_t tile_floats(const ConvShape& shape) { return std::min(kTileFloats, fitting_floats(shape)); }

class PatchForward final : public ConvPass {
 public:
  PatchForward(const ConvShape& shape, const ConvEpilogue& epilogue) : shape_(shape), epilogue_(epilogue) {
    const Kernels::Gemm& gemm = *kernels().gemm;
    const int64_t channels = shape.group_channels(), columns = shape.group_out_channels(), depth = shape.depth();
    pixels_ = shape.images * shape.out_pixels();

    tap_block_ = even_part(shape.taps(), std::max<int64_t>(1, 1024 / channels));
    channel_block_ = even_part(channels, 1024, kLine);
    ld_ = patch_stride(tap_block_ * std::min(channel_block_, channels));
    int64_t block = std::clamp<int64_t>(tile_floats(shape) / ld_, gemm.rows, 8 * gemm.rows);
    const double cost = shape.flops() / kFlopsPerNs;
    const int64_t wanted = static_cast<int64_t>(std::clamp(cost / 2e4, 1.0, 8.0)) * 2;
    while (block > 3 * gemm.rows && ceil_div(pixels_, block) * shape.groups < wanted) block -= gemm.rows;
    block_ = even_part(std::max<int64_t>(1, pixels_), block / gemm.rows * gemm.rows, gemm.rows);
    panels_ = ceil_div(columns, gemm.columns);
    // Few pixels and many channels: split those too, though each part gathers the patches anew.
    column_part_ =
        gemm.columns * even_part(panels_, std::max<int64_t>(2, panels_ * ceil_div(pixels_, block_) / wanted));
    column_parts_ = ceil_div(columns, column_part_);
    const int64_t blocks = ceil_div(pixels_, block_);
    blocks_per_task_ =
        std::clamp<int64_t>(blocks / std::max<int64_t>(1, static_cast<int64_t>(cost / 2e4)), 1, blocks + 1);

    packed_ = pixels_ > 3 * gemm.rows && depth * columns > 1024 && panels_ * gemm.columns <= 4 * columns;
    if (packed_) {
      scratch_ = shape.groups * panels_ * gemm.columns * depth;
      pack_tasks_ = ceil_div(panels_, packed_panels(gemm.columns));
      phases_.push_back({shape.groups * pack_tasks_, scratch_ / kFloatsPerNs});
    }
    if (epilogue.moments)
      for (int64_t pixel = 0; pixel < pixels_; pixel += block_)
        moments_.counts.push_back(std::min(block_, pixels_ - pixel));
    worker_scratch_ = block_ * ld_;
    phases_.push_back({ceil_div(blocks, blocks_per_task_) * column_parts_ * shape.groups,
                       cost + pixels_ * depth * column_parts_ * shape.groups / kFloatsPerNs / 2});
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    if (packed_ && phase == 0) return pack(args, task, scratch);
    const int64_t group = task % shape_.groups, part = task / shape_.groups % column_parts_;
    const int64_t first = task / shape_.groups / column_parts_ * blocks_per_task_ * block_;
    const int64_t end = std::min(pixels_, first + blocks_per_task_ * block_);
    for (int64_t pixel = first; pixel < end; pixel += block_)
      multiply_block(args, group, part * column_part_, pixel, std::min(block_, end - pixel), scratch, worker);
  }

 private:
  void pack(const ConvArgs& args, int64_t task, float* packed) const {
    const Kernels::Gemm& gemm = *kernels().gemm;
    const int64_t group = task / pack_tasks_, panels = packed_panels(gemm.columns), panel = task % pack_tasks_ * panels;
    const int64_t column = panel * gemm.columns;
    gemm.pack(shape_.depth(), std::min(panels * gemm.columns, shape_.group_out_channels() - column),
              args.w + group * shape_.group_out_channels() + column, shape_.out_channels, false,
              packed + (group * panels_ + panel) * gemm.columns * shape_.depth());
  }

  void multiply_block(const ConvArgs& args, int64_t group, int64_t column, int64_t pixel, int64_t count,
                      const float* packed, const Worker& worker) const {
    const Kernels::Gemm& gemm = *kernels().gemm;
    const int64_t channels = shape_.group_channels(), columns = shape_.group_out_channels();
    const int64_t first_column = group * columns + column;
    const int64_t width = std::min(column_part_, columns - column);
    float* out = args.out + pixel * shape_.out_channels + first_column;
    Kernels::Gemm::Block block = gemm_block(count, width, 0);
    block.a = worker.scratch;
    block.a_row = ld_;
    block.a_k = 1;
    block.a_panel = block.height * ld_;
    block.c = out;
    block.ldc = shape_.out_channels;
    block.b = packed_ ? packed + (group * panels_ * gemm.columns + column) * shape_.depth() : args.w + first_column;
    block.b_k = packed_ ? gemm.columns : shape_.out_channels;
    block.b_panel = packed_ ? gemm.columns * shape_.depth() : gemm.columns;
    const bool relu = epilogue_.activation == Activation::relu && args.activated == args.out;
    const float* x = args.x + group * channels;
    for (int64_t tap = 0; tap < shape_.taps(); tap += tap_block_)
      for (int64_t channel = 0; channel < channels; channel += channel_block_) {
        const Kernels::Conv::Patches source{&shape_.window,
                                            x + channel,
                                            shape_.channels,
                                            std::min(channel_block_, channels - channel),
                                            tap,
                                            std::min(tap_block_, shape_.taps() - tap)};
        kernels().conv->gather(source, pixel, count, worker.scratch, ld_);
        const bool last = tap + source.taps == shape_.taps() && channel + source.channels == channels;
        block.k = source.taps * source.channels;
        multiply(block, last && epilogue_.bias ? args.bias + first_column : nullptr, last && relu);
        block.b += block.k * block.b_k;
        block.accumulate = true;
      }
    if (args.moments)
      MomentParts::take(args.moments, pixel / block_, count, first_column, width, out, shape_.out_channels);
    if (!relu)
      activate(epilogue_, out, args.activated + pixel * shape_.out_channels + first_column, count, width,
               shape_.out_channels);
  }

  const ConvShape shape_;
  const ConvEpilogue epilogue_;
  int64_t pixels_;                      // of all output images
  int64_t tap_block_, channel_block_;   // of the tile: its taps, their channels
  int64_t ld_;                          // of the tile
  int64_t block_, blocks_per_task_;     // pixels in a tile
  int64_t panels_;                      // of a group's output channels
  int64_t pack_tasks_ = 0;              // for a group
  int64_t column_part_, column_parts_;  // output channels of a task
  bool packed_;
};

// A turn multiplies and sums the taps of one plane of the window, or of one row of it. The dpatch rows that the input
// rows still need wait in a ring. Each element of dx is summed in the order of its taps, however the work is divided.
class PatchBackwardData final : public ConvPass {
 public:
  PatchBackwardData(const ConvShape& shape, const ConvEpilogue& epilogue) : shape_(shape), epilogue_(epilogue) {
    const Window& w = shape.window;
    const int64_t limit = std::clamp(fitting_floats(shape), kLeastRing, 2 * kTileFloats);
    turn_rows_ = w.size[1];
    segment_ = std::max<int64_t>(1, w.in[2]);
    divide_channels(limit);
    // A ring that is too large even so is cut along the width; where the parts would mostly compute what others do
    // too, there is a turn for each row of the window, whose ring is of one row.
    if (ring_floats() > limit) {
      const int64_t edge = (w.size[2] - 1) * w.dilation[2];  // columns of dx whose patches two parts compute
      cut(limit);
      if (turn_rows_ > 1 && segment_ < std::min(w.in[2], 4 * edge)) {
        turn_rows_ = 1;
        segment_ = w.in[2];
        divide_channels(limit);
        if (ring_floats() > limit) cut(limit);
      }
    }
    turns_ = w.size[0] * w.size[1] / turn_rows_;
    block_floats_ = round_up(turn_taps() * tap_stride(0), kernels().gemm->columns) * shape.group_out_channels();

    const double cost = shape.flops() / kFlopsPerNs;
    const int64_t wanted = static_cast<int64_t>(std::clamp(cost / 2e4, 1.0, 8.0)) * 2;
    const int64_t planes = shape.images * shape.groups * w.in[0] * blocks_;
    // Bands of input rows: each computes the output rows at its edges again.
    const int64_t least = std::max<int64_t>(1, 4 * reach() * w.stride[1]);
    const int64_t bands =
        std::clamp<int64_t>(wanted / std::max<int64_t>(1, planes), 1, std::max<int64_t>(1, w.in[1] / least));
    band_ = std::max<int64_t>(1, ceil_div(w.in[1], bands));
    bands_ = ceil_div(w.in[1], band_);

    scratch_ = shape.groups * turns_ * blocks_ * block_floats_;
    worker_scratch_ = ring_floats() + kLine;
    phases_.push_back({shape.groups * turns_ * blocks_, scratch_ / kFloatsPerNs * 2});
    phases_.push_back(
        {planes * bands_, cost + shape.images * shape.out_pixels() * shape.depth() * shape.groups / kFloatsPerNs});
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    if (phase == 0) return pack(args, task, scratch);
    const int64_t block = task % blocks_, group = task / blocks_ % shape_.groups;
    const int64_t rest = task / blocks_ / shape_.groups, first = rest % bands_ * band_;
    const int64_t end = std::min(first + band_, shape_.window.in[1]);
    for (int64_t column = 0; column < shape_.window.in[2]; column += segment_)
      backward_part(args, group, block, rest / bands_, first, end, column, scratch, worker.scratch);
  }

 private:
  static constexpr int64_t kLeastRing = 4 * 1024;  // floats that are worth a product

  int64_t turn_taps() const { return turn_rows_ * shape_.window.size[2]; }
  // Output rows that one input row meets in a turn.
  int64_t reach() const { return (turn_rows_ - 1) * shape_.window.dilation[1] / shape_.window.stride[1] + 1; }
  // Output columns that a part meets.
  int64_t part_columns() const {
    const Window& w = shape_.window;
    const int64_t all = std::max<int64_t>(1, w.out[2]);
    return segment_ < w.in[2] ? std::min(all, (segment_ - 1 + (w.size[2] - 1) * w.dilation[2]) / w.stride[2] + 1) : all;
  }
  int64_t ring_pixels() const { return ring_ * rows_ * part_columns(); }
  int64_t ring_floats() const { return ring_pixels() * ld_; }

  // Rows of output pixels are multiplied in groups large enough for a few row panels. Channels in blocks whose ring
  // stays in cache; a block of some of the channels is whole panels for each tap.
  void divide_channels(int64_t limit) {
    const Kernels::Gemm& gemm = *kernels().gemm;
    const Window& w = shape_.window;
    const int64_t channels = shape_.group_channels();
    rows_ = std::clamp<int64_t>(ceil_div(4 * gemm.rows, part_columns()), 1, std::max<int64_t>(1, w.out[1]));
    if (rows_ * part_columns() * patch_stride(turn_taps() * channels) * 2 > tile_floats(shape_)) rows_ = 1;
    ring_ = std::min(ceil_div(reach() - 1, rows_) + 1, std::max<int64_t>(1, ceil_div(w.out[1], rows_)));
    const int64_t fitting = limit / std::max<int64_t>(1, ring_pixels() * turn_taps()) / gemm.columns * gemm.columns;
    channel_block_ = std::min(channels, std::max<int64_t>(fitting, gemm.columns));
    blocks_ = ceil_div(channels, channel_block_);
    ld_ = patch_stride(turn_taps() * channel_block_);
  }
  // Parts of the width whose ring is within the limit, of one column at least.
  void cut(int64_t limit) {
    const Window& w = shape_.window;
    rows_ = 1;
    ring_ = std::min(reach(), std::max<int64_t>(1, w.out[1]));
    const int64_t fitting = limit / (ring_ * ld_);
    segment_ = std::clamp<int64_t>((fitting - 1) * w.stride[2] - (w.size[2] - 1) * w.dilation[2] + 1, 1, segment_);
    segment_ = even_part(std::max<int64_t>(1, w.in[2]), segment_);
  }

  int64_t channels_of(int64_t block) const {
    return std::min(channel_block_, shape_.group_channels() - block * channel_block_);
  }
  // From tap to tap in a patch of a block of channels.
  int64_t tap_stride(int64_t block) const {
    return blocks_ == 1 ? channel_block_ : round_up(channels_of(block), kernels().gemm->columns);
  }

  // wᵀ in panels: (group, turn, channel block), there (tap, channel) are the columns.
  void pack(const ConvArgs& args, int64_t task, float* packed) const {
    const Kernels::Gemm& gemm = *kernels().gemm;
    const int64_t block = task % blocks_, turn = task / blocks_ % turns_;
    const int64_t group = task / blocks_ / turns_, depth = shape_.group_out_channels();
    const int64_t channels = shape_.group_channels(), ldw = shape_.out_channels;
    float* out = packed + task * block_floats_;
    const float* w = args.w + (turn * turn_taps() * channels + block * channel_block_) * ldw + group * depth;
    if (blocks_ == 1) return gemm.pack(depth, turn_taps() * channels, w, ldw, true, out);
    for (int64_t tap = 0; tap < turn_taps(); ++tap)
      gemm.pack(depth, channels_of(block), w + tap * channels * ldw, ldw, true, out + tap * tap_stride(block) * depth);
  }

  // dx of the rows first … end-1 and the columns of a segment, in one plane of an image.
  void backward_part(const ConvArgs& args, int64_t group, int64_t block, int64_t image_plane, int64_t first,
                     int64_t end, int64_t column, const float* packed, float* ring) const {
    Window w = shape_.window;
    const int64_t row_floats = w.in[2] * shape_.channels;
    int64_t first_out = 0;
    w.size[1] = turn_rows_;
    if (segment_ < w.in[2]) {  // columns, of x and of y, count from the first of the part
      const int64_t at = column + w.pad[2], before = at - (w.size[2] - 1) * w.dilation[2];
      if (before > 0) first_out = std::min(w.out[2], ceil_div(before, w.stride[2]));
      w.in[2] = std::min(segment_, w.in[2] - column);
      w.out[2] = std::min(w.out[2], (at + w.in[2] - 1) / w.stride[2] + 1) - first_out;
      w.pad[2] = at - first_out * w.stride[2];
    }

    const int64_t first_channel = group * shape_.group_channels() + block * channel_block_;
    const int64_t channels = channels_of(block);
    const int64_t image = image_plane / w.in[0], plane = image_plane % w.in[0];
    float* dx = args.out + (image_plane * w.in[1] + first) * row_floats + column * shape_.channels + first_channel;
    if (epilogue_.bias)
      for (int64_t ih = first; ih < end; ++ih)
        repeat_row(args.bias + first_channel, channels, w.in[2], dx + (ih - first) * row_floats, shape_.channels);
    bool accumulate = epilogue_.bias;
    for (int64_t turn = 0; turn < turns_; ++turn) {
      // Planes from the first to the last, in each the rows from the last to the first.
      const int64_t row_turns = turns_ / w.size[0], kd = turn / row_turns, kh = row_turns - 1 - turn % row_turns;
      const int64_t od = output_at(w, 0, plane, kd);
      if (od < 0 && (accumulate || turn + 1 < turns_)) continue;  // at least one turn writes dx
      w.pad[1] = shape_.window.pad[1] - kh * w.dilation[1];
      const float* dy = args.dy +
                        ((image * w.out[0] + std::max<int64_t>(od, 0)) * w.out[1] * shape_.window.out[2] + first_out) *
                            shape_.out_channels +
                        group * shape_.group_out_channels();
      const float* weights = packed + ((group * turns_ + kd * row_turns + kh) * blocks_ + block) * block_floats_;
      sum_turn({&w, nullptr, 0, ld_, tap_stride(block), channels, dx, shape_.channels, accumulate}, od >= 0, first, end,
               row_floats, dy, weights, ring);
      accumulate = true;
    }
    for (int64_t ih = first; ih < end; ++ih) {
      float* row = dx + (ih - first) * row_floats;
      activate(epilogue_, row, args.activated + (row - args.out), w.in[2], channels, shape_.channels);
    }
  }

  // The taps of one turn: each row of dx takes what it needs from the ring. There may be no tap, only zeros to write.
  void sum_turn(const Kernels::Conv::PatchSum& taps, bool any, int64_t first, int64_t end, int64_t row_floats,
                const float* dy, const float* packed, float* ring) const {
    const Window& w = *taps.window;
    int64_t computed = 0;  // groups of output rows before this one are in the ring, or past
    for (int64_t ih = first; ih < end; ++ih) {
      Kernels::Conv::PatchSum of_row = taps;
      of_row.dx += (ih - first) * row_floats;
      RowSum sum(of_row);
      // No later row needs output rows before this one.
      const int64_t lowest = ih + w.pad[1] - (w.size[1] - 1) * w.dilation[1];
      if (lowest > 0) computed = std::max(computed, ceil_div(lowest, w.stride[1]) / rows_);
      // From the last tap to the first: output rows ascending.
      for (int64_t kh = w.size[1] - 1; kh >= 0; --kh) {
        const int64_t oh = any ? output_at(w, 1, ih, kh) : -1;
        if (oh < 0) continue;
        const int64_t row_group = oh / rows_;
        for (; computed <= row_group; ++computed) multiply_rows(w, dy, packed, taps.tap_stride, computed, ring);
        sum.add(ring + (row_group % ring_ * rows_ + oh % rows_) * w.out[2] * ld_ + kh * w.size[2] * taps.tap_stride);
      }
      sum.finish();
    }
  }

  // dpatch of one group of output rows, into its place in the ring.
  void multiply_rows(const Window& w, const float* dy, const float* packed, int64_t tap_stride, int64_t row_group,
                     float* ring) const {
    const int64_t row = row_group * rows_, rows = std::min(rows_, w.out[1] - row), depth = shape_.group_out_channels();
    if (w.out[2] == 0) return;
    Kernels::Gemm::Block block = gemm_block(rows * w.out[2], turn_taps() * tap_stride, depth);
    block.a = dy + row * shape_.window.out[2] * shape_.out_channels;
    block.a_row = shape_.out_channels;
    block.a_k = 1;
    block.a_panel = block.height * block.a_row;
    block.b = packed;
    block.b_k = kernels().gemm->columns;
    block.b_panel = kernels().gemm->columns * depth;
    block.c = ring + row_group % ring_ * rows_ * w.out[2] * ld_;
    block.ldc = ld_;
    multiply(block, nullptr, false);
  }

  const ConvShape shape_;
  const ConvEpilogue epilogue_;
  int64_t turn_rows_, turns_;       // rows of the window in a turn
  int64_t rows_, ring_;             // output rows in a group; groups in the ring
  int64_t channel_block_, blocks_;  // input channels of a task; their number in a group
  int64_t ld_;                      // of a patch in the ring
  int64_t segment_;                 // columns of a part of dx
  int64_t block_floats_;            // of the packed weights of a channel block
  int64_t band_, bands_;            // input rows of a task
};

class PatchBackwardWeights final : public ConvPass {
 public:
  explicit PatchBackwardWeights(const ConvShape& shape) : shape_(shape) {
    const Kernels::Gemm& gemm = *kernels().gemm;
    const int64_t channels = shape.group_channels(), columns = shape.group_out_channels(), depth = shape.depth();
    const int64_t lanes = kernels().lanes;
    pixels_ = shape.images * shape.out_pixels();
    // Vectors lie along the output channels, or along the taps and channels where that fills them better.
    along_depth_ = shape.groups == 1 && depth <= 640 &&
                   columns * round_up(depth, lanes) * 5 < depth * round_up(columns, lanes) * 4;

    tap_block_ = even_part(shape.taps(), std::max<int64_t>(1, 640 / channels));
    ld_ = patch_stride(tap_block_ * channels);
    const int64_t fitting =
        std::min(tile_floats(shape) / ld_, fitting_floats(shape) / (ld_ + round_up(columns, gemm.columns)));
    block_ = std::clamp<int64_t>(std::min(fitting, pixels_) / 8 * 8, 16, gemm.chain / 2);

    const double cost = shape.flops() / kFlopsPerNs;
    const int64_t wanted = static_cast<int64_t>(std::clamp(cost / 2e4, 1.0, 32.0));
    // Chunks of pixels, each with a sum of its own. Their memory is bounded by that of the image and the weights, and
    // of 512 pixels at least, or the sum of the sums would count beside the products.
    const int64_t affordable = 3 + shape.input_size() / 2 / shape.weight_size();
    const int64_t chunks = std::clamp<int64_t>(pixels_ / 512, 1, std::min(wanted, affordable));
    const int64_t blocks = std::max<int64_t>(1, ceil_div(pixels_, block_));
    chunk_ = ceil_div(blocks, chunks) * block_;
    chunks_ = ceil_div(std::max<int64_t>(1, pixels_), chunk_);
    // Where chunks are too few for tasks: parts of the taps, then of the output channels, which gather the patches
    // anew.
    const int64_t splits = ceil_div(std::min<int64_t>(wanted, 8), chunks_ * shape.groups);
    const int64_t tap_blocks = ceil_div(shape.taps(), tap_block_);
    tap_part_ = along_depth_ ? shape.taps() : tap_block_ * std::max<int64_t>(1, tap_blocks / splits);
    tap_parts_ = ceil_div(shape.taps(), tap_part_);
    const int64_t panels = ceil_div(columns, gemm.columns);
    column_part_ = along_depth_ ? columns : gemm.columns * std::max<int64_t>(2, panels / ceil_div(splits, tap_parts_));
    column_parts_ = ceil_div(columns, column_part_);

    const bool direct = chunks_ == 1 && !along_depth_;
    scratch_ = direct ? 0 : chunks_ * shape.weight_size();
    packed_ = !along_depth_ && std::min(columns, column_part_) > gemm.columns;
    tile_ = block_ * ld_;
    worker_scratch_ = tile_ + (packed_ ? round_up(column_part_, gemm.columns) * block_ : 0);
    phases_.push_back({chunks_ * shape.groups * column_parts_ * tap_parts_, cost + pixels_ * depth / kFloatsPerNs});
    if (!direct) {
      sum_tasks_ = along_depth_ ? 1 : std::clamp<int64_t>(shape.weight_size() / 4096, 1, 32);
      phases_.push_back({sum_tasks_, chunks_ * shape.weight_size() / kFloatsPerNs});
    }
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    if (phase == 1) return combine(args, task, scratch);
    const int64_t chunk = task % chunks_, part = task / chunks_;
    const int64_t group = part % shape_.groups, column_part = part / shape_.groups % column_parts_;
    const int64_t tap = part / shape_.groups / column_parts_ * tap_part_;
    float* out = phases_.size() == 1 ? args.out : scratch + chunk * shape_.weight_size();
    const int64_t first = chunk * chunk_, end = std::min(pixels_, first + chunk_);
    const int64_t last_tap = std::min(shape_.taps(), tap + tap_part_);
    for (int64_t pixel = first; pixel < end; pixel += block_)
      multiply_pixels(args, group, column_part * column_part_, tap, last_tap, pixel, std::min(block_, end - pixel),
                      pixel > first, out, worker);
    if (pixels_ == 0 && task == 0)  // no images: the sum of nothing
      std::fill_n(out, shape_.weight_size(), 0.0f);
  }

 private:
  void multiply_pixels(const ConvArgs& args, int64_t group, int64_t column, int64_t tap, int64_t last_tap,
                       int64_t pixel, int64_t count, bool accumulate, float* out, const Worker& worker) const {
    const Kernels::Gemm& gemm = *kernels().gemm;
    const int64_t channels = shape_.group_channels(), ldy = shape_.out_channels;
    const int64_t width = std::min(column_part_, shape_.group_out_channels() - column);
    const int64_t first_column = group * shape_.group_out_channels() + column;
    const float* dy = args.dy + pixel * ldy + first_column;
    float* packed = worker.scratch + tile_;
    const float* x = args.x + group * channels;
    if (packed_) gemm.pack(count, width, dy, ldy, false, packed);
    Kernels::Conv::Patches source{&shape_.window, x, shape_.channels, channels, 0, 0};
    for (; tap < last_tap; tap += tap_block_) {
      source.first_tap = tap;
      source.taps = std::min(tap_block_, last_tap - tap);
      kernels().conv->gather(source, pixel, count, worker.scratch, ld_);
      Kernels::Gemm::Block block;
      if (along_depth_) {  // dwᵀ (OC × depth) = dyᵀ · patch
        block = gemm_block(width, source.taps * channels, count);
        block.a = dy;
        block.a_k = ldy;
        block.b = worker.scratch;
        block.b_k = ld_;
        block.b_panel = gemm.columns;
        block.c = out + tap * channels;
        block.ldc = shape_.depth();
      } else {  // dw (depth × OC) = patchᵀ · dy
        block = gemm_block(source.taps * channels, width, count);
        block.a = worker.scratch;
        block.a_k = ld_;
        block.b = packed_ ? packed : dy;
        block.b_k = packed_ ? gemm.columns : ldy;
        block.b_panel = packed_ ? gemm.columns * count : gemm.columns;
        block.c = out + tap * channels * ldy + first_column;
        block.ldc = ldy;
      }
      block.a_row = 1;
      block.a_panel = block.height;
      block.accumulate = accumulate;
      gemm.block(block);
    }
  }

  void combine(const ConvArgs& args, int64_t task, float* parts) const {
    const int64_t n = shape_.weight_size();
    if (!along_depth_) return sum_parts(parts, chunks_, n, n, task, sum_tasks_, args.out);
    if (chunks_ > 1) sum_parts(parts, chunks_, n, n, 0, 1, parts);
    for (int64_t row = 0, depth = shape_.depth(); row < depth; ++row)
      for (int64_t column = 0; column < shape_.out_channels; ++column)
        args.out[row * shape_.out_channels + column] = parts[column * depth + row];
  }

  const ConvShape shape_;
  int64_t pixels_;                      // of all output images
  bool along_depth_;                    // dw is computed transposed
  bool packed_;                         // dy, in each tile
  int64_t tap_block_, ld_, block_;      // of the tile: its taps, its row stride, its pixels
  int64_t tile_;                        // floats of it
  int64_t chunk_, chunks_;              // pixels summed in one chain
  int64_t column_part_, column_parts_;  // output channels of a task
  int64_t tap_part_, tap_parts_;        // taps of a task
  int64_t sum_tasks_ = 0;
};

}  // namespace

std::unique_ptr<ConvPass> make_patch_forward(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return std::make_unique<PatchForward>(shape, epilogue);
}
std::unique_ptr<ConvPass> make_patch_backward_data(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return std::make_unique<PatchBackwardData>(shape, epilogue);
}
std::unique_ptr<ConvPass> make_patch_backward_weights(const ConvShape& shape) {
  return std::make_unique<PatchBackwardWeights>(shape);
}

}  // namespace nnfast
