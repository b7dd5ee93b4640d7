#include "dispatch/dispatch.h"

#include <atomic>
#include <cstdlib>

#include "core/check.h"

namespace nnfast {

// One declaration and one entry an ISA, written by CMake from isa.cmake.
#include "isa_list.inc"

namespace {

struct State {
  std::vector<const Kernels*> runnable;
  std::atomic<const Kernels*> chosen{nullptr};
  std::string reason;

  State() {
#if defined(__x86_64__)
    __builtin_cpu_init();  // its features count only what the operating system saves (XCR0)
#endif
    for (const auto& isa : isa_list)
      if (isa.supported()) runnable.push_back(isa.table);
    chosen = runnable.back();
    reason = std::string("the strongest of those built that this CPU and operating system can run");
    const char* cap = std::getenv("NNFAST_ISA");
    if (cap == nullptr || *cap == '\0') return;
    bool known = false;
    for (const auto& isa : isa_list) known = known || std::string(isa.table->isa) == cap;
    if (!known) {
      reason += std::string("; NNFAST_ISA=") + cap + " names none of them and is ignored";
      return;
    }
    // The cap is an upper bound: tables are ordered, so stop at the capped one if it runs, else below it.
    const Kernels* best = runnable.front();
    for (const auto& isa : isa_list) {
      if (isa.supported()) best = isa.table;
      if (std::string(isa.table->isa) == cap) break;
    }
    chosen = best;
    reason = std::string("NNFAST_ISA=") + cap + " caps the choice";
  }
};

State& state() {
  static State instance;
  return instance;
}

}  // namespace

const Kernels& kernels() { return *state().chosen.load(std::memory_order_relaxed); }
const std::string& isa_reason() { return state().reason; }
const std::vector<const Kernels*>& runnable_kernels() { return state().runnable; }

void use_isa(const std::string& name) {
  for (const Kernels* table : state().runnable)
    if (table->isa == name) {
      state().chosen = table;
      return;
    }
  std::string names;
  for (const Kernels* table : state().runnable) names += (names.empty() ? "" : ", ") + std::string(table->isa);
  throw Error("this CPU cannot run the ISA '" + name + "'; it can run: " + names);
}

}  // namespace nnfast
