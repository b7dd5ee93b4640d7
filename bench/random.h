// Numbers from -1 to 1, the same in every run.
#pragma once
#include <cstdint>

#include "core/buffer.h"

namespace nnfast {

inline Buffer random(int64_t size, uint32_t seed) {
  Buffer buffer(size);
  for (int64_t i = 0; i < size; ++i) {
    seed = seed * 1664525u + 1013904223u;
    buffer.data()[i] = static_cast<float>(seed >> 8) * 0x1p-23f - 1.0f;
  }
  return buffer;
}

}  // namespace nnfast
