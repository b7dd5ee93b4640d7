#include "ops/registry.h"

#include <map>

namespace nnfast {
namespace {

std::map<std::string, MakeOp>& registry() {
  static std::map<std::string, MakeOp> ops;
  return ops;
}

}  // namespace

RegisterOp::RegisterOp(const std::string& name, MakeOp make) { registry()[name] = std::move(make); }

std::unique_ptr<Op> make_op(const std::string& name, const Attributes& attributes) {
  auto found = registry().find(name);
  check(found != registry().end(), "no operation is named '", name, "'");
  return found->second(attributes);
}

std::vector<std::string> op_names() {
  std::vector<std::string> names;
  for (const auto& entry : registry()) names.push_back(entry.first);
  return names;
}

}  // namespace nnfast
