#include "graph/optimizer_state.h"

#include <algorithm>

namespace nnfast {
namespace {

std::vector<Segment> segments_of(const Block& block, const std::vector<bool>& decays,
                                 const std::vector<double>& multipliers) {
  std::vector<Segment> segments;
  for (size_t i = 0; i < block.variables().size(); ++i)
    segments.push_back({block.offset(static_cast<int>(i)), round_up(block.variables()[i]->spec().shape.size(), kLine),
                        decays[i], multipliers[i]});
  return segments;
}

}  // namespace

OptimizerState::OptimizerState(std::shared_ptr<Block> block, const UpdateSettings& settings,
                               const std::vector<bool>& decays, const std::vector<double>& multipliers)
    : block_(std::move(block)),
      settings_(settings),
      segments_(segments_of(*block_, decays, multipliers)),
      update_(settings_, segments_) {
  for (const Update::Slot& slot : update_.slots()) {
    slots_.emplace_back(block_->size());
    slots_at_.push_back(slots_.back().data());
    if (slot.initial != 0) std::fill_n(slots_.back().data(), block_->size(), slot.initial);
  }
  if (update_.average_slot() >= 0) std::copy_n(block_->values(), block_->size(), slots_at_[update_.average_slot()]);
  scratch_ = Buffer(update_.scratch());
}

Update OptimizerState::update_without(const std::vector<int>& variables) const {
  std::vector<Segment> others = segments_;
  for (int variable : variables) others[variable].size = 0;
  return Update(settings_, others);
}

UpdateState OptimizerState::at(int64_t step, double learning_rate) const {
  return {block_->values(), block_->gradients(), slots_at_.data(), scratch_.data(), step, learning_rate};
}

}  // namespace nnfast
