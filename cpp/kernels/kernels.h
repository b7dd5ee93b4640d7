// The function pointers of one ISA. Ops reach every kernel through this table; kernels().gemm->… .
//
// Kernels run on one thread, allocate nothing, throw nothing, and take sizes in elements. Matrices are row-major
// with a leading dimension ld*. Images are NHWC: N images, H×W pixels, C channels; OH, OW, OC of the output;
// KH, KW of the window. Convolution kernels are (KH, KW, C, OC), dense ones (in, out).
//
// One struct a family, filled in the file of the same name; table.cpp gathers them.
#pragma once
#include <cstdint>

namespace nnfast {

struct Kernels {
  const char* isa;  // "baseline", "avx2", "avx512"
  int lanes;        // floats in a vector
};

}  // namespace nnfast
