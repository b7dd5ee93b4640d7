#include "graph/graph.h"

#include <cstring>

#include "ops/registry.h"

namespace nnfast {

ValueId Graph::input(const Spec& spec) {
  require_possible(spec.shape, "input");
  inputs_.push_back(static_cast<ValueId>(values_.size()));
  values_.push_back({Value::Source::input, spec, static_cast<int>(inputs_.size()) - 1, nullptr, nullptr});
  return inputs_.back();
}

ValueId Graph::variable(const std::shared_ptr<Variable>& variable) {
  for (size_t id = 0; id < values_.size(); ++id)
    if (values_[id].variable == variable) return static_cast<ValueId>(id);
  values_.push_back({Value::Source::variable, variable->spec(), -1, variable, nullptr});
  return static_cast<ValueId>(values_.size()) - 1;
}

ValueId Graph::constant(const Spec& spec, const void* data) {
  auto buffer = std::make_shared<Buffer>(spec.shape.size());
  if (buffer->size() > 0) std::memcpy(buffer->data(), data, buffer->size() * sizeof(float));
  values_.push_back({Value::Source::constant, spec, -1, nullptr, std::move(buffer)});
  return static_cast<ValueId>(values_.size()) - 1;
}

std::vector<ValueId> Graph::add(const std::string& op_name, const Attributes& attributes,
                                const std::vector<ValueId>& inputs, const std::string& label) {
  return add(std::shared_ptr<Op>(make_op(op_name, attributes)), op_name, attributes, inputs, label);
}

std::vector<ValueId> Graph::add(std::shared_ptr<Op> op, const std::string& op_name, const Attributes& attributes,
                                const std::vector<ValueId>& inputs, const std::string& label) {
  std::vector<Spec> specs;
  for (ValueId id : inputs) {
    require_value(id);
    specs.push_back(values_[id].spec);
  }
  const int index = static_cast<int>(nodes_.size());
  Node node{op_name, attributes, inputs, {}, label, std::move(op), false};
  for (const Spec& spec : node.op->infer(specs)) {
    require_possible(spec.shape, op_name);
    node.outputs.push_back(static_cast<ValueId>(values_.size()));
    values_.push_back({Value::Source::computed, spec, index, nullptr, nullptr});
  }
  nodes_.push_back(std::move(node));
  return nodes_.back().outputs;
}

void Graph::assign(const std::shared_ptr<Variable>& target, ValueId value, bool after_update) {
  require_value(value);
  check(values_[value].spec.shape == target->spec().shape && values_[value].spec.dtype == target->spec().dtype,
        "variable '", target->name(), "' has shape ", target->spec().shape, ", the value assigned to it has shape ",
        values_[value].spec.shape);
  assignments_.push_back({target, value, after_update});
}

void Graph::replace(int index, const std::string& op_name, const Attributes& attributes,
                    const std::vector<ValueId>& inputs) {
  Node& node = nodes_[index];
  std::vector<Spec> specs;
  for (ValueId id : inputs) specs.push_back(values_[id].spec);
  std::shared_ptr<Op> op = make_op(op_name, attributes);
  const std::vector<Spec> outputs = op->infer(specs);
  check(outputs.size() == node.outputs.size(), "fusion changed the number of outputs of ", node.op_name);
  for (size_t i = 0; i < outputs.size(); ++i)
    check(outputs[i].shape == values_[node.outputs[i]].spec.shape, "fusion changed a shape of ", node.op_name);
  node.op = std::move(op);
  node.op_name = op_name;
  node.attributes = attributes;
  node.inputs = inputs;
}

void Graph::absorb(int index, int consumer, const Attributes& attributes, const std::vector<ValueId>& inputs) {
  const ValueId output = nodes_[consumer].outputs[0];
  nodes_[index].outputs[0] = output;
  values_[output].index = index;
  nodes_[consumer].removed = true;
  replace(index, nodes_[index].op_name, attributes, inputs);
}

std::vector<ValueId> Graph::renew(int index, const std::string& op_name, const Attributes& attributes,
                                  const std::vector<ValueId>& inputs) {
  Node& node = nodes_[index];
  std::vector<Spec> specs;
  for (ValueId id : inputs) specs.push_back(values_[id].spec);
  node.op = make_op(op_name, attributes);
  node.op_name = op_name;
  node.attributes = attributes;
  node.inputs = inputs;
  node.outputs.clear();
  for (const Spec& spec : node.op->infer(specs)) {
    node.outputs.push_back(static_cast<ValueId>(values_.size()));
    values_.push_back({Value::Source::computed, spec, index, nullptr, nullptr});
  }
  return node.outputs;
}

void Graph::require_value(ValueId id) const {
  check(id >= 0 && id < static_cast<ValueId>(values_.size()), "no value ", id, " in this graph");
}

}  // namespace nnfast
