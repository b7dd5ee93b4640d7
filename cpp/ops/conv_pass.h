// One direction of a convolution by one algorithm: what Conv is put together from.
#pragma once
#include <memory>
#include <vector>

#include "core/buffer.h"
#include "kernels/activations.h"
#include "ops/conv_shape.h"
#include "ops/op.h"

namespace nnfast {

// What follows the sum in forward, or in the backward-data that is a transposed convolution's forward.
struct ConvEpilogue {
  bool bias = false;
  Activation activation = Activation::linear;
  float alpha = 0;
  bool keeps_sum = false;  // what the activation is applied to is wanted too
  bool moments = false;    // so are the mean and variance of each channel; the activation is linear then
};

// The operands of one direction; the others may be null.
struct ConvArgs {
  const float* x = nullptr;     // images: forward, backward-weights
  const float* w = nullptr;     // (taps, C / groups, OC): forward, backward-data
  const float* dy = nullptr;    // backward-data, backward-weights
  const float* bias = nullptr;  // (channels of out,) where the epilogue has one
  float* out = nullptr;         // y, dx or dw, with the bias but before the activation
  float* activated = nullptr;   // the activation of out; out itself unless the epilogue keeps the sum
  float* moments = nullptr;     // of the parts of out, one after the other, as in MomentParts
};

// The moments of an output, in parts: tasks take those of what they have just made, while it is in cache. A part has
// three rows of the channels rounded up to whole lines: mean, sum of squares about it, and scratch.
struct MomentParts {
  static constexpr int kRows = 3;
  static constexpr int64_t kPixels = 256;  // about as many in a part
  std::vector<int64_t> counts;             // pixels of each part

  static int64_t row(int64_t channels) { return round_up(channels, kLine); }
  static float* at(float* moments, int64_t part, int64_t channels) { return moments + part * kRows * row(channels); }
  // Image rows of a part: of a task that makes so many of `width` pixels each.
  static int64_t part_rows(int64_t width, int64_t rows);
  // Adds the parts of such a task.
  void add(int64_t rows, int64_t part_rows, int64_t width);
  // Of `count` pixels that lie one after the other, `columns` of their channels from `column` on; out: the first one.
  static void take(float* moments, int64_t part, int64_t count, int64_t column, int64_t columns, const float* out,
                   int64_t channels);
};

class ConvPass {
 public:
  virtual ~ConvPass() = default;
  virtual void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const = 0;

  const std::vector<Phase>& phases() const { return phases_; }
  int64_t scratch() const { return scratch_; }
  int64_t worker_scratch() const { return worker_scratch_; }
  // Those whose moments the tasks take, where the epilogue wants them; none: they must be taken afterwards.
  const MomentParts& moments() const { return moments_; }

 protected:
  std::vector<Phase> phases_;
  int64_t scratch_ = 0;         // of all tasks and phases of the direction
  int64_t worker_scratch_ = 0;  // of each thread
  MomentParts moments_;
};

constexpr double kFlopsPerNs = 90;    // of one thread in a matrix product
constexpr double kFloatsPerNs = 2.5;  // read or written in passing

inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The size of equal parts of `whole`, none above `largest`, multiples of `unit` (which may exceed largest).
inline int64_t even_part(int64_t whole, int64_t largest, int64_t unit = 1) {
  const int64_t parts = whole <= largest ? 1 : ceil_div(whole, largest);
  return ceil_div(ceil_div(whole, parts), unit) * unit;
}

// A block with nothing set but its sizes and the height of its row panels.
Kernels::Gemm::Block gemm_block(int64_t m, int64_t n, int64_t k);
// The product of a block whose k may exceed the kernel's chain; bias, or null, and relu come last.
void multiply(Kernels::Gemm::Block block, const float* bias = nullptr, bool relu = false);
// c (m×n) = or += aᵀ · b, of any k, as a weights' gradient is made.
void multiply_transposed(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb,
                         bool accumulate, float* c);

// Applies the activation to `rows` of `columns` floats each, `ld` apart, at the same place in both arrays.
void activate(const ConvEpilogue& epilogue, const float* out, float* activated, int64_t rows, int64_t columns,
              int64_t ld);

// Sums `parts` arrays of n floats, `stride` apart, into out: the given one of `tasks` shares of the work.
void sum_parts(const float* parts, int64_t count, int64_t stride, int64_t n, int64_t task, int64_t tasks, float* out);

// From one patch of so many floats to the next: wide enough for gather and sum_patches, and not a multiple of 1 KB, or
// the rows of a tile would compete for few sets of the level-1 cache.
int64_t patch_stride(int64_t depth);

// Copies the row of n floats to `count` rows, `ld` apart.
void repeat_row(const float* row, int64_t n, int64_t count, float* out, int64_t ld);

// A row of dx as the sum of the patches that saw it, those of a few rows of output pixels at a time, in the order in
// which they are added.
class RowSum {
 public:
  explicit RowSum(const Kernels::Conv::PatchSum& sum) : sum_(sum) { sum_.rows = rows_; }
  RowSum(const RowSum&) = delete;
  // patches: of one row of output pixels, from a kernel row's taps on; they must stay until the sum is finished.
  void add(const float* patches);
  // Writes zeros where nothing was added to nothing.
  void finish();

 private:
  static constexpr int kMost = 16;
  void take();

  Kernels::Conv::PatchSum sum_;
  const float* rows_[kMost];
};

// A matrix product of the images as they lie in memory: windows of one pixel, or of the whole image.
bool product_applies(const ConvShape& shape);
std::unique_ptr<ConvPass> make_product_forward(const ConvShape& shape, const ConvEpilogue& epilogue);
std::unique_ptr<ConvPass> make_product_backward_data(const ConvShape& shape, const ConvEpilogue& epilogue);
std::unique_ptr<ConvPass> make_product_backward_weights(const ConvShape& shape);

// Implicit GEMM, for any convolution: patches are gathered, tile by tile, before the product, or summed after it.
std::unique_ptr<ConvPass> make_patch_forward(const ConvShape& shape, const ConvEpilogue& epilogue);
std::unique_ptr<ConvPass> make_patch_backward_data(const ConvShape& shape, const ConvEpilogue& epilogue);
std::unique_ptr<ConvPass> make_patch_backward_weights(const ConvShape& shape);

// One product for several images, with one group.
bool im2col_applies(const ConvShape& shape);
// Whether it is faster than patches tile by tile.
bool im2col_pays(const ConvShape& shape);
std::unique_ptr<ConvPass> make_im2col_forward(const ConvShape& shape, const ConvEpilogue& epilogue);
std::unique_ptr<ConvPass> make_im2col_backward_data(const ConvShape& shape, const ConvEpilogue& epilogue);

// Few input channels: straight from rows of the image, without gathering patches. Windows of two axes at most, their
// pixels side by side, and one group.
bool rows_apply(const ConvShape& shape);
// Whether they are faster than patches; and whether, where they are chosen, they are for backward-weights too.
bool rows_pay(const ConvShape& shape);
bool rows_pay_for_weights(const ConvShape& shape);
std::unique_ptr<ConvPass> make_rows_forward(const ConvShape& shape, const ConvEpilogue& epilogue);
std::unique_ptr<ConvPass> make_rows_backward_weights(const ConvShape& shape);

// Winograd's F(4×4, 3×3): 36 products instead of 144, for a window of 3×3, stride 1, no dilation, one group.
bool winograd_applies(const ConvShape& shape);
// Whether it is faster than patches, by a count of the work on one image.
bool winograd_pays(const ConvShape& shape);
// Whether a convolution that names no algorithm may use it; true at first.
bool winograd_allowed();
void allow_winograd(bool allowed);
std::unique_ptr<ConvPass> make_winograd_forward(const ConvShape& shape, const ConvEpilogue& epilogue);
std::unique_ptr<ConvPass> make_winograd_backward_data(const ConvShape& shape, const ConvEpilogue& epilogue);
std::unique_ptr<ConvPass> make_winograd_backward_weights(const ConvShape& shape);

// Depthwise: groups of one input channel.
bool depthwise_applies(const ConvShape& shape);
std::unique_ptr<ConvPass> make_depthwise_forward(const ConvShape& shape, const ConvEpilogue& epilogue);
std::unique_ptr<ConvPass> make_depthwise_backward_data(const ConvShape& shape);
std::unique_ptr<ConvPass> make_depthwise_backward_weights(const ConvShape& shape);

}  // namespace nnfast
