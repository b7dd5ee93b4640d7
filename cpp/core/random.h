// Counter-based random numbers for the host side: a function of (seed, stream, position), never of what came before.
#pragma once
#include <cstdint>
#include <utility>

namespace nnfast {

// 64 random bits for each position (SplitMix64; Steele, Lea and Flood, 2014).
class CounterRandom {
 public:
  CounterRandom(uint64_t seed, uint64_t stream) : state_(mix(seed ^ mix(stream + kGolden))) {}
  uint64_t bits(uint64_t position) const { return mix(state_ + (position + 1) * kGolden); }
  // From 0 to limit - 1. The bias is below limit / 2^64.
  uint64_t below(uint64_t position, uint64_t limit) const {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(bits(position)) * limit) >> 64);
  }

 private:
  static constexpr uint64_t kGolden = 0x9E3779B97F4A7C15ull;
  static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
  }
  uint64_t state_;
};

// order = a random permutation of 0 … count-1 (Fisher and Yates; Durstenfeld, 1964).
inline void permute(int64_t count, const CounterRandom& random, int64_t* order) {
  for (int64_t i = 0; i < count; ++i) order[i] = i;
  for (int64_t i = count - 1; i > 0; --i)
    std::swap(order[i], order[random.below(static_cast<uint64_t>(i), static_cast<uint64_t>(i) + 1)]);
}

}  // namespace nnfast
