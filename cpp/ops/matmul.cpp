// c = op(a) op(b), batched: a (…, m, k), b (…, k, n), c (…, m, n); the leading axes broadcast as NumPy's do.
// transpose_a: a is (…, k, m); transpose_b: b is (…, n, k).
//
//   d op(a) = dc op(b)ᵀ    d op(b) = op(a)ᵀ dc    each summed over the axes along which it was broadcast
#include <algorithm>
#include <vector>

#include "ops/gemm.h"
#include "ops/registry.h"
#include "ops/side_by_side.h"

namespace nnfast {
namespace {

// Many products of one shape. Each result is the sum of a list of products, in its order.
class Products {
 public:
  struct Term {
    int64_t a, b;  // which matrices of the operands
  };

  Products() = default;
  Products(const GemmSpec& spec, std::vector<std::vector<Term>> results)
      : gemm_(one_of(spec, results.size())),
        results_(std::move(results)),
        c_size_(spec.m * spec.n),
        a_size_(spec.m * spec.k),
        b_size_(spec.k * spec.n) {
    for (const auto& result : results_) terms_ = std::max<int64_t>(terms_, result.size());
    // One term of every result at a time: its phases belong together.
    for (int64_t term = 0; term < terms_; ++term)
      for (Phase phase : gemm_.phases()) {
        phase.tasks *= count();
        phase.cost *= static_cast<double>(count());
        phases_.push_back(phase);
      }
    if (terms_ == 0 && count() > 0) phases_.push_back({1, 0});  // empty sums
  }

  const std::vector<Phase>& phases() const { return phases_; }
  int64_t scratch() const { return gemm_.scratch() * count(); }
  int64_t worker_scratch() const { return gemm_.worker_scratch(); }

  void run(int phase, int64_t task, const Worker& worker, float* scratch, const float* a, const float* b,
           float* c) const {
    if (terms_ == 0) {
      std::fill_n(c, count() * c_size_, 0.0f);
      return;
    }
    const int phases = static_cast<int>(gemm_.phases().size());
    const int64_t term = phase / phases, tasks = gemm_.phases()[phase % phases].tasks, result = task / tasks;
    GemmArgs args;
    args.a = a + results_[result][term].a * a_size_;
    args.b = b + results_[result][term].b * b_size_;
    args.c = c + result * c_size_;
    args.accumulate = term > 0;
    gemm_.run(phase % phases, task % tasks, worker, scratch + result * gemm_.scratch(), args);
  }

 private:
  static Gemm one_of(GemmSpec spec, size_t count) {
    spec.one_of_many = count > 1;
    return Gemm(spec);
  }
  int64_t count() const { return static_cast<int64_t>(results_.size()); }

  Gemm gemm_;
  std::vector<std::vector<Term>> results_;
  int64_t c_size_ = 0, a_size_ = 0, b_size_ = 0, terms_ = 0;
  std::vector<Phase> phases_;
};

class Matmul final : public Op {
 public:
  explicit Matmul(const Attributes& attributes)
      : transpose_a_(attributes.get<bool>("transpose_a", false)),
        transpose_b_(attributes.get<bool>("transpose_b", false)) {}

  std::vector<Spec> infer(const std::vector<Spec>& inputs) override {
    check(inputs.size() == 2, "matmul: expected two inputs, received ", inputs.size());
    const Shape &a = inputs[0].shape, &b = inputs[1].shape;
    check(a.rank() >= 2 && b.rank() >= 2, "matmul: expected inputs with two axes or more, received shapes ", a, " and ",
          b, "; reshape a vector to a matrix of one row or column");
    m_ = a[transpose_a_ ? -1 : -2];
    k_ = a[transpose_a_ ? -2 : -1];
    n_ = b[transpose_b_ ? -2 : -1];
    check(b[transpose_b_ ? -1 : -2] == k_, "matmul: expected inner sizes to agree, received shapes ", a,
          transpose_a_ ? " (transposed)" : "", " and ", b, transpose_b_ ? " (transposed)" : "", ", that is ", k_,
          " and ", b[transpose_b_ ? -1 : -2]);

    const int batch_axes = std::max(a.rank(), b.rank()) - 2;
    std::vector<int64_t> c(batch_axes + 2);
    auto axis_of = [&](const Shape& shape, int axis) {
      const int at = axis - (batch_axes + 2 - shape.rank());
      return at < 0 ? int64_t{1} : shape[at];
    };
    for (int axis = 0; axis < batch_axes; ++axis) {
      const int64_t of_a = axis_of(a, axis), of_b = axis_of(b, axis);
      check(of_a == of_b || of_a == 1 || of_b == 1, "matmul: the leading axes of shapes ", a, " and ", b,
            " do not broadcast: ", of_a, " and ", of_b);
      c[axis] = of_a == 1 ? of_b : of_a;
    }
    c[batch_axes] = m_;
    c[batch_axes + 1] = n_;
    const Shape shape(c);

    // Which matrix of a and of b each matrix of c is the product of.
    batch_ = shape.size_between(0, batch_axes);
    batch_a_ = a.size_between(0, a.rank() - 2);
    batch_b_ = b.size_between(0, b.rank() - 2);
    terms_.clear();
    for (int64_t i = 0; i < batch_; ++i) {
      Products::Term term{0, 0};
      int64_t left = i, stride_a = 1, stride_b = 1;
      for (int axis = batch_axes - 1; axis >= 0; --axis) {
        const int64_t at = left % c[axis], of_a = axis_of(a, axis), of_b = axis_of(b, axis);
        left /= c[axis];
        term.a += of_a == 1 ? 0 : at * stride_a;
        term.b += of_b == 1 ? 0 : at * stride_b;
        stride_a *= of_a;
        stride_b *= of_b;
      }
      terms_.push_back(term);
    }
    // With one b for all, the rows of all a make one matrix.
    one_b_ = batch_b_ == 1 && batch_ > 1 && !transpose_a_;
    return {{shape}};
  }

  Requirements require(const std::vector<bool>& wanted) override {
    Requirements needs;
    forward_ =
        Products(one_b_ ? spec(batch_ * m_, n_, k_, false, transpose_b_) : spec(m_, n_, k_, transpose_a_, transpose_b_),
                 one_b_ ? alone() : each());
    needs.forward = forward_.phases();
    needs.forward_scratch = forward_.scratch();
    needs.worker_scratch = forward_.worker_scratch();
    needs.reads_inputs = (wanted[1] ? 1u : 0u) | (wanted[0] ? 2u : 0u);
    needs.reads_outputs = 0;

    if (wanted[0]) {
      if (one_b_)
        da_ = Products(spec(batch_ * m_, k_, n_, false, !transpose_b_), alone());
      else if (transpose_a_)
        da_ = Products(spec(k_, m_, n_, transpose_b_, true),
                       gather(batch_a_, &Products::Term::a, &Products::Term::b, false));
      else
        da_ = Products(spec(m_, k_, n_, false, !transpose_b_),
                       gather(batch_a_, &Products::Term::a, &Products::Term::b, true));
    }
    products_.add(da_.phases());
    if (wanted[1]) {
      if (one_b_ && transpose_b_)
        db_ = Products(spec(n_, k_, batch_ * m_, true, false), alone());
      else if (one_b_)
        db_ = Products(spec(k_, n_, batch_ * m_, true, false), alone());
      else if (transpose_b_)
        db_ = Products(spec(n_, k_, m_, true, transpose_a_),
                       gather(batch_b_, &Products::Term::b, &Products::Term::a, true));
      else
        db_ = Products(spec(k_, n_, m_, !transpose_a_, false),
                       gather(batch_b_, &Products::Term::b, &Products::Term::a, false));
    }
    products_.add(db_.phases());
    needs.backward = products_.phases();
    needs.backward_scratch = da_.scratch() + db_.scratch();
    needs.worker_scratch = std::max({needs.worker_scratch, da_.worker_scratch(), db_.worker_scratch()});
    return needs;
  }

  void forward(const Args& args, int phase, int64_t task, Worker& worker) const override {
    forward_.run(phase, task, worker, args.scratch, args.inputs[0], args.inputs[1], args.outputs[0]);
  }

  void backward(const Args& args, int phase, int64_t task, Worker& worker) const override {
    const float *a = args.inputs[0], *b = args.inputs[1], *dc = args.output_grads[0];
    if (products_.which(phase, task) == 0)
      da_.run(phase, task, worker, args.scratch, transpose_a_ ? b : dc, transpose_a_ ? dc : b, args.input_grads[0]);
    else
      db_.run(phase, task, worker, args.scratch + da_.scratch(), transpose_b_ ? dc : a, transpose_b_ ? a : dc,
              args.input_grads[1]);
  }

 private:
  GemmSpec spec(int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b) const {
    GemmSpec spec;
    spec.m = m, spec.n = n, spec.k = k;
    spec.transpose_a = transpose_a;
    spec.transpose_b = transpose_b;
    return spec;
  }

  static std::vector<std::vector<Products::Term>> alone() { return {{{0, 0}}}; }

  std::vector<std::vector<Products::Term>> each() const {
    std::vector<std::vector<Products::Term>> results;
    for (const Products::Term& term : terms_) results.push_back({term});
    return results;
  }

  // For each matrix of one operand, the products that its gradient is the sum of: of dc and the other operand's matrix.
  std::vector<std::vector<Products::Term>> gather(int64_t count, int64_t Products::Term::* own,
                                                  int64_t Products::Term::* other, bool dc_first) const {
    std::vector<std::vector<Products::Term>> results(count);
    for (int64_t i = 0; i < batch_; ++i) {
      const int64_t matrix = terms_[i].*other;
      results[terms_[i].*own].push_back(dc_first ? Products::Term{i, matrix} : Products::Term{matrix, i});
    }
    return results;
  }

  const bool transpose_a_, transpose_b_;
  int64_t m_ = 0, n_ = 0, k_ = 0, batch_ = 0, batch_a_ = 0, batch_b_ = 0;
  bool one_b_ = false;
  std::vector<Products::Term> terms_;
  Products forward_, da_, db_;
  SideBySide products_;
};

const RegisterOp registered("matmul", [](const Attributes& a) { return std::make_unique<Matmul>(a); });

}  // namespace
}  // namespace nnfast
