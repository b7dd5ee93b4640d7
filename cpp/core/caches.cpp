#include "core/caches.h"

#include <unistd.h>

namespace nnfast {
namespace {

Caches ask() {
  Caches found;
#if defined(_SC_LEVEL1_DCACHE_ASSOC) && defined(_SC_LEVEL2_CACHE_SIZE)
  if (const long ways = sysconf(_SC_LEVEL1_DCACHE_ASSOC); ways > 0) found.level1_ways = ways;
  if (const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE); bytes > 0) found.level2_bytes = bytes;
#endif
  return found;
}

}  // namespace

const Caches& caches() {
  static const Caches found = ask();
  return found;
}

}  // namespace nnfast
