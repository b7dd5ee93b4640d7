#include "core/buffer.h"

// The address sanitizer watches the heap only.
#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#define NNFAST_MAPS
#include <sys/mman.h>
#endif

#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

namespace nnfast {
namespace {

#ifdef NNFAST_MAPS
constexpr size_t kHugePage = size_t{2} << 20;

size_t mapped_bytes(int64_t size) {
  const size_t bytes = static_cast<size_t>(size) * sizeof(float);
  return bytes >= kHugePage ? (bytes + kHugePage - 1) / kHugePage * kHugePage : 0;
}

// Pages of zeros of the system's own: the heap keeps large blocks that are freed below others, these go back at once.
float* map(size_t bytes) {
  void* start = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) throw std::bad_alloc();
  char* const first = static_cast<char*>(start);
  const size_t skip = (kHugePage - reinterpret_cast<uintptr_t>(first) % kHugePage) % kHugePage;
  if (skip > 0) munmap(first, skip);
  munmap(first + skip + bytes, kHugePage - skip);
  // Most Linux systems give huge pages to those who ask only.
  madvise(first + skip, bytes, MADV_HUGEPAGE);
  return reinterpret_cast<float*>(first + skip);
}
#endif

}  // namespace

Buffer::Buffer(int64_t size) : size_(size) {
  if (size == 0) return;
#ifdef NNFAST_MAPS
  if (const size_t bytes = mapped_bytes(size)) {
    data_ = map(bytes);
    return;
  }
#endif
  const size_t bytes = static_cast<size_t>(round_up(size, kLine)) * sizeof(float);
  data_ = static_cast<float*>(std::aligned_alloc(64, bytes));
  if (data_ == nullptr) throw std::bad_alloc();
  std::memset(data_, 0, bytes);
}

Buffer::~Buffer() {
#ifdef NNFAST_MAPS
  if (const size_t bytes = mapped_bytes(size_)) {
    munmap(data_, bytes);
    return;
  }
#endif
  std::free(data_);
}

Buffer::Buffer(Buffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

}  // namespace nnfast
