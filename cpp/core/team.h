// The threads that share the tasks of a run, and wait for each other in it: OpenMP's own barriers take longer, and spin
// for milliseconds, which on a machine that has other work to do keeps the awaited thread from its CPU.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>

#include "core/crew.h"
#include "core/threads.h"
#include "core/turn.h"

namespace nnfast {

class Team {
 public:
  class Member;
  // What each member does in a run. All of them end with the same meeting.
  class Part {
   public:
    virtual void take(Member& member) = 0;

   protected:
    ~Part() = default;
  };

  // There is one team, for one caller at a time: false if another has it now.
  static Team& instance();
  bool take() { return !busy_.test_and_set(std::memory_order_acquire); }
  void give_back() { busy_.clear(std::memory_order_release); }

  // For the taker: how many threads, itself counted, are there and worth using now of those wanted.
  int available(int wanted);
  // For the taker: runs the part on so many threads that are available, the calling one among them.
  void run(Part& part, int members);

 private:
  static constexpr clockid_t kNoClock = -1;
  struct alignas(64) Seat {
    std::atomic<clockid_t> cpu_clock{kNoClock};  // until its thread has begun a run
    // The next task of this member's share: of this phase and, reset meanwhile, of the next.
    std::atomic<int64_t> next[2]{};
  };

  Team() : crew_([](int worker, int members) { instance().work(worker, members); }) {}
  void work(int worker, int members);
  void await_others(int worker, int members, uint32_t seen);
  void judge_loss();
  Turn::Clock::duration cpu_time_without(int self, int members) const;

  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
  Crew crew_;
  std::atomic<Part*> part_{nullptr};
  int members_ = 1;  // of the last run, the calling thread among them
  int set_ = 0;      // of the tasks' counters that the next phase uses
  // Fewer threads for a while, after others have been seen to need the CPUs.
  int limit_ = kMaxThreads;
  Turn::Clock::time_point limited_until_{}, watched_since_{};
  Turn::Clock::duration limited_for_{};
  std::atomic<int64_t> lost_{0};  // nanoseconds waited for members that were not running
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) Turn meeting_;
  Seat seats_[kMaxThreads];
};

// One thread's view of a run.
class Team::Member {
 public:
  Member(Team& team, int worker, int members) : team_(team), worker_(worker), members_(members), set_(team.set_) {}

  int worker() const { return worker_; }
  // A task of this phase, of those numbered from 0, that nobody has had; -1 if there is none left.
  int64_t next_task(int64_t tasks);
  // Waits for all members to come here: the phase is over.
  void meet();
  int set() const { return set_; }

 private:
  Team& team_;
  int worker_, members_;
  int set_;         // of the counters of tasks
  int helped_ = 0;  // members whose share this one has seen the end of, itself first
};

}  // namespace nnfast
