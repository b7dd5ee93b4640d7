// Moving elements about.
#include "kernels/kernels.h"
#include "kernels/simd.h"
#include "kernels/transpose.h"

namespace nnfast::NNFAST_ISA {

extern const Kernels::Move move_kernels;

namespace {

// Squares of a vector's width: each reads and writes whole cache lines.
void transpose(int64_t rows, int64_t columns, const float* __restrict x, int64_t ldx, float* __restrict y,
               int64_t ldy) {
  for (int64_t c = 0; c < columns; c += kLanes) {
    const int64_t width = columns - c < kLanes ? columns - c : kLanes;
    for (int64_t r = 0; r < rows; r += kLanes) {
      const int64_t height = rows - r < kLanes ? rows - r : kLanes;
      const float* from = x + r * ldx + c;
      float* to = y + c * ldy + r;
      V square[kLanes];
      if (width == kLanes && height == kLanes) {
        static_for<kLanes>([&](auto i) NNFAST_LAMBDA { square[i] = load(from + i * ldx); });
        transpose(square);
        static_for<kLanes>([&](auto i) NNFAST_LAMBDA { store(to + i * ldy, square[i]); });
      } else {
        static_for<kLanes>([&](auto i)
                               NNFAST_LAMBDA { square[i] = i < height ? load_first(from + i * ldx, width) : V{}; });
        transpose(square);
        static_for<kLanes>([&](auto i) NNFAST_LAMBDA {
          if (i < width) store_first(to + i * ldy, square[i], height);
        });
      }
    }
  }
}

}  // namespace

const Kernels::Move move_kernels = {transpose};

}  // namespace nnfast::NNFAST_ISA
