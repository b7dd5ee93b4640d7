// Memory that starts on a cache line; huge-page aligned when large.
#pragma once
#include <cstdint>

namespace nnfast {

class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t size);  // in elements of four bytes, all zero
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  float* data() const { return data_; }
  int64_t size() const { return size_; }

 private:
  float* data_ = nullptr;
  int64_t size_ = 0;
};

// Sizes inside an arena are rounded up to whole cache lines: 16 elements of 4 bytes.
constexpr int64_t kLine = 16;
constexpr int64_t round_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

}  // namespace nnfast
