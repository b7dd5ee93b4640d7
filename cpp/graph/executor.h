// Runs a plan: owns its arena, one call a step or many steps, with no allocation and no Python between them.
#pragma once
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "core/parallel.h"
#include "graph/optimizer_state.h"
#include "graph/plan.h"
#include "ops/op_job.h"

namespace nnfast {

class Executor {
 public:
  // optimizer: takes the update steps of the plan; null: gradients are left in the block.
  Executor(std::shared_ptr<const Plan> plan, std::shared_ptr<OptimizerState> optimizer);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // Must be called before a run, while no variable can move: takes fresh pointers where one has.
  void bind();

  // One step without an optimizer. inputs: one array for each input of the graph, in the shapes planned.
  void run(const std::vector<const float*>& inputs, uint64_t seed, uint64_t step);

  // What the steps of a training run read. Row r of an input is its elements r·row_size …
  struct Feed {
    std::vector<const float*> inputs;  // whole data sets
    const int64_t* rows = nullptr;     // the rows of each batch, one batch after the other; null: rows in order
    int64_t first_row = 0;             // where rows is null
    int64_t steps = 0;
    const double* learning_rates = nullptr;  // of each step
    uint64_t seed = 0;
  };
  // keep_going is asked before each step; what is summed is added to sums, one double an element. Returns the steps
  // done.
  int64_t train(const Feed& feed, double* sums, const std::function<bool()>& keep_going);

  const float* output(int index) const { return output_at_[index]; }
  int64_t num_sums() const { return static_cast<int64_t>(num_sums_); }
  const Plan& plan() const { return *plan_; }

  // Nanoseconds of each step, the median of several runs. Changes no variable.
  std::vector<double> profile(const std::vector<const float*>& inputs, int runs);

 private:
  class GatherJob;
  class UpdateJob;
  class ZeroJob;
  class Snapshot;
  struct BoundStep;

  void bind_step(const PlannedStep& step);
  float* locate(const Place& place);
  void set_inputs(const std::vector<const float*>& inputs);
  void prepare_threads();
  void add_sums(double* sums) const;

  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<OptimizerState> optimizer_;
  Buffer arena_;
  std::vector<std::shared_ptr<Buffer>> storages_;  // keeps the variables' memory alive while pointers to it are held
  uint64_t moves_ = ~0ull;
  std::vector<std::unique_ptr<BoundStep>> steps_;
  std::vector<const float*> output_at_, accumulated_at_;
  std::vector<int64_t> accumulated_sizes_;
  int64_t num_sums_ = 0;
  std::vector<std::vector<const float**>> input_uses_;  // the places that hold each input's address
  std::unique_ptr<GatherJob> gather_;
  Schedule direct_, gathered_;  // the steps on inputs as given; the same after gathering rows
  Trial direct_trial_, gathered_trial_;
  std::vector<Worker> workers_;
  Buffer worker_scratch_;
  int threads_ = 0;
  StepState state_;
  UpdateState update_state_;
};

// Executors of one plan, as many as run at once: several Python threads may call predict on one model.
class Program {
 public:
  Program(std::shared_ptr<const Plan> plan, std::shared_ptr<OptimizerState> optimizer)
      : plan_(std::move(plan)), optimizer_(std::move(optimizer)), cost_(plan_->cost()) {}

  // Gives an idle executor, bound, and takes it back when the lease ends.
  class Lease {
   public:
    Lease(Program& program, std::unique_ptr<Executor> executor) : program_(program), executor_(std::move(executor)) {}
    ~Lease();
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Executor* operator->() const { return executor_.get(); }
    Executor& operator*() const { return *executor_; }

   private:
    Program& program_;
    std::unique_ptr<Executor> executor_;
  };
  Lease acquire();

  const Plan& plan() const { return *plan_; }
  double cost() const { return cost_; }
  const std::shared_ptr<OptimizerState>& optimizer() const { return optimizer_; }

 private:
  std::shared_ptr<const Plan> plan_;
  std::shared_ptr<OptimizerState> optimizer_;
  double cost_;  // nanoseconds on one thread
  std::mutex mutex_;
  std::vector<std::unique_ptr<Executor>> idle_;
};

}  // namespace nnfast
