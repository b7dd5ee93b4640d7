// Several independent lists of phases run side by side: fewer barriers, and more tasks between two of them.
#pragma once
#include <algorithm>
#include <vector>

#include "ops/op.h"

namespace nnfast {

// Phase i of the result holds the tasks of phase i of every list, each list spread evenly over the others: tasks of
// different lists take different times, and threads that take equal stretches of tasks should end together.
class SideBySide {
 public:
  // The list begins beside phase `first` of the others.
  void add(const std::vector<Phase>& list, int first = 0) {
    const int number = static_cast<int>(first_.size());
    first_.push_back(first);
    if (phases_.size() < first + list.size()) {
      phases_.resize(first + list.size(), Phase{0, 0});
      turns_.resize(first + list.size());
    }
    for (size_t i = 0; i < list.size(); ++i) {
      std::vector<Turn>& turns = turns_[first + i];
      phases_[first + i].tasks += list[i].tasks;
      phases_[first + i].cost += list[i].cost;
      for (int64_t task = 0; task < list[i].tasks; ++task) turns.push_back({number, task, list[i].tasks});
      std::stable_sort(turns.begin(), turns.end(), [](const Turn& a, const Turn& b) {
        return (2 * a.task + 1) * b.tasks < (2 * b.task + 1) * a.tasks;
      });
    }
  }
  const std::vector<Phase>& phases() const { return phases_; }

  // The list that a task of a phase belongs to; phase and task become their numbers there.
  int which(int& phase, int64_t& task) const {
    const Turn& turn = turns_[phase][task];
    task = turn.task;
    phase -= first_[turn.list];
    return turn.list;
  }

 private:
  struct Turn {
    int list;
    int64_t task, tasks;  // its number in the list, and how many that has
  };
  std::vector<int> first_;  // of each list
  std::vector<Phase> phases_;
  std::vector<std::vector<Turn>> turns_;  // of each phase
};

}  // namespace nnfast
