// OpenMP's threads, which wait between runs for the next. A region for each run would let them wait in OpenMP's own way
// and take 0.8 µs more (libgomp wakes its threads by a system call though they spin): of a product of 256³ in 100 µs.
#pragma once
#include <atomic>
#include <cstdint>

#include "core/turn.h"

namespace nnfast {

class Crew {
 public:
  using Work = void (*)(int worker, int members);
  explicit Crew(Work work) : work_(work) {}

  // By one thread at a time. How many of so many there are, the caller among them; more threads are started where there
  // are too few.
  int gather(int members);
  // Lets all gathered but the caller, who is worker 0, work. They must be done with it when this is called again.
  void call(int members);

 private:
  void open_region(int members);
  void enlist(int thread, int threads);
  void wait_for_calls(int worker);
  bool spin(uint32_t seen, bool woken) const;

  const Work work_;
  int size_ = 1, wanted_ = 1;  // those there are, and those asked for at most
  // For threads that enlist: the first of them, and what the calls had come to.
  std::atomic<int> first_{1};
  std::atomic<uint32_t> enlisted_at_{0};
  std::atomic<int> threads_{1};  // that OpenMP had
  Turn enlisted_;
  alignas(64) Turn calls_;  // the number of members in the low bits, the number of the call above
  alignas(64) std::atomic<int> caller_cpu_{0};
  Turn larger_;  // those for whom a call has no use sleep until one is for more members than that before it
};

}  // namespace nnfast
