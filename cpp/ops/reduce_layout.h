// How a reduction over any axes walks through its input, and how it is cut into tasks.
#pragma once
#include <algorithm>
#include <vector>

#include "core/tensor.h"

namespace nnfast {

// Neighbouring axes of one kind are one, so that x has the axes kept, reduced, kept, reduced, …, columns, where a
// missing one has size 1 and the columns are kept. Each pair is a level.
class ReduceLayout {
 public:
  ReduceLayout() = default;
  ReduceLayout(const Shape& shape, const bool* reduced) {
    for (int i = 0; i < shape.rank(); ++i) {
      const bool next_level = !reduced[i] && i > 0 && reduced[i - 1];
      if (levels_.empty() || next_level) levels_.push_back({});
      (reduced[i] ? levels_.back().reduced : levels_.back().kept) *= shape[i];
    }
    if (levels_.empty()) levels_.push_back({});
    if (shape.rank() > 0 && !reduced[shape.rank() - 1] && levels_.size() > 1) {
      columns_ = levels_.back().kept;
      levels_.pop_back();
    }
    size_ = columns_, outputs_ = columns_;
    for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
      level->inner = size_;
      level->inner_outputs = outputs_;
      size_ *= level->kept * level->reduced;
      outputs_ *= level->kept;
    }
    split();
  }

  int64_t size() const { return size_; }
  int64_t outputs() const { return outputs_; }
  int64_t columns() const { return columns_; }
  int64_t tasks() const { return static_cast<int64_t>(pieces_.size()); }
  // Every task has results for all outputs, which are to be joined; otherwise each output belongs to one task.
  bool partial() const { return partial_; }

  // The outputs of a task: begin … end-1.
  int64_t outputs_begin(int64_t task) const {
    return pieces_[task].kept.begin * levels_[0].inner_outputs + pieces_[task].columns.begin;
  }
  int64_t outputs_end(int64_t task) const {
    const Piece& piece = pieces_[task];
    return (piece.kept.end - 1) * levels_[0].inner_outputs +
           (levels_.size() == 1 ? piece.columns.end : levels_[0].inner_outputs);
  }

  // f(first element of x, first output, outer, M, N) for each dense or evenly strided run (outer, M, N) of a task.
  template <class F>
  void for_each_run(int64_t task, F&& f) const {
    const Piece& piece = pieces_[task];
    walk(0, piece.kept, piece.reduced, piece.columns, 0, 0, f);
  }

 private:
  struct Level {
    int64_t kept = 1, reduced = 1;
    int64_t inner = 1;          // elements of x for one index of `reduced`
    int64_t inner_outputs = 1;  // outputs for one index of `kept`
  };
  struct Range {
    int64_t begin = 0, end = 0;
    int64_t size() const { return end - begin; }
  };
  // Indices of the first level, and columns.
  struct Piece {
    Range kept, reduced, columns;
  };

  template <class F>
  void walk(size_t depth, Range kept, Range reduced, Range columns, int64_t x, int64_t y, F&& f) const {
    const Level& level = levels_[depth];
    const bool last = depth + 1 == levels_.size();
    if (last && reduced.size() == level.reduced && columns.size() == columns_) {
      f(x + kept.begin * level.reduced * level.inner, y + kept.begin * level.inner_outputs, kept.size(), level.reduced,
        columns_);
      return;
    }
    for (int64_t k = kept.begin; k < kept.end; ++k) {
      const int64_t xk = x + k * level.reduced * level.inner, yk = y + k * level.inner_outputs;
      if (last) {
        f(xk + reduced.begin * level.inner + columns.begin, yk + columns.begin, 1, reduced.size(), columns.size());
        continue;
      }
      const Level& next = levels_[depth + 1];
      for (int64_t r = reduced.begin; r < reduced.end; ++r)
        walk(depth + 1, {0, next.kept}, {0, next.reduced}, columns, xk + r * level.inner, yk, f);
    }
  }

  // By outputs where there are enough of them, else by the terms of the first reduced group.
  void split() {
    constexpr int64_t kPiece = 32768;  // elements: about 5 µs
    constexpr int64_t kMinTerms = 16;  // of a partial result, which takes the memory of two elements
    constexpr int64_t kColumns = 2048;
    const Level& first = levels_[0];
    const Range kept{0, first.kept}, reduced{0, first.reduced}, columns{0, columns_};
    if (size_ == 0) {
      if (outputs_ > 0) pieces_.push_back({kept, reduced, columns});
      return;
    }
    const int64_t wanted = std::max<int64_t>(1, size_ / kPiece);
    auto cut = [](Range range, int64_t parts, int64_t part) {
      return Range{range.size() * part / parts, range.size() * (part + 1) / parts};
    };
    if (wanted == 1) {
      pieces_.push_back({kept, reduced, columns});
    } else if (first.kept >= wanted || (first.kept >= 16 && first.reduced < wanted * kMinTerms)) {
      const int64_t parts = std::min(wanted, first.kept);
      for (int64_t part = 0; part < parts; ++part) pieces_.push_back({cut(kept, parts, part), reduced, columns});
    } else if (levels_.size() == 1 && columns_ >= 2 * kColumns) {
      for (int64_t k = 0; k < first.kept; ++k)
        for (int64_t c = 0; c < columns_; c += kColumns)
          pieces_.push_back({{k, k + 1}, reduced, {c, std::min(c + kColumns, columns_)}});
    } else {
      const int64_t parts = std::max<int64_t>(1, std::min({wanted, first.reduced / kMinTerms, int64_t{256}}));
      partial_ = parts > 1;
      for (int64_t part = 0; part < parts; ++part) pieces_.push_back({kept, cut(reduced, parts, part), columns});
    }
  }

  std::vector<Level> levels_;
  std::vector<Piece> pieces_;
  int64_t columns_ = 1, size_ = 1, outputs_ = 1;
  bool partial_ = false;
};

}  // namespace nnfast
