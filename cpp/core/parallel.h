// Runs phases of independent tasks on a team of threads. core/crew.cpp is the only file that opens an OpenMP region.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/trial.h"

namespace nnfast {

class Job {
 public:
  virtual ~Job() = default;
  // worker: which thread of the team runs it, from 0; its scratch memory goes by this number.
  virtual void run(int phase, int64_t task, int worker) const = 0;
};

// The phases of one call, in order: a phase starts when the one before has finished.
class Schedule {
 public:
  // cost: nanoseconds on one thread. The job must outlive the schedule.
  void add(const Job& job, int phase, int64_t tasks, double cost);
  // The thread that calls is worker 0 and runs every phase that is too small to share. An exception thrown by a task
  // skips the tasks that have not begun and is thrown on. Another thread that runs a schedule meanwhile runs it alone.
  // trial: of the runs of this work, one at a time; without one, and for work that leaves no doubt, its cost decides.
  void run(int threads, Trial* trial = nullptr) const;

  struct Step {
    const Job* job;
    int phase;
    int64_t tasks;
    bool shared;  // worth more than one thread
  };
  const std::vector<Step>& steps() const { return steps_; }

 private:
  void run_on(int threads) const;
  void run_alone(size_t begin, size_t end) const;

  std::vector<Step> steps_;
  double shared_cost_ = 0;
  size_t first_shared_ = 0, after_shared_ = 0;  // the steps that the team runs together
};

}  // namespace nnfast
