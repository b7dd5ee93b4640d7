// The one list of optimizer rules. A rule with more slots moves more memory, so the variants of an optimizer that
// need another number of them are rules of their own.
//
// X(name, (struct in update.cpp), slots, hyperparameters): both lists are separated by spaces. A slot is a flat block
// as long as the parameters, zero at first; "slot=name" starts it at that hyperparameter's value instead. The
// hyperparameters reach the kernel in this order, in UpdateArgs::hyper.
#pragma once
#include <cstdint>

#define NNFAST_OPTIMIZERS(X)                                                                                        \
  X(sgd, (Sgd), "", "")                                                                                             \
  X(sgd_momentum, (SgdMomentum<false>), "momentum", "momentum dampening")                                           \
  X(sgd_nesterov, (SgdMomentum<true>), "momentum", "momentum dampening")                                            \
  X(adagrad, (Adagrad), "accumulator=initial_accumulator_value", "epsilon initial_accumulator_value")               \
  X(rmsprop, (RmsProp<false, false>), "velocity", "rho momentum epsilon")                                           \
  X(rmsprop_momentum, (RmsProp<true, false>), "velocity momentum", "rho momentum epsilon")                          \
  X(rmsprop_centered, (RmsProp<false, true>), "velocity average_gradient", "rho momentum epsilon")                  \
  X(rmsprop_momentum_centered, (RmsProp<true, true>), "velocity momentum average_gradient", "rho momentum epsilon") \
  X(adadelta, (Adadelta), "accumulated_grad accumulated_delta_var", "rho epsilon")                                  \
  X(adam, (Adam<false>), "momentum velocity", "beta_1 beta_2 epsilon")                                              \
  X(adam_amsgrad, (Adam<true>), "momentum velocity velocity_hat", "beta_1 beta_2 epsilon")                          \
  X(nadam, (Nadam), "momentum velocity", "beta_1 beta_2 epsilon")                                                   \
  X(adamax, (Adamax), "momentum norm", "beta_1 beta_2 epsilon")                                                     \
  X(radam, (RAdam), "momentum velocity", "beta_1 beta_2 epsilon")                                                   \
  X(lion, (Lion), "momentum", "beta_1 beta_2")

namespace nnfast {

#define NNFAST_COUNT(...) +1
constexpr int kNumOptimizers = 0 NNFAST_OPTIMIZERS(NNFAST_COUNT);
#undef NNFAST_COUNT
constexpr int kMaxSlots = 4;  // of a rule

// One optimizer step over n consecutive elements of the flat blocks, or over `rows` such stretches:
//   g = clip(gradients · gradient_scale, ±clip_value),  p -= p · learning_rate · weight_decay,  then the rule.
struct UpdateArgs {
  int64_t n;
  float* parameters;
  const float* gradients;
  float* const* slots;  // one pointer for each of the rule's slots
  int64_t step;         // the number of this update, from 1
  double learning_rate;
  double weight_decay;   // 0: none
  float gradient_scale;  // 1: none
  float clip_value;      // infinity: none
  const double* hyper;   // in the order of optimizers.h
  int64_t rows = 1;
  int64_t ld = 0, ld_gradients = 0;  // from one to the next, in the blocks and in the gradients
};

}  // namespace nnfast
