// What the directions of a Winograd convolution have in common.
#pragma once
#include "core/buffer.h"
#include "dispatch/dispatch.h"
#include "ops/conv_pass.h"

namespace nnfast {

constexpr int64_t kPositions = 36;
// Floats of transformed tiles in a thread's scratch: 640 KB of a level-2 cache of 1 MB.
constexpr int64_t kLocalFloats = 160 * 1024;
// Above this many weights of a tap the transformed weights, 36 times as many, leave the level-2 cache.
constexpr int64_t kSharedWeights = 128 * 128;

// The stride between tiles, or positions: whole vectors, and not a multiple of 1 KB, which would lay all positions of a
// tile into the same few sets of the level-1 cache.
inline int64_t padded(int64_t floats) {
  const int64_t size = round_up(floats, kLine);
  return size % 256 == 0 ? size + kLine : size;
}

// Transformed tiles of images: 36 matrices (tiles, channels).
struct TileMatrices {
  int64_t ld = 0, position = 0;
  TileMatrices() = default;
  TileMatrices(int64_t channels, int64_t tiles) : ld(padded(channels)), position(padded(ld * tiles)) {}
  int64_t size() const { return kPositions * position; }
};
// The most by which two of them are larger than their tiles.
constexpr int64_t kPadding = 2 * kPositions * 2 * kLine;

inline int64_t tiles_of_image(const Kernels::Winograd::Images& images) {
  return images.tile_rows * images.tile_columns;
}

// Of each thread, in forward and backward-data.
int64_t winograd_worker_scratch(const ConvShape& shape);

}  // namespace nnfast
