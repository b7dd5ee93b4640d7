// The register tile of the GEMM kernels, from the number of vector registers.
//
// A tile of kTileRows × kTileVectors accumulators is updated by kTileVectors loads of b and kTileRows broadcasts of a
// for each k; what the accumulators leave over must hold the loads and one broadcast. Measured on Zen 4 with GCC 12,
// share of the FMA peak: 14×2 of 32 registers 0.98 (on Zen 5 0.99), 6×2 of 16 registers 0.99; with 16 registers and no
// FMA 3×3.
#pragma once
#include "kernels/simd.h"

namespace nnfast::NNFAST_ISA {
namespace {

#if defined(__AVX512F__)
constexpr int kTileRows = 14, kTileVectors = 2;
#elif defined(__AVX2__)
constexpr int kTileRows = 6, kTileVectors = 2;
#elif defined(__aarch64__)
constexpr int kTileRows = 8, kTileVectors = 2;
#else
constexpr int kTileRows = 3, kTileVectors = 3;
#endif
constexpr int kTileColumns = kTileVectors * kLanes;

// The longest chain of additions into one accumulator: short enough that rounding errors stay small, long enough that
// adding the chains up costs little (one in a hundred of a tile's cycles on Zen 5).
constexpr int kChain = 384;

}  // namespace
}  // namespace nnfast::NNFAST_ISA
