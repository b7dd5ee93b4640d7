// Convolution as one matrix product of all patches, those of several images at a time (im2col and col2im): with patch
// (pixels × depth) the rows that the output pixels see,
//   forward        y = patch · w
//   backward-data  dpatch = dy · wᵀ, and dx sums the dpatch of every pixel that saw it.
// For small images with many weights, which are then read once for several images; patches take as much memory as they.
#include <algorithm>

#include "core/buffer.h"
#include "dispatch/dispatch.h"
#include "ops/conv_pass.h"
#include "ops/gemm.h"

namespace nnfast {
namespace {

// What both directions have in common: rounds of some images each, of a product and of a phase that makes its patches
// or sums them, whose tasks are some rows of y or dx.
class Im2col : public ConvPass {
 public:
  Im2col(const ConvShape& shape, const ConvEpilogue& epilogue) : shape_(shape), epilogue_(epilogue) {
    ld_ = patch_stride(shape.depth());
    image_ = std::max<int64_t>(1, shape.out_pixels() * ld_);
    images_ = even_part(std::max<int64_t>(1, shape.images), std::max<int64_t>(1, shape.weight_size() / image_));
    product_at_ = images_ * image_ + kLine;
  }

 protected:
  struct Round {
    int64_t first, images;
    int product;  // its first phase
    int rows;     // the phase of rows
  };

  // A product is followed by its rows, or preceded by them.
  void add_rounds(const GemmSpec& spec, int64_t image_rows, bool rows_first) {
    rows_ = std::clamp<int64_t>(kTask * image_rows / image_, 1, kMostRows);
    image_rows_ = image_rows;
    for (int64_t first = 0; first < std::max<int64_t>(1, shape_.images); first += images_) {
      Round round{first, std::min(images_, shape_.images - first), 0, 0};
      if (first == 0 || round.images < images_) {  // the last of them may be fewer
        GemmSpec of_round = spec;
        of_round.m = round.images * shape_.out_pixels();
        products_.emplace_back(of_round);
      }
      const Gemm& product = products_.back();
      scratch_ = std::max(scratch_, product_at_ + product.scratch());
      worker_scratch_ = std::max(worker_scratch_, product.worker_scratch());
      if (rows_first) round.rows = add({ceil_div(round.images * image_rows, rows_), cost(round)});
      round.product = static_cast<int>(phases_.size());
      for (const Phase& phase : product.phases()) add(phase);
      if (!rows_first) round.rows = add({ceil_div(round.images * image_rows, rows_), cost(round)});
      rounds_.push_back(round);
      of_phase_.resize(phases_.size(), rounds_.size() - 1);
    }
  }

  const Round& round_of(int phase) const { return rounds_[of_phase_[phase]]; }
  const Gemm& product_of(const Round& round) const {
    return round.images == images_ ? products_.front() : products_.back();
  }
  // Calls f(row, of all rows of the images from the first of the round on) for the rows of a task.
  template <class F>
  void for_rows(const Round& round, int64_t task, F&& f) const {
    const int64_t end = std::min(round.images * image_rows_, (task + 1) * rows_);
    for (int64_t row = task * rows_; row < end; ++row) f(row);
  }

  const ConvShape shape_;
  const ConvEpilogue epilogue_;
  int64_t ld_;                  // of patches
  int64_t image_;               // floats of the patches of one
  int64_t images_;              // of a round
  int64_t product_at_;          // in the scratch memory, after the patches
  int64_t image_rows_ = 0;      // of one image
  int64_t rows_ = 1;            // of a task
  std::vector<Gemm> products_;  // of a round, and of the last if that has fewer images
  std::vector<Round> rounds_;
  std::vector<size_t> of_phase_;  // the round of each

 private:
  static constexpr int64_t kTask = 16384;   // floats of patches in a task
  static constexpr int64_t kMostRows = 64;  // in a task

  int add(const Phase& phase) {
    phases_.push_back(phase);
    return static_cast<int>(phases_.size()) - 1;
  }
  double cost(const Round& round) const { return static_cast<double>(round.images * image_) / kFloatsPerNs; }
};

class Im2colForward final : public Im2col {
 public:
  Im2colForward(const ConvShape& shape, const ConvEpilogue& epilogue) : Im2col(shape, epilogue) {
    GemmSpec spec;
    spec.n = shape.out_channels;
    spec.k = shape.depth();
    spec.lda = ld_;
    spec.bias = epilogue.bias;
    spec.activation = epilogue.activation;
    spec.alpha = epilogue.alpha;
    spec.keep_z = epilogue.keeps_sum;
    add_rounds(spec, shape.window.out[0] * shape.window.out[1], true);
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    const Round& round = round_of(phase);
    if (phase == round.rows) return gather(args, round, task, scratch);
    const int64_t at = round.first * shape_.out_pixels() * shape_.out_channels;
    GemmArgs product;
    product.a = scratch;
    product.b = args.w;
    product.c = args.activated + at;
    product.z = args.out + at;
    product.bias = args.bias;
    product_of(round).run(phase - round.product, task, worker, scratch + product_at_, product);
  }

 private:
  void gather(const ConvArgs& args, const Round& round, int64_t task, float* patches) const {
    const Kernels::Conv::Patches source{&shape_.window, args.x, shape_.channels, shape_.channels, 0, shape_.taps()};
    const int64_t width = shape_.window.out[2], first = round.first * shape_.out_pixels();
    for_rows(round, task, [&](int64_t row) {
      kernels().conv->gather(source, first + row * width, width, patches + row * width * ld_, ld_);
    });
  }
};

class Im2colBackwardData final : public Im2col {
 public:
  Im2colBackwardData(const ConvShape& shape, const ConvEpilogue& epilogue) : Im2col(shape, epilogue) {
    GemmSpec spec;
    spec.n = shape.depth();
    spec.k = shape.out_channels;
    spec.ldc = ld_;
    spec.transpose_b = true;
    add_rounds(spec, shape.window.in[0] * shape.window.in[1], false);
  }

  void run(const ConvArgs& args, int phase, int64_t task, float* scratch, const Worker& worker) const override {
    const Round& round = round_of(phase);
    if (phase == round.rows) return sum(args, round, task, scratch);
    GemmArgs product;
    product.a = args.dy + round.first * shape_.out_pixels() * shape_.out_channels;
    product.b = args.w;
    product.c = scratch;
    product_of(round).run(phase - round.product, task, worker, scratch + product_at_, product);
  }

 private:
  void sum(const ConvArgs& args, const Round& round, int64_t task, const float* dpatch) const {
    const Window& w = shape_.window;
    const int64_t row_floats = w.in[2] * shape_.channels;
    for_rows(round, task, [&](int64_t row) {
      const int64_t at = (round.first * image_rows_ + row) * row_floats;
      sum_row(args, row / image_rows_, row % image_rows_ / w.in[1], row % w.in[1], dpatch, args.out + at);
      activate(epilogue_, args.out + at, args.activated + at, w.in[2], shape_.channels, shape_.channels);
    });
  }
  // In the order of the taps: planes from the first to the last, rows from the last to the first.
  void sum_row(const ConvArgs& args, int64_t image, int64_t plane, int64_t ih, const float* dpatch, float* dx) const {
    const Window& w = shape_.window;
    if (epilogue_.bias) repeat_row(args.bias, shape_.channels, w.in[2], dx, shape_.channels);
    RowSum sum({&w, nullptr, 0, ld_, shape_.channels, shape_.channels, dx, shape_.channels, epilogue_.bias});
    for (int64_t kd = 0; kd < w.size[0]; ++kd) {
      const int64_t od = output_at(w, 0, plane, kd);
      for (int64_t kh = w.size[1] - 1; od >= 0 && kh >= 0; --kh) {
        const int64_t oh = output_at(w, 1, ih, kh);
        if (oh >= 0)
          sum.add(dpatch + ((image * w.out[0] + od) * w.out[1] + oh) * w.out[2] * ld_ +
                  (kd * w.size[1] + kh) * w.size[2] * shape_.channels);
      }
    }
    sum.finish();
  }
};

}  // namespace

bool im2col_applies(const ConvShape& shape) { return shape.groups == 1; }

bool im2col_pays(const ConvShape& shape) {
  // By the shape of an image alone, so that an image has the same bits in any batch. Tiles of patches read all weights
  // once a tile, in backward-data once an image, which matters where an image has few pixels. All patches are written
  // to a far cache and read again, which matters where few output channels go into an element of them. Measured on two
  // cores with AVX-512, times as fast as patches, forward and backward-data, 3×3 windows with stride 2, 16 images
  // (one): 256 channels of 14×14 pixels to 512 0.97 (1.5) and 1.9 (3.5), 128 of 8×8 to 256 1.06 (0.93) and 1.0, and,
  // where it is not chosen, 128 of 28×28 to 256 0.88 and 0.88.
  return im2col_applies(shape) && shape.out_channels >= 2 * shape.out_pixels() && shape.weight_size() >= 256 * 1024;
}

std::unique_ptr<ConvPass> make_im2col_forward(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return std::make_unique<Im2colForward>(shape, epilogue);
}
std::unique_ptr<ConvPass> make_im2col_backward_data(const ConvShape& shape, const ConvEpilogue& epilogue) {
  return std::make_unique<Im2colBackwardData>(shape, epilogue);
}

}  // namespace nnfast
