#include "graph/fusion.h"

#include <algorithm>
#include <set>

#include "kernels/activations.h"

namespace nnfast {
namespace {

// Ops that take the attributes `activation` and `alpha`.
const std::set<std::string> takes_activation = {
    "dense", "conv", "depthwise_conv", "conv_transpose", "batch_norm", "batch_norm_inference", "group_norm"};

bool is_activation(const std::string& op_name) {
  return std::any_of(std::begin(kActivations), std::end(kActivations),
                     [&](const ActivationInfo& activation) { return op_name == activation.name; });
}

class Fusion {
 public:
  Fusion(Graph& graph, const std::vector<ValueId>& kept) : graph_(graph), kept_(kept.begin(), kept.end()) {
    for (const Assignment& assignment : graph.assignments()) kept_.insert(assignment.value);
  }

  void run() {
    const int nodes = static_cast<int>(graph_.nodes().size());
    for (int i = 0; i < nodes; ++i) bypass_softmax(i);
    remove_unused();
    for (int i = 0; i < nodes; ++i) absorb_activation(i);
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

  void absorb_activation(int consumer) {
    const Node& activation = graph_.nodes()[consumer];
    if (activation.removed || activation.inputs.size() != 1 || !is_activation(activation.op_name)) return;
    const ValueId id = activation.inputs[0];
    const Node* made = producer(id);
    if (made == nullptr || takes_activation.count(made->op_name) == 0 || made->outputs[0] != id) return;
    if (made->attributes.get<std::string>("activation", "linear") != "linear") return;
    if (kept_.count(id) != 0 || num_consumers(id) != 1) return;
    Attributes attributes = made->attributes;
    attributes.set("activation", activation.op_name);
    if (activation.attributes.has("alpha")) attributes.set("alpha", activation.attributes.get<double>("alpha"));
    graph_.absorb(graph_.value(id).index, consumer, attributes);
  }

  Graph& graph_;
  std::set<ValueId> kept_;
};

}  // namespace

void fuse(Graph& graph, const std::vector<ValueId>& kept) { Fusion(graph, kept).run(); }

}  // namespace nnfast
