// Values and the nodes that compute them. Nothing is executed here.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "graph/variable.h"
#include "ops/attributes.h"
#include "ops/op.h"

namespace nnfast {

using ValueId = int;

struct Value {
  enum class Source { input, variable, constant, computed };
  Source source;
  Spec spec;
  int index = -1;                      // of an input: which one; of a computed value: its node
  std::shared_ptr<Variable> variable;  // of a variable
  std::shared_ptr<Buffer> constant;    // of a constant
};

struct Node {
  std::string op_name;
  Attributes attributes;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::string label;  // the layer that emitted it
  std::shared_ptr<Op> op;
  bool removed = false;  // by fusion
};

// A value to be copied into a variable: a moving average before the optimizer's step, a constraint's result after it.
struct Assignment {
  std::shared_ptr<Variable> target;
  ValueId value;
  bool after_update;
};

class Graph {
 public:
  ValueId input(const Spec& spec);
  ValueId variable(const std::shared_ptr<Variable>& variable);  // the same value for the same variable
  ValueId constant(const Spec& spec, const void* data);
  // Checks the inputs at once, so that an error shows where the user made it.
  std::vector<ValueId> add(const std::string& op_name, const Attributes& attributes, const std::vector<ValueId>& inputs,
                           const std::string& label);
  std::vector<ValueId> add(std::shared_ptr<Op> op, const std::string& op_name, const Attributes& attributes,
                           const std::vector<ValueId>& inputs, const std::string& label);
  void assign(const std::shared_ptr<Variable>& target, ValueId value, bool after_update);

  void require_value(ValueId id) const;  // that there is one
  const Value& value(ValueId id) const { return values_[id]; }
  const std::vector<Value>& values() const { return values_; }
  const std::vector<Node>& nodes() const { return nodes_; }
  const std::vector<Assignment>& assignments() const { return assignments_; }
  int num_inputs() const { return static_cast<int>(inputs_.size()); }
  ValueId input_value(int index) const { return inputs_[index]; }

  // For fusion. The node gets another op; its outputs keep their ids, shapes and types.
  void replace(int node, const std::string& op_name, const Attributes& attributes, const std::vector<ValueId>& inputs);
  // The node takes over the only output of the node that alone consumes its own, which is removed.
  void absorb(int node, int consumer, const Attributes& attributes, const std::vector<ValueId>& inputs);
  // The node computes something else, under new ids, which are returned; nothing may use its outputs any more.
  std::vector<ValueId> renew(int node, const std::string& op_name, const Attributes& attributes,
                             const std::vector<ValueId>& inputs);
  void remove(int node) { nodes_[node].removed = true; }
  void swap_labels(int node, int other) { std::swap(nodes_[node].label, nodes_[other].label); }

 private:
  std::vector<Value> values_;
  std::vector<Node> nodes_;
  std::vector<Assignment> assignments_;
  std::vector<ValueId> inputs_;
};

}  // namespace nnfast
