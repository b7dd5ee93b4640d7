#include "graph/executor.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/threads.h"

namespace nnfast {

// Copies the rows of a batch out of the data sets, one phase an input.
class Executor::GatherJob final : public Job {
 public:
  explicit GatherJob(const Graph& graph) {
    for (int i = 0; i < graph.num_inputs(); ++i) {
      const Shape& shape = graph.value(graph.input_value(i)).spec.shape;
      const int64_t rows = shape.rank() == 0 ? 1 : shape[0];
      const int64_t row_size = rows == 0 ? 0 : shape.size() / rows;
      const int64_t rows_a_task = std::max<int64_t>(1, kTaskSize / std::max<int64_t>(1, row_size));
      inputs_.push_back({rows, row_size, rows_a_task, Buffer(shape.size())});
      sources_.push_back(nullptr);
    }
  }

  void schedule(Schedule& schedule) const {
    for (size_t i = 0; i < inputs_.size(); ++i) {
      const Input& input = inputs_[i];
      const double cost = 10.0 * input.rows + 0.15 * static_cast<double>(input.rows * input.row_size);
      schedule.add(*this, static_cast<int>(i), (input.rows + input.rows_a_task - 1) / input.rows_a_task, cost);
    }
  }

  void run(int phase, int64_t task, int) const override {
    const Input& input = inputs_[phase];
    const int64_t begin = task * input.rows_a_task, end = std::min(input.rows, begin + input.rows_a_task);
    const float* source = sources_[phase];
    float* target = input.batch.data();
    if (input.row_size == 1) {
      for (int64_t r = begin; r < end; ++r) std::memcpy(target + r, source + rows[r], sizeof(float));
      return;
    }
    const bool ask_next = !last && input.row_size > 0 && input.row_size <= kShortRow;
    for (int64_t r = begin; r < end; ++r) {
      std::memcpy(target + r * input.row_size, source + rows[r] * input.row_size, input.row_size * sizeof(float));
      if (ask_next) ask(source + rows[input.rows + r] * input.row_size, input.row_size);
    }
  }

  void read_from(const std::vector<const float*>& sources) { sources_ = sources; }
  const float* batch(int input) const { return inputs_[input].batch.data(); }
  int64_t row_size(int input) const { return inputs_[input].row_size; }
  int64_t num_rows() const { return inputs_.empty() ? 0 : inputs_[0].rows; }

  const int64_t* rows = nullptr;  // of this batch and, unless it is the last one, of the next
  bool last = true;

 private:
  // A row of the next batch, which lies anywhere in its data set: it comes while this batch is worked on. Of longer
  // rows the processor itself soon asks for the rest.
  static void ask(const float* row, int64_t size) {
    for (int64_t i = 0; i < size; i += kLine) __builtin_prefetch(row + i);
    __builtin_prefetch(row + size - 1);
  }

  static constexpr int64_t kTaskSize = 16384, kShortRow = 8 * kLine;
  struct Input {
    int64_t rows, row_size, rows_a_task;
    Buffer batch;
  };
  std::vector<Input> inputs_;
  std::vector<const float*> sources_;
};

class Executor::UpdateJob final : public Job {
 public:
  UpdateJob(Update update, const UpdateState& state) : update_(std::move(update)), state_(state) {}

  void schedule(Schedule& schedule) const {
    const std::vector<Phase>& phases = update_.phases();
    for (size_t i = 0; i < phases.size(); ++i)
      schedule.add(*this, static_cast<int>(i), phases[i].tasks, phases[i].cost);
  }
  void run(int phase, int64_t task, int) const override { update_.run(phase, task, state_); }

 private:
  const Update update_;
  const UpdateState& state_;
};

class Executor::ZeroJob final : public Job {
 public:
  ZeroJob(float* target, int64_t size) : target_(target), size_(size) {}
  void run(int, int64_t, int) const override { std::fill_n(target_, size_, 0.0f); }

 private:
  float* target_;
  int64_t size_;
};

struct Executor::BoundStep {
  std::vector<const float*> inputs, output_grads;
  std::vector<float*> outputs, kept, input_grads;
  std::vector<VariableUpdate> variable_updates;
  std::vector<const VariableUpdate*> updates;  // of each input
  Args args;
  std::unique_ptr<Job> job;
  Schedule alone;  // this step only, for profiling
};

Executor::Executor(std::shared_ptr<const Plan> plan, std::shared_ptr<OptimizerState> optimizer)
    : plan_(std::move(plan)), optimizer_(std::move(optimizer)), arena_(plan_->layout().size) {}

Executor::~Executor() = default;

void Executor::bind() {
  prepare_threads();
  if (moves_ == variable_moves()) return;
  moves_ = variable_moves();
  steps_.clear();
  storages_.clear();
  output_at_.clear();
  accumulated_at_.clear();
  accumulated_sizes_.clear();
  num_sums_ = 0;
  const Graph& graph = plan_->graph();
  input_uses_.assign(graph.num_inputs(), {});
  for (const Value& value : graph.values())
    if (value.variable != nullptr) storages_.push_back(value.variable->storage());

  if (gather_ == nullptr) gather_ = std::make_unique<GatherJob>(graph);
  direct_ = Schedule();
  gathered_ = Schedule();
  gather_->schedule(gathered_);
  for (const PlannedStep& step : plan_->steps()) bind_step(step);

  // Stable addresses of the pointers to inputs: nothing below grows a vector of one.
  output_at_.resize(plan_->outputs().size());
  for (size_t i = 0; i < output_at_.size(); ++i) {
    output_at_[i] = locate(plan_->outputs()[i]);
    if (plan_->outputs()[i].kind == Place::Kind::input)
      input_uses_[plan_->outputs()[i].index].push_back(&output_at_[i]);
  }
  accumulated_at_.resize(plan_->accumulated().size());
  for (size_t i = 0; i < accumulated_at_.size(); ++i) {
    accumulated_at_[i] = locate(plan_->accumulated()[i]);
    if (plan_->accumulated()[i].kind == Place::Kind::input)
      input_uses_[plan_->accumulated()[i].index].push_back(&accumulated_at_[i]);
    accumulated_sizes_.push_back(graph.value(plan_->purpose().accumulate[i]).spec.shape.size());
    num_sums_ += accumulated_sizes_.back();
  }
}

float* Executor::locate(const Place& place) {
  switch (place.kind) {
    case Place::Kind::arena:
      return arena_.data() + plan_->layout().offsets[place.index];
    case Place::Kind::variable:
      return plan_->graph().value(place.index).variable->data();
    case Place::Kind::constant:
      return plan_->graph().value(place.index).constant->data();
    case Place::Kind::gradient:
      return plan_->purpose().block->gradients() + plan_->purpose().block->offset(place.index);
    case Place::Kind::input:
    case Place::Kind::none:
      return nullptr;
  }
  return nullptr;
}

void Executor::bind_step(const PlannedStep& step) {
  if (step.kind == PlannedStep::Kind::update && optimizer_ == nullptr) return;
  steps_.push_back(std::make_unique<BoundStep>());
  BoundStep& bound = *steps_.back();
  auto schedule = [&](Schedule& target) {
    if (step.kind == PlannedStep::Kind::update)
      static_cast<UpdateJob&>(*bound.job).schedule(target);
    else if (step.kind == PlannedStep::Kind::zero)
      target.add(*bound.job, 0, 1, 0.1 * static_cast<double>(step.zero_size));
    else
      static_cast<OpJob&>(*bound.job).schedule(step.phases, target);
  };
  auto find = [&](const std::vector<Place>& places, auto& pointers) {
    for (const Place& place : places) pointers.push_back(locate(place));
  };
  find(step.inputs, bound.inputs);
  find(step.outputs, bound.outputs);
  find(step.kept, bound.kept);
  find(step.output_grads, bound.output_grads);
  find(step.input_grads, bound.input_grads);
  for (size_t i = 0; i < step.inputs.size(); ++i)
    if (step.inputs[i].kind == Place::Kind::input) input_uses_[step.inputs[i].index].push_back(&bound.inputs[i]);
  if (optimizer_ != nullptr && step.updates_inputs != 0) {
    bound.updates.resize(step.input_grads.size());
    bound.variable_updates.reserve(step.input_grads.size());
    for (size_t i = 0; i < step.input_grads.size(); ++i) {
      if (!has(step.updates_inputs, i)) continue;
      const Segment& segment = optimizer_->segment(step.input_grads[i].index);
      bound.variable_updates.push_back({optimizer_->update(), segment, update_state_});
      bound.updates[i] = &bound.variable_updates.back();
    }
  }
  bound.args = {bound.inputs.data(),
                bound.outputs.data(),
                bound.kept.data(),
                bound.output_grads.data(),
                bound.input_grads.data(),
                locate(step.scratch),
                &state_,
                bound.updates.empty() ? nullptr : bound.updates.data()};
  if (step.kind == PlannedStep::Kind::update)
    bound.job = std::make_unique<UpdateJob>(optimizer_->update_without(plan_->updated_at_once()), update_state_);
  else if (step.kind == PlannedStep::Kind::zero)
    bound.job = std::make_unique<ZeroJob>(bound.outputs[0], step.zero_size);
  else
    bound.job = std::make_unique<OpJob>(
        *step.op, step.kind == PlannedStep::Kind::forward ? Direction::forward : Direction::backward, bound.args,
        workers_);
  schedule(direct_);
  schedule(gathered_);
  schedule(bound.alone);
}

void Executor::set_inputs(const std::vector<const float*>& inputs) {
  for (size_t i = 0; i < input_uses_.size(); ++i)
    for (const float** use : input_uses_[i]) *use = inputs[i];
}

// The number of threads can change between runs.
void Executor::prepare_threads() {
  const int threads = num_threads();
  if (threads == threads_) return;
  threads_ = threads;
  const int64_t size = round_up(plan_->worker_scratch(), kLine);
  worker_scratch_ = Buffer(size * threads);
  workers_.resize(threads);
  for (int i = 0; i < threads; ++i) workers_[i] = {worker_scratch_.data() + i * size, i};
}

void Executor::run(const std::vector<const float*>& inputs, uint64_t seed, uint64_t step) {
  set_inputs(inputs);
  state_ = {seed, step};
  direct_.run(threads_, &direct_trial_);
}

void Executor::add_sums(double* sums) const {
  for (size_t i = 0; i < accumulated_at_.size(); ++i)
    for (int64_t e = 0; e < accumulated_sizes_[i]; ++e) *sums++ += accumulated_at_[i][e];
}

int64_t Executor::train(const Feed& feed, double* sums, const std::function<bool()>& keep_going) {
  const int num_inputs = static_cast<int>(input_uses_.size());
  const int64_t batch = gather_->num_rows();

  std::vector<const float*> inputs(num_inputs);
  if (feed.rows != nullptr) {
    gather_->read_from(feed.inputs);
    for (int i = 0; i < num_inputs; ++i) inputs[i] = gather_->batch(i);
    set_inputs(inputs);
  }
  for (int64_t s = 0; s < feed.steps; ++s) {
    if (!keep_going()) return s;
    if (feed.rows != nullptr) {
      gather_->rows = feed.rows + s * batch;
      gather_->last = s + 1 == feed.steps;
    } else {
      for (int i = 0; i < num_inputs; ++i)
        inputs[i] = feed.inputs[i] + (feed.first_row + s * batch) * gather_->row_size(i);
      set_inputs(inputs);
    }
    const int64_t step = optimizer_ != nullptr ? optimizer_->steps_taken : s;
    state_ = {feed.seed, static_cast<uint64_t>(step)};
    if (optimizer_ != nullptr) update_state_ = optimizer_->at(step, feed.learning_rates[s]);
    if (feed.rows != nullptr)
      gathered_.run(threads_, &gathered_trial_);
    else
      direct_.run(threads_, &direct_trial_);
    if (optimizer_ != nullptr) ++optimizer_->steps_taken;
    add_sums(sums);
  }
  return feed.steps;
}

// Restores what a training step changes.
class Executor::Snapshot {
 public:
  Snapshot(const Graph& graph, const OptimizerState* optimizer) {
    for (const Value& value : graph.values())
      if (value.variable != nullptr) save(value.variable->data(), value.spec.shape.size());
    if (optimizer == nullptr) return;
    save(optimizer->block()->values(), optimizer->block()->size());
    for (int i = 0; i < optimizer->num_slots(); ++i) save(optimizer->slot(i), optimizer->block()->size());
  }
  ~Snapshot() {
    for (const auto& [place, contents] : saved_) std::copy(contents.begin(), contents.end(), place);
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  void save(float* place, int64_t size) { saved_.emplace_back(place, std::vector<float>(place, place + size)); }
  std::vector<std::pair<float*, std::vector<float>>> saved_;
};

std::vector<double> Executor::profile(const std::vector<const float*>& inputs, int runs) {
  Snapshot restored_at_the_end(plan_->graph(), optimizer_.get());
  set_inputs(inputs);
  if (optimizer_ != nullptr) update_state_ = optimizer_->at(optimizer_->steps_taken, 0);
  std::vector<std::vector<double>> times(steps_.size());
  for (int r = 0; r < runs; ++r)
    for (size_t i = 0; i < steps_.size(); ++i) {
      const auto start = std::chrono::steady_clock::now();
      steps_[i]->alone.run(threads_);
      times[i].push_back(std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count());
    }
  std::vector<double> medians;
  for (auto& list : times) {
    std::nth_element(list.begin(), list.begin() + list.size() / 2, list.end());
    medians.push_back(list[list.size() / 2]);
  }
  return medians;
}

Program::Lease::~Lease() {
  std::lock_guard<std::mutex> lock(program_.mutex_);
  program_.idle_.push_back(std::move(executor_));
}

Program::Lease Program::acquire() {
  std::unique_ptr<Executor> executor;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!idle_.empty()) {
      executor = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (executor == nullptr) executor = std::make_unique<Executor>(plan_, optimizer_);
  executor->bind();
  return Lease(*this, std::move(executor));
}

}  // namespace nnfast
