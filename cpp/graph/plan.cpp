#include "graph/plan.h"

#include <algorithm>
#include <iomanip>
#include <numeric>
#include <sstream>

#include "graph/fusion.h"
#include "ops/registry.h"

namespace nnfast {
namespace {

std::string step_name(const Node& node) {
  const std::string activation = node.attributes.get<std::string>("activation", "linear");
  std::string name = node.op_name;
  if (node.attributes.get<bool>("residual", false)) name += " + add";
  if (node.attributes.get<bool>("mean", false)) name += " + mean";
  if (node.attributes.get<bool>("moments", false)) name += " + moments";
  return activation == "linear" ? name : name + " + " + activation;
}

}  // namespace

// Builds the steps in the order in which they will run: forward, backward, assignments, update, assignments.
struct Plan::Builder {
  explicit Builder(Plan& target)
      : plan(target),
        graph(target.graph_),
        place(graph.values().size()),
        wants_gradient(graph.values().size(), false),
        contributions(graph.values().size()),
        needs(graph.nodes().size()),
        kept(graph.nodes().size()),
        in_loss(graph.nodes().size(), false) {}

  void build() {
    const Purpose& purpose = plan.purpose_;
    for (size_t id = 0; id < graph.values().size(); ++id) {
      const Value& value = graph.value(static_cast<ValueId>(id));
      if (value.source == Value::Source::input) place[id] = {Place::Kind::input, value.index};
      if (value.source == Value::Source::variable) place[id] = {Place::Kind::variable, static_cast<int>(id)};
      if (value.source == Value::Source::constant) place[id] = {Place::Kind::constant, static_cast<int>(id)};
    }

    std::vector<ValueId> roots = purpose.outputs;
    roots.insert(roots.end(), purpose.accumulate.begin(), purpose.accumulate.end());
    if (purpose.loss >= 0) roots.push_back(purpose.loss);
    for (const Assignment& assignment : graph.assignments())
      if (!assignment.after_update) roots.push_back(assignment.value);
    const std::vector<bool> in_forward = ancestors(roots);
    if (purpose.loss >= 0) in_loss = ancestors({purpose.loss});

    mark_wanted();
    for (size_t i = 0; i < graph.nodes().size(); ++i)
      if (in_forward[i]) forward(static_cast<int>(i), in_loss[i]);

    if (purpose.loss >= 0) {
      const float one = 1;
      const Spec& spec = graph.value(purpose.loss).spec;
      check(spec.shape.size() == 1 && spec.dtype == DType::f32, "the loss must be one number, received shape ",
            spec.shape);
      const ValueId seed = graph.constant(spec, &one);
      contributions[purpose.loss].push_back({Place::Kind::constant, seed});
      for (int i = static_cast<int>(graph.nodes().size()) - 1; i >= 0; --i)
        if (in_loss[i]) backward(i);
      finish_gradients();
    }
    // Only here, because both directions read what the variables contained before.
    keep_old_contents(roots);
    for (const Assignment& assignment : graph.assignments())
      if (!assignment.after_update) assign(assignment);
    if (purpose.loss >= 0) {
      PlannedStep update{};
      update.kind = PlannedStep::Kind::update;
      update.name = "update";
      plan.steps_.push_back(update);
    }

    std::vector<ValueId> late;
    for (const Assignment& assignment : graph.assignments())
      if (assignment.after_update) late.push_back(assignment.value);
    const std::vector<bool> in_late = ancestors(late);
    for (size_t i = 0; i < graph.nodes().size(); ++i)
      if (in_late[i] && !in_forward[i]) forward(static_cast<int>(i), false);
    for (const Assignment& assignment : graph.assignments())
      if (assignment.after_update) assign(assignment);

    for (ValueId id : purpose.outputs) read_after_run(place[id], graph.value(id).spec);
    for (ValueId id : purpose.gradients_of) {
      check(!contributions[id].empty(), "the loss does not depend on a value it should be differentiated by");
      read_after_run(contributions[id][0], graph.value(id).spec);
    }
    for (ValueId id : purpose.accumulate) plan.accumulated_.push_back(place[id]);
    find_updates();
    lay_out_buffers();
  }

  // The nodes that the values depend on.
  std::vector<bool> ancestors(const std::vector<ValueId>& values) const {
    std::vector<bool> needed(graph.nodes().size(), false);
    auto need = [&](ValueId id) {
      if (graph.value(id).source == Value::Source::computed) needed[graph.value(id).index] = true;
    };
    for (ValueId id : values) need(id);
    // Every input of a node comes from a node before it.
    for (int i = static_cast<int>(graph.nodes().size()) - 1; i >= 0; --i)
      if (needed[i])
        for (ValueId id : graph.nodes()[i].inputs) need(id);
    return needed;
  }

  void mark_wanted() {
    if (plan.purpose_.loss < 0) return;
    for (ValueId id : plan.purpose_.gradients_of) wants_gradient[id] = true;
    if (plan.purpose_.block == nullptr) return;
    const auto& variables = plan.purpose_.block->variables();
    variable_value.assign(variables.size(), -1);
    for (size_t id = 0; id < graph.values().size(); ++id) {
      const auto& variable = graph.values()[id].variable;
      if (variable == nullptr) continue;
      const auto found = std::find(variables.begin(), variables.end(), variable);
      if (found == variables.end()) continue;
      variable_value[found - variables.begin()] = static_cast<int>(id);
      wants_gradient[id] = true;
    }
  }

  Place new_buffer(int64_t size) {
    plan.buffers_.push_back({size, -1, -1});
    return {Place::Kind::arena, static_cast<int>(plan.buffers_.size()) - 1};
  }

  void forward(int index, bool leads_to_loss) {
    const Node& node = graph.nodes()[index];
    std::vector<bool> wanted;
    bool any = false;
    for (ValueId id : node.inputs) {
      wanted.push_back(leads_to_loss && wants_gradient[id] && graph.value(id).spec.dtype == DType::f32);
      any = any || wanted.back();
    }
    Requirements& need = needs[index] = node.op->require(wanted);
    const bool differentiable = any && (need.view || need.passes_gradient != 0 || !need.backward.empty());
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (differentiable && !has(need.constant_outputs, i)) wants_gradient[node.outputs[i]] = true;
    if (need.view) {
      place[node.outputs[0]] = place[node.inputs[0]];
      return;
    }
    PlannedStep step{};
    step.kind = PlannedStep::Kind::forward;
    step.name = step_name(node);
    step.label = node.label;
    step.op = node.op;
    step.phases = need.forward;
    for (ValueId id : node.inputs) step.inputs.push_back(place[id]);
    for (ValueId id : node.outputs) step.outputs.push_back(place[id] = new_buffer(graph.value(id).spec.shape.size()));
    for (int64_t size : need.kept) kept[index].push_back(new_buffer(size));
    step.kept = kept[index];
    step.overwrites_inputs = need.overwrites_inputs;
    if (need.forward_scratch > 0) step.scratch = new_buffer(need.forward_scratch);
    plan.worker_scratch_ = std::max(plan.worker_scratch_, need.worker_scratch);
    plan.steps_.push_back(std::move(step));
  }

  // Copies those of the values that lie in a variable which the run changes before somebody reads them.
  void keep_old_contents(const std::vector<ValueId>& values) {
    for (ValueId id : values) {
      if (place[id].kind != Place::Kind::variable) continue;
      const auto& variable = graph.value(place[id].index).variable;
      if (!changes(variable)) continue;
      const Place copy = new_buffer(graph.value(id).spec.shape.size());
      sum({place[id]}, graph.value(id).spec, copy, "copy of " + variable->name());
      place[id] = copy;
    }
  }

  bool changes(const std::shared_ptr<Variable>& variable) const {
    for (const Assignment& assignment : graph.assignments())
      if (assignment.target == variable) return true;
    if (plan.purpose_.block == nullptr) return false;
    const auto& trained = plan.purpose_.block->variables();
    return std::find(trained.begin(), trained.end(), variable) != trained.end();
  }

  void assign(const Assignment& assignment) {
    const ValueId target = graph.variable(assignment.target);
    if (static_cast<size_t>(target) >= place.size()) place.resize(target + 1);
    place[target] = {Place::Kind::variable, target};
    sum({place[assignment.value]}, {assignment.target->spec()}, place[target], "assign " + assignment.target->name());
  }

  // target = the sum of the places; a copy where there is one.
  void sum(const std::vector<Place>& places, const Spec& spec, const Place& target, const std::string& name) {
    PlannedStep step{};
    step.kind = PlannedStep::Kind::forward;
    step.name = name;
    step.op = make_op("add_n", {});
    step.op->infer(std::vector<Spec>(places.size(), spec));
    step.phases = step.op->require(std::vector<bool>(places.size(), false)).forward;
    step.inputs = places;
    step.outputs = {target};
    step.overwrites_inputs = ~0u;
    plan.steps_.push_back(std::move(step));
  }

  // The gradient that has arrived for a value, as one place; none where nothing has.
  Place gathered(ValueId id) {
    std::vector<Place>& parts = contributions[id];
    if (parts.empty()) return {};
    if (parts.size() > 1) {
      const Spec& spec = graph.value(id).spec;
      const Place total = new_buffer(spec.shape.size());
      sum(parts, spec, total, "sum of " + std::to_string(parts.size()) + " gradients");
      parts = {total};
    }
    return parts[0];
  }

  // Whether at most one gradient can arrive for a value: it has one use in the nodes that lead to the loss.
  bool has_one_use(ValueId id) const {
    int uses = 0;
    for (size_t i = 0; i < graph.nodes().size(); ++i)
      if (in_loss[i])
        uses += static_cast<int>(std::count(graph.nodes()[i].inputs.begin(), graph.nodes()[i].inputs.end(), id));
    return uses == 1;
  }

  Place gradient_place(ValueId id) {
    for (size_t k = 0; k < variable_value.size(); ++k)
      if (variable_value[k] == id && has_one_use(id)) return {Place::Kind::gradient, static_cast<int>(k)};
    return new_buffer(graph.value(id).spec.shape.size());
  }

  void backward(int index) {
    const Node& node = graph.nodes()[index];
    const Requirements& need = needs[index];
    bool any = false;
    for (ValueId id : node.inputs) any = any || (wants_gradient[id] && graph.value(id).spec.dtype == DType::f32);
    if (!any || (!need.view && need.passes_gradient == 0 && need.backward.empty())) return;
    std::vector<Place> output_grads;
    bool arrived = false;
    for (ValueId id : node.outputs) {
      output_grads.push_back(gathered(id));
      arrived = arrived || output_grads.back().kind != Place::Kind::none;
    }
    if (!arrived) return;
    if (need.view) {
      if (wants_gradient[node.inputs[0]]) contributions[node.inputs[0]].push_back(output_grads[0]);
      return;
    }
    PlannedStep step{};
    step.kind = PlannedStep::Kind::backward;
    step.name = step_name(node);
    step.label = node.label;
    step.op = node.op;
    step.phases = need.backward;
    for (size_t i = 0; i < node.inputs.size(); ++i)
      step.inputs.push_back(has(need.reads_inputs, i) ? place[node.inputs[i]] : Place{});
    for (size_t i = 0; i < node.outputs.size(); ++i)
      step.outputs.push_back(has(need.reads_outputs, i) ? place[node.outputs[i]] : Place{});
    step.kept = kept[index];
    step.output_grads = output_grads;
    step.overwrites_gradient = need.overwrites_gradient;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const ValueId id = node.inputs[i];
      Place target;
      if (wants_gradient[id] && graph.value(id).spec.dtype == DType::f32) {
        const bool passed = has(need.passes_gradient, i);
        if (!passed) target = gradient_place(id);
        contributions[id].push_back(passed ? output_grads[0] : target);
      }
      step.input_grads.push_back(target);
    }
    if (need.backward.empty()) return;
    if (need.backward_scratch > 0) step.scratch = new_buffer(need.backward_scratch);
    step.updates_inputs = need.updates_inputs;
    may_throw = may_throw || need.may_throw;
    plan.steps_.push_back(std::move(step));
  }

  // Whether a step after this one reads a gradient, or its variable, before the update step.
  bool is_read_after(size_t step, const Place& gradient) {
    bool read = false;
    auto look = [&](const Place& where) {
      read = read || (where.kind == Place::Kind::variable && where.index == variable_value[gradient.index]) ||
             (where.kind == Place::Kind::gradient && where.index == gradient.index);
    };
    while (plan.steps_[++step].kind != PlannedStep::Kind::update) for_operands(plan.steps_[step], look);
    for (const Place& where : plan.outputs_) look(where);
    return read;
  }

  // Which of the steps that can do so update variables. What ends a run half way must leave all variables as they were.
  void find_updates() {
    const bool allowed = plan.purpose_.update_at_once && !may_throw;
    for (size_t i = 0; i < plan.steps_.size(); ++i) {
      PlannedStep& step = plan.steps_[i];
      for (size_t k = 0; k < step.input_grads.size(); ++k) {
        if (!has(step.updates_inputs, k)) continue;
        const Place& gradient = step.input_grads[k];
        if (allowed && gradient.kind == Place::Kind::gradient && !is_read_after(i, gradient))
          step.name += " + update";
        else
          step.updates_inputs &= ~(1u << k);
      }
    }
  }

  // Every variable's gradient into its place in the block; those that the loss does not depend on become zero.
  void finish_gradients() {
    for (ValueId id : plan.purpose_.gradients_of) gathered(id);
    for (size_t k = 0; k < variable_value.size(); ++k) {
      const Place target{Place::Kind::gradient, static_cast<int>(k)};
      const Spec& spec = plan.purpose_.block->variables()[k]->spec();
      const ValueId id = variable_value[k];
      if (id < 0 || contributions[id].empty()) {
        PlannedStep step{};
        step.kind = PlannedStep::Kind::zero;
        step.name = "zero gradient of " + plan.purpose_.block->variables()[k]->name();
        step.outputs = {target};
        step.zero_size = spec.shape.size();
        plan.steps_.push_back(std::move(step));
        continue;
      }
      const std::vector<Place>& parts = contributions[id];
      const bool there = parts.size() == 1 && parts[0].kind == Place::Kind::gradient;
      if (!there) sum(parts, spec, target, "gradient of " + plan.purpose_.block->variables()[k]->name());
    }
  }

  void read_after_run(const Place& where, const Spec& spec) {
    plan.outputs_.push_back(where);
    plan.output_specs_.push_back(spec);
  }

  // When each buffer is first and last touched; those that nothing touches keep -1.
  void find_lifetimes() {
    const int end = static_cast<int>(plan.steps_.size());
    for (Lifetime& life : plan.buffers_) life.first = life.last = -1;
    auto touch = [&](const Place& where, int step) {
      if (where.kind != Place::Kind::arena) return;
      Lifetime& life = plan.buffers_[where.index];
      if (life.first < 0) life.first = step;
      life.last = std::max(life.last, step);
    };
    for (int i = 0; i < end; ++i) for_operands(plan.steps_[i], [&](const Place& where) { touch(where, i); });
    for (const Place& where : plan.outputs_) touch(where, end);
    for (const Place& where : plan.accumulated_) touch(where, end);
  }

  template <class Step, class F>
  static void for_operands(Step& step, F&& f) {
    for (auto* places : {&step.inputs, &step.outputs, &step.kept, &step.output_grads, &step.input_grads})
      for (auto& where : *places) f(where);
    f(step.scratch);
  }

  // A result takes the place of an operand of its size that nothing reads afterwards: what has just been read is in
  // the cache, a fresh place would first be fetched there.
  void overwrite_operands() {
    std::vector<int> now(plan.buffers_.size());  // the buffer that each one has become
    std::iota(now.begin(), now.end(), 0);
    auto current = [&](int index) {
      while (now[index] != index) index = now[index];
      return index;
    };
    auto join = [&](const Place& old, const Place& fresh, int step) {
      if (old.kind != Place::Kind::arena || fresh.kind != Place::Kind::arena) return false;
      const int a = current(old.index), b = current(fresh.index);
      Lifetime &before = plan.buffers_[a], &after = plan.buffers_[b];
      if (a == b || before.size != after.size || before.last != step || after.first != step) return false;
      before.last = after.last;
      after.size = 0;
      now[b] = a;
      return true;
    };
    for (size_t i = 0; i < plan.steps_.size(); ++i) {
      const PlannedStep& step = plan.steps_[i];
      const int at = static_cast<int>(i);
      bool joined = false;
      if (step.kind == PlannedStep::Kind::forward) {
        for (size_t k = 0; k < step.inputs.size() && !joined; ++k)
          joined = has(step.overwrites_inputs, k) && join(step.inputs[k], step.outputs[0], at);
      } else if (step.overwrites_gradient) {
        for (size_t k = 0; k < step.input_grads.size() && !joined; ++k)
          joined = join(step.output_grads[0], step.input_grads[k], at);
      }
    }
    auto rename = [&](Place& where) {
      if (where.kind == Place::Kind::arena) where.index = current(where.index);
    };
    for (PlannedStep& step : plan.steps_) for_operands(step, rename);
    for (auto* places : {&plan.outputs_, &plan.accumulated_})
      for (Place& where : *places) rename(where);
  }

  void lay_out_buffers() {
    find_lifetimes();
    overwrite_operands();
    find_lifetimes();
    plan.layout_ = lay_out(plan.buffers_);
  }

  Plan& plan;
  Graph& graph;
  std::vector<Place> place;                       // of each value
  std::vector<bool> wants_gradient;               // of each value
  std::vector<std::vector<Place>> contributions;  // to the gradient of each value
  std::vector<Requirements> needs;                // of each node
  std::vector<std::vector<Place>> kept;           // of each node
  std::vector<bool> in_loss;                      // of each node: the loss depends on it
  bool may_throw = false;                         // a backward step
  std::vector<int> variable_value;                // of each variable of the block; -1 where the graph has it not
};

Plan::Plan(Graph graph, Purpose purpose) : graph_(std::move(graph)), purpose_(std::move(purpose)) {
  std::vector<ValueId> kept = purpose_.outputs;
  kept.insert(kept.end(), purpose_.accumulate.begin(), purpose_.accumulate.end());
  kept.insert(kept.end(), purpose_.gradients_of.begin(), purpose_.gradients_of.end());
  if (purpose_.loss >= 0) kept.push_back(purpose_.loss);
  for (ValueId id : kept) graph_.require_value(id);
  fuse(graph_, kept, purpose_.loss >= 0);
  Builder(*this).build();
}

std::vector<int> Plan::updated_at_once() const {
  std::vector<int> variables;
  for (const PlannedStep& step : steps_)
    for (size_t i = 0; i < step.input_grads.size(); ++i)
      if (has(step.updates_inputs, i)) variables.push_back(step.input_grads[i].index);
  return variables;
}

double Plan::cost() const {
  double total = 0;
  for (const PlannedStep& step : steps_)
    for (const Phase& phase : step.phases) total += phase.cost;
  return total;
}

std::string Plan::describe(const std::vector<double>& nanoseconds) const {
  std::ostringstream text;
  auto size_of = [&](const Place& where) -> int64_t {
    return where.kind == Place::Kind::arena ? buffers_[where.index].size * 4 : 0;
  };
  auto at = [&](const Place& where) -> std::string {
    switch (where.kind) {
      case Place::Kind::none:
        return "-";
      case Place::Kind::arena:
        return "@" + std::to_string(layout_.offsets[where.index] * 4);
      case Place::Kind::input:
        return "input " + std::to_string(where.index);
      case Place::Kind::variable:
        return graph_.value(where.index).variable->name();
      case Place::Kind::constant:
        return "constant";
      case Place::Kind::gradient:
        return "d(" + purpose_.block->variables()[where.index]->name() + ")";
    }
    return "";
  };
  auto list = [&](const std::vector<Place>& places) {
    std::string joined;
    for (const Place& where : places)
      if (where.kind != Place::Kind::none) joined += (joined.empty() ? "" : ", ") + at(where);
    return joined.empty() ? std::string("-") : joined;
  };
  const char* kinds[] = {"forward", "backward", "zero", "update"};
  text << std::left << std::setw(5) << "step" << std::setw(10) << "direction" << std::setw(34) << "operation"
       << std::setw(20) << "layer" << std::right << std::setw(12) << "new bytes";
  if (!nanoseconds.empty()) text << std::setw(12) << "us";
  text << "  reads -> writes\n";
  for (size_t i = 0; i < steps_.size(); ++i) {
    const PlannedStep& step = steps_[i];
    int64_t bytes = size_of(step.scratch);
    const bool back = step.kind == PlannedStep::Kind::backward;
    for (const Place& where : back ? step.input_grads : step.outputs) bytes += size_of(where);
    if (!back)
      for (const Place& where : step.kept) bytes += size_of(where);
    text << std::left << std::setw(5) << i << std::setw(10) << kinds[static_cast<int>(step.kind)] << std::setw(34)
         << step.name << std::setw(20) << step.label << std::right << std::setw(12) << bytes;
    if (i < nanoseconds.size()) text << std::setw(12) << std::fixed << std::setprecision(2) << nanoseconds[i] / 1e3;
    text << "  " << list(back ? step.output_grads : step.inputs) << " -> "
         << list(back ? step.input_grads : step.outputs) << "\n";
  }
  int64_t unshared = 0, count = 0;
  for (const Lifetime& buffer : buffers_) {
    unshared += round_up(buffer.size, kLine) * 4;
    count += buffer.size > 0;
  }
  text << "arena: " << layout_.size * 4 << " bytes for " << count << " buffers of " << unshared
       << " bytes in all; scratch of each thread: " << worker_scratch_ * 4 << " bytes\n";
  return text.str();
}

}  // namespace nnfast
