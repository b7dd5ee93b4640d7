// The weights' gradient of a convolution by Winograd's algorithm (conv_winograd.cpp has the other directions).
//
// Three schedules, by what there is memory for, forward's and backward-data's scratch of the threads beside it:
//   by channels  all tiles of dy are transformed; then a task does all the rest for some channels of x. For few tiles:
//                the sum of a task is small, and nothing is added up afterwards;
//   local        a task does all of it for a chunk of tiles, with a sum of its own; the sums are added up;
//   shared       each of the steps is a phase over many tiles in shared scratch. For many channels.
#include <algorithm>

#include "ops/conv_winograd.h"

namespace nnfast {
namespace {

using Images = Kernels::Winograd::Images;

Images images_of_x(const ConvShape& shape) {
  const Window& w = shape.window;
  return {w.in[1],  w.in[2], shape.channels, shape.channels, ceil_div(w.out[1], 4), ceil_div(w.out[2], 4),
          w.pad[1], w.pad[2]};
}
Images images_of_dy(const ConvShape& shape) {
  const Window& w = shape.window;
  return {w.out[1], w.out[2], shape.out_channels, shape.out_channels, ceil_div(w.out[1], 4), ceil_div(w.out[2], 4),
          0,        0};
}

constexpr int64_t kTransformed = 8;   // tiles in a task of a transformation
constexpr int64_t kFewestTiles = 12;  // products of fewer at a time take longer than those of patches

class WinogradWeightsByChannels final : public ConvPass {
 public:
  // Floats of all tiles of dy, which every task reads: from a level-2 cache.
  static constexpr int64_t kMostOfDy = 256 * 1024;
  static constexpr int64_t kFewestChannels = 8;  // in a task
  // What the tiles of two threads may take beyond the bound: 128 KB, which counts only where all else is small.
  static constexpr int64_t kBeyond = 32 * 1024;

  // beside: what each thread needs for the other directions.
  WinogradWeightsByChannels(const ConvShape& shape, int64_t beside)
      : x_(images_of_x(shape)), dy_(images_of_dy(shape)), tiles_(shape.images * tiles_of_image(dy_)) {
    width_ = round_up(dy_.channels, kernels().lanes);
    dy_tiles_ = TileMatrices(width_, tiles_);
    scratch_ = dy_tiles_.size();
    const double floats = kPositions * static_cast<double>(x_.channels + 2 * width_) * tiles_;
    const double cost = 2.0 * kPositions * x_.channels * width_ * tiles_ / kFlopsPerNs + floats / kFloatsPerNs;
    const auto wanted = static_cast<int64_t>(std::clamp(cost / 1e4, 1.0, 16.0));
    cut(round_up(ceil_div(x_.channels, wanted), kernels().lanes));
    while (!fits(shape, beside) && part_ > kFewestChannels) cut(std::max(part_ - kernels().lanes, kFewestChannels));
    phases_ = {{ceil_div(tiles_, kTransformed), kPositions * width_ * tiles_ / kFloatsPerNs},
               {ceil_div(x_.channels, part_), cost}};
  }

  bool fits(const ConvShape& shape, int64_t beside) const {
    return tiles_ > 0 && scratch_ <= kMostOfDy && worker_scratch_ <= kLocalFloats &&
           scratch_ + 2 * std::max(worker_scratch_, beside) <= shape.memory_bound() + kBeyond;
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    const Kernels::Winograd& winograd = *kernels().winograd;
    if (phase == 0) {
      const int64_t first = task * kTransformed;
      return winograd.gradient(dy_, args.dy, first, std::min(kTransformed, tiles_ - first),
                               scratch + first * dy_tiles_.ld, dy_tiles_.ld, dy_tiles_.position);
    }
    Images x = x_;
    const int64_t first = task * part_;
    x.channels = std::min(part_, x_.channels - first);
    float *tiles = worker.scratch, *sums = tiles + x_tiles_.size();
    winograd.input(x, args.x + first, 0, tiles_, tiles, x_tiles_.ld, x_tiles_.position);
    for (int64_t position = 0; position < kPositions; ++position)
      multiply_transposed(x.channels, width_, tiles_, tiles + position * x_tiles_.position, x_tiles_.ld,
                          scratch + position * dy_tiles_.position, dy_tiles_.ld, false,
                          sums + position * sum_position_);
    for (int64_t channel = 0; channel < x.channels; ++channel)
      winograd.weight_gradient(dy_.channels, sums + channel * width_, sum_position_, 1, 0,
                               args.out + (first + channel) * dy_.channels, x_.channels * dy_.channels);
  }

 private:
  void cut(int64_t part) {
    part_ = part;
    x_tiles_ = TileMatrices(part, tiles_);
    sum_position_ = padded(part * width_);
    worker_scratch_ = x_tiles_.size() + kPositions * sum_position_;
  }

  const Images x_, dy_;
  const int64_t tiles_;
  int64_t width_;         // of dy's channels, in whole vectors
  int64_t part_ = 0;      // channels of x in a task
  int64_t sum_position_;  // of their sums
  TileMatrices x_tiles_, dy_tiles_;
};

class WinogradWeights final : public ConvPass {
 public:
  WinogradWeights(const ConvShape& shape, int64_t beside)
      : shape_(shape), in_(images_of_x(shape)), out_(images_of_dy(shape)) {
    const int64_t lanes = kernels().lanes, rows = kernels().gemm->rows;
    tiles_ = shape.images * tiles_of_image(in_);
    width_ = round_up(out_.channels, lanes);
    weight_position_ = padded(in_.channels * width_);
    part_ = kPositions * weight_position_;

    const int64_t per_tile = kPositions * (padded(in_.channels) + padded(width_));
    const double flops = 2.0 * kPositions * in_.channels * width_;
    const double cost = tiles_ * (flops / kFlopsPerNs + per_tile / kFloatsPerNs * 2);
    const int64_t fitting_local = ((shape.memory_bound() - part_) / 2 - kPadding) / per_tile;  // on each of two threads
    const int64_t local_block = std::max(rows, std::min(kLocalFloats / per_tile, fitting_local) / rows * rows);
    const bool many = in_.channels * out_.channels > kSharedWeights;
    const int64_t left = shape.memory_bound() - 2 * beside;
    const int64_t spare = std::min(
        left, shape.memory_bound() - (many ? 0 : 2 * std::min(std::max(tiles_, rows), local_block) * per_tile));
    const int64_t wanted = static_cast<int64_t>(std::clamp(cost / 1e5, 1.0, 16.0));
    // Local: a sum of its own for each chunk of tiles, where there is memory for enough of them.
    chunks_ = std::clamp<int64_t>(std::min(spare / part_, tiles_ / rows), 1, wanted);
    const int64_t fitting = std::max<int64_t>(1, (left - part_ - kPadding) / per_tile);
    shared_ = many || fitting_local < rows || (chunks_ < 8 && chunks_ < wanted && fitting >= kFewestTiles);
    if (shared_) {
      block_ = even_part(std::max<int64_t>(1, tiles_), std::min<int64_t>(fitting, kernels().gemm->chain));
      chunks_ = 1;
      channel_part_ = std::min(in_.channels, 4 * rows);
      in_tiles_ = TileMatrices(in_.channels, block_);
      out_tiles_ = TileMatrices(width_, block_);
      scratch_ = part_ + in_tiles_.size() + out_tiles_.size();
      for (int64_t first = 0; first < tiles_; first += block_) {
        const int64_t count = std::min(block_, tiles_ - first);
        phases_.push_back({ceil_div(count, kTransformed), count * per_tile / kFloatsPerNs});
        phases_.push_back({kPositions * ceil_div(in_.channels, channel_part_), count * flops / kFlopsPerNs});
      }
    } else {
      block_ = even_part(std::max<int64_t>(1, tiles_), local_block);
      chunk_ = ceil_div(ceil_div(std::max<int64_t>(1, tiles_), block_), chunks_) * block_;
      chunks_ = ceil_div(std::max<int64_t>(1, tiles_), chunk_);
      in_tiles_ = TileMatrices(in_.channels, block_);
      out_tiles_ = TileMatrices(width_, block_);
      scratch_ = chunks_ * part_;
      worker_scratch_ = in_tiles_.size() + out_tiles_.size();
      phases_.push_back({chunks_, cost});
    }
    phases_.push_back({in_.channels, chunks_ * part_ / kFloatsPerNs});
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    if (phase + 1 == static_cast<int>(phases_.size())) {
      kernels().winograd->weight_gradient(out_.channels, scratch + task * width_, weight_position_,
                                          tiles_ ? chunks_ : 0, part_, args.out + task * out_.channels,
                                          in_.channels * out_.channels);
      return;
    }
    if (!shared_) {
      float *in = worker.scratch, *out = worker.scratch + in_tiles_.size();
      const int64_t end = std::min(tiles_, (task + 1) * chunk_);
      for (int64_t first = task * chunk_; first < end; first += block_) {
        const int64_t count = std::min(block_, end - first);
        transform(args, first, count, in, out);
        for (int64_t position = 0; position < kPositions; ++position)
          multiply_position(position, count, 0, in_.channels, first > task * chunk_, in, out, scratch + task * part_);
      }
      return;
    }
    const int64_t first = phase / 2 * block_, count = std::min(block_, tiles_ - first);
    float *in = scratch + part_, *out = in + in_tiles_.size();
    if (phase % 2 == 0) {
      const int64_t part = task * kTransformed;
      return transform(args, first + part, std::min(kTransformed, count - part), in + part * in_tiles_.ld,
                       out + part * out_tiles_.ld);
    }
    const int64_t parts = ceil_div(in_.channels, channel_part_), channel = task % parts * channel_part_;
    multiply_position(task / parts, count, channel, std::min(channel_part_, in_.channels - channel), phase > 1, in, out,
                      scratch);
  }

  // Tiles that are multiplied at a time.
  int64_t block() const { return std::min(block_, tiles_); }

 private:
  void transform(const ConvArgs& args, int64_t first, int64_t count, float* in, float* out) const {
    kernels().winograd->input(in_, args.x, first, count, in, in_tiles_.ld, in_tiles_.position);
    kernels().winograd->gradient(out_, args.dy, first, count, out, out_tiles_.ld, out_tiles_.position);
  }
  // Some channels of the transformed weights' gradient at one position.
  void multiply_position(int64_t position, int64_t count, int64_t channel, int64_t channels, bool accumulate,
                         const float* in, const float* out, float* u) const {
    multiply_transposed(channels, width_, count, in + position * in_tiles_.position + channel, in_tiles_.ld,
                        out + position * out_tiles_.position, out_tiles_.ld, accumulate,
                        u + position * weight_position_ + channel * width_);
  }

  const ConvShape shape_;
  const Images in_, out_;
  int64_t tiles_, block_;                   // of all images; transformed at a time
  int64_t chunk_ = 0, chunks_;              // tiles summed in one chain
  int64_t width_, weight_position_, part_;  // of transformed weights: columns, a position, all positions
  int64_t channel_part_ = 0;                // channels in a task
  TileMatrices in_tiles_, out_tiles_;
  bool shared_;
};

}  // namespace

std::unique_ptr<ConvPass> make_winograd_backward_weights(const ConvShape& shape) {
  const int64_t beside = winograd_worker_scratch(shape);
  auto by_channels = std::make_unique<WinogradWeightsByChannels>(shape, beside);
  if (by_channels->fits(shape, beside)) return by_channels;
  auto by_tiles = std::make_unique<WinogradWeights>(shape, beside);
  if (by_tiles->block() < kFewestTiles) return make_patch_backward_weights(shape);
  return by_tiles;
}

}  // namespace nnfast
