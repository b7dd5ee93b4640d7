// Copies of the operands of a matrix product, in the order in which its tiles read them.
#pragma once
#include "kernels/packed_tile.h"
#include "kernels/tiles.h"
#include "kernels/transpose.h"

namespace nnfast::NNFAST_ISA {
namespace {

constexpr int64_t kFewElements = 4;  // of rows to transpose, for which vectors take longer

// Row by row over several panels at a time: along a row memory is read at its full speed, while a column of short
// stretches a power of two apart falls on the same lines of the caches.
void pack_columns(int64_t k, int64_t n, const float* __restrict b, int64_t ldb, float* __restrict out) {
  constexpr int64_t kWide = 8 * kTileColumns;
  for (int64_t begin = 0; begin < n; begin += kWide) {
    const int64_t end = at_most(n, begin + kWide), full = begin + (end - begin) / kTileColumns * kTileColumns;
    for (int64_t i = 0; i < k; ++i) {
      const float* row = b + i * ldb;
      float* to = out + begin * k + i * kTileColumns;
      for (int64_t j = begin; j < full; j += kTileColumns, to += k * kTileColumns)
        static_for<kTileVectors>([&](auto v) NNFAST_LAMBDA { store(to + v * kLanes, load(row + j + v * kLanes)); });
      if (full < end)
        static_for<kTileVectors>([&](auto v) NNFAST_LAMBDA {
          const int64_t left = end - full - v * kLanes;
          store(to + v * kLanes, left <= 0 ? V{} : load_first(row + full + v * kLanes, at_most(left, kLanes)));
        });
    }
  }
}

// One panel of n <= kTileColumns columns from as many rows of k. As few rows as fill a vector at a time: where they are
// a power of two apart, more of them drive each other out of a level-1 cache.
void pack_panel_transposed(int64_t k, int64_t n, const float* __restrict b, int64_t ldb, float* __restrict out) {
  if (k <= kFewElements) {
    for (int64_t i = 0; i < k; ++i)
      for (int64_t j = 0; j < kTileColumns; ++j) out[i * kTileColumns + j] = j < n ? b[j * ldb + i] : 0;
    return;
  }
  for (int64_t j = 0; j < kTileColumns; j += kLanes)
    for (int64_t i = 0; i < k; i += kLanes) {
      const int64_t depth = at_most(kLanes, k - i);
      V rows[kLanes];
      static_for<kLanes>([&](auto r) NNFAST_LAMBDA {
        const float* from = b + (j + r) * ldb + i;
        rows[r] = j + r >= n ? V{} : depth == kLanes ? load(from) : load_first(from, depth);
      });
      transpose(rows);
      float* to = out + i * kTileColumns + j;
      if (depth == kLanes)
        static_for<kLanes>([&](auto r) NNFAST_LAMBDA { store(to + r * kTileColumns, rows[r]); });
      else
        static_for<kLanes>([&](auto r) NNFAST_LAMBDA {
          if (r < depth) store(to + r * kTileColumns, rows[r]);
        });
    }
}

void pack(int64_t k, int64_t n, const float* b, int64_t ldb, bool transposed, float* out) {
  if (!transposed) return pack_columns(k, n, b, ldb, out);
  for (int64_t j = 0; j < n; j += kTileColumns, out += k * kTileColumns)
    pack_panel_transposed(k, at_most(kTileColumns, n - j), b + j * ldb, ldb, out);
}

void copy(int64_t n, const float* from, float* to) {
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    static_for<4>([&](auto v) NNFAST_LAMBDA { store(to + i + v * kLanes, load(from + i + v * kLanes)); });
  for (; i < n; i += kLanes) {
    const int64_t left = at_most(kLanes, n - i);
    store_first(to + i, load_first(from + i, left), left);
  }
}

// The rows of a panel side by side: a stretch of `height` elements for each k. Whole vectors are stored, but for the
// last k: what they write too much is overwritten by the next.
void pack_rows_by_k(int64_t m, int64_t k, int height, const float* a, int64_t lda, float* out, int64_t ldo) {
  for (int64_t i = 0; i < m; i += height) {
    const int64_t rows = at_most(height, m - i);
    for (int64_t p = 0; p < k; p += kLanes) {
      const int64_t depth = at_most(kLanes, k - p);
      V x[kLanes];
      static_for<kLanes>([&](auto r) NNFAST_LAMBDA {
        const float* from = a + (i + r) * lda + p;
        x[r] = r >= rows ? V{} : depth == kLanes ? load(from) : load_first(from, depth);
      });
      transpose(x);
      float* to = out + i * ldo + p * height;
      static_for<kLanes>([&](auto r) NNFAST_LAMBDA {
        if (p + r + 1 < k)
          store(to + r * height, x[r]);
        else if (r < depth)
          store_first(to + r * height, x[r], height);
      });
    }
  }
}

void pack_rows(int64_t m, int64_t k, int height, const float* a, int64_t lda, bool transposed, float* out,
               int64_t ldo) {
  if (!transposed) {
    if constexpr (kHasPackedTile) return pack_rows_by_k(m, k, height, a, lda, out, ldo);
    for (int64_t i = 0; i < m; ++i) copy(k, a + i * lda, out + i * ldo);
    return;
  }
  // A stretch of `height` elements for each panel and k. Whole vectors are stored: what they write too much belongs to
  // the stretch of the next k and is overwritten in its turn. At the ends nothing is read or written beyond.
  constexpr int kVectors = (kTileRows + kLanes - 1) / kLanes;
  for (int64_t p = 0; p < k; ++p)
    for (int64_t i = 0; i < m; i += height) {
      const float* from = a + p * lda + i;
      float* to = out + i * ldo + p * height;
      if (p + kVectors * kLanes < k && i + kVectors * kLanes <= m)
        static_for<kVectors>([&](auto v) NNFAST_LAMBDA { store(to + v * kLanes, load(from + v * kLanes)); });
      else
        copy(at_most(height, m - i), from, to);
    }
}

}  // namespace
}  // namespace nnfast::NNFAST_ISA
