// How many threads to use.
#pragma once
#include <string>

namespace nnfast {

// The smallest of OMP_NUM_THREADS, the CPUs this process may run on and its cgroup's CPU quota, unless set; 1 in a
// forked child, whose copy of the thread pool has no threads behind it.
int num_threads();
void set_num_threads(int count);  // from 1 to kMaxThreads; throws Error otherwise
std::string num_threads_reason();

constexpr int kMaxThreads = 256;

}  // namespace nnfast
