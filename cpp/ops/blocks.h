// How operations on each element cut their work into tasks: by size alone, never by the number of threads.
#pragma once
#include <algorithm>
#include <cstdint>

namespace nnfast {

// 64 KB of each operand: a few microseconds of work, and what one task reads and writes stays in the L2 cache.
constexpr int64_t kBlock = 16384;

constexpr int64_t num_blocks(int64_t n) { return (n + kBlock - 1) / kBlock; }

struct Block {
  int64_t begin, size;
};
inline Block block(int64_t n, int64_t task) { return {task * kBlock, std::min(kBlock, n - task * kBlock)}; }

}  // namespace nnfast
