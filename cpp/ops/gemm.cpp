#include "ops/gemm.h"

#include <algorithm>
#include <cstring>

#include "core/buffer.h"
#include "dispatch/dispatch.h"

namespace nnfast {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Parts of equal size but for the last, their size a multiple of unit.
int64_t even_part(int64_t whole, int64_t largest, int64_t unit) {
  const int64_t parts = std::max<int64_t>(1, ceil_div(whole, largest));
  return std::max(unit, round_up(ceil_div(whole, parts), unit));
}

// Nanoseconds on one thread of a 3.7 GHz Zen 4 core: for a product and sum; to copy an element of a, as it lies or
// transposed, and of b; to write one of c.
constexpr double kProduct = 1 / 57.0;
constexpr double kCopyA = 0.10, kCopyTransposedA = 0.15, kCopyB = 0.03, kCopyTransposedB = 0.22;
constexpr double kWrite = 0.1;
constexpr double kCall = 50;

constexpr int64_t kBlockOfA = 112 << 10;  // elements: less than half of a 1 MB level-2 cache

}  // namespace

Gemm::Gemm(const GemmSpec& spec) : spec_(spec), kernels_(&kernels()) {
  const int64_t m = spec.m, n = spec.n, k = spec.k;
  check(m >= 0 && n >= 0 && k >= 0, "a matrix product has no negative sizes, received m=", m, ", n=", n, ", k=", k);
  if (spec_.lda == 0) spec_.lda = spec.transpose_a ? m : k;
  if (spec_.ldb == 0) spec_.ldb = spec.transpose_b ? k : n;
  if (spec_.ldc == 0) spec_.ldc = n;
  relu_in_registers_ = spec.activation == Activation::relu && !spec.keep_z;
  slope_in_registers_ = spec.derivative == Activation::relu && spec.activation == Activation::linear;
  epilogue_in_registers_ = (spec.activation == Activation::linear || relu_in_registers_) &&
                           (spec.derivative == Activation::linear || slope_in_registers_);

  const int64_t rows = kernels_->gemm->rows, columns = kernels_->gemm->columns;
  depth_ = even_part(k, kernels_->gemm->chain, 8);
  blocks_ = std::max<int64_t>(1, ceil_div(k, depth_));
  const int64_t row_panels = ceil_div(m, rows), column_panels = ceil_div(n, columns);
  if (m == 0 || n == 0) {
    phases_ = {{0, 0}};
    return;
  }
  // Rows of a that are a multiple of 2 KB apart fall on the same lines of a level-1 cache and drive each other out.
  const bool rows_collide = row_panels * rows > 8 && k > 32 && spec_.lda % 512 == 0;
  copy_a_ = column_panels > 1 && (spec.transpose_a ? m * k > 8192 : rows_collide);
  copy_b_ = spec.transpose_b || (row_panels > 3 && spec_.ldb * k > 4096);

  const double cost = kCall + kProduct * m * n * k + kWrite * m * n * blocks_;
  split(row_panels, column_panels, cost);
  phases_.push_back({row_blocks_ * ceil_div(n, block_columns_) * splits_, cost});
  if (splits_ > 1) {
    scratch_ = splits_ * m * n;
    phases_.push_back({m, kWrite * m * n * splits_});
  }
  if (copy_a_) panel_ = round_up(round_up(block_rows_, height_) * depth_, kLine);
  worker_scratch_ = panel_ + (copy_b_ ? columns * depth_ : 0);
}

// Into tasks: enough of them for the work, of equal size, so that little is copied.
void Gemm::split(int64_t row_panels, int64_t column_panels, double cost) {
  const int64_t m = spec_.m, n = spec_.n, columns = kernels_->gemm->columns;
  const int64_t wanted = cost < 2e4 ? 1 : cost < 1e5 ? 4 : cost < 1e7 ? 8 : 16;
  if (spec_.split_k && blocks_ > 1 && wanted > 1 && row_panels * column_panels < 2 * wanted)
    splits_ = std::min(blocks_, wanted);

  const double copy_a = !copy_a_ ? 0 : spec_.transpose_a ? kCopyTransposedA : kCopyA;
  const double copy_b = !copy_b_ ? 0 : spec_.transpose_b ? kCopyTransposedB : kCopyB;
  const int64_t fewest = std::min(row_panels, ceil_div(m * depth_, kBlockOfA));
  double best = 0;
  for (int64_t row_blocks = 1; row_blocks <= row_panels; ++row_blocks) {
    if (row_blocks < fewest) continue;
    const int64_t column_blocks = std::min(column_panels, std::max<int64_t>(1, wanted / splits_ / row_blocks));
    const int64_t panels = ceil_div(row_panels, row_blocks);
    const int64_t height = ceil_div(m, panels * row_blocks);
    const int64_t block_rows = panels * height, block_columns = ceil_div(column_panels, column_blocks) * columns;
    const int64_t tasks = ceil_div(m, block_rows) * ceil_div(n, block_columns);
    const double task = kProduct * block_rows * block_columns + copy_a * block_rows + copy_b * block_columns;
    // Two tasks more than threads lose little where sizes differ; too few tasks leave threads without work.
    const double time = task * std::max(tasks, wanted / splits_);
    if (best == 0 || time < best) {
      best = time;
      height_ = static_cast<int>(height);
      block_rows_ = block_rows;
      block_columns_ = block_columns;
      row_blocks_ = ceil_div(m, block_rows);
    }
    if (row_blocks >= std::max(fewest, wanted)) break;
  }
}

void Gemm::run(int phase, int64_t task, const Worker& worker, float* scratch, const GemmArgs& args) const {
  if (phase == 1) return combine(task, scratch, args);
  const int64_t split = task % splits_, tile = task / splits_;
  const int64_t row = tile % row_blocks_ * block_rows_, column = tile / row_blocks_ * block_columns_;
  const Range rows{row, std::min(spec_.m, row + block_rows_)};
  const Range columns{column, std::min(spec_.n, column + block_columns_)};
  if (splits_ == 1) return multiply(rows, columns, {0, blocks_}, true, args.c, spec_.ldc, worker.scratch, args);
  const Range blocks{blocks_ * split / splits_, blocks_ * (split + 1) / splits_};
  multiply(rows, columns, blocks, false, scratch + split * spec_.m * spec_.n, spec_.n, worker.scratch, args);
}

void Gemm::multiply(Range rows, Range columns, Range blocks, bool last, float* c, int64_t ldc, float* scratch,
                    const GemmArgs& args) const {
  const Kernels::Gemm& gemm = *kernels_->gemm;
  Kernels::Gemm::Block block;
  block.m = rows.size();
  block.n = columns.size();
  block.height = height_;
  block.b_k = spec_.ldb;
  block.b_panel = spec_.transpose_b ? gemm.columns * spec_.ldb : gemm.columns;
  block.b_transposed = spec_.transpose_b;
  block.panel = copy_b_ ? scratch + panel_ : nullptr;
  block.c = c + rows.begin * ldc + columns.begin;
  block.ldc = ldc;
  for (int64_t index = blocks.begin; index < blocks.end; ++index) {
    const int64_t begin = index * depth_;
    block.k = std::min(spec_.k - begin, depth_);
    block.a = args.a + (spec_.transpose_a ? begin * spec_.lda + rows.begin : rows.begin * spec_.lda + begin);
    block.b = args.b + (spec_.transpose_b ? columns.begin * spec_.ldb + begin : begin * spec_.ldb + columns.begin);
    if (copy_a_) {
      gemm.pack_rows(block.m, block.k, height_, block.a, spec_.lda, spec_.transpose_a, scratch);
      block.a = scratch;
      block.a_row = spec_.transpose_a ? 1 : block.k;
      block.a_k = spec_.transpose_a ? height_ : 1;
      block.a_panel = height_ * block.k;
    } else {
      block.a_row = spec_.transpose_a ? 1 : spec_.lda;
      block.a_k = spec_.transpose_a ? spec_.lda : 1;
      block.a_panel = height_ * block.a_row;
    }
    const bool epilogue = last && index + 1 == blocks.end;
    block.accumulate = index > blocks.begin || (last && args.accumulate);
    block.bias = epilogue && spec_.bias ? args.bias + columns.begin : nullptr;
    block.relu = epilogue && relu_in_registers_;
    block.slope = epilogue && slope_in_registers_ ? args.derivative_y + rows.begin * ldc + columns.begin : nullptr;
    gemm.block(block);
  }
  if (last && !epilogue_in_registers_) finish(rows, columns, args);
}

// One row of c from the partial sums, in their order.
void Gemm::combine(int64_t row, const float* partials, const GemmArgs& args) const {
  const int64_t n = spec_.n;
  float* c = args.c + row * spec_.ldc;
  for (int64_t j = 0; j < n; ++j) {
    float sum = partials[row * n + j];
    for (int64_t split = 1; split < splits_; ++split) sum += partials[(split * spec_.m + row) * n + j];
    if (args.accumulate) sum += c[j];
    if (spec_.bias) sum += args.bias[j];
    c[j] = sum;
  }
  finish({row, row + 1}, {0, n}, args);
}

// The part of the epilogue that is not done in registers, on a block of c that is still in cache.
void Gemm::finish(Range rows, Range columns, const GemmArgs& args) const {
  const auto& activations = *kernels_->activations;
  const bool dense = columns.size() == spec_.ldc;  // then the rows are one run
  const int64_t runs = dense ? 1 : rows.size(), n = dense ? rows.size() * columns.size() : columns.size();
  for (int64_t run = 0; run < runs; ++run) {
    const int64_t at = (rows.begin + run) * spec_.ldc + columns.begin;
    float* c = args.c + at;
    if (spec_.activation != Activation::linear) {
      if (spec_.keep_z) std::memcpy(args.z + at, c, n * sizeof(float));
      activations.forward[static_cast<int>(spec_.activation)](n, c, c, spec_.alpha);
    }
    if (spec_.derivative != Activation::linear)
      activations.backward[static_cast<int>(spec_.derivative)](n, args.derivative_z ? args.derivative_z + at : nullptr,
                                                               args.derivative_y ? args.derivative_y + at : nullptr, c,
                                                               c, spec_.derivative_alpha);
  }
}

}  // namespace nnfast
