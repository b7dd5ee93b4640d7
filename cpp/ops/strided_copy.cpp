#include "ops/strided_copy.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/buffer.h"
#include "dispatch/dispatch.h"

namespace nnfast {
namespace {

constexpr int64_t kTask = 16384;  // elements, about
constexpr int64_t kMinPlane = 4;  // a narrower one is not worth transposing
// Nanoseconds an element; estimates, not measured yet.
constexpr double kCopyCost = 0.1, kTransposeCost = 0.3, kStepCost = 0.5;

bool joins(const StridedCopy::Axis& outer, const StridedCopy::Axis& inner) {
  return outer.from == inner.from * inner.size && outer.to == inner.to * inner.size;
}

}  // namespace

std::vector<int64_t> dense_strides(const Shape& shape) {
  std::vector<int64_t> strides(shape.rank());
  for (int i = 0; i < shape.rank(); ++i) strides[i] = shape.size_between(i + 1, shape.rank());
  return strides;
}

StridedCopy::StridedCopy(const std::vector<Axis>& axes, int64_t from, int64_t to) : from_(from), to_(to) {
  for (const Axis& axis : axes) {
    if (axis.size == 0) return;
    if (axis.size > 1) outer_.push_back(axis);
  }
  // The destination is written as much in order as it can be.
  std::stable_sort(outer_.begin(), outer_.end(), [](const Axis& a, const Axis& b) { return a.to > b.to; });
  for (size_t i = 1; i < outer_.size();) {
    if (joins(outer_[i - 1], outer_[i])) {
      outer_[i].size *= outer_[i - 1].size;
      outer_.erase(outer_.begin() + static_cast<int64_t>(i) - 1);
    } else {
      ++i;
    }
  }
  plan();
}

void StridedCopy::plan() {
  inner_ = {1, 1, 1};
  if (!outer_.empty()) {
    inner_ = outer_.back();
    outer_.pop_back();
  }
  if (inner_.to == 1 && inner_.from > 1 && inner_.size >= kMinPlane)
    for (size_t i = 0; i < outer_.size(); ++i)
      if (outer_[i].from == 1 && outer_[i].size >= kMinPlane) {
        plane_ = outer_[i];
        transposed_ = true;
        outer_.erase(outer_.begin() + static_cast<int64_t>(i));
        break;
      }
  for (const Axis& axis : outer_) outer_size_ *= axis.size;
  const int64_t each = inner_.size * plane_.size;
  Axis& cut = transposed_ ? plane_ : inner_;
  part_length_ = cut.size;
  if (each > 2 * kTask) {
    part_length_ = std::min(cut.size, round_up(std::max<int64_t>(1, kTask * cut.size / each), kLine));
    parts_ = (cut.size + part_length_ - 1) / part_length_;
  } else {
    outer_each_ = std::max<int64_t>(1, kTask / each);
  }
  tasks_ = (outer_size_ + outer_each_ - 1) / outer_each_ * parts_;
  const bool dense = inner_.to == 1 && (inner_.from == 1 || inner_.from == 0) && inner_.size >= 8;
  cost_ = static_cast<double>(outer_size_ * each) * (transposed_ ? kTransposeCost : dense ? kCopyCost : kStepCost);
}

std::vector<Phase> StridedCopy::phases() const {
  if (tasks_ == 0) return {};
  return {{tasks_, cost_}};
}

void StridedCopy::run(const float* x, float* y, int64_t task) const {
  const int64_t part = task % parts_, first = task / parts_ * outer_each_;
  const int64_t begin = part * part_length_, end = std::min((transposed_ ? plane_ : inner_).size, begin + part_length_);
  int64_t index[2 * kMaxRank] = {};
  x += from_, y += to_;
  int64_t rest = first;
  for (int i = static_cast<int>(outer_.size()) - 1; i >= 0; --i) {
    index[i] = rest % outer_[i].size;
    rest /= outer_[i].size;
    x += index[i] * outer_[i].from;
    y += index[i] * outer_[i].to;
  }
  const int64_t last = std::min(outer_size_, first + outer_each_);
  for (int64_t o = first; o < last; ++o) {
    run_at(x, y, begin, end);
    for (int i = static_cast<int>(outer_.size()) - 1; i >= 0; --i) {
      x += outer_[i].from;
      y += outer_[i].to;
      if (++index[i] < outer_[i].size) break;
      x -= outer_[i].from * outer_[i].size;
      y -= outer_[i].to * outer_[i].size;
      index[i] = 0;
    }
  }
}

void StridedCopy::run_at(const float* x, float* y, int64_t begin, int64_t end) const {
  if (transposed_) {
    kernels().move->transpose(inner_.size, end - begin, x + begin, inner_.from, y + begin * plane_.to, plane_.to);
    return;
  }
  const int64_t from = inner_.from, to = inner_.to, size = end - begin;
  x += begin * from;
  y += begin * to;
  if (to == 1 && from == 1) {
    std::memcpy(y, x, static_cast<size_t>(size) * sizeof(float));
  } else if (to == 1 && from == 0) {
    std::fill_n(y, size, *x);
  } else {
    for (int64_t i = 0; i < size; ++i) y[i * to] = x[i * from];
  }
}

}  // namespace nnfast
