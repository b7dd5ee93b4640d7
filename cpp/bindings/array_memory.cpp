#include "bindings/array_memory.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "core/buffer.h"

namespace nnfast {
namespace {

constexpr int64_t kMostKept = int64_t{32} << 20;  // elements: 128 MB

// Memory whose array is gone, the oldest first.
class Spare {
 public:
  // The smallest that holds `size` elements, unless half of it would lie idle; or new memory.
  Buffer take(int64_t size) {
    auto best = buffers_.end();
    for (auto it = buffers_.begin(); it != buffers_.end(); ++it)
      if (it->size() >= size && it->size() <= 2 * size && (best == buffers_.end() || it->size() < best->size()))
        best = it;
    if (best == buffers_.end()) return Buffer(size);
    Buffer found = std::move(*best);
    buffers_.erase(best);
    kept_ -= found.size();
    return found;
  }
  void give(Buffer buffer) {
    if (buffer.size() > kMostKept) return;
    kept_ += buffer.size();
    buffers_.push_back(std::move(buffer));
    while (kept_ > kMostKept) {
      kept_ -= buffers_.front().size();
      buffers_.erase(buffers_.begin());
    }
  }

 private:
  std::vector<Buffer> buffers_;
  int64_t kept_ = 0;
};

Spare& spare() {
  static auto* instance = new Spare;  // never destroyed: arrays may outlive static objects
  return *instance;
}

}  // namespace

std::pair<float*, pybind11::capsule> array_memory(int64_t size) {
  auto buffer = std::make_unique<Buffer>(spare().take(size));
  float* data = buffer->data();
  pybind11::capsule owner(buffer.get(), [](void* pointer) {
    const std::unique_ptr<Buffer> own(static_cast<Buffer*>(pointer));
    spare().give(std::move(*own));
  });
  buffer.release();
  return {data, std::move(owner)};
}

}  // namespace nnfast
