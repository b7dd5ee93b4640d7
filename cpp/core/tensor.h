// Shapes and element types. Everything is dense and row-major.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <ostream>
#include <vector>

#include "core/check.h"

namespace nnfast {

enum class DType { f32, i32 };  // both four bytes wide: sizes are counted in elements everywhere

constexpr int kMaxRank = 6;

class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> sizes) : Shape(std::vector<int64_t>(sizes)) {}
  explicit Shape(const std::vector<int64_t>& sizes) : rank_(static_cast<int>(sizes.size())) {
    check(sizes.size() <= kMaxRank, "tensors have at most ", kMaxRank, " axes, received ", sizes.size());
    for (int i = 0; i < rank_; ++i) sizes_[i] = sizes[i];
  }

  int rank() const { return rank_; }
  // Negative axes count from the end.
  int64_t operator[](int axis) const { return sizes_[axis < 0 ? axis + rank_ : axis]; }
  int64_t& operator[](int axis) { return sizes_[axis < 0 ? axis + rank_ : axis]; }
  int64_t size() const { return size_between(0, rank_); }
  // The product of the sizes of axes begin … end-1.
  int64_t size_between(int begin, int end) const {
    int64_t product = 1;
    for (int i = begin; i < end; ++i) product *= sizes_[i];
    return product;
  }
  const int64_t* begin() const { return sizes_; }
  const int64_t* end() const { return sizes_ + rank_; }
  std::vector<int64_t> to_vector() const { return {begin(), end()}; }

  friend bool operator==(const Shape& a, const Shape& b) {
    if (a.rank_ != b.rank_) return false;
    for (int i = 0; i < a.rank_; ++i)
      if (a.sizes_[i] != b.sizes_[i]) return false;
    return true;
  }
  friend bool operator!=(const Shape& a, const Shape& b) { return !(a == b); }
  // Printed as Python prints a tuple.
  friend std::ostream& operator<<(std::ostream& out, const Shape& shape) {
    out << '(';
    for (int i = 0; i < shape.rank_; ++i) out << (i ? ", " : "") << shape.sizes_[i];
    return out << (shape.rank_ == 1 ? ",)" : ")");
  }

 private:
  int rank_ = 0;
  int64_t sizes_[kMaxRank] = {};
};

// Products and sums of sizes are then computed without overflow, and memory that does not exist is refused by the
// allocator: 2^48 elements are 2^50 bytes.
constexpr int64_t kMostElements = int64_t{1} << 48;

template <class Name>
void require_possible(const Shape& shape, const Name& what) {
  int64_t room = kMostElements;
  for (int64_t size : shape) {
    check(size >= 0 && size <= kMostElements, what, ": expected sizes from 0 to 2^48; received the shape ", shape,
          "; use smaller sizes");
    if (size > 0) room /= size;
  }
  check(room > 0, what, ": expected at most 2^48 elements; received the shape ", shape, "; use smaller sizes");
}

// What is known of a value before it is computed.
struct Spec {
  Shape shape;
  DType dtype = DType::f32;
};

}  // namespace nnfast
