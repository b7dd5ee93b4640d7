#include "ops/conv_pass.h"

#include <algorithm>

#include "dispatch/dispatch.h"

namespace nnfast {

void activate(const ConvEpilogue& epilogue, const float* out, float* activated, int64_t rows, int64_t columns,
              int64_t ld) {
  if (epilogue.activation == Activation::linear) return;
  const auto f = kernels().activations->forward[static_cast<int>(epilogue.activation)];
  if (columns == ld) {
    f(rows * columns, out, activated, epilogue.alpha);
    return;
  }
  for (int64_t row = 0; row < rows; ++row) f(columns, out + row * ld, activated + row * ld, epilogue.alpha);
}

int64_t MomentParts::part_rows(int64_t width, int64_t rows) {
  return std::clamp<int64_t>(kPixels / std::max<int64_t>(1, width), 1, rows);
}

void MomentParts::add(int64_t rows, int64_t part_rows, int64_t width) {
  for (int64_t row = 0; row < rows; row += part_rows) counts.push_back(std::min(part_rows, rows - row) * width);
}

void MomentParts::take(float* moments, int64_t part, int64_t count, int64_t column, int64_t columns, const float* out,
                       int64_t channels) {
  float* mean = at(moments, part, channels) + column;
  kernels().norm->moments(count, columns, out, channels, mean, mean + row(channels));
}

void sum_parts(const float* parts, int64_t count, int64_t stride, int64_t n, int64_t task, int64_t tasks, float* out) {
  const int64_t share = round_up(ceil_div(n, tasks), kLine), begin = std::min(n, task * share);
  kernels().conv->column_sums(count, std::min(share, n - begin), parts + begin, stride, out + begin);
}

void multiply(Kernels::Gemm::Block block, const float* bias, bool relu) {
  const int64_t depth = block.k, part = even_part(depth, kernels().gemm->chain, 8);
  for (int64_t k = 0; k < depth; k += part) {
    block.k = std::min(part, depth - k);
    const bool last = k + block.k == depth;
    block.bias = last ? bias : nullptr;
    block.relu = last && relu;
    kernels().gemm->block(block);
    block.a += block.k * block.a_k;
    block.b += block.k * block.b_k;
    block.accumulate = true;
  }
}

void multiply_transposed(int64_t m, int64_t n, int64_t k, const float* a, int64_t lda, const float* b, int64_t ldb,
                         bool accumulate, float* c) {
  Kernels::Gemm::Block block = gemm_block(m, n, k);
  block.a = a;
  block.a_row = 1;
  block.a_k = lda;
  block.a_panel = block.height;
  block.b = b;
  block.b_k = ldb;
  block.b_panel = kernels().gemm->columns;
  block.c = c;
  block.ldc = n;
  block.accumulate = accumulate;
  multiply(block);
}

void repeat_row(const float* row, int64_t n, int64_t count, float* out, int64_t ld) {
  for (int64_t i = 0; i < count; ++i) std::copy_n(row, n, out + i * ld);
}

void RowSum::add(const float* patches) {
  rows_[sum_.num_rows++] = patches;
  if (sum_.num_rows == kMost) take();
}

void RowSum::finish() {
  if (sum_.num_rows > 0 || !sum_.accumulate) take();
}

void RowSum::take() {
  kernels().conv->sum_patches(sum_);
  sum_.num_rows = 0;
  sum_.accumulate = true;
}

int64_t patch_stride(int64_t depth) {
  const int64_t lanes = kernels().lanes;
  const int64_t ld = round_up(depth + lanes - 1, kLine);
  return ld % 256 == 0 ? ld + kLine : ld;
}

Kernels::Gemm::Block gemm_block(int64_t m, int64_t n, int64_t k) {
  Kernels::Gemm::Block block{};
  block.m = m;
  block.n = n;
  block.k = k;
  block.chain = kernels().gemm->chain;
  block.height = static_cast<int>(even_part(m, kernels().gemm->rows));
  return block;
}

}  // namespace nnfast
