// The mode in which a thread's floating-point units work.
#pragma once

namespace nnfast {

// Results must not depend on what the calling thread's mode happens to be, since the other members of the team have one
// of their own. Rounding is to nearest. A result too small for a normal number becomes zero while phases run: a network
// that has learned makes such numbers by the thousand, in gradients and an optimizer's moments, and each takes Intel's
// cores over a hundred cycles. Operands that are denormal are read as they are. (On other processors than x86 all are
// kept.)
class FloatingPointMode {
 public:
  enum Denormals : unsigned { kept = 0, flushed = 0x8000 };

#if defined(__SSE__)
  explicit FloatingPointMode(Denormals denormals) : saved_(__builtin_ia32_stmxcsr()), ours_(kMasked | denormals) {
    if ((saved_ & kMode) != ours_) __builtin_ia32_ldmxcsr((saved_ & ~kMode) | ours_);
  }
  ~FloatingPointMode() {
    if ((saved_ & kMode) != ours_) __builtin_ia32_ldmxcsr(saved_);
  }
  FloatingPointMode(const FloatingPointMode&) = delete;
  FloatingPointMode& operator=(const FloatingPointMode&) = delete;

 private:
  static constexpr unsigned kMode = 0xffc0;    // flush to zero, rounding, exception masks, denormals are zero
  static constexpr unsigned kMasked = 0x1f80;  // all exceptions masked
  unsigned saved_, ours_;
#else
  explicit FloatingPointMode(Denormals) {}
#endif
};

}  // namespace nnfast
