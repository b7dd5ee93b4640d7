#include "graph/memory.h"

#include <algorithm>
#include <numeric>

#include "core/buffer.h"

namespace nnfast {

Layout lay_out(const std::vector<Lifetime>& buffers) {
  std::vector<int> order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return buffers[a].size > buffers[b].size; });

  Layout layout;
  layout.offsets.assign(buffers.size(), 0);
  std::vector<int> placed;  // by offset
  for (int candidate : order) {
    const Lifetime& buffer = buffers[candidate];
    const int64_t size = round_up(buffer.size, kLine);
    int64_t offset = 0;
    for (int other : placed) {
      if (buffers[other].last < buffer.first || buffer.last < buffers[other].first) continue;
      if (layout.offsets[other] >= offset + size) break;
      offset = std::max(offset, layout.offsets[other] + round_up(buffers[other].size, kLine));
    }
    layout.offsets[candidate] = offset;
    layout.size = std::max(layout.size, offset + size);
    placed.insert(std::upper_bound(placed.begin(), placed.end(), candidate,
                                   [&](int a, int b) { return layout.offsets[a] < layout.offsets[b]; }),
                  candidate);
  }
  return layout;
}

}  // namespace nnfast
