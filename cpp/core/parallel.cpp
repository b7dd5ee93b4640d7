#include "core/parallel.h"

#include <atomic>
#include <exception>

#include "core/floating_point_mode.h"
#include "core/team.h"

namespace nnfast {
namespace {

// Measured on a 2-core Zen 4: a meeting takes 0.1 µs with both threads awake; waking one that has gone to sleep takes
// 50 to 200 µs.
constexpr double kSharedPhase = 4e3;  // ns: a smaller phase stays on the calling thread
constexpr double kSharedRun = 3e4;    // ns: with less to share, the team is left alone
// ns: with so much to share, work that comes again is tried both ways.
constexpr double kTriedFrom = 1e4, kTriedTo = 3e5;

class Shared final : public Team::Part {
 public:
  Shared(const Schedule::Step* begin, const Schedule::Step* end) : begin_(begin), end_(end) {}

  void take(Team::Member& member) override {
    const Schedule::Step* const end = end_;  // not to be read after the last meeting, nor are the steps
    for (const Schedule::Step* step = begin_; step != end; ++step) {
      if (step->shared) {
        for (int64_t task; (task = member.next_task(step->tasks)) >= 0;) run(*step, task, member.worker());
      } else {
        if (member.worker() == 0)
          for (int64_t task = 0; task < step->tasks; ++task) run(*step, task, 0);
        if (!step[1].shared) continue;  // the last step is shared
      }
      member.meet();
    }
  }

  void rethrow() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  void run(const Schedule::Step& step, int64_t task, int worker) {
    if (failed_.load(std::memory_order_relaxed)) return;
    try {
      step.job->run(step.phase, task, worker);
    } catch (...) {
      if (!failed_.exchange(true)) failure_ = std::current_exception();
    }
  }

  const Schedule::Step *begin_, *end_;
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;
};

}  // namespace

void Schedule::add(const Job& job, int phase, int64_t tasks, double cost) {
  if (tasks <= 0) return;
  const bool shared = tasks > 1 && cost >= kSharedPhase;
  steps_.push_back({&job, phase, tasks, shared});
  if (!shared) return;
  if (shared_cost_ == 0) first_shared_ = steps_.size() - 1;
  after_shared_ = steps_.size();
  shared_cost_ += cost;
}

void Schedule::run(int threads, Trial* trial) const {
  const bool guess = shared_cost_ >= kSharedRun;
  if (threads == 1 || trial == nullptr || shared_cost_ < kTriedFrom || shared_cost_ > kTriedTo)
    return run_on(guess ? threads : 1);
  const bool shares = trial->shares_next(threads, guess);
  const auto begin = std::chrono::steady_clock::now();
  run_on(shares ? threads : 1);
  trial->took(std::chrono::steady_clock::now() - begin);
}

void Schedule::run_on(int threads) const {
  Team& team = Team::instance();
  if (threads == 1 || !team.take()) {
    run_alone(0, steps_.size());
    return;
  }
  struct GiveBack {
    Team& team;
    ~GiveBack() { team.give_back(); }
  } at_the_end{team};
  const int members = team.available(threads);
  if (members == 1) {
    run_alone(0, steps_.size());
    return;
  }
  run_alone(0, first_shared_);
  Shared shared(&steps_[first_shared_], &steps_[after_shared_ - 1] + 1);
  team.run(shared, members);
  shared.rethrow();
  run_alone(after_shared_, steps_.size());
}

void Schedule::run_alone(size_t begin, size_t end) const {
  FloatingPointMode mode(FloatingPointMode::flushed);
  for (size_t i = begin; i < end; ++i)
    for (int64_t task = 0; task < steps_[i].tasks; ++task) steps_[i].job->run(steps_[i].phase, task, 0);
}

}  // namespace nnfast
