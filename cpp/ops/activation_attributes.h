// The attributes "activation" (a name, linear by default) and "alpha" (its parameter, its default by default).
#pragma once
#include <string>

#include "kernels/activations.h"
#include "ops/attributes.h"

namespace nnfast {

inline Activation activation_of(const Attributes& attributes, const std::string& key = "activation") {
  const std::string name = attributes.get<std::string>(key, "linear");
  for (int i = 0; i < kNumActivations; ++i)
    if (name == kActivations[i].name) return static_cast<Activation>(i);
  std::string names;
  for (const ActivationInfo& info : kActivations) names += (names.empty() ? "" : ", ") + std::string(info.name);
  throw Error("unknown activation '" + name + "'; it can be " + names);
}

// Throws Error where the derivative, which may be read off the sign of the output, would not be right.
inline float alpha_of(const Attributes& attributes, Activation activation, const std::string& key = "alpha") {
  const ActivationInfo& info = kActivations[static_cast<int>(activation)];
  const double alpha = attributes.get<double>(key, info.alpha);
  check(alpha >= 0 || !derivative_reads_output(activation), info.name, ": expected alpha >= 0, received ", alpha);
  return static_cast<float>(alpha);
}

}  // namespace nnfast
