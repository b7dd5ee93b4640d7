// Where buffers lie in an arena: a pure function of their sizes and lifetimes.
#pragma once
#include <cstdint>
#include <vector>

namespace nnfast {

struct Lifetime {
  int64_t size;  // in elements
  int first;     // the first and last step that touch it
  int last;
};

struct Layout {
  std::vector<int64_t> offsets;  // in elements, each on a cache line
  int64_t size = 0;
};

// No two buffers that live at the same step overlap. Largest first, each at the lowest place that is free for its
// whole life: within a few percent of the peak of live memory for networks.
Layout lay_out(const std::vector<Lifetime>& buffers);

}  // namespace nnfast
