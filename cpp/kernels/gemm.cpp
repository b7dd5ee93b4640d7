// Matrix products: the register tile, and the loops over a block.
//
// The scheme is that of Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008); the tile
// reads a through two strides, so one function serves a in place, transposed in place and packed. (On AVX2 a full tile
// of packed operands has a loop of its own.)
#include "kernels/kernels.h"
#include "kernels/pack.h"
#include "kernels/packed_tile.h"
#include "kernels/plain_tile.h"
#include "kernels/simd.h"
#include "kernels/tiles.h"

namespace nnfast::NNFAST_ISA {
namespace {

using Block = Kernels::Gemm::Block;

constexpr int64_t kLineOfFloats = 16;
constexpr bool kWide = kTileColumns > kLineOfFloats;  // where a tile's loop has instructions to spare
// How many times kUnroll a tile makes before it asks for what will be wanted soon. On Emerald Rapids requests with
// every second k, of what is not in a level-2 cache, keep the operands waiting: with every eighth, products with large
// matrices take 1 to 4 % less time. Not where a line is read for each few products, all of which must be asked for:
// often.
constexpr int kEvery = kWide ? 4 : 1;
constexpr int64_t kAskDepth = kEvery * kUnroll;

constexpr int64_t kRowsAhead = 8, kRowsAheadTogether = 4;  // of one panel, of several at once
// The most k for which a tile asks for c of the next one, and not of its own all at once: that takes the place of what
// its own products wait for, until they are half done.
constexpr int64_t kSpreadDepth = 256;
constexpr int64_t kHandy = 8 << 10;  // elements: of b, which has room in a level-1 cache
constexpr int kMostAsked = kWide ? 8 : 1, kStreamed = kWide ? 2 : 1;  // of Ahead::asked

// Panels of b that are copied while tiles are made, a row of them every so often, so that products go on while memory
// answers. A row is asked for some rows before its copy, no more: asked for in bursts, or before they have room in a
// level-1 cache, where rows a power of two apart have little, lines are given up again.
struct Copying {
  const float* from;
  int64_t ld;
  float* to;
  int64_t panels, panel;  // and from one copied panel to the next
  int64_t rows;           // for the next tile to copy
  int64_t ahead() const { return panels == 1 ? kRowsAhead : kRowsAheadTogether; }
};
NNFAST_INLINE void ask_row(const float* row, int64_t columns) {
  for (int64_t j = 0; j < columns; j += kLineOfFloats) __builtin_prefetch(row + j);
  __builtin_prefetch(row + columns - 1);
}
NNFAST_INLINE void copy_row(Copying& c) {
  ask_row(c.from + c.ahead() * c.ld, c.panels * kTileColumns);
  const float* from = c.from;
  float* to = c.to;
  for (int64_t p = 0; p < c.panels; ++p, from += kTileColumns, to += c.panel)
    static_for<kTileVectors>([&](auto v) NNFAST_LAMBDA { store(to + v * kLanes, load(from + v * kLanes)); });
  c.from += c.ld;
  c.to += kTileColumns;
}

// One register tile of a block.
struct Tile {
  const Block& block;
  const float* a;
  const float* b;
  int64_t b_k;
  float* c;
  const float* bias;
  const float* slope;
  int64_t columns;
  float* sum;                     // as many elements as a tile has, side by side
  float* copy = nullptr;          // or where the columns of b are copied to, kTileColumns apart
  const Ahead* ahead = nullptr;   // or what is asked for, from one place
  int aheads = 1;                 // after the other
  Copying* copying = nullptr;     // or its rows are copied in the first chain
  bool asks_c = false;            // c is asked for before the first product, having not been before
  const float* next_c = nullptr;  // or c of the next tile, whose rows are asked for one by one: in one chain alone
  int64_t next_rows = 0;
};

// MT rows, NV vectors of columns, of which the last may be partial. Packed: a full tile, whose a lies k by k and whose
// b row by row.
template <int MT, int NV, bool Partial, bool Packed = false>
void tile(const Tile& t) {
  const Block& block = t.block;
  const int64_t last = t.columns - (NV - 1) * kLanes;  // in the last vector
  auto load_row = [&](const float* row, auto j) NNFAST_LAMBDA {
    if constexpr (Partial && j == NV - 1)
      return load_first(row + j * kLanes, last);
    else
      return load(row + j * kLanes);
  };

  // What the chains before the one in the making add up to: in memory, since the registers are taken.
  float* c = t.c;
  float* sum = t.sum;
  // Asked for here, what the end needs arrives while the first chain is made.
  auto ask_rows = [&](const float* x, auto write) NNFAST_LAMBDA {
    const int64_t ldc = from_here(block.ldc);
    static_for<MT>([&](auto i) NNFAST_LAMBDA {
      for (int64_t j = 0; j < NV * kLanes; j += kLineOfFloats)
        __builtin_prefetch(x + i * ldc + j, decltype(write)::value);
      __builtin_prefetch(x + i * ldc + t.columns - 1, decltype(write)::value);
    });
  };
  if (block.accumulate || t.asks_c) ask_rows(c, Index<1>{});
  if (t.slope && block.far_c) ask_rows(t.slope, Index<0>{});

  constexpr int kGroups = (MT + kReach - 1) / kReach, kSteps = Partial ? 1 : kUnroll;
  const float* a[kGroups];
  static_for<kGroups>([&](auto g) NNFAST_LAMBDA { a[g] = t.a + kReach * g * block.a_row; });
  const float* b = t.b;
  float* copy = t.copy;
  const Ahead* list = t.ahead;
  Ahead ahead{};
  if (list) ahead = *list;
  V acc[MT * NV];
  auto products = [&](int64_t depth, auto along_rows) NNFAST_LAMBDA {
    const int64_t a_k = from_here(block.a_k), b_k = from_here(t.b_k);
    int64_t row1 = from_here(block.a_row), row2 = 2 * row1, b_k1 = b_k, b_k3 = 3 * b_k;
    auto step = [&](auto u, float* to) NNFAST_LAMBDA {
      static_assert(u < 4);
      V bv[NV];
      static_for<NV>([&](auto j) NNFAST_LAMBDA {
        bv[j] = load_row(b + (u == 3 ? b_k3 : u * b_k1), j);
        hide(b_k1), hide(b_k3);
      });
      if (to) static_for<NV>([&](auto j) NNFAST_LAMBDA { store(to + j * kLanes, bv[j]); });
      add_products_of<MT, along_rows>(a, u, row1, row2, bv, acc);
      if constexpr (!along_rows) a[0] += a_k;
    };
    auto steps = [&](auto n, float* to = nullptr) NNFAST_LAMBDA {
      static_for<n>([&](auto u) NNFAST_LAMBDA { step(u, to); });
      if constexpr (along_rows) static_for<kGroups>([&](auto g) NNFAST_LAMBDA { a[g] += n; });
      b += n * b_k;
    };
    if constexpr (Packed) {
      int64_t fours = depth / kUnroll;
      auto some = [&](int64_t n, auto asking) NNFAST_LAMBDA {
        add_packed<asking>(n, a[0], b, ahead, acc);
        a[0] += n * kUnroll * kTileRows;
        b += n * kUnroll * kTileColumns;
        fours -= n;
      };
      if (t.copying && t.copying->rows > 0)
        for (const int64_t period = fours / t.copying->rows; t.copying->rows > 0; --t.copying->rows) {
          some(period, Index<0>{});
          copy_row(*t.copying);
        }
      // As below. In a function for both, GCC 12 keeps what is ahead on the stack.
      while (list && fours > 0) {
        const int64_t lines = at_most(fours, ahead.lines);
        some(lines, Index<1>{});
        ahead.lines -= lines;
        if (ahead.lines > 0) continue;
        if (++list == t.ahead + t.aheads)
          list = nullptr;
        else
          ahead = *list;
      }
      some(fours, Index<0>{});
#pragma GCC unroll 1
      for (int64_t left = depth % kUnroll; left > 0; --left) steps(Index<1>{});
      return;
    }
    if (copy) {
      for (; depth > 0; --depth, copy += kTileColumns) {
        if constexpr (kWide) ask_row(b + kRowsAhead * b_k, NV * kLanes);
        steps(Index<1>{}, copy);
      }
      return;
    }
    int64_t whole = depth / kSteps;
    if (t.copying && t.copying->rows > 0)
      for (const int64_t period = whole / t.copying->rows; t.copying->rows > 0; --t.copying->rows, whole -= period) {
        for (int64_t s = 0; s < period; ++s) steps(Index<kSteps>{});
        copy_row(*t.copying);
      }
    if constexpr (kWide)
      if (const float* next = t.next_c) {
        const int64_t rows = at_most(t.next_rows, whole), ldc = from_here(block.ldc);
        for (int64_t i = 0; i < rows; ++i, next += ldc) {
          steps(Index<kSteps>{});
          __builtin_prefetch(next + kTileColumns / 2 - 1, 1);
          __builtin_prefetch(next + kTileColumns - 1, 1);
        }
        whole -= rows;
      }
    auto ask = [&]() NNFAST_LAMBDA {
      for (int asked = 0; list && asked < (kWide ? list->asked : 1); ++asked) {
        static_for<2>([&](auto s) NNFAST_LAMBDA {
          __builtin_prefetch(ahead.at[s], 0, 2);
          ahead.at[s] += ahead.step;
        });
        if (--ahead.lines > 0) continue;
        if (++list == t.ahead + t.aheads)
          list = nullptr;
        else
          ahead = *list;
      }
    };
    for (; list && (!kWide || list->often) && whole > 0; --whole) {
      steps(Index<kSteps>{});
      ask();
    }
    if constexpr (kWide)
      for (; list && whole >= kEvery; whole -= kEvery) {
#pragma GCC unroll 1
        for (int s = 0; s < kEvery; ++s) steps(Index<kSteps>{});
        ask();
      }
    for (; whole > 0; --whole) steps(Index<kSteps>{});
// Unrolled, GCC 12 leaves stores of b on the stack that nobody reads.
#pragma GCC unroll 1
    for (int64_t left = depth % kSteps; left > 0; --left) steps(Index<1>{});
  };
  for (int64_t left = block.k;;) {
    static_for<MT * NV>([&](auto i) NNFAST_LAMBDA { acc[i] = V{}; });
    const int64_t depth = at_most(left, block.chain);
    const int64_t begin = block.k - left;
    if (!Packed && block.a_k == 1)
      products(depth, Index<1>{});
    else
      products(depth, Index<0>{});
    if (begin == 0 && block.accumulate) {
      const int64_t ldc = from_here(block.ldc);
      static_for<MT>([&](auto i) NNFAST_LAMBDA {
        static_for<NV>([&](auto j) NNFAST_LAMBDA { store(sum + (i * NV + j) * kLanes, load_row(c + i * ldc, j)); });
      });
    }
    if (begin > 0 || block.accumulate)
      static_for<MT * NV>([&](auto i) NNFAST_LAMBDA { acc[i] = load(sum + i * kLanes) + acc[i]; });
    left -= block.chain;
    if (left <= 0) break;
    static_for<MT * NV>([&](auto i) NNFAST_LAMBDA { store(sum + i * kLanes, acc[i]); });
  }

  const int64_t ldc = from_here(block.ldc);
  if (t.bias)
    static_for<NV>([&](auto j) NNFAST_LAMBDA {
      const V bias = load_row(t.bias, j);
      static_for<MT>([&](auto i) NNFAST_LAMBDA { acc[i * NV + j] += bias; });
    });
  if (block.relu)
    // In this order a NaN stays one.
    static_for<MT * NV>([&](auto i) NNFAST_LAMBDA { acc[i] = max(V{}, acc[i]); });
  if (t.slope)
    static_for<MT>([&](auto i) NNFAST_LAMBDA {
      static_for<NV>([&](auto j) NNFAST_LAMBDA {
        acc[i * NV + j] = select(load_row(t.slope + i * ldc, j) > V{}, acc[i * NV + j], V{});
      });
    });
  static_for<MT>([&](auto i) NNFAST_LAMBDA {
    static_for<NV>([&](auto j) NNFAST_LAMBDA {
      if constexpr (Partial && j == NV - 1)
        store_first(c + i * ldc + j * kLanes, acc[i * NV + j], last);
      else
        store(c + i * ldc + j * kLanes, acc[i * NV + j]);
    });
  });
}

using TileFunction = void (*)(const Tile&);

// tiles.of[rows - 1][vectors - 1][partial]
struct Tiles {
  TileFunction of[kTileRows][kTileVectors][2];
};
template <int... R, int... C>
constexpr Tiles make_tiles(Indices<R...>, Indices<C...>) {
  Tiles tiles{};
  auto row = [&](auto r) {
    ((tiles.of[r][C][0] = tile<r + 1, C + 1, false>, tiles.of[r][C][1] = tile<r + 1, C + 1, true>), ...);
  };
  (row(Index<R>{}), ...);
  return tiles;
}
constexpr Tiles kTiles = make_tiles(MakeIndices<kTileRows>::type{}, MakeIndices<kTileVectors>::type{});

// By the function for its size and its operands.
NNFAST_INLINE void make(const Tile& t, int64_t rows) {
  if constexpr (kHasPackedTile)
    if (rows == kTileRows && t.columns == kTileColumns && t.block.a_k == kTileRows && t.b_k == kTileColumns && !t.copy)
      return tile<kTileRows, kTileVectors, false, true>(t);
  kTiles.of[rows - 1][(t.columns - 1) / kLanes][t.columns % kLanes != 0](t);
}

// Two stretches of memory that are asked for while tiles are made, line by line.
class Streams {
 public:
  Streams(const float* first, int64_t first_lines, const float* second, int64_t second_lines)
      : at_{first, second}, lines_{first ? first_lines : 0, second ? second_lines : 0} {}

  // What the next tile, of depth k, asks for; null where there is nothing left. Where one stretch has come to its end,
  // the lines of the other are asked for twice, which costs nothing.
  const Ahead* next(int64_t k) {
    if (lines_[0] <= 0 && lines_[1] <= 0) return nullptr;
    const int first = lines_[0] > 0 ? 0 : 1, second = lines_[1] > 0 ? 1 : 0;
    ahead_ = {{at_[first], at_[second]}, kLineOfFloats, INT64_MAX, kStreamed, true};
    const int64_t lines = k / kUnroll * kStreamed;
    for (int s = 0; s < 2; ++s) {
      at_[s] += lines * kLineOfFloats;
      lines_[s] -= lines;
    }
    return &ahead_;
  }

 private:
  const float* at_[2];
  int64_t lines_[2];
  Ahead ahead_;
};

// The column of c from row i and column j on, with its b.
NNFAST_INLINE Column column_of(const Block& block, int64_t i, int64_t j, const float* b, int64_t b_k,
                               int64_t first_step, int64_t second_step = 0) {
  const int64_t at = i * block.ldc + j;
  return {block.k,
          block.a_row,
          block.a_k,
          b,
          b_k,
          block.c + at,
          block.ldc,
          block.bias ? block.bias + j : nullptr,
          block.slope ? block.slope + at : nullptr,
          block.relu,
          block.accumulate,
          first_step,
          second_step};
}

void rows_first(const Block& block) {
  alignas(64) float sum[kTileRows * kTileColumns];
  // What the full tiles ask for with every kUnroll of k is a line, or less: of the rows of a up to four panels ahead
  // and of those of c up to two, of which there is no room for more in a level-1 cache.
  const int64_t steps = block.n / kTileColumns * (block.k / kUnroll);
  const int64_t a_step = at_most(kLineOfFloats, 4 * block.height * block.k / steps);
  const int64_t c_step = at_most(kLineOfFloats, 2 * block.height * block.ldc / steps);
  for (int64_t i = 0; i < block.m; i += block.height) {
    const int64_t rows = at_most(block.height, block.m - i);
    const float* a = block.a + i / block.height * block.a_panel;
    float* c = block.c + i * block.ldc;
    const float *next_a = a + block.a_panel, *next_c = c + rows * block.ldc;
    const PlainTile tile = kPlainTiles.of[rows - 1][1][i + rows < block.m ? kReadAndWrite : kNothing];
    for (int64_t j = 0, q = 0; j < block.n; j += kTileColumns, ++q) {
      const int64_t columns = at_most(kTileColumns, block.n - j);
      const float* b = block.b + q * block.b_panel;
      const Column column = column_of(block, i, j, b, block.b_k, a_step, c_step);
      if (columns == kTileColumns) {
        tile(column, a, c + j, next_a, next_c);
        next_a += block.k / kUnroll * a_step;
        next_c += block.k / kUnroll * c_step;
      } else {
        make({block, a, b, block.b_k, c + j, column.bias, column.slope, columns, sum}, rows);
      }
    }
  }
}

// Whether there are lines enough that full tiles ask for in streamed.
bool can_stream(const Block& block) {
  if (!block.ahead[0] || !block.ahead[1] || block.panel || block.far_c || block.a_k == 1 || block.k > block.chain)
    return false;
  const int64_t tiles = block.n / kTileColumns * ((block.m + block.height - 1) / block.height);
  const int64_t lines = tiles * (block.k / kUnroll);
  return lines >= block.ahead_lines[0] && lines >= block.ahead_lines[1];
}

// Columns of a and of b in place, while two stretches of memory are asked for.
void streamed(const Block& block) {
  alignas(64) float sum[kTileRows * kTileColumns];
  const float *first = block.ahead[0], *second = block.ahead[1];
  const int64_t lines = block.k / kUnroll;  // of a tile
  int64_t left = block.ahead_lines[0] > block.ahead_lines[1] ? block.ahead_lines[0] : block.ahead_lines[1];
  for (int64_t j = 0, q = 0; j < block.n; j += kTileColumns, ++q) {
    const int64_t columns = at_most(kTileColumns, block.n - j);
    const float* a = block.a;
    const float* b = block.b + q * block.b_panel;
    float* c = block.c + j;
    const Column column = column_of(block, 0, j, b, block.b_k, kLineOfFloats, kLineOfFloats);
    for (int64_t i = 0; i < block.m; i += block.height, a += block.a_panel, c += block.height * block.ldc) {
      const int64_t rows = at_most(block.height, block.m - i);
      if (columns < kTileColumns) {
        make({block, a, b, block.b_k, c, column.bias, column.slope ? column.slope + i * block.ldc : nullptr, columns,
              sum},
             rows);
        continue;
      }
      kPlainTiles.of[rows - 1][0][left > 0 ? kReadTwo : kNothing](column, a, c, first, second);
      left -= lines;
      first += lines * kLineOfFloats;
      second += lines * kLineOfFloats;
    }
  }
}

void block(const Block& block) {
  if (block.rows_first) return rows_first(block);
  if (can_stream(block)) return streamed(block);
  alignas(64) float sum[kTileRows * kTileColumns];
  Streams streams(block.ahead[0], block.ahead_lines[0], block.ahead[1], block.ahead_lines[1]);
  Copying copying{block.next, block.next_k, block.next_copy, block.next_panels, block.next_rows * kTileColumns, 0};
  int64_t left_to_copy = block.next ? block.next_rows : 0;
  const int64_t row_panels = (block.m + block.height - 1) / block.height;
  // A tile that copies its own columns copies no others.
  int64_t tiles = (block.n + kTileColumns - 1) / kTileColumns * (row_panels - (block.panel && !block.b_transposed));
  for (int64_t i = 0; i < at_most(left_to_copy, copying.ahead()); ++i)
    ask_row(block.next + i * block.next_k, block.next_panels * kTileColumns);
  const bool spreads_c = kWide && block.far_c && block.k <= kSpreadDepth;
  // Of the next columns, in all tiles but the first. No longer than it must be where tiles are to ask for c too.
  const int64_t ask_depth = spreads_c ? kUnroll : kAskDepth, askers = row_panels - 1;
  const int asked = askers > 0 ? static_cast<int>(at_most((ask_depth + askers - 1) / askers, kMostAsked)) : 1;
  const bool handy = block.k * block.n <= kHandy;
  const bool asks_along = block.b_transposed && row_panels >= kTileColumns / 2;
  const bool plain = block.k <= block.chain && !block.far_c && !block.next && !block.ahead[0];
  bool asked_c = false;  // for c of the tile that comes
  for (int64_t j = 0, q = 0; j < block.n; j += kTileColumns, ++q) {
    const int64_t columns = at_most(kTileColumns, block.n - j);
    const float* b = block.b + q * block.b_panel;
    Tile t{block,
           block.a,
           b,
           block.b_k,
           block.c + j,
           block.bias ? block.bias + j : nullptr,
           block.slope ? block.slope + j : nullptr,
           columns,
           sum};
    if (block.b_transposed) {
      pack_panel_transposed(block.k, columns, b, block.b_k, block.panel);
      t.b = block.panel;
      t.b_k = kTileColumns;
    } else {
      t.copy = block.panel;
    }
    // The next columns are asked for over several tiles: all in one would be more than memory gives meanwhile.
    const bool is_last = j + kTileColumns >= block.n;
    const float* next = is_last ? block.after : b + block.b_panel;
    const bool ask_next = next && !handy && !block.b_transposed && !block.next && (block.panel || !block.ahead[0]);
    // Where other memory is asked for too, that comes first.
    const int64_t ask_at = block.ahead[0] ? row_panels - 1 - ask_depth : 1;
    // From these two places, every cache line that they lie on but perhaps the one shared with those before.
    Ahead ahead{};
    if (ask_next)
      ahead = {{next + kTileColumns / 2 - 1, next + kTileColumns - 1}, block.b_k, block.k, asked, spreads_c};
    if (plain && columns == kTileColumns && !(next && asks_along) && (!ask_next || row_panels > kAskingTiles)) {
      int64_t i = 0;
      if (t.copy) {
        make(t, at_most(block.height, block.m));
        i = block.height;
        t.b = block.panel;
        t.b_k = kTileColumns;
        t.a += block.a_panel;
        t.c += block.height * block.ldc;
      }
      const Column column = column_of(block, 0, j, t.b, t.b_k, block.b_k);
      plain_tiles(column, block, i, t.a, t.c, ask_next ? ahead.at : nullptr);
      continue;
    }
    // Columns that are rows in memory: two of them a tile, as its k advances.
    Ahead along{};
    int64_t to_ask = 0;
    if (next && asks_along) to_ask = at_most(kTileColumns, is_last ? block.n : block.n - j - kTileColumns) / 2 * 2;
    for (int64_t i = 0; i < block.m; i += block.height) {
      const int64_t rows = at_most(block.height, block.m - i);
      t.ahead = t.copy ? nullptr : streams.next(block.k);
      if (!t.ahead && ahead.lines > 0 && ask_next && i > 0 && i >= ask_at * block.height) t.ahead = &ahead;
      if (!t.ahead && to_ask > 0) {
        to_ask -= 2;
        along = {{next + to_ask * block.b_k, next + (to_ask + 1) * block.b_k}, kAskDepth, block.k, 1, false};
        t.ahead = &along;
      }
      t.copying = nullptr;
      if (left_to_copy > 0 && !t.copy) {
        copying.rows = at_most((left_to_copy + tiles - 1) / tiles, at_most(block.k, block.chain) / kUnroll);
        left_to_copy -= copying.rows;
        --tiles;
        t.copying = &copying;
      }
      t.asks_c = block.far_c && !asked_c;
      asked_c = spreads_c && !t.ahead && !t.copy && i + rows < block.m;
      t.next_c = asked_c ? t.c + rows * block.ldc : nullptr;
      t.next_rows = at_most(block.height, block.m - i - rows);
      make(t, rows);
      if (t.ahead == &ahead) {
        const int64_t lines = block.k / ask_depth * asked;
        for (const float*& at : ahead.at) at += lines * block.b_k;
        ahead.lines -= lines;
      }
      if (t.copy) {
        t.copy = nullptr;
        t.b = block.panel;
        t.b_k = kTileColumns;
      }
      t.a += block.a_panel;
      t.c += block.height * block.ldc;
      if (t.slope) t.slope += block.height * block.ldc;
    }
  }
  for (; left_to_copy > 0; --left_to_copy) copy_row(copying);
}

// Some columns, of which b stays in a level-2 cache: rows of c follow each other there too, and a row of a parameter is
// a run long enough that rows a power of two apart do not drive each other out of a level-1 cache.
void block_and_step(const Block& block, const Kernels::Gemm::Step& step) {
  constexpr int64_t kStretch = 256 / kTileColumns * kTileColumns;
  alignas(64) float sum[kTileRows * kTileColumns];
  alignas(64) float c[kTileRows * kStretch];
  Block part = block;
  part.ldc = kStretch;
  for (int64_t begin = 0; begin < block.n; begin += kStretch) {
    const int64_t width = at_most(kStretch, block.n - begin);
    for (int64_t i = 0; i < block.m; i += block.height) {
      const int64_t rows = at_most(block.height, block.m - i), at = i * block.ldc + begin;
      UpdateArgs args = step.args;
      float* slots[kMaxSlots];
      args.n = width;
      args.rows = rows;
      args.parameters += at;
      args.gradients = c;
      args.slots = slots;
      args.ld = block.ldc;
      args.ld_gradients = kStretch;
      for (int s = 0; s < step.num_slots; ++s) slots[s] = step.slots[s] + at;
      for (int64_t j = 0; j < width; j += kTileColumns) {
        const int64_t columns = at_most(kTileColumns, width - j);
        const float* b = block.b + (begin + j) / kTileColumns * block.b_panel;
        Tile t{part, block.a + i / block.height * block.a_panel, b, block.b_k, c + j, nullptr, nullptr, columns, sum};
        Ahead aheads[1 + kMaxSlots];
        t.ahead = aheads;
        t.aheads = 1 + step.num_slots;
        const int64_t wanted = t.aheads * rows, times = block.k / kAskDepth;
        const int asked = static_cast<int>(at_most(kMostAsked, wanted / (times + 1) + 1));
        auto want = [&](const float* x) {
          return Ahead{{x + j + (columns - 1) / 2, x + j + columns - 1}, block.ldc, rows, asked, false};
        };
        aheads[0] = want(args.parameters);
        for (int s = 0; s < step.num_slots; ++s) aheads[1 + s] = want(slots[s]);
        // A tile of few k has no time for all of them.
        for (int64_t ask = times * asked; ask < wanted; ++ask)
          for (const float* first : aheads[ask / rows].at) __builtin_prefetch(first + ask % rows * block.ldc, 0, 2);
        make(t, rows);
      }
      step.rule(args);
    }
  }
}

// Some columns at a time, in as many chains of additions as keep the adders busy: fewer columns, more chains of rows.
template <int Vectors, bool Partial>
void sum_columns(int64_t m, const float* x, int64_t ldx, float* out, int64_t lanes) {
  constexpr int kChains = 4 / Vectors;
  V sum[Vectors * kChains];
  static_for<Vectors * kChains>([&](auto i) NNFAST_LAMBDA { sum[i] = V{}; });
  auto add_row = [&](auto chain, int64_t i) NNFAST_LAMBDA {
    static_for<Vectors>(
        [&](auto v) NNFAST_LAMBDA { sum[chain * Vectors + v] += read<Partial>(x + i * ldx + v * kLanes, lanes); });
  };
  int64_t i = 0;
  for (; i + kChains <= m; i += kChains)
    static_for<kChains>([&](auto chain) NNFAST_LAMBDA { add_row(chain, i + chain); });
  for (; i < m; ++i) add_row(Index<0>{}, i);
  static_for<Vectors>([&](auto v) NNFAST_LAMBDA {
    V total = sum[v];
    static_for<kChains - 1>([&](auto chain) NNFAST_LAMBDA { total += sum[(chain + 1) * Vectors + v]; });
    write<Partial>(out + v * kLanes, total, lanes);
  });
}

void column_sums(int64_t m, int64_t n, const float* x, int64_t ldx, float* out) {
  int64_t j = 0;
  for (; j + 4 * kLanes <= n; j += 4 * kLanes) sum_columns<4, false>(m, x + j, ldx, out + j, kLanes);
  for (; j + 2 * kLanes <= n; j += 2 * kLanes) sum_columns<2, false>(m, x + j, ldx, out + j, kLanes);
  for (; j < n; j += kLanes) sum_columns<1, true>(m, x + j, ldx, out + j, at_most(n - j, kLanes));
}

}  // namespace

extern const Kernels::Gemm gemm_kernels;
const Kernels::Gemm gemm_kernels = {kTileRows,      kTileColumns, kChain,    kHasPackedTile, block,
                                    block_and_step, pack,         pack_rows, column_sums};

}  // namespace nnfast::NNFAST_ISA
