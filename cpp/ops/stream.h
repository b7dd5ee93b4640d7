// The random numbers of one op in one step.
#pragma once
#include "kernels/kernels.h"
#include "ops/op.h"

namespace nnfast {

// The model's seed is the key of the generator; the step and the op's seed are parts of its counter beside the
// element's index, so no two ops, steps or elements share numbers.
inline Kernels::Stream stream_of(const StepState& state, int64_t op_seed) {
  const auto low = [](uint64_t x) { return static_cast<uint32_t>(x); };
  const auto high = [](uint64_t x) { return static_cast<uint32_t>(x >> 32); };
  const auto seed = static_cast<uint64_t>(op_seed);
  return {{low(state.seed), high(state.seed)}, {low(seed), low(state.step), high(state.step) ^ high(seed)}};
}

}  // namespace nnfast
