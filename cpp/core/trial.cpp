#include "core/trial.h"

#include <algorithm>

namespace nnfast {

bool Trial::shares_next(int threads, bool guess) {
  if (threads != threads_) {
    *this = Trial();
    threads_ = threads;
    shared_ = guess;
  }
  if (run_ == kTrial + stay_) {
    run_ = 0;
    stay_ = std::min(2 * stay_, kLongestStay);
  }
  return shares();
}

bool Trial::shares() const { return run_ < kTrial && run_ / kRuns % 2 == 1 ? !shared_ : shared_; }

void Trial::took(Duration time) {
  if (run_ < kTrial && run_ % kRuns != 0) times_[shares()][run_ / kRuns / 2 * kCounted + run_ % kRuns - 1] = time;
  if (++run_ == kTrial) choose();
}

// By the median: where other work takes the CPUs now and then, a single run tells nothing.
void Trial::choose() {
  auto median = [](auto& times) {
    std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
    return times[times.size() / 2];
  };
  shared_ = median(times_[true]) < median(times_[false]);
}

}  // namespace nnfast
