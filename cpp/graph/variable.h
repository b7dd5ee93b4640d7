// A value that outlives a step: a parameter or a state. Its memory can move, when a model gathers its parameters into
// one flat block.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "core/tensor.h"

namespace nnfast {

class Variable {
 public:
  Variable(std::string name, const Spec& spec);

  const std::string& name() const { return name_; }
  const Spec& spec() const { return spec_; }
  float* data() const { return storage_->data() + offset_; }
  const std::shared_ptr<Buffer>& storage() const { return storage_; }
  // Copies the contents to the new place, which is used from now on.
  void move_to(std::shared_ptr<Buffer> storage, int64_t offset);

 private:
  std::string name_;
  Spec spec_;
  std::shared_ptr<Buffer> storage_;
  int64_t offset_ = 0;
};

// Counts the moves of all variables: pointers taken at an older count may be stale.
uint64_t variable_moves();

// Variables side by side in one buffer, with a gradient for each: what an optimizer step, a global norm and a save are
// one loop over. Every variable starts on a cache line; what lies between is zero.
class Block {
 public:
  explicit Block(std::vector<std::shared_ptr<Variable>> variables);

  const std::vector<std::shared_ptr<Variable>>& variables() const { return variables_; }
  int64_t offset(int variable) const { return offsets_[variable]; }
  int64_t size() const { return size_; }
  float* values() const { return values_->data(); }
  float* gradients() const { return gradients_.data(); }
  // False once another block has taken one of the variables.
  bool owns_all() const;

 private:
  std::vector<std::shared_ptr<Variable>> variables_;
  std::vector<int64_t> offsets_;
  int64_t size_ = 0;
  std::shared_ptr<Buffer> values_;
  Buffer gradients_;
};

}  // namespace nnfast
