// Several independent lists of phases run side by side: fewer barriers, and more tasks between two of them.
#pragma once
#include <algorithm>
#include <vector>

#include "ops/op.h"

namespace nnfast {

// Phase i of the result holds the tasks of phase i of every list, one list after the other.
class SideBySide {
 public:
  void add(const std::vector<Phase>& list) {
    lists_.push_back(list);
    if (phases_.size() < list.size()) phases_.resize(list.size(), Phase{0, 0});
    for (size_t i = 0; i < list.size(); ++i) {
      phases_[i].tasks += list[i].tasks;
      phases_[i].cost += list[i].cost;
    }
  }
  const std::vector<Phase>& phases() const { return phases_; }

  // The list that a task of a phase belongs to; the task becomes its number there.
  int which(int phase, int64_t& task) const {
    for (size_t list = 0;; ++list) {
      if (static_cast<size_t>(phase) >= lists_[list].size()) continue;
      const int64_t tasks = lists_[list][phase].tasks;
      if (task < tasks) return static_cast<int>(list);
      task -= tasks;
    }
  }

 private:
  std::vector<std::vector<Phase>> lists_;
  std::vector<Phase> phases_;
};

}  // namespace nnfast
