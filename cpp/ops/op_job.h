// One direction of one op as a job for a team.
#pragma once
#include <vector>

#include "core/parallel.h"
#include "ops/op.h"

namespace nnfast {

enum class Direction { forward, backward };

class OpJob final : public Job {
 public:
  OpJob(const Op& op, Direction direction, const Args& args, std::vector<Worker>& workers)
      : op_(op), direction_(direction), args_(args), workers_(workers) {}

  void run(int phase, int64_t task, int worker) const override {
    if (direction_ == Direction::forward)
      op_.forward(args_, phase, task, workers_[worker]);
    else
      op_.backward(args_, phase, task, workers_[worker]);
  }

  void schedule(const std::vector<Phase>& phases, Schedule& schedule) const {
    for (size_t i = 0; i < phases.size(); ++i)
      schedule.add(*this, static_cast<int>(i), phases[i].tasks, phases[i].cost);
  }

 private:
  const Op& op_;
  const Direction direction_;
  const Args& args_;
  std::vector<Worker>& workers_;
};

}  // namespace nnfast
