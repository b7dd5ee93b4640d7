#include "core/crew.h"

#include <omp.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

#include "core/threads.h"

namespace nnfast {
namespace {

using namespace std::chrono_literals;

// About as long as OpenMP's threads spin between regions: steps of a training loop in Python follow each other sooner.
constexpr Turn::Clock::duration kIdle = 4ms;
constexpr Turn::Clock::duration kGlance = 20us;

constexpr int kMembersBits = 9;
static_assert(kMaxThreads < 1 << kMembersBits);
int members_of(uint32_t call) { return static_cast<int>(call & ((1u << kMembersBits) - 1)); }

}  // namespace

// The region is another thread's, for it lasts: its first thread stands for the caller, so that OpenMP counts and binds
// the others as in a region of the caller's own.
int Crew::gather(int members) {
  if (members > wanted_) {
    wanted_ = members;
    first_ = size_;
    enlisted_at_ = calls_.count();
    const uint32_t seen = enlisted_.count();
    try {
      std::thread([this, members] { open_region(members); }).detach();
    } catch (const std::system_error&) {
      return size_;  // the system has no more threads
    }
    if (!enlisted_.spin(seen, 1ms)) enlisted_.sleep(seen);
    size_ = std::max<int>(size_, threads_);
  }
  return std::min(members, size_);
}

void Crew::call(int members) {
  caller_cpu_.store(sched_getcpu(), std::memory_order_relaxed);
  const uint32_t last = calls_.count(), number = (last >> kMembersBits) + 1;
  calls_.move_to(number << kMembersBits | static_cast<uint32_t>(members));
  if (members > members_of(last)) larger_.advance();
}

// The region captures nothing: what its threads are to know is handed over by atomics, which ThreadSanitizer
// understands, as it does not what OpenMP's library does inside.
void Crew::open_region(int members) {
  static std::atomic<Crew*> crew;
  crew = this;
  omp_set_dynamic(0);  // how busy the machine is now says nothing of later
#pragma omp parallel num_threads(members)
  crew.load()->enlist(omp_get_thread_num(), omp_get_num_threads());
}

void Crew::enlist(int thread, int threads) {
  if (thread == 0) {
    threads_ = threads;
    enlisted_.advance();
    Turn never;
    never.sleep(never.count());
  }
  if (thread >= first_) wait_for_calls(thread);
}

// A thread that has been woken from its sleep may share the caller's CPU until the system moves one of them, and the
// caller could not go on while it spins: 384³ after a pause of 20 ms took 3.8 ms, and takes 1.
bool Crew::spin(uint32_t seen, bool woken) const {
  const auto end = Turn::Clock::now() + kIdle;
  do {
    if (woken && sched_getcpu() == caller_cpu_.load(std::memory_order_relaxed)) sched_yield();
    if (calls_.spin(seen, kGlance)) return true;
  } while (Turn::Clock::now() < end);
  return false;
}

void Crew::wait_for_calls(int worker) {
  bool woken = false;
  for (uint32_t seen = enlisted_at_;;) {
    woken = !spin(seen, woken);
    if (woken) calls_.sleep(seen);
    seen = calls_.count();
    if (worker < members_of(seen)) {
      work_(worker, members_of(seen));
    } else {
      const uint32_t larger = larger_.count();
      if (worker >= members_of(calls_.count())) larger_.sleep(larger);
    }
  }
}

}  // namespace nnfast
