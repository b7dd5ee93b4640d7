// The update stage of a training step: gradient accumulation, clipping, weight decay, the optimizer's step and the
// moving average of the parameters, over flat blocks.
//
// Planned like an op: phases of independent tasks fixed by the segments alone, partial sums added in a fixed order,
// so the parameters have the same bits for any number of threads.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "kernels/kernels.h"
#include "ops/op.h"

namespace nnfast {

// Zero switches a setting off.
struct UpdateSettings {
  std::string rule = "sgd";             // a name of kernels/optimizers.h
  std::map<std::string, double> hyper;  // all that the rule lists there
  double weight_decay = 0;
  double clipvalue = 0;
  double clipnorm = 0;         // the largest norm of each segment's gradient
  double global_clipnorm = 0;  // the largest norm of the whole gradient
  bool use_ema = false;
  double ema_momentum = 0.99;
  int64_t ema_overwrite_frequency = 0;  // in updates
  int64_t gradient_accumulation_steps = 1;
};

// One variable in the flat blocks. Between segments may be gaps, which are left alone.
struct Segment {
  int64_t offset = 0;
  int64_t size = 0;  // in elements; with padding, where gradient and parameter are zero
  bool decays = true;
  double learning_rate = 1;  // multiplies the learning rate
};

struct UpdateState {
  float* parameters = nullptr;
  float* gradients = nullptr;     // overwritten where gradients are accumulated
  float* const* slots = nullptr;  // one block as long as the parameters for each of slots()
  float* scratch = nullptr;
  int64_t step = 0;  // training steps taken before this one
  double learning_rate = 0;
};

class Update {
 public:
  struct Slot {
    std::string name;
    float initial = 0;
  };

  Update(const UpdateSettings& settings, const std::vector<Segment>& segments);

  const std::vector<Slot>& slots() const { return slots_; }
  // The slot that holds the moving average of the parameters, or -1.
  int average_slot() const { return average_; }
  const std::vector<Phase>& phases() const { return phases_; }
  int64_t scratch() const { return measure_norms_ ? 2 * static_cast<int64_t>(pieces_.size()) : 0; }
  void run(int phase, int64_t task, const UpdateState& state) const;
  // The rule alone, over any elements; its hyperparameters are filled in here.
  void apply(UpdateArgs args) const;

  // Whether an element's step needs its own gradient and nothing else: then it can be taken where that is made.
  bool is_elementwise() const { return !measure_norms_ && accumulator_ < 0 && average_ < 0; }
  // For the elements of a segment from this one on.
  Kernels::Gemm::Step step_of(const Segment& segment, int64_t element, const UpdateState& state) const;

 private:
  // A stretch of one segment, or of several alike, that belongs to one task.
  struct Piece {
    int64_t begin, end;
    double weight_decay, learning_rate;
    int first, last;  // the pieces whose gradients share one norm with this one's
  };

  void cut(const std::vector<Segment>& segments);
  void plan();
  void fold(const Piece& piece, const UpdateState& state) const;
  double decay_of(const Segment& segment) const { return segment.decays ? settings_.weight_decay : 0; }
  UpdateArgs args_of(double weight_decay, double learning_rate, const UpdateState& state) const;
  void step(const Piece& piece, float gradient_scale, const UpdateState& state) const;
  float gradient_scale(const Piece& piece, const double* squares) const;

  UpdateSettings settings_;
  int rule_ = 0;
  int num_rule_slots_ = 0;
  std::vector<double> hyper_;
  std::vector<Slot> slots_;
  int average_ = -1;
  int accumulator_ = -1;
  bool measure_norms_ = false;
  double clip_norm_ = 0;
  std::vector<Piece> pieces_;
  std::vector<int> tasks_;  // task i has the pieces tasks_[i] … tasks_[i+1]-1
  std::vector<Phase> phases_;
};

// The steps of one variable, taken by whoever makes its gradient.
struct VariableUpdate {
  const Update& update;
  const Segment& segment;
  const UpdateState& state;

  // For the elements of the variable from this one on.
  Kernels::Gemm::Step from(int64_t element) const { return update.step_of(segment, element, state); }
};

// The names of the rules and of each one's hyperparameters.
std::vector<std::string> update_rules();
std::vector<std::string> update_hyperparameters(const std::string& rule);

}  // namespace nnfast
