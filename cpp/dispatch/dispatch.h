// Picks the kernels for this CPU, once, at load.
#pragma once
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace nnfast {

// The table in use: the strongest ISA this CPU and operating system can run, not above NNFAST_ISA where that is set.
const Kernels& kernels();
// Why that one, in words.
const std::string& isa_reason();
// Every table this CPU can run, weakest first: for tests and benchmarks.
const std::vector<const Kernels*>& runnable_kernels();
// For tests: use the named table from now on. Throws Error where this CPU cannot run it.
void use_isa(const std::string& name);

}  // namespace nnfast
