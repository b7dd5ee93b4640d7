#include "graph/fusion.h"

#include <algorithm>
#include <set>

#include "kernels/activations.h"
#include "ops/activation_attributes.h"

namespace nnfast {
namespace {

// Ops that take the attributes `activation` and `alpha`.
const std::set<std::string> takes_activation = {
    "dense", "conv", "depthwise_conv", "conv_transpose", "batch_norm", "batch_norm_inference", "group_norm"};

// Ops whose losses, one a row, may become their mean: the attribute `mean`.
const std::set<std::string> takes_mean = {"softmax_cross_entropy", "softmax_cross_entropy_dense",
                                          "sigmoid_cross_entropy"};

// Ops that take the mean and variance of each channel of what they make, while they make it: the attribute `moments`.
const std::set<std::string> takes_moments = {"conv", "depthwise_conv"};

const std::set<std::string> takes_residual = {"batch_norm", "batch_norm_inference"};
// Ops of x, w, [b] whose outputs' channels are each multiplied by weights of their own, the last axis or two of w.
const std::set<std::string> takes_scale = {"dense", "conv", "depthwise_conv"};

bool is_activation(const std::string& op_name) {
  return std::any_of(std::begin(kActivations), std::end(kActivations),
                     [&](const ActivationInfo& activation) { return op_name == activation.name; });
}

class Fusion {
 public:
  Fusion(Graph& graph, const std::vector<ValueId>& kept) : graph_(graph), kept_(kept.begin(), kept.end()) {
    for (const Assignment& assignment : graph.assignments()) kept_.insert(assignment.value);
  }

  void run(bool differentiated) {
    const int nodes = static_cast<int>(graph_.nodes().size());
    for (int i = 0; i < nodes; ++i) bypass_softmax(i);
    remove_unused();
    for (int i = 0; i < nodes; ++i) absorb_addition(i);
    for (int i = 0; i < nodes && !differentiated; ++i) fold_batch_norm(i);
    for (int i = 0; i < nodes; ++i) absorb_activation(i);
    for (int i = 0; i < nodes; ++i) absorb_mean(i);
    for (int i = 0; i < nodes; ++i) take_moments_before(i);
    for (int i = 0; i < nodes && differentiated; ++i) pass_derivative_on(i);
  }

 private:
  const Node* producer(ValueId id) const {
    const Value& value = graph_.value(id);
    return value.source == Value::Source::computed ? &graph_.nodes()[value.index] : nullptr;
  }

  void bypass_softmax(int index) {
    const Node& node = graph_.nodes()[index];
    if (node.inputs.empty()) return;
    const Node* made = producer(node.inputs[0]);
    if (made == nullptr) return;
    if (node.op_name != "argmax" || made->op_name != "softmax" ||
        node.attributes.get<int64_t>("axis", -1) != made->attributes.get<int64_t>("axis", -1))
      return;
    std::vector<ValueId> inputs = node.inputs;
    inputs[0] = made->inputs[0];
    const Attributes attributes = node.attributes;
    graph_.replace(index, "argmax", attributes, inputs);
  }

  void remove_unused() {
    for (int i = static_cast<int>(graph_.nodes().size()) - 1; i >= 0; --i) {
      const Node& node = graph_.nodes()[i];
      if (!node.removed && std::none_of(node.outputs.begin(), node.outputs.end(),
                                        [&](ValueId id) { return kept_.count(id) != 0 || num_consumers(id) != 0; }))
        graph_.remove(i);
    }
  }

  int num_consumers(ValueId id) const {
    int count = 0;
    for (const Node& node : graph_.nodes())
      if (!node.removed) count += static_cast<int>(std::count(node.inputs.begin(), node.inputs.end(), id));
    return count;
  }

  // Whether nothing but one node reads the value.
  bool is_inner(ValueId id) const { return kept_.count(id) == 0 && num_consumers(id) == 1; }

  static bool is_linear(const Node& node) {
    return node.attributes.get<std::string>("activation", "linear") == "linear";
  }

  // Whether the value exists before a node runs.
  bool is_before(ValueId id, int node) const {
    const Value& value = graph_.value(id);
    return value.source != Value::Source::computed || value.index < node;
  }

  // The derivative of a dense layer's activation, taken by the dense layer behind it, which makes the gradient.
  void pass_derivative_on(int index) {
    const Node& dense = graph_.nodes()[index];
    if (dense.removed || dense.op_name != "dense") return;
    const ValueId id = dense.inputs[0];
    const Node* before = producer(id);
    if (before == nullptr || before->op_name != "dense" || is_linear(*before) || !is_inner(id)) return;
    Attributes attributes = dense.attributes, of_before = before->attributes;
    if (!derivative_reads_output(activation_of(of_before))) return;
    attributes.set("input_activation", of_before.get<std::string>("activation"));
    if (of_before.has("alpha")) attributes.set("input_alpha", of_before.get<double>("alpha"));
    of_before.set("gradient_of_z", true);
    graph_.replace(graph_.value(id).index, "dense", of_before, before->inputs);
    graph_.replace(index, "dense", attributes, dense.inputs);
  }

  void absorb_addition(int consumer) {
    const Node& addition = graph_.nodes()[consumer];
    if (addition.removed || addition.op_name != "add") return;
    for (int k : {0, 1}) {
      const ValueId id = addition.inputs[k], other = addition.inputs[1 - k];
      const Node* made = producer(id);
      if (made == nullptr || takes_residual.count(made->op_name) == 0 || made->outputs[0] != id || !is_linear(*made))
        continue;
      if (made->attributes.get<bool>("residual", false) || !is_inner(id) || !is_before(other, graph_.value(id).index) ||
          graph_.value(id).spec.shape != graph_.value(other).spec.shape)
        continue;
      Attributes attributes = made->attributes;
      attributes.set("residual", true);
      std::vector<ValueId> inputs = made->inputs;
      inputs.push_back(other);
      return graph_.absorb(graph_.value(id).index, consumer, attributes, inputs);
    }
  }

  void fold_batch_norm(int consumer) {
    const Node& norm = graph_.nodes()[consumer];
    if (norm.removed || norm.op_name != "batch_norm_inference" || norm.attributes.get<bool>("residual", false)) return;
    const ValueId id = norm.inputs[0];
    const Node* made = producer(id);
    if (made == nullptr || takes_scale.count(made->op_name) == 0 || !is_linear(*made) || !is_inner(id)) return;
    const int index = graph_.value(id).index;
    // By the outputs of one row: whether it is folded, and so the bits, must not depend on how many rows a batch has.
    const Shape& shape = graph_.value(id).spec.shape;
    if (shape.size_between(1, shape.rank()) < graph_.value(made->inputs[1]).spec.shape.size()) return;
    Attributes folding;
    folding.set("bias", made->inputs.size() == 3);
    for (const char* name : {"scale", "center", "epsilon"})
      if (norm.attributes.has(name)) folding.set(name, norm.attributes.values().at(name));
    std::vector<ValueId> folded(made->inputs.begin() + 1, made->inputs.end());
    folded.insert(folded.end(), norm.inputs.begin() + 1, norm.inputs.end());
    if (!std::all_of(folded.begin(), folded.end(), [&](ValueId each) { return is_before(each, index); })) return;
    const std::string op_name = made->op_name;
    Attributes attributes = made->attributes;
    for (const char* name : {"activation", "alpha"})
      if (norm.attributes.has(name)) attributes.set(name, norm.attributes.values().at(name));
    const ValueId x = made->inputs[0];
    // The weights are made where the layer was, the layer runs where the normalization was.
    const std::vector<ValueId> made_weights = graph_.renew(index, "fold_batch_norm", folding, folded);
    graph_.replace(consumer, op_name, attributes, {x, made_weights[0], made_weights[1]});
    graph_.swap_labels(index, consumer);
  }

  void absorb_activation(int consumer) {
    const Node& activation = graph_.nodes()[consumer];
    if (activation.removed || activation.inputs.size() != 1 || !is_activation(activation.op_name)) return;
    const ValueId id = activation.inputs[0];
    const Node* made = producer(id);
    if (made == nullptr || takes_activation.count(made->op_name) == 0 || made->outputs[0] != id) return;
    if (!is_linear(*made) || !is_inner(id)) return;
    if (made->attributes.get<bool>("residual", false) && activation.op_name != "relu") return;
    Attributes attributes = made->attributes;
    attributes.set("activation", activation.op_name);
    if (activation.attributes.has("alpha")) attributes.set("alpha", activation.attributes.get<double>("alpha"));
    graph_.absorb(graph_.value(id).index, consumer, attributes, made->inputs);
  }

  void absorb_mean(int consumer) {
    const Node& mean = graph_.nodes()[consumer];
    if (mean.removed || mean.op_name != "mean" || graph_.value(mean.outputs[0]).spec.shape.rank() != 0) return;
    const ValueId id = mean.inputs[0];
    const Node* made = producer(id);
    if (made == nullptr || takes_mean.count(made->op_name) == 0 || !is_inner(id)) return;
    Attributes attributes = made->attributes;
    attributes.set("mean", true);
    graph_.absorb(graph_.value(id).index, consumer, attributes, made->inputs);
  }

  // The statistics of a batch, taken by the convolution that makes it.
  void take_moments_before(int consumer) {
    const Node& norm = graph_.nodes()[consumer];
    if (norm.removed || norm.op_name != "batch_norm") return;
    const ValueId id = norm.inputs[0];
    const Node* made = producer(id);
    if (made == nullptr || takes_moments.count(made->op_name) == 0 || !is_linear(*made) || !is_inner(id)) return;
    Attributes of_made = made->attributes, attributes = norm.attributes;
    of_made.set("moments", true);
    attributes.set("moments_given", true);
    const std::string op_name = made->op_name;
    const std::vector<ValueId> of_made_inputs = made->inputs;
    const std::vector<ValueId> results = graph_.renew(graph_.value(id).index, op_name, of_made, of_made_inputs);
    std::vector<ValueId> inputs = norm.inputs;
    inputs[0] = results[0];
    inputs.insert(attributes.get<bool>("residual", false) ? inputs.end() - 1 : inputs.end(), results.begin() + 1,
                  results.end());
    graph_.replace(consumer, "batch_norm", attributes, inputs);
  }

  Graph& graph_;
  std::set<ValueId> kept_;
};

}  // namespace

void fuse(Graph& graph, const std::vector<ValueId>& kept, bool differentiated) {
  Fusion(graph, kept).run(differentiated);
}

}  // namespace nnfast
