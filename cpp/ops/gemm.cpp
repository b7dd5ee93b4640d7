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

constexpr double kFlopsPerNs = 100;  // of one thread
constexpr double kPackPerNs = 2;     // elements

}  // namespace

Gemm::Gemm(const GemmSpec& spec) : spec_(spec), all_kernels_(&kernels()), kernels_(kernels().gemm) {
  const int64_t m = spec.m, n = spec.n, k = spec.k;
  check(m >= 0 && n >= 0 && k >= 0, "a matrix product has no negative sizes, received m=", m, ", n=", n, ", k=", k);
  if (spec_.lda == 0) spec_.lda = spec.transpose_a ? m : k;
  if (spec_.ldb == 0) spec_.ldb = spec.transpose_b ? k : n;
  if (spec_.ldc == 0) spec_.ldc = n;

  const int64_t rows = kernels_->rows, columns = kernels_->columns;
  depth_ = even_part(k, kernels_->chain, 8);
  blocks_ = std::max<int64_t>(1, ceil_div(k, depth_));
  height_ = static_cast<int>(even_part(m, rows, 1));
  if (m == 0 || n == 0) {
    work_ = {Work::multiply};
    phases_ = {{0, 0}};
    return;
  }
  relu_in_registers_ = spec.activation == Activation::relu && !spec.keep_z;
  slope_in_registers_ = spec.derivative == Activation::relu && spec.activation == Activation::linear;
  epilogue_in_registers_ = (spec.activation == Activation::linear || relu_in_registers_) &&
                           (spec.derivative == Activation::linear || slope_in_registers_);
  const double cost = 2.0 * m * n * k / kFlopsPerNs + m * n * 0.1 + 50;

  block_rows_ = even_part(m, 16 * height_, height_);
  block_columns_ = even_part(n, 384, columns);
  while (block_rows_ > 4 * height_ && ceil_div(m, block_rows_) * ceil_div(n, block_columns_) < 8 && cost > 1e5)
    block_rows_ = even_part(block_rows_, block_rows_ / 2, height_);
  while (block_columns_ > columns && ceil_div(m, block_rows_) * ceil_div(n, block_columns_) < 8 && cost > 2e4)
    block_columns_ = even_part(block_columns_, block_columns_ / 2, columns);
  const int64_t tasks = ceil_div(m, block_rows_) * ceil_div(n, block_columns_);
  if (spec.split_k && tasks < 8 && blocks_ > 1 && cost > 5e4) splits_ = std::min<int64_t>(blocks_, 8);

  const int64_t row_panels = ceil_div(m, height_), column_panels = ceil_div(n, columns);
  const bool pack_b = spec.transpose_b || (row_panels > 3 && k * n > 64 * 64);
  pack_b_ = pack_b && m > block_rows_;
  pack_b_in_task_ = pack_b && !pack_b_;
  pack_a_ = column_panels > 3 && m * k > 64 * 64;
  if (pack_a_) {
    packed_a_ = scratch_;
    scratch_ += round_up(row_panels * height_ * k, kLine);
    work_.push_back(Work::pack_a);
    phases_.push_back({row_panels, m * k / kPackPerNs});
  }
  if (pack_b_) {
    packed_b_ = scratch_;
    scratch_ += round_up(column_panels * columns * k, kLine);
    work_.push_back(Work::pack_b);
    phases_.push_back({column_panels * blocks_, n * k / kPackPerNs});
  }
  if (pack_b_in_task_) worker_scratch_ = block_columns_ * depth_;
  work_.push_back(Work::multiply);
  phases_.push_back({tasks * splits_, cost});
  if (splits_ > 1) {
    partials_ = scratch_;
    scratch_ += splits_ * m * n;
    work_.push_back(Work::combine);
    phases_.push_back({m, m * n * splits_ * 0.2});
  }
}

Gemm::Range Gemm::depth(int64_t block) const {
  return {std::min(spec_.k, block * depth_), std::min(spec_.k, (block + 1) * depth_)};
}

void Gemm::run(int phase, int64_t task, const Worker& worker, float* scratch, const GemmArgs& args) const {
  switch (work_[phase]) {
    case Work::pack_a:
      return pack_a(task, scratch + packed_a_, args);
    case Work::pack_b:
      return pack_b(task, scratch + packed_b_, args);
    case Work::multiply:
      return multiply(task, worker, scratch, args);
    case Work::combine:
      return combine(task, scratch + partials_, args);
  }
}

// Packed a: for each block of k, all row panels; packed b likewise all column panels.
void Gemm::pack_a(int64_t task, float* packed, const GemmArgs& args) const {
  const int64_t row = task * height_, rows = std::min<int64_t>(height_, spec_.m - row);
  const int64_t all_rows = ceil_div(spec_.m, height_) * height_;
  for (int64_t block = 0; block < blocks_; ++block) {
    const Range d = depth(block);
    const float* from = spec_.transpose_a ? args.a + d.begin * spec_.lda + row : args.a + row * spec_.lda + d.begin;
    kernels_->pack_rows(rows, d.size(), height_, from, spec_.lda, spec_.transpose_a,
                        packed + d.begin * all_rows + row * d.size());
  }
}

void Gemm::pack_b(int64_t task, float* packed, const GemmArgs& args) const {
  const int64_t panels = ceil_div(spec_.n, kernels_->columns), all_columns = panels * kernels_->columns;
  const int64_t column = task % panels * kernels_->columns;
  const Range d = depth(task / panels);
  const float* from = spec_.transpose_b ? args.b + column * spec_.ldb + d.begin : args.b + d.begin * spec_.ldb + column;
  kernels_->pack(d.size(), std::min<int64_t>(kernels_->columns, spec_.n - column), from, spec_.ldb, spec_.transpose_b,
                 packed + d.begin * all_columns + column * d.size());
}

void Gemm::multiply(int64_t task, const Worker& worker, float* scratch, const GemmArgs& args) const {
  const int64_t split = task % splits_, tile = task / splits_;
  const int64_t row_blocks = ceil_div(spec_.m, block_rows_);
  const int64_t row = tile % row_blocks * block_rows_, column = tile / row_blocks * block_columns_;
  const Range rows{row, std::min(spec_.m, row + block_rows_)};
  const Range columns{column, std::min(spec_.n, column + block_columns_)};
  if (splits_ == 1)
    return multiply_block(rows, columns, {0, blocks_}, args.accumulate, true, args.c, spec_.ldc, worker, scratch, args);
  const Range blocks{blocks_ * split / splits_, blocks_ * (split + 1) / splits_};
  multiply_block(rows, columns, blocks, false, false, scratch + partials_ + split * spec_.m * spec_.n, spec_.n, worker,
                 scratch, args);
}

void Gemm::multiply_block(Range rows, Range columns, Range blocks, bool accumulate, bool last, float* c, int64_t ldc,
                          const Worker& worker, const float* scratch, const GemmArgs& args) const {
  const int64_t width = kernels_->columns;
  Kernels::Gemm::Block block;
  block.m = rows.size();
  block.n = columns.size();
  block.height = height_;
  block.c = c + rows.begin * ldc + columns.begin;
  block.ldc = ldc;
  for (int64_t index = blocks.begin; index < blocks.end; ++index) {
    const Range d = depth(index);
    block.k = d.size();
    if (pack_a_) {
      block.a = scratch + packed_a_ + d.begin * ceil_div(spec_.m, height_) * height_ + rows.begin * d.size();
      block.a_row = spec_.transpose_a ? 1 : d.size();
      block.a_k = spec_.transpose_a ? height_ : 1;
      block.a_panel = height_ * d.size();
    } else if (spec_.transpose_a) {
      block.a = args.a + d.begin * spec_.lda + rows.begin;
      block.a_row = 1;
      block.a_k = spec_.lda;
      block.a_panel = height_;
    } else {
      block.a = args.a + rows.begin * spec_.lda + d.begin;
      block.a_row = spec_.lda;
      block.a_k = 1;
      block.a_panel = height_ * spec_.lda;
    }
    if (pack_b_) {
      block.b = scratch + packed_b_ + d.begin * ceil_div(spec_.n, width) * width + columns.begin * d.size();
      block.b_k = width;
      block.b_panel = width * d.size();
    } else if (pack_b_in_task_) {
      const float* from = spec_.transpose_b ? args.b + columns.begin * spec_.ldb + d.begin
                                            : args.b + d.begin * spec_.ldb + columns.begin;
      kernels_->pack(d.size(), columns.size(), from, spec_.ldb, spec_.transpose_b, worker.scratch);
      block.b = worker.scratch;
      block.b_k = width;
      block.b_panel = width * d.size();
    } else {
      block.b = args.b + d.begin * spec_.ldb + columns.begin;
      block.b_k = spec_.ldb;
      block.b_panel = width;
    }
    const bool epilogue = last && index + 1 == blocks.end;
    const bool relu = epilogue && relu_in_registers_, slope = epilogue && slope_in_registers_;
    block.accumulate = accumulate || index > blocks.begin;
    block.bias = epilogue && spec_.bias ? args.bias + columns.begin : nullptr;
    block.relu = relu;
    block.slope = slope ? args.derivative_y + rows.begin * ldc + columns.begin : nullptr;
    kernels_->block(block);
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
  const auto& activations = *all_kernels_->activations;
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
