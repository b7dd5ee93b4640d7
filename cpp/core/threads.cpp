#include "core/threads.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "core/check.h"

namespace nnfast {
namespace {

int cpus_allowed() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN)));  // more CPUs than cpu_set_t holds
}

// The CPUs' worth of time that "quota period" grants; 0 where it is unlimited or unreadable.
int quota_in(const std::string& quota, const std::string& period) {
  char* end = nullptr;
  const double granted = std::strtod(quota.c_str(), &end);
  if (end == quota.c_str() || granted <= 0) return 0;
  const double per = std::strtod(period.c_str(), nullptr);
  return per > 0 ? static_cast<int>(std::clamp(std::ceil(granted / per), 1.0, 1e6)) : 0;
}

std::string first_line(const std::string& path) {
  std::string line;
  std::getline(std::ifstream(path), line);
  return line;
}

}  // namespace

int cgroup_quota(const std::string& root) {
  int tightest = 0;
  auto take = [&](int quota) {
    if (quota > 0) tightest = tightest == 0 ? quota : std::min(tightest, quota);
  };
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos || line.compare(second, 2, ":/") != 0) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    const bool v2 = controllers.empty();
    if (!v2 && ("," + controllers + ",").find(",cpu,") == std::string::npos) continue;
    for (;; path = path.substr(0, path.rfind('/'))) {
      if (path == "/") path.clear();
      if (v2) {
        std::istringstream text(first_line(root + "/sys/fs/cgroup" + path + "/cpu.max"));
        std::string quota, period;
        text >> quota >> period;
        take(quota_in(quota, period));
      } else {
        const std::string folder = root + "/sys/fs/cgroup/cpu" + path;
        take(quota_in(first_line(folder + "/cpu.cfs_quota_us"), first_line(folder + "/cpu.cfs_period_us")));
      }
      if (path.empty()) break;
    }
  }
  return tightest;
}

namespace {

struct Count {
  std::atomic<int> threads{1};
  std::atomic<int> most{kMaxThreads};
  std::atomic<const char*> reason{"one for each CPU that this process may run on"};

  Count() {
    int count = cpus_allowed();
    if (const int quota = cgroup_quota(""); quota > 0 && quota < count) {
      count = quota;
      reason = "the cgroup's CPU quota";
    }
    if (const char* text = std::getenv("OMP_NUM_THREADS")) {
      const int wanted = std::atoi(text);  // the first of a list such as 4,2
      if (wanted > 0 && wanted < count) {
        count = wanted;
        reason = "OMP_NUM_THREADS";
      }
    }
    threads = std::min(count, kMaxThreads);
    // OpenMP's threads are the parent's: the child would wait for them for ever.
    pthread_atfork(nullptr, nullptr, [] {
      instance().most = 1;
      instance().threads = 1;
      instance().reason = "this process was forked";
    });
  }

  static Count& instance() {
    static Count count;
    return count;
  }
};

}  // namespace

int num_threads() { return Count::instance().threads.load(std::memory_order_relaxed); }

void set_num_threads(int threads) {
  check(threads >= 1 && threads <= kMaxThreads, "the number of threads must be from 1 to ", kMaxThreads, ", received ",
        threads);
  Count& count = Count::instance();
  if (threads > count.most) return;
  count.threads = threads;
  count.reason = "set_num_threads";
}

std::string num_threads_reason() { return Count::instance().reason.load(); }

}  // namespace nnfast
