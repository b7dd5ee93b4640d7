// Settings of an optimizer's rule: every hyperparameter that one may list.
#pragma once
#include <string>

#include "ops/update.h"

namespace nnfast {

inline UpdateSettings settings_of(const std::string& rule) {
  UpdateSettings settings;
  settings.rule = rule;
  settings.hyper = {{"momentum", 0.9},
                    {"dampening", 0},
                    {"rho", 0.9},
                    {"beta_1", 0.9},
                    {"beta_2", 0.999},
                    {"epsilon", 1e-7},
                    {"initial_accumulator_value", 0.1}};
  return settings;
}

}  // namespace nnfast
