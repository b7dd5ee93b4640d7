// The tile of most products of small networks: full, of one chain, with nothing to copy by the way and c near by.
//
// The tile that can do everything takes some 340 instructions from one loop over k to the next, and an Emerald Rapids
// 65 cycles in which it makes no products; 14×32 elements of k=32 have 448 cycles of those. Around this one there are
// 150, which the core works off while it still multiplies, and most of the 30 cycles left are stores of c. So nothing
// is asked of a tile that could be asked of all of those one below the other, and what changes from one to the next is
// handed over in registers.
#pragma once
#include "kernels/kernels.h"
#include "kernels/tiles.h"

namespace nnfast::NNFAST_ISA {
namespace {

// What tiles one below the other have in common.
struct Column {
  int64_t k, a_row, a_k;
  const float* b;
  int64_t b_k;
  const float* c;  // of the first row
  int64_t ldc;
  const float* bias;      // or null,
  const float* slope;     // or null; of the first row
  bool relu, accumulate;  // c += …
  // From one line that a tile asks for to the next, in either of two places.
  int64_t first_step, second_step;
};

// Whether with every kUnroll of k a tile asks for a line that will be read soon, or for another as well, which will be
// read, or written.
enum Asks { kNothing, kRead, kReadTwo, kReadAndWrite };

// The elements of a column that begin at c, with rows of a at `at`.
template <int MT, bool AlongRows, Asks Asked>
void plain_tile(const Column& column, const float* at, float* c, const float* first, const float* second) {
  constexpr int kGroups = AlongRows ? (MT + kReach - 1) / kReach : 1, kSums = MT * kTileVectors;
  const int64_t b_k = column.b_k, a_k = column.a_k;
  int64_t row1 = column.a_row, row2 = 2 * row1, b_k1 = b_k, b_k3 = 3 * b_k;
  const float* a[kGroups];
  static_for<kGroups>([&](auto g) NNFAST_LAMBDA { a[g] = at + kReach * g * row1; });
  const float* b = column.b;
  V acc[kSums];
  static_for<kSums>([&](auto i) NNFAST_LAMBDA { acc[i] = V{}; });
  auto steps = [&](auto n) NNFAST_LAMBDA {
    static_for<n>([&](auto u) NNFAST_LAMBDA {
      V bv[kTileVectors];
      static_for<kTileVectors>([&](auto j) NNFAST_LAMBDA {
        bv[j] = load(b + (u == 3 ? b_k3 : u * b_k1) + j * kLanes);
        hide(b_k1), hide(b_k3);
      });
      add_products_of<MT, AlongRows>(a, u, row1, row2, bv, acc);
      if constexpr (!AlongRows) a[0] += a_k;
    });
    if constexpr (AlongRows) static_for<kGroups>([&](auto g) NNFAST_LAMBDA { a[g] += n; });
    b += n * b_k;
  };
  int64_t whole = static_cast<uint64_t>(column.k) / kUnroll;
  const int64_t first_step = column.first_step, second_step = column.second_step;
  for (; whole > 0; --whole) {
    steps(Index<kUnroll>{});
    if constexpr (Asked != kNothing) __builtin_prefetch(first, 0, 2), first += first_step;
    if constexpr (Asked == kReadTwo) __builtin_prefetch(second, 0, 2), second += second_step;
    if constexpr (Asked == kReadAndWrite) __builtin_prefetch(second, 1), second += second_step;
  }
#pragma GCC unroll 1
  for (int64_t left = static_cast<uint64_t>(column.k) % kUnroll; left > 0; --left) steps(Index<1>{});

  const int64_t ldc = from_here(column.ldc);
  if (column.accumulate)
    static_for<MT>([&](auto i) NNFAST_LAMBDA {
      static_for<kTileVectors>([&](auto j) NNFAST_LAMBDA {
        V& sum = acc[i * kTileVectors + j];
        sum = load(c + i * ldc + j * kLanes) + sum;
      });
    });
  if (column.bias)
    static_for<kTileVectors>([&](auto j) NNFAST_LAMBDA {
      const V bias = load(column.bias + j * kLanes);
      static_for<MT>([&](auto i) NNFAST_LAMBDA { acc[i * kTileVectors + j] += bias; });
    });
  // In this order a NaN stays one.
  if (column.relu) static_for<kSums>([&](auto i) NNFAST_LAMBDA { acc[i] = max(V{}, acc[i]); });
  if (const float* slope = column.slope) {
    slope += c - column.c;
    static_for<MT>([&](auto i) NNFAST_LAMBDA {
      static_for<kTileVectors>([&](auto j) NNFAST_LAMBDA {
        V& sum = acc[i * kTileVectors + j];
        sum = select(load(slope + j * kLanes) > V{}, sum, V{});
      });
      slope += ldc;
    });
  }
  static_for<MT>([&](auto i) NNFAST_LAMBDA {
    static_for<kTileVectors>([&](auto j) NNFAST_LAMBDA { store(c + j * kLanes, acc[i * kTileVectors + j]); });
    c += ldc;
  });
}

using PlainTile = void (*)(const Column&, const float* a, float* c, const float* first, const float* second);

// of[rows - 1][along rows][what is asked for], where they have a use.
struct PlainTiles {
  PlainTile of[kTileRows][2][4];
};
template <int... R>
constexpr PlainTiles make_plain_tiles(Indices<R...>) {
  return {{{{plain_tile<R + 1, false, kNothing>, plain_tile<R + 1, false, kRead>, plain_tile<R + 1, false, kReadTwo>},
            {plain_tile<R + 1, true, kNothing>, plain_tile<R + 1, true, kRead>, nullptr,
             plain_tile<R + 1, true, kReadAndWrite>}}...}};
}
constexpr PlainTiles kPlainTiles = make_plain_tiles(MakeIndices<kTileRows>::type{});

// A column's tiles from row i on, of which a and c are given. Where `next` is not null, the first kAskingTiles after
// the very first ask for as many lines as k from either of its places, one place after the other.
constexpr int64_t kAskingTiles = 2 * kUnroll;
void plain_tiles(const Column& column, const Kernels::Gemm::Block& block, int64_t i, const float* a, float* c,
                 const float* const* next) {
  const int64_t m = block.m, height = block.height, a_panel = block.a_panel, c_panel = height * column.ldc;
  const auto& of = kPlainTiles.of[height - 1][block.a_k == 1];
  const PlainTile tile = of[kNothing];
  if (i == 0 && m >= height) {
    tile(column, a, c, nullptr, nullptr);
    i = height, a += a_panel, c += c_panel;
  }
  if (next) {
    const int64_t asked = column.k / kUnroll * column.first_step;
    for (int64_t t = 0; t < kAskingTiles && i + height <= m; ++t, i += height, a += a_panel, c += c_panel)
      of[kRead](column, a, c, next[t / kUnroll] + t % kUnroll * asked, nullptr);
  }
  for (; i + height <= m; i += height, a += a_panel, c += c_panel) tile(column, a, c, nullptr, nullptr);
  if (i < m) kPlainTiles.of[m - i - 1][block.a_k == 1][kNothing](column, a, c, nullptr, nullptr);
}

}  // namespace
}  // namespace nnfast::NNFAST_ISA
