#include "kernels/activations.h"

#include "kernels/kernels.h"

namespace nnfast::NNFAST_ISA {
namespace {

template <Activation A>
void forward(int64_t n, const float* x, float* y, float alpha) {
  const V a = broadcast(alpha);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, Formula<A>::f(load(x + i), a));
  if (i < n) store_first(y + i, Formula<A>::f(load_first(x + i, n - i), a), n - i);
}

template <Activation A>
void backward(int64_t n, const float* x, const float* y, const float* dy, float* dx, float alpha) {
  const V a = broadcast(alpha);
  [[maybe_unused]] const float* v = derivative_reads_input(A) ? x : y;
  constexpr bool reads = derivative_reads_input(A) || derivative_reads_output(A);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    V at{};
    if constexpr (reads) at = load(v + i);
    store(dx + i, Formula<A>::df(at, load(dy + i), a));
  }
  if (i == n) return;
  V at{};
  if constexpr (reads) at = load_first(v + i, n - i);
  store_first(dx + i, Formula<A>::df(at, load_first(dy + i, n - i), a), n - i);
}

}  // namespace

extern const Kernels::Activations activation_kernels;
const Kernels::Activations activation_kernels = {
    {
#define NNFAST_ROW(name, reads, alpha) forward<Activation::name>,
        NNFAST_ACTIVATIONS(NNFAST_ROW)
#undef NNFAST_ROW
    },
    {
#define NNFAST_ROW(name, reads, alpha) backward<Activation::name>,
        NNFAST_ACTIVATIONS(NNFAST_ROW)
#undef NNFAST_ROW
    },
};

}  // namespace nnfast::NNFAST_ISA
