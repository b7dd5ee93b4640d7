// Matrix products with few rows, or with few columns: memory is what they wait for, so the large operand is read once,
// along its rows. The chains of additions are those of gemm.cpp, and so are the bits.
#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

namespace nnfast::NNFAST_ISA {
namespace {

using Product = Kernels::Thin::Product;

constexpr int kMostRows = 4;
constexpr int kWidth = 512;  // columns at a time: the sums of four rows, 16 KB, stay in the level-1 cache

// Sums of a few rows by `width` columns: of the chains that are done, and of the one in the making.
template <int R>
struct Sums {
  alignas(64) float done[R][kWidth], chain[R][kWidth];
  bool begun;

  // Vectors may be loaded and stored beyond `width`: it is rounded up to whole ones.
  void begin(const Product& p, int64_t column, int64_t width) {
    begun = p.accumulate;
    if (!begun) return;
    for (int64_t j = 0; j < width; ++j)
      static_for<R>([&](auto r) NNFAST_LAMBDA { done[r][j] = p.y[r * p.y_row + (column + j) * p.y_column]; });
  }
  void add_chain(int64_t width) {
    for (int64_t j = 0; j < width; j += kLanes)
      static_for<R>([&](auto r) NNFAST_LAMBDA {
        const V made = load(chain[r] + j);
        store(done[r] + j, begun ? load(done[r] + j) + made : made);
      });
    begun = true;
  }
  void finish(const Product& p, int64_t column, int64_t width) {
    if (p.bias != nullptr)
      for (int64_t j = 0; j < width; j += kLanes) {
        const V each = p.bias_of_rows ? V{} : load_first(p.bias + column + j, at_most(kLanes, width - j));
        static_for<R>([&](auto r) NNFAST_LAMBDA {
          store(done[r] + j, load(done[r] + j) + (p.bias_of_rows ? broadcast(p.bias[r]) : each));
        });
      }
    static_for<R>([&](auto r) NNFAST_LAMBDA {
      float* y = p.y + r * p.y_row + column * p.y_column;
      if (p.y_column == 1)
        for (int64_t j = 0; j < width; j += kLanes) store_first(y + j, load(done[r] + j), at_most(kLanes, width - j));
      else
        for (int64_t j = 0; j < width; ++j) y[j * p.y_column] = done[r][j];
    });
  }
};

// G rows of w added to the chain, which begins with them where `first`.
template <int R, int G>
void add_rows(const Product& p, const float* x, const float* w, int64_t width, bool first, Sums<R>& sums) {
  V xs[G * R];
  static_for<G>([&](auto g) NNFAST_LAMBDA {
    static_for<R>([&](auto r) NNFAST_LAMBDA { xs[g * R + r] = broadcast(x[r * p.x_row + g * p.x_k]); });
  });
  auto add = [&](int64_t j, auto load_w) NNFAST_LAMBDA {
    V sum[R];
    static_for<R>([&](auto r) NNFAST_LAMBDA { sum[r] = first ? V{} : load(sums.chain[r] + j); });
    static_for<G>([&](auto g) NNFAST_LAMBDA {
      const V row = load_w(w + g * p.ldw + j);
      static_for<R>([&](auto r) NNFAST_LAMBDA { sum[r] += xs[g * R + r] * row; });
    });
    static_for<R>([&](auto r) NNFAST_LAMBDA { store(sums.chain[r] + j, sum[r]); });
  };
  int64_t j = 0;
  for (; j + kLanes <= width; j += kLanes) add(j, [](const float* from) NNFAST_LAMBDA { return load(from); });
  if (j < width) add(j, [&](const float* from) NNFAST_LAMBDA { return load_first(from, width - j); });
}

template <int R>
void along_rows(const Product& p) {
  constexpr int kTogether = R == 1 ? 8 : 4;  // rows of w: as many broadcast elements of x as the registers hold
  Sums<R> sums;
  for (int64_t column = 0; column < p.n; column += kWidth) {
    const int64_t width = at_most(kWidth, p.n - column);
    sums.begin(p, column, width);
    for (int64_t begin = 0; begin < p.k; begin += p.chain) {
      const int64_t end = at_most(p.k, begin + p.chain);
      int64_t k = begin;
      const float* w = p.w + column;
      for (; k + kTogether <= end; k += kTogether)
        add_rows<R, kTogether>(p, p.x + k * p.x_k, w + k * p.ldw, width, k == begin, sums);
      for (; k < end; ++k) add_rows<R, 1>(p, p.x + k * p.x_k, w + k * p.ldw, width, k == begin, sums);
      sums.add_chain(width);
    }
    sums.finish(p, column, width);
  }
}

// G vectors of columns, the last of them perhaps not whole. Squares of w are transposed in registers: their rows are
// then the terms of a vector of columns.
template <int R, int G>
void across_columns(const Product& p, int64_t column, Sums<R>& sums) {
  const int64_t width = at_most(G * kLanes, p.n - column);
  const float* rows[G * kLanes];
  for (int64_t i = 0; i < G * kLanes; ++i) rows[i] = p.w + (column + at_most(i, width - 1)) * p.ldw;
  sums.begin(p, column, width);
  for (int64_t begin = 0; begin < p.k; begin += p.chain) {
    const int64_t end = at_most(p.k, begin + p.chain);
    V sum[R * G];
    static_for<R * G>([&](auto i) NNFAST_LAMBDA { sum[i] = V{}; });
    auto add = [&](auto g, auto i, int64_t k, V term) NNFAST_LAMBDA {
      const float* x = p.x + (k + i) * p.x_k;
      static_for<R>([&](auto r) NNFAST_LAMBDA { sum[g * R + r] += broadcast(x[r * p.x_row]) * term; });
    };
    int64_t k = begin;
    if constexpr (G > 1)
      for (; k + kLanes <= end; k += kLanes)
        static_for<G>([&](auto g) NNFAST_LAMBDA {
          V terms[kLanes];
          load_transposed([&](int i) NNFAST_LAMBDA { return rows[g * kLanes + i] + k; }, terms);
          static_for<kLanes>([&](auto i) NNFAST_LAMBDA { add(g, i, k, terms[i]); });
        });
    for (; k < end; k += kLanes) {
      const int64_t depth = at_most(kLanes, end - k);
      static_for<G>([&](auto g) NNFAST_LAMBDA {
        V terms[kLanes];
        if (depth == kLanes)
          static_for<kLanes>([&](auto i) NNFAST_LAMBDA { terms[i] = load(rows[g * kLanes + i] + k); });
        else
          static_for<kLanes>([&](auto i) NNFAST_LAMBDA { terms[i] = load_first(rows[g * kLanes + i] + k, depth); });
        transpose(terms);
        static_for<kLanes>([&](auto i) NNFAST_LAMBDA {
          if (i < depth) add(g, i, k, terms[i]);
        });
      });
    }
    static_for<G>([&](auto g) NNFAST_LAMBDA {
      static_for<R>([&](auto r) NNFAST_LAMBDA { store(sums.chain[r] + g * kLanes, sum[g * R + r]); });
    });
    sums.add_chain(width);
  }
  sums.finish(p, column, width);
}

template <int R>
void across_rows(const Product& p) {
  Sums<R> sums;
  int64_t column = 0;
  // One sum waits for itself: two side by side, unless their rows would drive each other out of a level-1 cache.
  if (R <= 2 && p.ldw % 512 != 0)
    for (; column + 2 * kLanes <= p.n; column += 2 * kLanes) across_columns<R, 2>(p, column, sums);
  for (; column < p.n; column += kLanes) across_columns<R, 1>(p, column, sums);
}

void product(const Product& p) {
  static constexpr void (*along[])(const Product&) = {along_rows<1>, along_rows<2>, along_rows<3>, along_rows<4>};
  static constexpr void (*across[])(const Product&) = {across_rows<1>, across_rows<2>, across_rows<3>, across_rows<4>};
  (p.transposed ? across : along)[p.rows - 1](p);
}

}  // namespace

extern const Kernels::Thin thin_kernels;
const Kernels::Thin thin_kernels = {kMostRows, product};

}  // namespace nnfast::NNFAST_ISA
