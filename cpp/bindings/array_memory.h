// The memory of large arrays that are given to Python.
#pragma once
#include <pybind11/pybind11.h>

#include <cstdint>
#include <utility>

namespace nnfast {

// From this size on it pays: 64 KB. Smaller arrays are NumPy's own.
constexpr int64_t kLargeArray = 16 * 1024;  // elements

// `size` elements that start on a cache line, and their owner. When the owner dies the memory is kept, up to a bound,
// for the next array: the first touch of fresh pages costs several times what most operations take. What an array held
// before is still in it. The GIL must be held.
std::pair<float*, pybind11::capsule> array_memory(int64_t size);

}  // namespace nnfast
