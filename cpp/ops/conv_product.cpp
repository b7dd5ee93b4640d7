// A convolution that is a matrix product of the images as they lie in memory: where a window is one pixel, or where it
// is the whole image. The rows of x are then pixels, or images; with w (depth, OC),
//   forward  y = x · w        backward-data  dx = dy · wᵀ        backward-weights  dw = xᵀ · dy
#include <algorithm>

#include "core/buffer.h"
#include "dispatch/dispatch.h"
#include "ops/conv_pass.h"
#include "ops/gemm.h"

namespace nnfast {
namespace {

int64_t rows_of(const ConvShape& shape) { return shape.pointwise() ? shape.images * shape.in_pixels() : shape.images; }

// Forward and backward-data.
class ProductImages final : public ConvPass {
 public:
  ProductImages(const ConvShape& shape, const ConvEpilogue& epilogue, bool backward)
      : shape_(shape), backward_(backward) {
    GemmSpec spec;
    // Of one group; what lies in memory has the columns of all of them.
    const int64_t in = shape.depth(), out = shape.group_out_channels();
    spec.m = rows_of(shape);
    spec.n = backward ? in : out;
    spec.k = backward ? out : in;
    spec.lda = spec.k * shape.groups;
    spec.ldb = shape.out_channels;
    spec.ldc = spec.n * shape.groups;
    spec.transpose_b = backward;
    spec.bias = epilogue.bias;
    spec.activation = epilogue.activation;
    spec.alpha = epilogue.alpha;
    spec.keep_z = epilogue.keeps_sum;
    gemm_ = Gemm(spec);
    scratch_ = shape.groups * round_up(gemm_.scratch(), kLine);
    worker_scratch_ = gemm_.worker_scratch();
    if (backward && epilogue.bias && shape.taps() > 1) {
      bias_at_ = scratch_;
      scratch_ += round_up(in, kLine);
      phases_.push_back({1, kCopy * static_cast<double>(in)});
    }
    for (const Phase& phase : gemm_.phases())
      phases_.push_back({phase.tasks * shape.groups, phase.cost * shape.groups});
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    float* biases = bias_at_ < 0 ? nullptr : scratch + bias_at_;
    if (biases != nullptr && phase-- == 0)
      return repeat_row(args.bias, shape_.channels, shape_.taps(), biases, shape_.channels);
    const int64_t group = task % shape_.groups;
    const int64_t in = group * shape_.depth(), out = group * shape_.group_out_channels(), to = backward_ ? in : out;
    GemmArgs product;
    product.a = backward_ ? args.dy + out : args.x + in;
    product.b = args.w + out;
    product.c = args.activated + to;
    product.z = args.out + to;
    if (args.bias) product.bias = biases != nullptr ? biases : args.bias + to;
    gemm_.run(phase, task / shape_.groups, worker, scratch + group * round_up(gemm_.scratch(), kLine), product);
  }

 private:
  static constexpr double kCopy = 0.2;  // ns an element

  const ConvShape shape_;
  const bool backward_;
  Gemm gemm_;
  // A transposed convolution makes whole windows, and so rows of c that hold every channel once for each pixel: where
  // in the scratch memory its bias, repeated like that, is; or -1.
  int64_t bias_at_ = -1;
};

// Many weights: a product like any other.
class ProductWeights final : public ConvPass {
 public:
  explicit ProductWeights(const ConvShape& shape) : shape_(shape) {
    GemmSpec spec;
    spec.m = shape.depth();
    spec.n = shape.group_out_channels();
    spec.k = rows_of(shape);
    spec.lda = spec.m * shape.groups;
    spec.ldb = spec.ldc = shape.out_channels;
    spec.transpose_a = spec.split_k = true;
    gemm_ = Gemm(spec);
    scratch_ = shape.groups * round_up(gemm_.scratch(), kLine);
    worker_scratch_ = gemm_.worker_scratch();
    for (const Phase& phase : gemm_.phases())
      phases_.push_back({phase.tasks * shape.groups, phase.cost * shape.groups});
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    const int64_t group = task % shape_.groups;
    GemmArgs product;
    product.a = args.x + group * shape_.depth();
    product.b = args.dy + group * shape_.group_out_channels();
    product.c = args.out + group * shape_.group_out_channels();
    gemm_.run(phase, task / shape_.groups, worker, scratch + group * round_up(gemm_.scratch(), kLine), product);
  }

 private:
  const ConvShape shape_;
  Gemm gemm_;
};

// Few weights and many rows: x and dy are read once and in their order, and asked for while the rows before them are
// multiplied. Parts of the rows have products of their own, which are then summed.
class FewWeights final : public ConvPass {
 public:
  static constexpr int64_t kMost = 128 * 1024;  // weights
  // Of a part, or up to a quarter less: enough that the sum of the parts counts for little.
  static constexpr int64_t kLeastRows = 512;

  explicit FewWeights(const ConvShape& shape)
      : shape_(shape), rows_(rows_of(shape)), m_(shape.depth()), n_(shape.group_out_channels()) {
    const Kernels::Gemm& gemm = *kernels().gemm;
    // Parts of equal size, an even number of them; at most 384 KB of x at a time.
    const int64_t parts = std::min<int64_t>(round_up(rows_ / kLeastRows, 2), 32);
    part_ = round_up(ceil_div(rows_, parts), 8);
    parts_ = ceil_div(rows_, part_);
    block_ = even_part(part_, std::clamp<int64_t>(96 * 1024 / m_ / 8 * 8, 64, gemm.chain / 3), 8);
    scratch_ = parts_ * shape.weight_size();
    phases_.push_back({parts_ * shape.groups, shape.flops() / kFlopsPerNs});
    sum_tasks_ = std::clamp<int64_t>(scratch_ / 16384, 1, 16);
    phases_.push_back({sum_tasks_, scratch_ / kFloatsPerNs});
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker&) const override {
    const int64_t weights = shape_.weight_size();
    if (phase == 1) return sum_parts(scratch, parts_, weights, weights, task, sum_tasks_, args.out);
    const Kernels::Gemm& gemm = *kernels().gemm;
    const int64_t group = task % shape_.groups, part = task / shape_.groups, first = part * part_;
    const int64_t ldx = m_ * shape_.groups, ldy = shape_.out_channels, end = std::min(rows_, first + part_);
    const float* x = args.x + group * m_;
    const float* dy = args.dy + group * n_;
    float* dw = scratch + part * weights + group * n_;
    for (int64_t row = first; row < end; row += block_) {
      Kernels::Gemm::Block block = gemm_block(m_, n_, std::min(block_, end - row));
      block.a_row = 1;
      block.a_k = ldx;
      block.a_panel = block.height;
      block.b = dy + row * ldy;
      block.b_k = ldy;
      block.b_panel = gemm.columns;
      block.ldc = ldy;
      block.accumulate = row > first;
      block.a = x + row * ldx;
      block.c = dw;
      if (shape_.groups == 1) {
        const int64_t next = row + block.k, count = std::min(block_, end - next);
        block.ahead[0] = x + next * ldx;
        block.ahead[1] = dy + next * ldy;
        block.ahead_lines[0] = ceil_div(count * ldx, kLine);
        block.ahead_lines[1] = ceil_div(count * ldy, kLine);
      }
      gemm.block(block);
    }
  }

 private:
  const ConvShape shape_;
  const int64_t rows_, m_, n_;                // of one group's product: k, m and n
  int64_t block_, part_, parts_, sum_tasks_;  // rows multiplied at a time; of a part; the parts' number
};

}  // namespace

bool product_applies(const ConvShape& shape) {
  if (shape.pointwise()) return true;
  const Window& w = shape.window;
  for (int at = 0; at < 3; ++at)
    if (w.out[at] != 1 || w.pad[at] != 0 || w.dilation[at] != 1 || w.size[at] != w.in[at]) return false;
  return shape.groups == 1;
}

std::unique_ptr<ConvPass> make_product_forward(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return std::make_unique<ProductImages>(shape, epilogue, false);
}
std::unique_ptr<ConvPass> make_product_backward_data(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return std::make_unique<ProductImages>(shape, epilogue, true);
}
std::unique_ptr<ConvPass> make_product_backward_weights(const ConvShape& shape) {
  if (shape.weight_size() <= FewWeights::kMost && rows_of(shape) >= 2 * FewWeights::kLeastRows)
    return std::make_unique<FewWeights>(shape);
  return std::make_unique<ProductWeights>(shape);
}

}  // namespace nnfast
