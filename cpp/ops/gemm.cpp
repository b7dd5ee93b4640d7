#include "ops/gemm.h"

#include <algorithm>
#include <cstring>

#include "core/buffer.h"

namespace nnfast {

void Gemm::run(int phase, int64_t task, const Worker& worker, float* scratch, const GemmArgs& args) const {
  if (thin_) return multiply_thin(task, args);
  if (turned_) return multiply_turned(task, worker.scratch, args);
  if (share_a_ && phase == 0) return copy_rows(task, scratch, args);
  if (share_b_ && phase % 2 == 0) return pack(phase / 2, task, scratch, args);
  if (splits_ > 1 && phase == 1) return combine(task, scratch, args);
  const int64_t split = task % splits_, tile = task / splits_;
  const int64_t column_blocks = (spec_.n + block_columns_ - 1) / block_columns_;
  const int64_t row = (along_rows_ ? tile / column_blocks : tile % row_blocks_) * block_rows_;
  const int64_t column = (along_rows_ ? tile % column_blocks : tile / row_blocks_) * block_columns_;
  const Range rows{row, std::min(spec_.m, row + block_rows_)};
  const Range columns{column, std::min(spec_.n, column + block_columns_)};
  if (share_b_)
    return multiply(rows, columns, {phase / 2, phase / 2 + 1}, true, args.c, spec_.ldc, worker.scratch, scratch, args);
  if (splits_ == 1) return multiply(rows, columns, {0, slabs_}, true, args.c, spec_.ldc, worker.scratch, scratch, args);
  const Range slabs{slabs_ * split / splits_, slabs_ * (split + 1) / splits_};
  multiply(rows, columns, slabs, false, scratch + split * spec_.m * spec_.n, spec_.n, worker.scratch, nullptr, args);
}

void Gemm::multiply_thin(int64_t task, const GemmArgs& args) const {
  const bool rows = spec_.m <= kernels_->thin->most_rows;
  const int64_t begin = task * part_, end = std::min(begin + part_, std::max(spec_.m, spec_.n));
  Kernels::Thin::Product product;
  product.rows = static_cast<int>(std::min(spec_.m, spec_.n));
  product.n = end - begin;
  product.k = spec_.k;
  product.chain = chain_;
  if (rows) {
    product.x = args.a;
    product.x_row = spec_.transpose_a ? 1 : spec_.lda;
    product.x_k = spec_.transpose_a ? spec_.lda : 1;
    product.w = args.b + begin * (spec_.transpose_b ? spec_.ldb : 1);
    product.ldw = spec_.ldb;
    product.transposed = spec_.transpose_b;
    product.y = args.c + begin;
    product.y_row = spec_.ldc;
    product.y_column = 1;
  } else {  // cᵀ = bᵀ · aᵀ
    product.x = args.b;
    product.x_row = spec_.transpose_b ? spec_.ldb : 1;
    product.x_k = spec_.transpose_b ? 1 : spec_.ldb;
    product.w = args.a + begin * (spec_.transpose_a ? 1 : spec_.lda);
    product.ldw = spec_.lda;
    product.transposed = !spec_.transpose_a;
    product.y = args.c + begin * spec_.ldc;
    product.y_row = 1;
    product.y_column = spec_.ldc;
  }
  product.accumulate = args.accumulate;
  product.bias = spec_.bias ? rows ? args.bias + begin : args.bias : nullptr;
  product.bias_of_rows = !rows;
  kernels_->thin->product(product);

  const Range part{begin, end};
  if (rows)
    finish({0, spec_.m}, part, args);
  else
    finish(part, {0, spec_.n}, args);
}

void Gemm::multiply_turned(int64_t task, float* scratch, const GemmArgs& args) const {
  const int64_t begin = task * part_, end = std::min(begin + part_, spec_.m), n = spec_.n;
  float* c = args.c + begin * spec_.ldc;
  Kernels::Gemm::Block block{};
  block.m = n;
  block.n = end - begin;
  block.k = spec_.k;
  block.chain = chain_;
  block.height = height_;
  block.a = args.b;
  block.a_row = spec_.transpose_b ? spec_.ldb : 1;
  block.a_k = spec_.transpose_b ? 1 : spec_.ldb;
  block.a_panel = height_ * block.a_row;
  block.b = args.a + begin;
  block.b_k = spec_.lda;
  block.b_panel = kernels_->gemm->columns;
  block.panel = copy_b_ ? scratch + panel_ : nullptr;
  block.c = scratch;
  block.ldc = part_;
  block.accumulate = args.accumulate;
  if (args.accumulate) kernels_->move->transpose(block.n, n, c, spec_.ldc, scratch, part_);
  kernels_->gemm->block(block);
  kernels_->move->transpose(n, block.n, scratch, part_, c, spec_.ldc);
  finish({begin, end}, {0, n}, args);
}

// Some rows of a, read as they lie in memory, each cut into the slabs.
void Gemm::copy_rows(int64_t task, float* to, const GemmArgs& args) const {
  for (int64_t row = task * kCopiedRows; row < std::min(spec_.m, (task + 1) * kCopiedRows); ++row)
    for (int64_t slab = 0; slab < slabs_; ++slab) {
      const int64_t k = slab * depth_;
      kernels_->gemm->pack_rows(1, std::min(depth_, spec_.k - k), 1, args.a + row * spec_.lda + k, spec_.lda, false,
                                to + (slab * spec_.m + row) * ld_a_, ld_a_);
    }
}

// Some panels of a slab of b.
void Gemm::pack(int64_t slab, int64_t task, float* to, const GemmArgs& args) const {
  const int64_t k = slab * depth_, depth = std::min(depth_, spec_.k - k);
  const int64_t columns = kernels_->gemm->columns, width = packed_panels(columns) * columns, column = task * width;
  kernels_->gemm->pack(depth, std::min(width, spec_.n - column),
                       args.b + (spec_.transpose_b ? column * spec_.ldb + k : k * spec_.ldb + column), spec_.ldb,
                       spec_.transpose_b, to + column * depth);
}

void Gemm::multiply(Range rows, Range columns, Range slabs, bool last, float* c, int64_t ldc, float* scratch,
                    const float* shared, const GemmArgs& args) const {
  const Kernels::Gemm& gemm = *kernels_->gemm;
  Kernels::Gemm::Block block;
  block.m = rows.size();
  block.n = columns.size();
  block.chain = chain_;
  block.height = height_;
  block.c = c + rows.begin * ldc + columns.begin;
  block.ldc = ldc;
  float *packed_b = scratch + panel_, *other_b = packed_b + group_ * gemm.columns * depth_;
  for (int64_t slab = slabs.begin; slab < slabs.end; ++slab) {
    const int64_t begin = slab * depth_;
    block.k = std::min(spec_.k - begin, depth_);
    block.a = args.a + (spec_.transpose_a ? begin * spec_.lda + rows.begin : rows.begin * spec_.lda + begin);
    block.a_row = spec_.transpose_a ? 1 : spec_.lda;
    block.a_k = spec_.transpose_a ? spec_.lda : 1;
    block.a_panel = height_ * block.a_row;
    if (copy_a_) {
      if (share_a_) {
        block.a = shared + slab * block.m * ld_a_;
        block.ahead[0] = block.a + 2 * height_ * ld_a_;
        block.ahead_lines[0] = (block.m - 2 * height_) * ld_a_ / kLine;
      } else {
        gemm.pack_rows(block.m, block.k, height_, block.a, spec_.lda, spec_.transpose_a, scratch, ld_a_);
        block.a = scratch;
      }
      const bool by_k = spec_.transpose_a || gemm.rows_by_k;
      block.a_row = by_k ? 1 : ld_a_;
      block.a_k = by_k ? height_ : 1;
      block.a_panel = height_ * ld_a_;
    }
    if (share_b_) {
      block.b = shared + columns.begin * block.k;
      block.b_k = gemm.columns;
      block.b_panel = gemm.columns * block.k;
    } else {
      block.b = args.b + (spec_.transpose_b ? columns.begin * spec_.ldb + begin : begin * spec_.ldb + columns.begin);
      block.b_k = spec_.ldb;
      block.b_panel = spec_.transpose_b ? gemm.columns * spec_.ldb : gemm.columns;
      block.b_transposed = spec_.transpose_b;
      block.panel = copy_b_ ? scratch + panel_ : nullptr;
      block.after = copy_b_ && group_ == 0 && slab + 1 < slabs.end
                        ? block.b + (spec_.transpose_b ? block.k : block.k * spec_.ldb)
                        : nullptr;
    }
    block.rows_first = rows_first_;
    block.far_c = far_c_;
    const bool epilogue = last && slab + 1 == slabs_;
    block.accumulate = slab > slabs.begin || (last && args.accumulate) || (share_b_ && slab > 0);
    block.bias = epilogue && spec_.bias ? args.bias + columns.begin : nullptr;
    block.relu = epilogue && relu_in_registers_;
    block.slope = epilogue && slope_in_registers_ ? args.derivative_y + rows.begin * ldc + columns.begin : nullptr;
    if (args.update) {
      gemm.block_and_step(block, args.update->from(block.c - args.c));
      continue;
    }
    if (group_ > 0) {
      // The first group of all, unless one tile alone uses each of its panels, is copied while it is used.
      const bool first = slab == slabs.begin, on_the_way = first && block.m > height_;
      if (first && !on_the_way)
        gemm.pack(block.k, std::min(block.n, group_ * gemm.columns), block.b, spec_.ldb, false, packed_b);
      multiply_groups(block, on_the_way, slab + 1 == slabs.end ? 0 : std::min(spec_.k - begin - depth_, depth_),
                      packed_b, other_b);
    } else {
      gemm.block(block);
    }
    if (epilogue && !epilogue_in_registers_) finish(rows, columns, args);
  }
}

// Several panels of b are copied at once, into two buffers in turns: those that come next, the first of the next slab
// after the last of this one, while products are made with the others.
void Gemm::multiply_groups(Kernels::Gemm::Block block, bool first_in_place, int64_t next_depth, float*& packed,
                           float*& other) const {
  const Kernels::Gemm& gemm = *kernels_->gemm;
  const int64_t n = block.n, width = group_ * gemm.columns;
  const float* b = block.b;
  block.next_k = spec_.ldb;
  for (int64_t j = 0; j < n; j += width) {
    block.n = std::min(width, n - j);
    const bool in_place = first_in_place && j == 0;
    block.b = in_place ? b : packed;
    block.b_k = in_place ? spec_.ldb : gemm.columns;
    block.b_panel = in_place ? gemm.columns : gemm.columns * block.k;
    block.panel = in_place ? packed : nullptr;
    const bool more = j + width < n;
    block.next = more ? b + j + width : next_depth > 0 ? b + block.k * spec_.ldb : nullptr;
    block.next_rows = more ? block.k : next_depth;
    const int64_t next_n = std::min(width, more ? n - j - width : n);
    block.next_panels = next_n / gemm.columns;
    block.next_copy = other;
    gemm.block(block);
    const int64_t whole = block.next_panels * gemm.columns;
    if (block.next && whole < next_n)
      gemm.pack(block.next_rows, next_n - whole, block.next + whole, spec_.ldb, false, other + whole * block.next_rows);
    std::swap(packed, other);
    block.c += width;
    if (block.bias) block.bias += width;
    if (block.slope) block.slope += width;
  }
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
