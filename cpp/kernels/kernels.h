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
};

}  // namespace nnfast
