#include "kernels/kernels.h"
#include "kernels/simd.h"

#define NNFAST_STRING_(x) #x
#define NNFAST_STRING(x) NNFAST_STRING_(x)

namespace nnfast::NNFAST_ISA {

extern const Kernels::Activations activation_kernels;
extern const Kernels::Elementwise elementwise_kernels;
extern const Kernels::Random random_kernels;
extern const Kernels::Gemm gemm_kernels;
extern const Kernels::Thin thin_kernels;
extern const Kernels::Norm norm_kernels;
extern const Kernels::Reduce reduce_kernels;
extern const Kernels::Conv conv_kernels;
extern const Kernels::Depthwise depthwise_kernels;
extern const Kernels::Pool pool_kernels;
extern const Kernels::Resample resample_kernels;
extern const Kernels::Softmax softmax_kernels;
extern const Kernels::Update update_kernels;
extern const Kernels::Move move_kernels;
extern const Kernels::Winograd winograd_kernels;
extern const Kernels::Perceptron perceptron_kernels;

extern const Kernels table;
const Kernels table = {
    NNFAST_STRING(NNFAST_ISA),
    kLanes,
    &activation_kernels,
    &elementwise_kernels,
    &random_kernels,
    &gemm_kernels,
    &thin_kernels,
    &norm_kernels,
    &reduce_kernels,
    &conv_kernels,
    &depthwise_kernels,
    &pool_kernels,
    &resample_kernels,
    &softmax_kernels,
    &update_kernels,
    &move_kernels,
    &winograd_kernels,
    &perceptron_kernels,
};

}  // namespace nnfast::NNFAST_ISA
