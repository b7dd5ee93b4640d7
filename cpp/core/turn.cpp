#include "core/turn.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace nnfast {
namespace {

void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

void futex(std::atomic<uint32_t>& word, int operation, uint32_t value) {
  static_assert(sizeof word == sizeof(uint32_t));
  syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

}  // namespace

// Sequential consistency, here and in sleep: either this thread sees the sleeper, or the sleeper sees the new count.
void Turn::move_to(uint32_t count) {
  count_.store(count);
  if (sleepers_.load() > 0) futex(count_, FUTEX_WAKE_PRIVATE, INT_MAX);
}

bool Turn::spin(uint32_t seen, Clock::duration longest) const {
  auto moved_on = [&] {
    for (int i = 0; i < 64; ++i) {
      if (count() != seen) return true;
      relax();
    }
    return false;
  };
  if (moved_on()) return true;
  const auto end = Clock::now() + longest;
  do
    if (moved_on()) return true;
  while (Clock::now() < end);
  return false;
}

bool Turn::sleep(uint32_t seen) {
  const bool first = sleepers_.fetch_add(1) == 0;
  while (count_.load() == seen) futex(count_, FUTEX_WAIT_PRIVATE, seen);
  sleepers_.fetch_sub(1);
  return first;
}

}  // namespace nnfast
