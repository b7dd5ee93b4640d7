// The caches of a core, on which it depends how operands are best laid out; results never do.
#pragma once
#include <cstdint>

namespace nnfast {

// Where the system does not say, those of a Zen 4.
struct Caches {
  int64_t level1_ways = 8;
  int64_t level2_bytes = 1 << 20;
};
const Caches& caches();

}  // namespace nnfast
