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

// Results of so many elements, 16 MB, do not stay in most caches until somebody reads them. Written past the cache,
// their memory is not read first: batch norm of 64×32×32×64 took 0.82 to 0.9 of the time, of half of it 1.0, on two
// cores with 32 MB; a network's step 0.97 to 1.0.
constexpr int64_t kPastCache = int64_t{4} << 20;

}  // namespace nnfast
