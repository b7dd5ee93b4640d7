// Rows cut into tasks by their size alone.
#pragma once
#include <algorithm>
#include <cstdint>

namespace nnfast {

class RowTasks {
 public:
  RowTasks() = default;
  // About `elements` elements a task, from min_rows to max_rows rows (the last task may have fewer).
  RowTasks(int64_t rows, int64_t width, int64_t elements, int64_t min_rows, int64_t max_rows = INT64_MAX)
      : rows_(rows), each_(std::clamp(elements / std::max<int64_t>(1, width), min_rows, max_rows)) {}

  int64_t count() const { return (rows_ + each_ - 1) / each_; }
  int64_t begin(int64_t task) const { return task * each_; }
  int64_t rows(int64_t task) const { return std::min(each_, rows_ - begin(task)); }
  int64_t rows_each() const { return each_; }

 private:
  int64_t rows_ = 0, each_ = 1;
};

}  // namespace nnfast
