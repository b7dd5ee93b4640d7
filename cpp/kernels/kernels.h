// The function pointers of one ISA. Ops reach every kernel through this table; kernels().gemm->… .
//
// Kernels run on one thread, allocate nothing, throw nothing, and take sizes in elements. Matrices are row-major
// with a leading dimension ld*. Images are NHWC: N images, H×W pixels, C channels; OH, OW, OC of the output;
// KH, KW of the window. Convolution kernels are (KH, KW, C, OC), dense ones (in, out).
//
// One struct a family, filled in the file of the same name; table.cpp gathers them.
#pragma once
#include <cstdint>

#include "kernels/activations.h"

namespace nnfast {

struct Kernels {
  // Indexed by Activation. Arrays may overlap where they are the same array: y and x, dx and dy.
  struct Activations {
    // y = f(x)
    void (*forward[kNumActivations])(int64_t n, const float* x, float* y, float alpha);
    // dx = f'(x) dy. Of x and y, only what derivative_reads names is read; the other may be null.
    void (*backward[kNumActivations])(int64_t n, const float* x, const float* y, const float* dy, float* dx,
                                      float alpha);
  };

  const char* isa;  // "baseline", "avx2", "avx512"
  int lanes;        // floats in a vector
  const Activations* activations;

  // Matrix products. Every element of c is a sum of chains: the products of up to `chain` consecutive k, added one by
  // one to zero in the order of k, then added to c; so its bits depend on k alone, not on m, n, place or packing.
  struct Gemm {
    // A block of c (m×n) = a (m×k) · b (k×n), k <= chain. Rows of c come in panels of `height` <= rows (the last may be
    // lower), columns in panels of `columns`. Element (i, k) of row panel p is at a[p * a_panel + i * a_row + k * a_k],
    // element (k, j) of column panel q at b[q * b_panel + k * b_k + j]: so a may lie in memory as it is, in either
    // order, or packed; b in place or packed, columns next to each other.
    struct Block {
      int64_t m, n, k;
      int height;
      const float* a;
      int64_t a_row, a_k, a_panel;
      const float* b;
      int64_t b_k, b_panel;
      float* c;
      int64_t ldc;
      bool accumulate;     // c += …
      const float* bias;   // (n,), added last; or null
      bool relu;           // then max(c, 0)
      const float* slope;  // (m×n, leading dimension ldc) or null: then zero where it is not above 0
    };
    int rows, columns;  // of the register tile
    int chain;
    void (*block)(const Block& block);
    // b (k×n), or its transpose (n×k) → out[n/columns, rounded up][k][columns], zeros beyond n.
    void (*pack)(int64_t k, int64_t n, const float* b, int64_t ldb, bool transposed, float* out);
    // a (m×k) → out[m/height, rounded up][height][k]; its transpose (k×m) → out[m/height, rounded up][k][height].
    void (*pack_rows)(int64_t m, int64_t k, int height, const float* a, int64_t lda, bool transposed, float* out);
  };
  const Gemm* gemm;
};

}  // namespace nnfast
