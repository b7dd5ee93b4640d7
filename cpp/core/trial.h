// Whether work that is done again and again is faster on all threads or on one: tried in turns, since it depends on
// more than its cost. What threads hand each other passes from cache to cache: a training step of 64-128-10 and 128
// rows takes 44 µs on one thread of an Emerald Rapids, whose level-2 caches are private, and 55 on two. The results are
// the same.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>

namespace nnfast {

class Trial {
 public:
  using Duration = std::chrono::steady_clock::duration;

  // Whether the next run is to be shared among so many threads; until the first trial is over, as guessed by turns.
  bool shares_next(int threads, bool guess);
  // How long it took.
  void took(Duration time);

 private:
  // A trial: some runs of the one kind, then of the other. The first of each is not counted: it finds in its cache what
  // the kind before left there.
  static constexpr int kRuns = 4, kCounted = kRuns - 1, kTurns = 3;
  static constexpr int kTrial = 2 * kTurns * kRuns;
  static constexpr int64_t kShortestStay = 500, kLongestStay = 16000;  // runs by the choice before the next trial

  bool shares() const;  // the coming run
  void choose();

  int threads_ = 0;
  bool shared_ = false;  // the choice, and what a trial begins with
  int64_t run_ = 0;      // since the last trial began
  int64_t stay_ = kShortestStay;
  std::array<Duration, kTurns * kCounted> times_[2];  // alone, shared
};

}  // namespace nnfast
