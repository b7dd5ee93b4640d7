// Errors that reach the Python user. What happened, what was expected, what was received, how to mend it.
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace nnfast {

// Becomes Python's ValueError.
class Error : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// check(n > 0, "units must be positive, received ", n);
template <class... Parts>
void check(bool ok, const Parts&... parts) {
  if (ok) return;
  std::ostringstream text;
  (text << ... << parts);
  throw Error(text.str());
}

}  // namespace nnfast
