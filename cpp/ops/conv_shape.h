// The geometry of a convolution in one, two or three dimensions, as three: axes that are missing have size 1.
#pragma once
#include <string>
#include <vector>

#include "core/tensor.h"
#include "kernels/kernels.h"
#include "ops/attributes.h"

namespace nnfast {

struct ConvShape {
  int64_t images = 0;
  int64_t channels = 0, out_channels = 0;  // of all groups
  int64_t groups = 1;
  Window window;

  int64_t group_channels() const { return channels / groups; }
  int64_t group_out_channels() const { return out_channels / groups; }
  int64_t taps() const { return window.size[0] * window.size[1] * window.size[2]; }
  int64_t depth() const { return taps() * group_channels(); }  // products in one output element: rows of the kernel
  int64_t in_pixels() const { return window.in[0] * window.in[1] * window.in[2]; }  // of one image
  int64_t out_pixels() const { return window.out[0] * window.out[1] * window.out[2]; }
  int64_t input_size() const { return images * in_pixels() * channels; }
  int64_t output_size() const { return images * out_pixels() * out_channels; }
  int64_t weight_size() const { return depth() * out_channels; }
  // No convolution may need more scratch memory: Winograd's transformed weights are four times as large as the weights.
  int64_t memory_bound() const { return input_size() + output_size() + 5 * weight_size(); }
  double flops() const { return 2.0 * images * out_pixels() * out_channels * depth(); }
  // Every output pixel sees just the input pixel in its place.
  bool pointwise() const;
};

// Along an axis, the output pixel in whose window input pixel i is the k-th, or -1.
int64_t output_at(const Window& window, int axis, int64_t i, int64_t k);

// What the attributes strides, padding, dilation_rate and groups say, for images (N, …, C) of the given rank.
struct ConvSettings {
  ConvSettings(const Attributes& attributes, int rank);

  int axes;                                                     // 1 … 3
  std::vector<int64_t> strides, dilation_rate, output_padding;  // an entry an axis; output_padding may be empty
  std::string padding;                                          // "valid", "same", "causal" or "explicit"
  std::vector<int64_t> pads;                                    // explicit: begin and end of each axis
  int64_t groups = 1;
};

// The convolution of images of shape x with a kernel of shape (…, C / groups, OC).
ConvShape conv_shape(const ConvSettings& settings, const Shape& x, const Shape& kernel);
// The convolution whose backward-data is the transposed convolution of x with a kernel of shape (…, OC, C).
ConvShape transposed_conv_shape(const ConvSettings& settings, const Shape& x, const Shape& kernel);
// Pooling: each channel by itself.
Window pool_window(const ConvSettings& settings, const std::vector<int64_t>& pool_size, const Shape& x);

// (N, spatial axes of the rank that x has, channels).
Shape image_shape(int axes, int64_t images, const int64_t* sizes, int64_t channels);

}  // namespace nnfast
