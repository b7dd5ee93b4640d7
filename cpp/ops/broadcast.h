// Operations on each element of up to three operands that broadcast as in NumPy.
//
// Forward walks the rows of the output: runs along its innermost axis, where each operand either steps with it or
// stands still. The gradient of an operand that was broadcast is a sum over its repeated axes: it is summed in chunks
// fixed by the shapes, each into a copy of its own where there are several, and the copies are added in order.
#pragma once
#include <string>
#include <vector>

#include "ops/op.h"

namespace nnfast {

constexpr int kMaxOperands = 3;

class BroadcastOp : public Op {
 public:
  std::vector<Spec> infer(const std::vector<Spec>& inputs) final;
  Requirements require(const std::vector<bool>& wanted) final;
  void forward(const Args& args, int phase, int64_t task, Worker& worker) const final;
  void backward(const Args& args, int phase, int64_t task, Worker& worker) const final;

 protected:
  struct Settings {
    std::string name;
    int operands = 2;
    double cost = 0;  // nanoseconds an element, with 16 lanes
    uint32_t reads_inputs = ~0u;
    uint32_t reads_outputs = 0;
    uint32_t passes_gradient = 0;  // bit k: operand k's gradient, before any summing, is that of the output
  };
  explicit BroadcastOp(const Settings& settings) : settings_(settings) {}

  // Where a row begins in each operand, and whether the operand steps with it (1) or stands still (0).
  struct Row {
    int64_t size;
    const float* x[kMaxOperands];
    int64_t step[kMaxOperands];
  };
  virtual void forward_row(const Row& row, float* y) const = 0;
  // The gradient of operand k on a row, before any summing; y is null unless reads_outputs says so, and so is an
  // operand that reads_inputs leaves out.
  virtual void backward_row(int k, const Row& row, const float* y, const float* dy, float* dx) const = 0;

 private:
  // How the gradient of one operand is formed.
  struct Reduction {
    bool wanted = false;
    bool broadcast = false;
    int64_t size = 0;  // of the operand
    int axis = 0;      // the first repeated axis; the axes before it make groups
    int64_t groups = 1;
    int64_t group_size = 1;  // elements of the operand in a group
    int64_t groups_per_task = 1;
    int64_t chunks = 1;  // of the repeated axis
    int64_t chunk_length = 1;
    int64_t column_blocks = 1;  // of the innermost axis, where the operand steps along it
    int64_t scratch = 0;        // where its copies begin; used with several chunks
    int64_t tasks() const { return (groups + groups_per_task - 1) / groups_per_task * chunks * column_blocks; }
  };

  Row row_at(const Args& args, const int64_t* index, int64_t column, int64_t size) const;
  // Calls body(position in the output, row, offset of operand k) for the elements begin … end-1 of the output and the
  // columns of a row from first to last-1.
  template <class Body>
  void walk(const Args& args, int64_t begin, int64_t end, int64_t first, int64_t last, int k, const Body& body) const;
  Reduction reduction_of(int k) const;
  void reduce(const Args& args, int k, int64_t task, Worker& worker) const;
  void combine(const Args& args, int k, int64_t task) const;

  const Settings settings_;
  // The output's axes with neighbours merged wherever every operand agrees. At least one axis.
  int rank_ = 0;
  int64_t sizes_[kMaxRank] = {};
  int64_t strides_[kMaxOperands][kMaxRank] = {};  // 0 along an axis that repeats the operand
  int64_t size_ = 0;
  Reduction reductions_[kMaxOperands];
  struct BackwardPhase {
    enum Kind { together, reduce, combine } kind;
    int operand;
  };
  std::vector<BackwardPhase> backward_phases_;
};

// The shape of operands broadcast against each other. Throws Error where they do not fit.
Shape broadcast_shapes(const std::string& name, const std::vector<Shape>& shapes);

}  // namespace nnfast
