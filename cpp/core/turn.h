// A count that threads wait for to move on: they spin for a while, then sleep.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>

namespace nnfast {

class Turn {
 public:
  using Clock = std::chrono::steady_clock;

  uint32_t count() const { return count_.load(std::memory_order_acquire); }
  // By one thread at a time.
  void advance() { move_to(count() + 1); }
  void move_to(uint32_t count);
  // Whether the count has moved on from `seen` before the time was over.
  bool spin(uint32_t seen, Clock::duration longest) const;
  // Returns whether no other thread slept then.
  bool sleep(uint32_t seen);

 private:
  std::atomic<uint32_t> count_{0};
  std::atomic<uint32_t> sleepers_{0};
};

}  // namespace nnfast
