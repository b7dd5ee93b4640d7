// Operations by name.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ops/attributes.h"
#include "ops/op.h"

namespace nnfast {

using MakeOp = std::function<std::unique_ptr<Op>(const Attributes&)>;

// At namespace scope of an op's file:
//   static const RegisterOp registered("dense", [](const Attributes& a) { return std::make_unique<Dense>(a); });
struct RegisterOp {
  RegisterOp(const std::string& name, MakeOp make);
};

std::unique_ptr<Op> make_op(const std::string& name, const Attributes& attributes);
std::vector<std::string> op_names();

}  // namespace nnfast
