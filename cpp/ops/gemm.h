// Planned matrix products: c (m×n) = op(a) (m×k) · op(b) (k×n), with an epilogue.
//
// What to pack, how to block and into how many tasks to split is decided once, from the shape. An op that needs a
// product makes one, adds its phases to its own and forwards to run.
#pragma once
#include <cstdint>
#include <vector>

#include "kernels/kernels.h"
#include "ops/op.h"
#include "ops/update.h"

namespace nnfast {

struct GemmSpec {
  int64_t m = 0, n = 0, k = 0;
  bool transpose_a = false;           // a lies in memory as (k, m)
  bool transpose_b = false;           // b lies in memory as (n, k)
  int64_t lda = 0, ldb = 0, ldc = 0;  // 0: rows follow each other without a gap
  bool bias = false;                  // adds bias (n,) to every row
  // Then c = f(c); the argument of f is stored in z where keep_z is set.
  Activation activation = Activation::linear;
  float alpha = 0;
  bool keep_z = false;
  // Then c *= f'(…) of the layer whose output a gradient c belongs to, from that layer's z or y.
  Activation derivative = Activation::linear;
  float derivative_alpha = 0;
  // Allows partial sums over parts of k, for products of few elements and long sums. An element's bits then depend on
  // the whole shape; otherwise they depend on k alone.
  bool split_k = false;
  // A large gradient, which can be left to an optimizer: GemmArgs::update, where can_update() says so.
  bool gradient = false;
  // One of many products that run side by side: they keep nothing in memory that they share.
  bool one_of_many = false;
};

struct GemmArgs {
  const float* a = nullptr;
  const float* b = nullptr;
  float* c = nullptr;
  bool accumulate = false;  // c += … instead of c = …
  const float* bias = nullptr;
  // The last three as c in memory.
  float* z = nullptr;
  const float* derivative_z = nullptr;  // what derivative_reads of its activation names
  const float* derivative_y = nullptr;
  const VariableUpdate* update = nullptr;  // then c is not written; its rows follow each other without a gap
};

// Panels of b, of so many columns, that one task packs: long stretches of its rows, for along them memory is read at
// its full speed.
constexpr int64_t packed_panels(int64_t columns) { return 128 / columns; }

class Gemm {
 public:
  Gemm() = default;
  explicit Gemm(const GemmSpec& spec);

  const std::vector<Phase>& phases() const { return phases_; }
  int64_t scratch() const { return scratch_; }                // elements, shared by all tasks and phases
  int64_t worker_scratch() const { return worker_scratch_; }  // elements, of each thread
  bool can_update() const { return updates_; }
  void run(int phase, int64_t task, const Worker& worker, float* scratch, const GemmArgs& args) const;

 private:
  struct Range {
    int64_t begin, end;
    int64_t size() const { return end - begin; }
  };
  // In gemm_plan.cpp, as is the constructor.
  bool plan_thin();
  bool plan_turned();
  void choose_blocks(int64_t wanted);
  void choose_blocks_of_update();
  bool shares_a(int64_t row_blocks) const;
  bool shares_b(int64_t row_blocks) const;
  int64_t panels_together() const;

  void multiply_thin(int64_t task, const GemmArgs& args) const;
  void multiply_turned(int64_t task, float* scratch, const GemmArgs& args) const;
  static constexpr int64_t kCopiedRows = 16;  // of a, by one task
  void copy_rows(int64_t task, float* to, const GemmArgs& args) const;
  void pack(int64_t slab, int64_t task, float* to, const GemmArgs& args) const;
  void multiply(Range rows, Range columns, Range slabs, bool last, float* c, int64_t ldc, float* scratch,
                const float* shared, const GemmArgs& args) const;
  void multiply_groups(Kernels::Gemm::Block block, bool first_in_place, int64_t next_depth, float*& packed,
                       float*& other) const;
  void combine(int64_t row, const float* partials, const GemmArgs& args) const;
  void finish(Range rows, Range columns, const GemmArgs& args) const;

  GemmSpec spec_;
  const Kernels* kernels_ = nullptr;
  bool relu_in_registers_ = false, slope_in_registers_ = false, epilogue_in_registers_ = true;
  bool updates_ = false;
  bool thin_ = false;                           // few rows or columns: each task does a part of the others
  bool turned_ = false;                         // cᵀ is made, a part of its columns by each task
  int64_t part_ = 0;                            // of those
  int64_t chain_ = 0, depth_ = 0;               // of k: one chain, and a slab of chains that a task does at a time
  int64_t slabs_ = 1;                           // of k
  int height_ = 1;                              // of a row panel
  int64_t block_rows_ = 0, block_columns_ = 0;  // of c, computed by one task
  int64_t row_blocks_ = 1, splits_ = 1;         // tasks along m and along k
  bool narrow_ = false;                         // a column panel takes no more than a cache line
  bool copy_a_ = false, copy_b_ = false;        // slabs of them, to where they lie better
  bool share_a_ = false, share_b_ = false;      // one copy, made in a phase of its own, for all tasks of the next
  int64_t group_ = 0;                           // panels of b that a task copies at a time, or 0: as tiles use them
  bool far_c_ = false;                          // c is not in a cache near by
  bool rows_first_ = false;                     // all columns of a few rows of c before the next rows
  bool along_rows_ = false;                     // the tasks of a row block follow each other, not those of its columns
  int64_t ld_a_ = 0;                            // of the copied rows of a
  int64_t panel_ = 0;                           // where a task's own copy of b begins in the worker's scratch memory
  std::vector<Phase> phases_;
  int64_t scratch_ = 0, worker_scratch_ = 0;
};

}  // namespace nnfast
