// take(table, indices): row indices[i] of the table, for every index. The gradient of a row is the sum of the gradients
// of its copies, in their order. one_hot(x): rows of `num_classes` zeros with a one at the class.
#include <algorithm>
#include <cstring>

#include "ops/registry.h"
#include "ops/row_tasks.h"

namespace nnfast {
namespace {

constexpr int64_t kTask = 16384;  // elements, about

class Take final : public Op {
 public:
  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 2, "take: expected a table and indices, received ", inputs.size(), " inputs");
    const Shape &table = inputs[0].shape, &indices = inputs[1].shape;
    check(table.rank() >= 1, "take: expected a table with at least one axis");
    check(inputs[1].dtype == DType::i32, "take: expected indices of type int32");
    rows_ = table[0];
    width_ = table.size_between(1, table.rank());
    count_ = indices.size();
    std::vector<int64_t> sizes = indices.to_vector();
    sizes.insert(sizes.end(), table.begin() + 1, table.end());
    return {{Shape(sizes), inputs[0].dtype}};
  }
  Requirements require(const std::vector<bool>& wanted) override {
    copies_ = RowTasks(count_, width_, kTask, 1);
    Requirements needs;
    needs.reads_inputs = 2;
    needs.reads_outputs = 0;
    needs.forward = {{copies_.count(), 0.3 * static_cast<double>(count_ * width_)}};
    if (!wanted[0] || rows_ * width_ == 0) return needs;
    // Every task reads all indices, which costs little with few tasks.
    sums_ = RowTasks(rows_, width_, std::max(kTask, rows_ * width_ / kMaxTasks + width_), 1);
    needs.backward = {{sums_.count(), 0.1 * static_cast<double>(rows_ * width_) +
                                          static_cast<double>(count_) * (0.3 * static_cast<double>(width_) + 10)}};
    return needs;
  }
  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const int32_t* indices = reinterpret_cast<const int32_t*>(args.inputs[1]);
    const int64_t end = copies_.begin(task) + copies_.rows(task);
    for (int64_t i = copies_.begin(task); i < end; ++i) {
      const int64_t row = indices[i];
      check(row >= 0 && row < rows_, "take: index ", row, " is out of range for a table of ", rows_, " rows");
      std::memcpy(args.outputs[0] + i * width_, args.inputs[0] + row * width_,
                  static_cast<size_t>(width_) * sizeof(float));
    }
  }
  void backward(const Args& args, int, int64_t task, Worker&) const override {
    const int32_t* indices = reinterpret_cast<const int32_t*>(args.inputs[1]);
    const float* dy = args.output_grads[0];
    const int64_t first = sums_.begin(task), rows = sums_.rows(task);
    float* sums = args.input_grads[0] + first * width_;
    std::fill_n(sums, rows * width_, 0.0f);
    for (int64_t i = 0; i < count_; ++i) {
      const int64_t row = indices[i] - first;
      if (row < 0 || row >= rows) continue;
      float* sum = sums + row * width_;
      const float* term = dy + i * width_;
      for (int64_t k = 0; k < width_; ++k) sum[k] += term[k];
    }
  }

 private:
  static constexpr int64_t kMaxTasks = 16;
  int64_t rows_ = 0, width_ = 0, count_ = 0;
  RowTasks copies_, sums_;
};

class OneHot final : public Op {
 public:
  explicit OneHot(const Attributes& attributes) : classes_(attributes.get<int64_t>("num_classes")) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 1 && inputs[0].dtype == DType::i32, "one_hot: expected one int32 tensor");
    check(classes_ >= 0, "one_hot: expected num_classes of at least 0; received ", classes_);
    std::vector<int64_t> sizes = inputs[0].shape.to_vector();
    count_ = inputs[0].shape.size();
    sizes.push_back(classes_);
    return {{Shape(sizes), DType::f32}};
  }
  Requirements require(const std::vector<bool>&) override {
    tasks_ = RowTasks(count_, classes_, kTask, 1);
    Requirements needs;
    needs.forward = {{tasks_.count(), 0.1 * static_cast<double>(count_ * classes_)}};
    return needs;
  }
  void forward(const Args& args, int, int64_t task, Worker&) const override {
    const int32_t* x = reinterpret_cast<const int32_t*>(args.inputs[0]);
    float* y = args.outputs[0];
    const int64_t begin = tasks_.begin(task), end = begin + tasks_.rows(task);
    std::fill(y + begin * classes_, y + end * classes_, 0.0f);
    for (int64_t i = begin; i < end; ++i)
      if (x[i] >= 0 && x[i] < classes_) y[i * classes_ + x[i]] = 1;
  }
  void backward(const Args&, int, int64_t, Worker&) const override {}

 private:
  const int64_t classes_;
  int64_t count_ = 0;
  RowTasks tasks_;
};

const RegisterOp take("take", [](const Attributes&) { return std::make_unique<Take>(); });
const RegisterOp one_hot("one_hot", [](const Attributes& a) { return std::make_unique<OneHot>(a); });

}  // namespace
}  // namespace nnfast
