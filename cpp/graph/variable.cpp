#include "graph/variable.h"

#include <algorithm>
#include <atomic>

namespace nnfast {
namespace {
std::atomic<uint64_t> moves{0};
}

uint64_t variable_moves() { return moves.load(std::memory_order_acquire); }

Variable::Variable(std::string name, const Spec& spec)
    : name_(std::move(name)), spec_(spec), storage_(std::make_shared<Buffer>(spec.shape.size())) {}

void Variable::move_to(std::shared_ptr<Buffer> storage, int64_t offset) {
  std::copy_n(data(), spec_.shape.size(), storage->data() + offset);
  storage_ = std::move(storage);
  offset_ = offset;
  moves.fetch_add(1, std::memory_order_release);
}

Block::Block(std::vector<std::shared_ptr<Variable>> variables) : variables_(std::move(variables)) {
  for (const auto& variable : variables_) {
    offsets_.push_back(size_);
    size_ += round_up(variable->spec().shape.size(), kLine);
  }
  values_ = std::make_shared<Buffer>(size_);
  gradients_ = Buffer(size_);
  for (size_t i = 0; i < variables_.size(); ++i) variables_[i]->move_to(values_, offsets_[i]);
}

bool Block::owns_all() const {
  return std::all_of(variables_.begin(), variables_.end(),
                     [&](const auto& variable) { return variable->storage() == values_; });
}

}  // namespace nnfast
