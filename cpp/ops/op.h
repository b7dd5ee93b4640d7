// What the planner and the executor know of an operation.
//
// An op is created from its name and attributes, told the specs of its inputs (infer), asked what it needs
// (require), and then run, task by task. It knows nothing of threads: a direction is a list of phases, a phase is a
// number of independent tasks fixed by the shapes alone, and the executor spreads the tasks over however many
// threads it has. That is why results have the same bits for any number of threads: an op must never let two tasks
// of a phase write the same element, and must combine partial sums in the order of their tasks.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.h"

namespace nnfast {

struct Phase {
  int64_t tasks = 1;
  double cost = 0;  // nanoseconds for the whole phase on one thread, roughly; decides how many threads it gets
};

// One thread's own memory, as large as the largest worker_scratch of the plan.
struct Worker {
  float* scratch = nullptr;
  int index = 0;
};

// What changes from step to step; read-only to ops.
struct StepState {
  uint64_t seed = 0;  // of the model
  uint64_t step = 0;  // training steps taken so far: with the seed, the counter random ops draw from
};

struct VariableUpdate;

// The memory of one node. Pointers of values that the op does not read or write in this direction may be null.
struct Args {
  const float* const* inputs = nullptr;        // int32 values are reached through reinterpret_cast
  float* const* outputs = nullptr;             // forward writes; backward reads those it said it reads
  float* const* kept = nullptr;                // written by forward, read by backward
  const float* const* output_grads = nullptr;  // backward reads; null where no gradient arrives
  float* const* input_grads = nullptr;         // backward writes (never adds); null where none is wanted
  float* scratch = nullptr;                    // shared by the tasks and phases of one direction
  const StepState* state = nullptr;
  // Null, or for each input null or what backward does with its gradient instead of writing it.
  const VariableUpdate* const* updates = nullptr;
};

// What an op needs, once its shapes are known. Sizes are in elements.
struct Requirements {
  std::vector<Phase> forward;
  std::vector<Phase> backward;
  int64_t forward_scratch = 0;
  int64_t backward_scratch = 0;
  int64_t worker_scratch = 0;
  std::vector<int64_t> kept;
  uint32_t reads_inputs = ~0u;   // bit i: backward reads input i
  uint32_t reads_outputs = ~0u;  // bit i: backward reads output i
  bool view = false;             // output 0 is input 0 under another shape: no work, shared memory
  // What may share memory, where nothing else needs the old contents: an element is read before the new one is written
  // in its place.
  uint32_t overwrites_inputs = 0;    // bit i: output 0 may be where input i is
  bool overwrites_gradient = false;  // the gradient of an input may be where that of output 0 is
  uint32_t constant_outputs = 0;     // bit i: no gradient goes through output i
  uint32_t passes_gradient = 0;      // bit i: the gradient of input i is that of output 0; backward does not write it
  uint32_t updates_inputs = 0;       // bit i: backward heeds Args::updates for input i, after all else that reads it
  bool may_throw = false;            // backward: then nothing may have been updated before it
};

// Bit i of such a mask. Inputs from the 32nd on share the last bit: only ops that treat all alike take so many.
inline bool has(uint32_t mask, size_t i) { return (mask >> (i < 31 ? i : 31) & 1) != 0; }

class Op {
 public:
  virtual ~Op() = default;
  // The specs of the outputs. Throws Error on inputs it cannot take. Called once, before require.
  virtual std::vector<Spec> infer(const std::vector<Spec>& inputs) = 0;
  // wanted[i]: the gradient of input i is wanted. All false when no backward will run.
  virtual Requirements require(const std::vector<bool>& wanted) = 0;
  virtual void forward(const Args& args, int phase, int64_t task, Worker& worker) const = 0;
  virtual void backward(const Args& args, int phase, int64_t task, Worker& worker) const = 0;
};

}  // namespace nnfast
