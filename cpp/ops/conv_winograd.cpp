// Convolution with a 3×3 window and stride 1 by Winograd's F(4×4, 3×3); kernels/winograd.cpp has the formulas.
//
// Each direction transforms tiles, multiplies 36 small matrices and transforms back. Two schedules:
//   local   a task does all of it for a block of tiles in its thread's own scratch, sized for the level-2 cache;
//   shared  each of the three is a phase over many tiles in shared scratch. For many channels, whose transformed
//           weights are too large to be read again for every block of tiles.
// Both add in the same order, so that forward and backward-data give the same bits either way.
#include <algorithm>
#include <atomic>

#include "ops/conv_winograd.h"

namespace nnfast {
namespace {

using Images = Kernels::Winograd::Images;

std::atomic<bool> allowed{true};

// Forward, and backward-data: that is forward of dy with rotated weights.
class WinogradImages final : public ConvPass {
 public:
  WinogradImages(const ConvShape& shape, const ConvEpilogue& epilogue, bool backward)
      : epilogue_(epilogue),
        backward_(backward),
        weight_channels_(shape.channels),
        weight_columns_(shape.out_channels) {
    const Window& w = shape.window;
    const int64_t lanes = kernels().lanes, columns = kernels().gemm->columns;
    const int64_t* from = backward ? w.out : w.in;
    const int64_t* to = backward ? w.in : w.out;
    in_ = {from[1],
           from[2],
           backward ? shape.out_channels : shape.channels,
           backward ? shape.out_channels : shape.channels,
           ceil_div(to[1], 4),
           ceil_div(to[2], 4),
           backward ? 2 - w.pad[1] : w.pad[1],
           backward ? 2 - w.pad[2] : w.pad[2]};
    out_ = in_;
    out_.height = to[1];
    out_.width = to[2];
    out_.channels = out_.pixel = backward ? shape.channels : shape.out_channels;
    tiles_ = shape.images * tiles_of_image(in_);
    width_ = round_up(out_.channels, lanes);
    panels_ = ceil_div(out_.channels, columns);
    panel_ = in_.channels * columns;
    weight_position_ = padded(panels_ * panel_);
    scratch_ = kPositions * weight_position_;
    phases_.push_back({panels_, scratch_ / kFloatsPerNs});

    const int64_t per_tile = kPositions * (padded(in_.channels) + padded(width_));
    const double flops = 2.0 * kPositions * in_.channels * width_;
    const double per_tile_cost = flops / kFlopsPerNs + per_tile / kFloatsPerNs * 2;
    shared_ = in_.channels * out_.channels > kSharedWeights;
    if (shared_) {
      const int64_t spare = shape.memory_bound() - scratch_ - kPadding;
      const int64_t fitting = std::max<int64_t>(1, spare / per_tile);
      block_ = even_part(std::max<int64_t>(1, tiles_), std::min<int64_t>(fitting, 512));
      in_tiles_ = TileMatrices(in_.channels, block_);
      out_tiles_ = TileMatrices(width_, block_);
      panel_part_ = std::min<int64_t>(panels_, 4);
      scratch_ += in_tiles_.size() + out_tiles_.size();
      for (int64_t first = 0; first < tiles_; first += block_) {
        const int64_t count = std::min(block_, tiles_ - first);
        phases_.push_back({ceil_div(count, kTransformed), count * per_tile / kFloatsPerNs});
        phases_.push_back({kPositions * ceil_div(panels_, panel_part_), count * flops / kFlopsPerNs});
        phases_.push_back({ceil_div(count, kTransformed), count * per_tile / kFloatsPerNs});
      }
    } else {
      const int64_t rows = kernels().gemm->rows;
      int64_t block = std::max(rows, kLocalFloats / per_tile / rows * rows);
      while (block > rows && ceil_div(tiles_, block) < 8) block -= rows;
      const int64_t fitting = ((shape.memory_bound() - scratch_) / 2 - kPadding) / per_tile;  // on each of two threads
      block_ = fitting >= rows ? even_part(std::max<int64_t>(1, tiles_), std::min(block, fitting / rows * rows), rows)
                               : std::clamp<int64_t>(fitting, 1, std::max<int64_t>(1, tiles_));
      in_tiles_ = TileMatrices(in_.channels, block_);
      out_tiles_ = TileMatrices(width_, block_);
      worker_scratch_ = in_tiles_.size() + out_tiles_.size();
      phases_.push_back({ceil_div(tiles_, block_), tiles_ * per_tile_cost});
    }
    if (epilogue.moments) {
      const int64_t part = shared_ ? kTransformed : block_;
      for (int64_t first = 0; first < tiles_; first += block_)
        for (int64_t tile = first, end = std::min(first + block_, tiles_); tile < end; tile += part)
          moments_.counts.push_back(pixels_of(tile, std::min(tile + part, end)));
    }
    separate_ = epilogue.activation != Activation::linear && epilogue.activation != Activation::relu;
    if (separate_)
      phases_.push_back(
          {shape.images * out_.height, shape.images * out_.height * out_.width * out_.channels / kFloatsPerNs});
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    if (phase == 0) return transform_weights(args, task, scratch);
    if (separate_ && phase + 1 == static_cast<int>(phases_.size())) {
      const int64_t row = out_.width * out_.channels;
      return activate(epilogue_, args.out + task * row, args.activated + task * row, 1, row, row);
    }
    if (!shared_) {
      const int64_t first = task * block_, count = std::min(block_, tiles_ - first);
      float *in = worker.scratch, *out = worker.scratch + in_tiles_.size();
      transform_input(args, first, count, in);
      for (int64_t position = 0; position < kPositions; ++position)
        multiply_position(position, count, 0, panels_, in, scratch, out);
      return transform_output(args, first, count, out, task);
    }
    const int64_t first = (phase - 1) / 3 * block_, count = std::min(block_, tiles_ - first);
    float *in = scratch + kPositions * weight_position_, *out = in + in_tiles_.size();
    const int64_t part = task * kTransformed, part_count = std::min(kTransformed, count - part);
    switch ((phase - 1) % 3) {
      case 0:
        return transform_input(args, first + part, part_count, in + part * in_tiles_.ld);
      case 1: {
        const int64_t parts = ceil_div(panels_, panel_part_), panel = task % parts * panel_part_;
        return multiply_position(task / parts, count, panel, std::min(panel_part_, panels_ - panel), in, scratch, out);
      }
      default:
        return transform_output(args, first + part, part_count, out + part * out_tiles_.ld,
                                (phase - 1) / 3 * ceil_div(block_, kTransformed) + task);
    }
  }

 private:
  static constexpr int64_t kTransformed = 8;  // tiles in a task of a transformation

  void transform_weights(const ConvArgs& args, int64_t panel, float* u) const {
    const Kernels::Winograd& winograd = *kernels().winograd;
    const int64_t first = panel * kernels().gemm->columns,
                  n = std::min<int64_t>(kernels().gemm->columns, out_.channels - first);
    if (backward_)
      winograd.weights_rotated(weight_channels_, n, first, weight_columns_, args.w, u + panel * panel_,
                               weight_position_);
    else
      winograd.weights(weight_channels_, n, weight_columns_, args.w + first, u + panel * panel_, weight_position_);
  }
  void transform_input(const ConvArgs& args, int64_t first, int64_t count, float* out) const {
    kernels().winograd->input(in_, backward_ ? args.dy : args.x, first, count, out, in_tiles_.ld, in_tiles_.position);
  }
  // Pixels of the output in tiles first … end-1.
  int64_t pixels_of(int64_t first, int64_t end) const {
    int64_t pixels = 0;
    for (int64_t tile = first; tile < end; ++tile) {
      const int64_t row = tile / out_.tile_columns % out_.tile_rows * 4, column = tile % out_.tile_columns * 4;
      pixels += std::min<int64_t>(4, out_.height - row) * std::min<int64_t>(4, out_.width - column);
    }
    return pixels;
  }
  void transform_output(const ConvArgs& args, int64_t first, int64_t count, const float* in, int64_t part) const {
    float* moments = args.moments ? MomentParts::at(args.moments, part, out_.channels) : nullptr;
    kernels().winograd->output(out_, in, out_tiles_.ld, out_tiles_.position, first, count,
                               epilogue_.bias ? args.bias : nullptr, epilogue_.activation == Activation::relu, args.out,
                               moments, MomentParts::row(out_.channels));
  }
  void multiply_position(int64_t position, int64_t count, int64_t panel, int64_t panels, const float* in,
                         const float* u, float* out) const {
    const int64_t columns = kernels().gemm->columns, first = panel * columns;
    Kernels::Gemm::Block block = gemm_block(count, std::min(panels * columns, width_ - first), in_.channels);
    block.a = in + position * in_tiles_.position;
    block.a_row = in_tiles_.ld;
    block.a_k = 1;
    block.a_panel = block.height * block.a_row;
    block.b = u + position * weight_position_ + panel * panel_;
    block.b_k = columns;
    block.b_panel = panel_;
    block.c = out + position * out_tiles_.position + first;
    block.ldc = out_tiles_.ld;
    multiply(block);
  }

  const ConvEpilogue epilogue_;
  const bool backward_;
  const int64_t weight_channels_, weight_columns_;  // of w as it is in memory
  Images in_, out_;
  int64_t tiles_, block_;                             // of all images; in a task, or a round of phases
  int64_t width_, panels_, panel_, weight_position_;  // of transformed weights: columns, panels of them, their sizes
  int64_t panel_part_ = 0;                            // panels in a task
  TileMatrices in_tiles_, out_tiles_;
  bool shared_, separate_;
};

}  // namespace

bool winograd_allowed() { return allowed.load(std::memory_order_relaxed); }
void allow_winograd(bool allow) { allowed.store(allow, std::memory_order_relaxed); }

bool winograd_applies(const ConvShape& shape) {
  const Window& w = shape.window;
  return shape.groups == 1 && w.in[0] == 1 && w.size[0] == 1 && w.out[0] == 1 && w.size[1] == 3 && w.size[2] == 3 &&
         w.stride[1] == 1 && w.stride[2] == 1 && w.dilation[1] == 1 && w.dilation[2] == 1;
}

bool winograd_pays(const ConvShape& shape) {
  if (!winograd_applies(shape)) return false;
  const int64_t lanes = kernels().lanes, columns = kernels().gemm->columns;
  const int64_t channels = shape.channels, out_channels = shape.out_channels;
  const int64_t tiles = ceil_div(shape.window.out[1], 4) * ceil_div(shape.window.out[2], 4);
  // Memory: no more than the images and five times the weights, even for one image.
  const int64_t image = shape.in_pixels() * channels + shape.out_pixels() * out_channels;
  const int64_t transformed =
      kPositions *
      (std::max(channels * round_up(out_channels, columns), out_channels * round_up(channels, columns)) + 2 * kLine +
       (padded(channels) + padded(round_up(out_channels, lanes))) * std::min<int64_t>(tiles, 4));
  if (transformed > image + 5 * shape.weight_size()) return false;
  // Time: cycles at two products each, loads and stores of the transformations at what they take from level 2.
  const double in = ceil_div(channels, lanes), out = ceil_div(out_channels, lanes);
  const double products = 36.0 * channels * out * 0.55;
  double direct = shape.out_pixels() * 9.0 * channels * out * 0.55;
  double winograd = tiles * (products + 130.0 * in + 100.0 * out);
  // The transformed weights of many channels leave every cache: on two Zen 5 cores 2 ms for 512 × 512 channels, which a
  // few tiles cannot win back. Measured there, times as fast as patches, all three directions: 1 image of 7×7 pixels
  // 0.3, 4 images 0.96, 16 images 1.8; 16 images of 4×4 pixels 1.1; 2 images of 16×16 1.75. There, and only there, the
  // choice depends on the number of images, and with it the last bits.
  if (channels * out_channels > 256 * 256) {
    direct = direct * shape.images + 9.0 * channels * out * 10.0;
    winograd = winograd * shape.images + 36.0 * channels * out * 20.0;
  }
  return winograd < 0.8 * direct;
}

std::unique_ptr<ConvPass> make_winograd_forward(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return std::make_unique<WinogradImages>(shape, epilogue, false);
}
std::unique_ptr<ConvPass> make_winograd_backward_data(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return std::make_unique<WinogradImages>(shape, epilogue, true);
}

int64_t winograd_worker_scratch(const ConvShape& shape) {
  return std::max(WinogradImages(shape, {}, false).worker_scratch(), WinogradImages(shape, {}, true).worker_scratch());
}

}  // namespace nnfast
