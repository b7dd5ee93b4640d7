// Activations by name.
#pragma once
#include <string>

#include "kernels/activations.h"

namespace nnfast {

// Throws Error, listing the valid names.
Activation find_activation(const std::string& name);
// Throws Error unless the activation can be differentiated with this alpha.
void check_alpha(Activation activation, double alpha);

}  // namespace nnfast
