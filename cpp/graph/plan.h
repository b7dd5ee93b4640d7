// From a graph to the list of steps that compute it, and where each of their operands lies. Decided once for a shape
// and a purpose; run by an Executor, any number of times.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "graph/graph.h"
#include "graph/memory.h"

namespace nnfast {

// What is wanted of a graph.
struct Purpose {
  std::vector<ValueId> outputs;       // can be read after a run
  std::vector<ValueId> accumulate;    // are summed over the runs, in double
  ValueId loss = -1;                  // a scalar; -1: nothing is differentiated
  std::shared_ptr<Block> block;       // the variables to differentiate the loss by
  std::vector<ValueId> gradients_of;  // other values to differentiate it by; gradient i is output outputs.size() + i
  // Variables may be updated where their gradients are made, which then are not kept.
  bool update_at_once = false;
};

// Where an operand lies.
struct Place {
  enum class Kind { none, arena, input, variable, constant, gradient };
  Kind kind = Kind::none;
  int index = -1;  // of the buffer; the input; the value (variable, constant); the variable in the block (gradient)
};

struct PlannedStep {
  enum class Kind { forward, backward, zero, update };
  Kind kind;
  std::string name;   // for people: "dense relu", "sum of 2 gradients"
  std::string label;  // the layer
  std::shared_ptr<Op> op;
  std::vector<Phase> phases;
  std::vector<Place> inputs, outputs, kept, output_grads, input_grads;
  Place scratch;
  uint32_t overwrites_inputs = 0;  // as in Requirements
  bool overwrites_gradient = false;
  int64_t zero_size = 0;
  uint32_t updates_inputs = 0;  // bit i: this step updates variable input_grads[i].index, the update step does not
};

class Plan {
 public:
  // Fuses and differentiates. The graph belongs to the plan from now on.
  Plan(Graph graph, Purpose purpose);

  const Graph& graph() const { return graph_; }
  const Purpose& purpose() const { return purpose_; }
  const std::vector<PlannedStep>& steps() const { return steps_; }
  const std::vector<Place>& outputs() const { return outputs_; }  // of purpose.outputs, then the gradients
  const std::vector<Spec>& output_specs() const { return output_specs_; }
  const std::vector<Place>& accumulated() const { return accumulated_; }
  const Layout& layout() const { return layout_; }
  int64_t worker_scratch() const { return worker_scratch_; }
  // The variables of the block that steps before the update step take care of.
  std::vector<int> updated_at_once() const;
  double cost() const;  // nanoseconds on one thread, roughly
  // One line a step, its operands' shapes and bytes; then the memory.
  std::string describe(const std::vector<double>& nanoseconds = {}) const;

 private:
  struct Builder;

  Graph graph_;
  Purpose purpose_;
  std::vector<PlannedStep> steps_;
  std::vector<Place> outputs_, accumulated_;
  std::vector<Spec> output_specs_;
  std::vector<Lifetime> buffers_;
  Layout layout_;
  int64_t worker_scratch_ = 0;
};

}  // namespace nnfast
