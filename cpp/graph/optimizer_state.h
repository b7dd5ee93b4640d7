// What an optimizer works on and remembers: the flat block of parameters and gradients, a block a slot, the step count.
#pragma once
#include <memory>
#include <vector>

#include "graph/variable.h"
#include "ops/update.h"

namespace nnfast {

class OptimizerState {
 public:
  // multipliers: of the learning rate, and decays: whether weight decay applies, for each variable of the block.
  OptimizerState(std::shared_ptr<Block> block, const UpdateSettings& settings, const std::vector<bool>& decays,
                 const std::vector<double>& multipliers);

  const std::shared_ptr<Block>& block() const { return block_; }
  const Update& update() const { return update_; }
  const Segment& segment(int variable) const { return segments_[variable]; }
  // The update of the other variables.
  Update update_without(const std::vector<int>& variables) const;
  float* slot(int index) const { return slots_at_[index]; }
  int num_slots() const { return static_cast<int>(slots_.size()); }
  // The pointers change neither while it lives nor from step to step.
  UpdateState at(int64_t step, double learning_rate) const;

  int64_t steps_taken = 0;

 private:
  std::shared_ptr<Block> block_;
  UpdateSettings settings_;
  std::vector<Segment> segments_;  // of each variable
  Update update_;
  std::vector<Buffer> slots_;
  std::vector<float*> slots_at_;
  Buffer scratch_;
};

}  // namespace nnfast
