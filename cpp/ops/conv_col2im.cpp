// Backward-data of a convolution as one matrix product, whose columns are then summed (col2im): with dpatch
// (pixels × depth) the gradient of the patches that the output pixels saw,
//   dpatch = dy · wᵀ, and dx sums the dpatch of every pixel that saw it.
// The whole of dpatch exists, of as many images as fit: for small images with many weights, which are then read once
// and not once an image.
#include <algorithm>
#include <cstring>

#include "core/buffer.h"
#include "dispatch/dispatch.h"
#include "ops/conv_pass.h"
#include "ops/gemm.h"

namespace nnfast {
namespace {

class Col2im final : public ConvPass {
 public:
  Col2im(const ConvShape& shape, const ConvEpilogue& epilogue) : shape_(shape), epilogue_(epilogue) {
    const Window& w = shape.window;
    ld_ = patch_stride(shape.depth());
    const int64_t image = shape.out_pixels() * ld_;
    images_ = even_part(std::max<int64_t>(1, shape.images),
                        std::max<int64_t>(1, shape.weight_size() / std::max<int64_t>(1, image)));
    rows_ = std::clamp<int64_t>(kTask * w.in[0] * w.in[1] / std::max<int64_t>(1, image), 1, kMostRows);
    gemm_at_ = images_ * image + kLine;
    for (int64_t first = 0; first < std::max<int64_t>(1, shape.images); first += images_) {
      const int64_t images = std::min(images_, shape.images - first);
      // The last of them may be fewer.
      if (first == 0 || images < images_) products_.push_back(product_of(images));
      const Gemm& gemm = products_.back();
      scratch_ = std::max(scratch_, gemm_at_ + gemm.scratch());
      worker_scratch_ = std::max(worker_scratch_, gemm.worker_scratch());
      for (const Phase& phase : gemm.phases()) {
        steps_.push_back({first, static_cast<int>(&phase - gemm.phases().data()), products_.size() - 1});
        phases_.push_back(phase);
      }
      steps_.push_back({first, kSum, 0});
      phases_.push_back(
          {ceil_div(images * w.in[0] * w.in[1], rows_), static_cast<double>(images * image) / kFloatsPerNs});
    }
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    const Step& step = steps_[phase];
    if (step.phase == kSum) return sum(args, step.image, task, scratch);
    GemmArgs product;
    product.a = args.dy + step.image * shape_.out_pixels() * shape_.out_channels;
    product.b = args.w;
    product.c = scratch;
    products_[step.product].run(step.phase, task, worker, scratch + gemm_at_, product);
  }

 private:
  static constexpr int64_t kTask = 16384;   // floats of dpatch that a task sums
  static constexpr int64_t kMostRows = 64;  // of dx, in a task
  static constexpr int kSum = -1;
  struct Step {
    int64_t image;  // the first
    int phase;      // of the product, or kSum
    size_t product;
  };

  Gemm product_of(int64_t images) const {
    GemmSpec spec;
    spec.m = images * shape_.out_pixels();
    spec.n = shape_.depth();
    spec.k = shape_.out_channels;
    spec.ldc = ld_;
    spec.transpose_b = true;
    return Gemm(spec);
  }

  // Some rows of dx, of those of the images from the given one on.
  void sum(const ConvArgs& args, int64_t first_image, int64_t task, const float* dpatch) const {
    const Window& w = shape_.window;
    const int64_t images = std::min(images_, shape_.images - first_image), image_rows = w.in[0] * w.in[1];
    const int64_t end = std::min(images * image_rows, (task + 1) * rows_);
    for (int64_t row = task * rows_; row < end; ++row) {
      const int64_t at = (first_image * image_rows + row) * w.in[2] * shape_.channels;
      sum_row(args, row / image_rows, row % image_rows / w.in[1], row % w.in[1], dpatch, args.out + at);
      activate(epilogue_, args.out + at, args.activated + at, w.in[2], shape_.channels, shape_.channels);
    }
  }
  // In the order of the taps: planes from the first to the last, rows from the last to the first.
  void sum_row(const ConvArgs& args, int64_t image, int64_t plane, int64_t ih, const float* dpatch, float* dx) const {
    const Window& w = shape_.window;
    if (epilogue_.bias)
      for (int64_t iw = 0; iw < w.in[2]; ++iw)
        std::memcpy(dx + iw * shape_.channels, args.bias, shape_.channels * sizeof(float));
    const float* rows[16];
    Kernels::Conv::PatchSum taps{
        &w, rows, 0, ld_, shape_.channels, shape_.channels, dx, shape_.channels, epilogue_.bias};
    for (int64_t kd = 0; kd < w.size[0]; ++kd) {
      const int64_t od = output_at(w, 0, plane, kd);
      for (int64_t kh = w.size[1] - 1; od >= 0 && kh >= 0; --kh) {
        const int64_t oh = output_at(w, 1, ih, kh);
        if (oh < 0) continue;
        if (taps.num_rows == 16) {
          kernels().conv->sum_patches(taps);
          taps.num_rows = 0;
          taps.accumulate = true;
        }
        rows[taps.num_rows++] = dpatch + ((image * w.out[0] + od) * w.out[1] + oh) * w.out[2] * ld_ +
                                (kd * w.size[1] + kh) * w.size[2] * shape_.channels;
      }
    }
    if (taps.num_rows > 0 || !taps.accumulate) kernels().conv->sum_patches(taps);
  }

  const ConvShape shape_;
  const ConvEpilogue epilogue_;
  int64_t ld_;       // of dpatch
  int64_t images_;   // whose dpatch is made at a time
  int64_t rows_;     // of dx, in a task
  int64_t gemm_at_;  // in the scratch memory, after dpatch
  std::vector<Gemm> products_;
  std::vector<Step> steps_;  // an entry a phase
};

}  // namespace

bool col2im_applies(const ConvShape& shape) { return shape.groups == 1; }

bool col2im_pays(const ConvShape& shape) {
  // By the shape of an image alone, so that a transposed convolution gives each image the same bits in any batch. To go
  // through the images one by one reads all weights once an image, which matters where an image has few pixels; dpatch
  // is written to a far cache and read again, which matters where few output channels go into an element of it.
  // Measured on two cores with AVX-512 at batches of 8 and 16, times as fast as patches, windows of 3×3 with stride 2:
  // 512 channels of 14×14 pixels 2.1, 256 of 8×8 to 512 2.9, 128 of 8×8 to 256 1.0; 128 of 28×28 to 256 0.9.
  return col2im_applies(shape) && shape.out_channels >= 2 * shape.out_pixels() && shape.weight_size() >= 256 * 1024;
}

std::unique_ptr<ConvPass> make_col2im_backward_data(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return std::make_unique<Col2im>(shape, epilogue);
}

}  // namespace nnfast
