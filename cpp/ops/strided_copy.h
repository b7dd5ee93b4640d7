// y[to(i)] = x[from(i)] for every index i of a box: the loop behind transposing, cutting, joining, repeating and
// reversing. Elements are four bytes of either type.
#pragma once
#include <cstdint>
#include <vector>

#include "core/tensor.h"
#include "ops/op.h"

namespace nnfast {

class StridedCopy {
 public:
  // How far one step along the axis leads in the source and in the destination. No two indices of the box may lead to
  // one element of the destination; in the source they may (stride 0), and strides may be negative.
  struct Axis {
    int64_t size, from, to;
  };

  StridedCopy() = default;
  StridedCopy(const std::vector<Axis>& axes, int64_t from, int64_t to);

  // None where nothing is to be copied.
  std::vector<Phase> phases() const;
  void run(const float* x, float* y, int64_t task) const;

 private:
  void plan();
  void run_at(const float* x, float* y, int64_t begin, int64_t end) const;

  std::vector<Axis> outer_;  // outermost first
  Axis plane_{1, 0, 0};      // with transposed_: the axis along which the source is dense
  Axis inner_{1, 0, 0};
  bool transposed_ = false;
  int64_t from_ = 0, to_ = 0;
  int64_t outer_size_ = 1;
  int64_t outer_each_ = 1;  // outer indices a task; with several parts one
  int64_t parts_ = 1;       // of the plane axis where transposed_, of the inner one otherwise
  int64_t part_length_ = 1;
  int64_t tasks_ = 0;
  double cost_ = 0;
};

// How far apart the elements of each axis are in a dense tensor.
std::vector<int64_t> dense_strides(const Shape& shape);

}  // namespace nnfast
