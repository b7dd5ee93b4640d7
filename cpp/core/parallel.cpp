#include "core/parallel.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <exception>

#include "core/threads.h"

namespace nnfast {
namespace {

// Measured on a 2-core Zen 4: our barrier takes 0.1 µs with both threads awake, an OpenMP region 0.6 µs; waking a
// worker that has gone to sleep takes 50 to 200 µs.
constexpr double kSharedPhase = 4e3;  // ns: a smaller phase stays on the calling thread
constexpr double kSharedRun = 3e4;    // ns: with less to share, no region is opened
constexpr int kSpins = 4000;          // before the thread yields: about 100 µs

void pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#endif
}

// Results must not depend on what the calling thread's floating-point mode happens to be, since the other workers
// have one of their own: denormals are kept, rounding is to nearest.
class StandardFloatingPoint {
 public:
#if defined(__SSE__)
  StandardFloatingPoint() : saved_(__builtin_ia32_stmxcsr()) {
    if ((saved_ & kMode) != kStandard) __builtin_ia32_ldmxcsr((saved_ & ~kMode) | kStandard);
  }
  ~StandardFloatingPoint() {
    if ((saved_ & kMode) != kStandard) __builtin_ia32_ldmxcsr(saved_);
  }
  StandardFloatingPoint(const StandardFloatingPoint&) = delete;
  StandardFloatingPoint& operator=(const StandardFloatingPoint&) = delete;

 private:
  static constexpr unsigned kMode = 0xffc0;      // flush to zero, rounding, exception masks, denormals are zero
  static constexpr unsigned kStandard = 0x1f80;  // all exceptions masked, nothing else
  unsigned saved_;
#else
  StandardFloatingPoint() {}
#endif
};

class Barrier {
 public:
  void reset(int threads) {
    threads_ = threads;
    waiting_.store(0, std::memory_order_relaxed);
  }
  void wait() {
    const uint32_t turn = turn_.load(std::memory_order_relaxed);
    if (waiting_.fetch_add(1, std::memory_order_acq_rel) == threads_ - 1) {
      waiting_.store(0, std::memory_order_relaxed);
      turn_.store(turn + 1, std::memory_order_release);
      return;
    }
    for (int spins = 0; turn_.load(std::memory_order_acquire) == turn;)
      if (spins < kSpins) {
        ++spins;
        pause();
      } else {
        sched_yield();
      }
  }

 private:
  int threads_ = 1;
  alignas(64) std::atomic<int> waiting_{0};
  alignas(64) std::atomic<uint32_t> turn_{0};
};

// Each thread takes the tasks of its own share in order (neighbouring phases then touch the same data on the same
// core) and afterwards helps the others. Two sets in turn: one is reset while the other is in use.
struct alignas(64) Share {
  std::atomic<int64_t> next{0};
};

struct Team {
  std::atomic_flag busy = ATOMIC_FLAG_INIT;
  Barrier barrier;
  Share shares[2][kMaxThreads];
};
Team team;

}  // namespace

void Schedule::add(const Job& job, int phase, int64_t tasks, double cost) {
  if (tasks <= 0) return;
  const bool shared = tasks > 1 && cost >= kSharedPhase;
  if (shared) shared_cost_ += cost;
  steps_.push_back({&job, phase, tasks, shared});
}

void Schedule::run(int threads) const {
  if (threads == 1 || shared_cost_ < kSharedRun || team.busy.test_and_set(std::memory_order_acquire)) {
    run_alone();
    return;
  }
  struct Release {
    ~Release() { team.busy.clear(std::memory_order_release); }
  } release;
  run_as_team(threads);
}

void Schedule::run_alone() const {
  StandardFloatingPoint standard;
  for (const Step& step : steps_)
    for (int64_t task = 0; task < step.tasks; ++task) step.job->run(step.phase, task, 0);
}

void Schedule::run_as_team(int wanted) const {
  std::atomic<bool> failed{false};
  std::exception_ptr failure;
  auto run = [&](const Step& step, int64_t task, int worker) {
    if (failed.load(std::memory_order_relaxed)) return;
    try {
      step.job->run(step.phase, task, worker);
    } catch (...) {
      if (!failed.exchange(true)) failure = std::current_exception();
    }
  };

#pragma omp parallel num_threads(wanted)
  {
    StandardFloatingPoint standard;
    const int threads = omp_get_num_threads();  // may be fewer than wanted
    const int worker = omp_get_thread_num();
    team.shares[0][worker].next.store(0, std::memory_order_relaxed);
    team.shares[1][worker].next.store(0, std::memory_order_relaxed);
    if (worker == 0) team.barrier.reset(threads);
#pragma omp barrier

    int set = 0;
    for (size_t i = 0; i < steps_.size(); ++i) {
      const Step& step = steps_[i];
      if (!step.shared) {
        if (worker == 0)
          for (int64_t task = 0; task < step.tasks; ++task) run(step, task, 0);
        if (i + 1 < steps_.size() && steps_[i + 1].shared) team.barrier.wait();
        continue;
      }
      Share* shares = team.shares[set];
      for (int turn = 0; turn < threads; ++turn) {
        const int owner = (worker + turn) % threads;
        const int64_t begin = step.tasks * owner / threads, end = step.tasks * (owner + 1) / threads;
        for (;;) {
          const int64_t task = begin + shares[owner].next.fetch_add(1, std::memory_order_relaxed);
          if (task >= end) break;
          run(step, task, worker);
        }
      }
      set ^= 1;
      team.shares[set][worker].next.store(0, std::memory_order_relaxed);  // last used before the previous barrier
      team.barrier.wait();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace nnfast
