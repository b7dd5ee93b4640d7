// The settings of one operation, by name: what Python passed beside the tensors.
#pragma once
#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "core/check.h"

namespace nnfast {

class Attributes {
 public:
  using Value = std::variant<bool, int64_t, double, std::string, std::vector<int64_t>, std::vector<double>>;

  void set(const std::string& name, Value value) { values_[name] = std::move(value); }
  bool has(const std::string& name) const { return values_.count(name) != 0; }
  const std::map<std::string, Value>& values() const { return values_; }

  // get<double> takes an integer too.
  template <class T>
  T get(const std::string& name) const {
    auto found = values_.find(name);
    check(found != values_.end(), "missing attribute '", name, "'");
    if constexpr (std::is_same_v<T, double>)
      if (auto* integer = std::get_if<int64_t>(&found->second)) return static_cast<double>(*integer);
    auto* value = std::get_if<T>(&found->second);
    check(value != nullptr, "attribute '", name, "' has another type than the operation expects");
    return *value;
  }
  template <class T>
  T get(const std::string& name, T otherwise) const {
    return has(name) ? get<T>(name) : otherwise;
  }

 private:
  std::map<std::string, Value> values_;
};

}  // namespace nnfast
