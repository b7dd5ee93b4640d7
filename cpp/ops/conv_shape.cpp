#include "ops/conv_shape.h"

#include <algorithm>

namespace nnfast {
namespace {

// An entry an axis: all alike where one is given, `otherwise` where none is.
std::vector<int64_t> per_axis(const Attributes& attributes, const std::string& name, int axes, int64_t otherwise) {
  std::vector<int64_t> values(axes, otherwise);
  if (!attributes.has(name)) return values;
  values = attributes.get<std::vector<int64_t>>(name);
  if (values.size() == 1) values.assign(axes, values[0]);
  check(values.size() == static_cast<size_t>(axes), name, " must have an entry for each of the ", axes,
        " spatial axes, received ", values.size());
  return values;
}

// Pixels along an axis, of images and windows, and the steps between them: no product of two overflows.
constexpr int64_t kMostPixels = int64_t{1} << 30;

void check_positive(const std::vector<int64_t>& values, const char* name) {
  for (int64_t value : values)
    check(value > 0 && value <= kMostPixels, name, " must be positive and at most 2^30, received ", value);
}

void check_pixels(const Shape& shape, int axes) {
  for (int axis = 1; axis <= axes; ++axis)
    check(shape[axis] <= kMostPixels, "images have at most 2^30 pixels along an axis, received images of shape ",
          shape);
}

void check_window(const Shape& kernel, int axes) {
  check(kernel.size() > 0, "a kernel must not be empty, received shape ", kernel);
  for (int axis = 0; axis < axes; ++axis)
    check(kernel[axis] <= kMostPixels, "windows have at most 2^30 pixels along an axis, received a kernel of shape ",
          kernel);
}

int64_t extent(int64_t size, int64_t dilation) { return (size - 1) * dilation + 1; }

// Missing axes come first: in 2 dimensions entry 0 is the depth, of size 1.
void set_axis(Window& w, int at, int64_t in, int64_t out, int64_t size, int64_t stride, int64_t dilation, int64_t pad) {
  w.in[at] = in;
  w.out[at] = out;
  w.size[at] = size;
  w.stride[at] = stride;
  w.dilation[at] = dilation;
  w.pad[at] = pad;
}

Window forward_window(const ConvSettings& s, const Shape& x, const int64_t* sizes) {
  check_pixels(x, s.axes);
  Window w;
  for (int at = 0; at < 3 - s.axes; ++at) set_axis(w, at, 1, 1, 1, 1, 1, 0);
  for (int axis = 0; axis < s.axes; ++axis) {
    const int64_t in = x[1 + axis], stride = s.strides[axis], dilation = s.dilation_rate[axis];
    const int64_t reach = extent(sizes[axis], dilation);
    int64_t begin = 0, end = 0;
    if (s.padding == "same") {
      const int64_t out = (in + stride - 1) / stride;
      const int64_t total = std::max<int64_t>(0, (out - 1) * stride + reach - in);
      begin = total / 2;
      end = total - begin;
    } else if (s.padding == "causal") {
      begin = reach - 1;
    } else if (s.padding == "explicit") {
      begin = s.pads[2 * axis];
      end = s.pads[2 * axis + 1];
    }
    check(in + begin + end >= reach, "a window of ", reach, " pixels (dilation included) does not fit into ",
          in + begin + end, " (padding included) along spatial axis ", axis, " of an input of shape ", x,
          "; use a smaller window, padding=\"same\" or a larger image");
    set_axis(w, 3 - s.axes + axis, in, (in + begin + end - reach) / stride + 1, sizes[axis], stride, dilation, begin);
  }
  return w;
}

}  // namespace

bool ConvShape::pointwise() const {
  for (int at = 0; at < 3; ++at)
    if (window.size[at] != 1 || window.stride[at] != 1 || window.pad[at] != 0 || window.in[at] != window.out[at])
      return false;
  return true;
}

int64_t output_at(const Window& window, int axis, int64_t i, int64_t k) {
  const int64_t at = i + window.pad[axis] - k * window.dilation[axis], stride = window.stride[axis];
  return at >= 0 && at % stride == 0 && at / stride < window.out[axis] ? at / stride : -1;
}

ConvSettings::ConvSettings(const Attributes& attributes, int rank) : axes(rank - 2) {
  check(axes >= 1 && axes <= 3, "images must have shape (batch, 1 to 3 spatial axes, channels), received one of ", rank,
        " axes; add a channel axis, e.g. x[..., None]");
  strides = per_axis(attributes, "strides", axes, 1);
  dilation_rate = per_axis(attributes, "dilation_rate", axes, 1);
  if (attributes.has("output_padding")) output_padding = per_axis(attributes, "output_padding", axes, 0);
  padding = attributes.get<std::string>("padding", "valid");
  if (padding == "explicit") {
    pads = attributes.get<std::vector<int64_t>>("pads");
    check(pads.size() == static_cast<size_t>(2 * axes), "pads must have two entries for each of the ", axes,
          " spatial axes, received ", pads.size());
    for (int64_t pad : pads)
      check(pad >= 0 && pad <= kMostPixels, "pads must not be negative, and at most 2^30, received ", pad);
  }
  check(padding == "valid" || padding == "same" || padding == "causal" || padding == "explicit",
        "padding must be \"valid\", \"same\", \"causal\" or \"explicit\", received \"", padding, "\"");
  check(padding != "causal" || axes == 1, "padding=\"causal\" is for one spatial axis, received ", axes);
  groups = attributes.get<int64_t>("groups", 1);
  check_positive(strides, "strides");
  check_positive(dilation_rate, "dilation_rate");
  check(groups > 0, "groups must be positive, received ", groups);
}

ConvShape conv_shape(const ConvSettings& settings, const Shape& x, const Shape& kernel) {
  check(kernel.rank() == x.rank(), "images of shape ", x, " need a kernel of ", x.rank(),
        " axes (window, channels / groups, out_channels), received ", kernel);
  ConvShape shape;
  shape.images = x[0];
  shape.channels = x[-1];
  shape.out_channels = kernel[-1];
  shape.groups = settings.groups;
  check(shape.channels % shape.groups == 0 && shape.out_channels % shape.groups == 0, "groups=", shape.groups,
        " must divide the ", shape.channels, " input channels and the ", shape.out_channels, " output channels");
  check(kernel[-2] == shape.group_channels(), "images of shape ", x, " in ", shape.groups,
        " group(s) need a kernel of ", shape.group_channels(), " input channels, received a kernel of shape ", kernel);
  check_window(kernel, settings.axes);
  shape.window = forward_window(settings, x, kernel.begin());
  return shape;
}

ConvShape transposed_conv_shape(const ConvSettings& settings, const Shape& x, const Shape& kernel) {
  check(kernel.rank() == x.rank() && kernel[-1] == x[-1], "images of shape ", x,
        " need a kernel of shape (window, "
        "out_channels, ",
        x[-1], "), received ", kernel);
  check_window(kernel, settings.axes);
  check_pixels(x, settings.axes);
  check(settings.groups == 1, "a transposed convolution has one group, received ", settings.groups);
  check(settings.padding == "valid" || settings.padding == "same",
        "padding of a transposed convolution must be \"valid\" or \"same\", received \"", settings.padding, "\"");
  ConvShape shape;
  shape.images = x[0];
  shape.channels = kernel[-2];
  shape.out_channels = x[-1];
  for (int at = 0; at < 3 - settings.axes; ++at) set_axis(shape.window, at, 1, 1, 1, 1, 1, 0);
  for (int axis = 0; axis < settings.axes; ++axis) {
    // Keras 3's arithmetic: padding left and right of the dilated input of an ordinary convolution.
    const int64_t in = x[1 + axis], stride = settings.strides[axis];
    const int64_t reach = extent(kernel[axis], settings.dilation_rate[axis]);
    const bool chosen = !settings.output_padding.empty();
    check(!chosen || (settings.output_padding[axis] >= 0 && settings.output_padding[axis] < stride),
          "output_padding must not be negative and less than the stride, received ",
          chosen ? settings.output_padding[axis] : 0, " with stride ", stride);
    int64_t left = reach - 1, right = 0;
    if (settings.padding == "valid") {
      right = reach - 1 + (chosen ? settings.output_padding[axis] : std::max<int64_t>(reach, stride) - reach);
    } else {
      const int64_t total = chosen ? reach + reach % 2 - 2 + settings.output_padding[axis] : stride + reach - 2;
      left = std::min((total + 1) / 2, reach - 1);
      right = total - left;
    }
    const int64_t out = (in - 1) * stride + 1 + left + right - (reach - 1);
    check(out > 0, "the transposed convolution of ", x, " with ", kernel, " leaves nothing along spatial axis ", axis);
    set_axis(shape.window, 3 - settings.axes + axis, out, in, kernel[axis], stride, settings.dilation_rate[axis],
             reach - 1 - left);
  }
  return shape;
}

Window pool_window(const ConvSettings& settings, const std::vector<int64_t>& pool_size, const Shape& x) {
  check(pool_size.size() == static_cast<size_t>(settings.axes), "pool_size must have an entry for each of the ",
        settings.axes, " spatial axes, received ", pool_size.size());
  check_positive(pool_size, "pool_size");
  return forward_window(settings, x, pool_size.data());
}

Shape image_shape(int axes, int64_t images, const int64_t* sizes, int64_t channels) {
  std::vector<int64_t> shape{images};
  shape.insert(shape.end(), sizes + 3 - axes, sizes + 3);
  shape.push_back(channels);
  return Shape(shape);
}

}  // namespace nnfast
