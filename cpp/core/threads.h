// How many threads to use.
#pragma once
#include <string>

namespace nnfast {

// The smallest of OMP_NUM_THREADS, the CPUs this process may run on and its cgroup's CPU quota, unless set; 1 in a
// forked child, whose copy of the thread pool has no threads behind it.
int num_threads();
// From 1 to kMaxThreads; throws Error otherwise. In a forked child it stays 1.
void set_num_threads(int count);
std::string num_threads_reason();

// The tightest CPU quota, rounded up, from this process's cgroup up to the top, of either version of the cgroup file
// system; 0 where there is none. root: where /proc and /sys are, empty except in tests.
int cgroup_quota(const std::string& root);

constexpr int kMaxThreads = 256;

}  // namespace nnfast
