#include "core/team.h"

#include <pthread.h>

#include <algorithm>

#include "core/floating_point_mode.h"

namespace nnfast {
namespace {

using Clock = Turn::Clock;
using namespace std::chrono_literals;

// A sleeping thread takes 50 to 200 µs to wake (2-core Zen 4, virtual machine), one that spins 0.1 µs.
constexpr Clock::duration kSpinInRun = 100us;

// Where another process needs the CPUs too, the members wait for one that isn't running: a time slice (3 ms) for work
// of microseconds. After 1 ms and a quarter of the time lost like that, half of them do without the others: for
// longer each time that trouble returns as soon as all are back.
constexpr Clock::duration kLostAtLeast = 1ms;
constexpr int kLostPart = 4;
constexpr Clock::duration kWatch = 20ms;
constexpr Clock::duration kShortestLimit = 8ms, kLongestLimit = 256ms;

// Where the system cannot tell, a clock that never stands still: the thread then counts as one that is at work.
clockid_t cpu_clock(pthread_t thread) {
  clockid_t clock{};
  return pthread_getcpuclockid(thread, &clock) == 0 ? clock : CLOCK_MONOTONIC;
}

}  // namespace

// Never destroyed: another thread may still compute when the process ends.
Team& Team::instance() {
  static Team* const team = new Team;
  return *team;
}

int Team::available(int wanted) {
  if (lost_.load(std::memory_order_relaxed) != 0) judge_loss();
  if (limit_ < wanted) {
    if (Clock::now() < limited_until_)
      wanted = limit_;
    else
      limit_ = kMaxThreads;
  }
  return crew_.gather(wanted);
}

void Team::run(Part& part, int members) {
  if (members != members_)  // a member's counters are as its last run left them
    for (int worker = 0; worker < members; ++worker)
      for (auto& next : seats_[worker].next) next.store(0, std::memory_order_relaxed);
  members_ = members;
  part_.store(&part, std::memory_order_release);
  crew_.call(members);
  work(0, members);
}

// After the last meeting of a run, which is the last that its part knows of, the next may begin.
void Team::work(int worker, int members) {
  FloatingPointMode mode(FloatingPointMode::flushed);
  Part* part = part_.load(std::memory_order_acquire);
  seats_[worker].cpu_clock.store(cpu_clock(pthread_self()), std::memory_order_relaxed);
  Member member(*this, worker, members);
  part->take(member);
  if (worker == 0) set_ = member.set();
}

// Each member takes the tasks of its own share in order (neighbouring phases then touch the same data on the same
// core) and afterwards helps the others.
int64_t Team::Member::next_task(int64_t tasks) {
  for (; helped_ < members_; ++helped_) {
    const int owner = (worker_ + helped_) % members_;
    const int64_t begin = tasks * owner / members_, end = tasks * (owner + 1) / members_;
    const int64_t task = begin + team_.seats_[owner].next[set_].fetch_add(1, std::memory_order_relaxed);
    if (task < end) return task;
  }
  return -1;
}

void Team::Member::meet() {
  helped_ = 0;
  set_ ^= 1;
  team_.seats_[worker_].next[set_].store(0, std::memory_order_relaxed);  // last used before the previous meeting
  const uint32_t seen = team_.meeting_.count();
  if (team_.arrived_.fetch_add(1, std::memory_order_acq_rel) == members_ - 1) {
    team_.arrived_.store(0, std::memory_order_relaxed);
    team_.meeting_.advance();
  } else if (!team_.meeting_.spin(seen, kSpinInRun)) {
    team_.await_others(worker_, members_, seen);
  }
}

// A long wait for a member that is late: is it at work, or kept from it? By this thread, perhaps, where both are on one
// CPU: then it runs as soon as this one sleeps.
void Team::await_others(int worker, int members, uint32_t seen) {
  Clock::duration worked = cpu_time_without(worker, members);
  auto begin = Clock::now();
  auto lost = [&] {  // since the last look
    const auto worked_now = cpu_time_without(worker, members);
    const auto now = Clock::now();
    const auto waited = now - begin;
    const bool kept = 2 * (worked_now - worked) < waited;
    begin = now;
    worked = worked_now;
    return kept ? waited.count() : 0;
  };
  if (meeting_.spin(seen, kSpinInRun)) return;
  const int64_t while_spinning = lost();
  const bool first = meeting_.sleep(seen);
  if (first) lost_ += 2 * while_spinning + lost();
}

// Between runs: whether to do without some of the members for a while.
void Team::judge_loss() {
  const auto now = Clock::now();
  const auto lost = Clock::duration(lost_.load());
  if (lost > kLostAtLeast && kLostPart * lost > now - watched_since_) {
    const bool again = watched_since_ - limited_until_ < std::max(kWatch, limited_for_);
    limited_for_ = again ? std::min(2 * limited_for_, kLongestLimit) : kShortestLimit;
    limited_until_ = now + limited_for_;
    limit_ = std::max(1, members_ / 2);
  } else if (now - watched_since_ < kWatch) {
    return;
  }
  watched_since_ = now;
  lost_ = 0;
}

// How long the other members have run. A worker may ask this when the next run has begun: then it is of no use.
Clock::duration Team::cpu_time_without(int self, int members) const {
  timespec sum{};
  for (int worker = 0; worker < members; ++worker) {
    const clockid_t clock = seats_[worker].cpu_clock.load(std::memory_order_relaxed);
    if (worker == self || clock == kNoClock) continue;
    timespec time{};
    clock_gettime(clock, &time);
    sum.tv_sec += time.tv_sec;
    sum.tv_nsec += time.tv_nsec;
  }
  return std::chrono::seconds(sum.tv_sec) + std::chrono::nanoseconds(sum.tv_nsec);
}

}  // namespace nnfast
