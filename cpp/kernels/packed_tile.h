// The products of a full tile whose operands are packed, eight k at a time, in AVX2's own words.
//
// Half of the instructions of such a tile are no products, and where a core is shared with a busy sibling their number
// tells: 20.5 for each k here, where GCC 12's loop over rows in place takes 21.3. And a is read as one stretch of
// memory, not as six. On a Zen 3 products of 1000³ became 1.05 times as fast, 1024³ 1.01 to 1.05.
#pragma once
#include <stddef.h>

#include "kernels/tiles.h"

namespace nnfast::NNFAST_ISA {
namespace {

// Memory that will be wanted soon: from each of two places onwards, a line every `step` elements, at most so many. With
// every kAskDepth of k, or often, with every kUnroll, so many of them are asked for; a packed tile asks for one with
// every kUnroll.
struct Ahead {
  const float* at[2];
  int64_t step;
  int64_t lines;
  int asked;
  bool often;
};

#if defined(__AVX2__) && !defined(__AVX512F__)

constexpr bool kHasPackedTile = true;
static_assert(kTileRows == 6 && kTileVectors == 2 && kUnroll == 4);

// clang-format off
#define NNFAST_ELEMENT(at, x, sum0, sum1)     \
  "vbroadcastss " at "(%%r8), %%" x "\n\t"    \
  "vfmadd231ps %%ymm12, %%" x ", " sum0 "\n\t" \
  "vfmadd231ps %%ymm13, %%" x ", " sum1 "\n\t"
#define NNFAST_K(b0, b1, a0, a1, a2, a3, a4, a5) \
  "vmovups " b0 "(%%r9), %%ymm12\n\t"            \
  "vmovups " b1 "(%%r9), %%ymm13\n\t"            \
  NNFAST_ELEMENT(a0, "ymm14", "%0", "%1")        \
  NNFAST_ELEMENT(a1, "ymm15", "%2", "%3")        \
  NNFAST_ELEMENT(a2, "ymm14", "%4", "%5")        \
  NNFAST_ELEMENT(a3, "ymm15", "%6", "%7")        \
  NNFAST_ELEMENT(a4, "ymm14", "%8", "%9")        \
  NNFAST_ELEMENT(a5, "ymm15", "%10", "%11")
#define NNFAST_FIRST_FOUR                                      \
  NNFAST_K("0", "32", "0", "4", "8", "12", "16", "20")         \
  NNFAST_K("64", "96", "24", "28", "32", "36", "40", "44")     \
  NNFAST_K("128", "160", "48", "52", "56", "60", "64", "68")   \
  NNFAST_K("192", "224", "72", "76", "80", "84", "88", "92")
#define NNFAST_LAST_FOUR                                           \
  NNFAST_K("256", "288", "96", "100", "104", "108", "112", "116")  \
  NNFAST_K("320", "352", "120", "124", "128", "132", "136", "140") \
  NNFAST_K("384", "416", "144", "148", "152", "156", "160", "164") \
  NNFAST_K("448", "480", "168", "172", "176", "180", "184", "188")
#define NNFAST_ASK                     \
  "prefetcht1 (%%r10)\n\t"             \
  "prefetcht1 (%%r11)\n\t"             \
  "lea (%%r10,%%rax,4), %%r10\n\t"     \
  "lea (%%r11,%%rax,4), %%r11\n\t"
#define NNFAST_WALK(ask)                            \
  "mov %[n], %%rcx\n\t"                             \
  "mov %[a], %%r8\n\t"                              \
  "mov %[b], %%r9\n\t"                              \
  "sub $2, %%rcx\n\t"                               \
  "jl 2f\n\t"                                       \
  ".p2align 5\n"                                    \
  "1:\n\t"                                          \
  ask NNFAST_FIRST_FOUR ask NNFAST_LAST_FOUR        \
  "add $192, %%r8\n\t"                              \
  "add $512, %%r9\n\t"                              \
  "sub $2, %%rcx\n\t"                               \
  "jge 1b\n"                                        \
  "2:\n\t"                                          \
  "cmp $-1, %%rcx\n\t"                              \
  "jne 3f\n\t"                                      \
  ask NNFAST_FIRST_FOUR                             \
  "3:"
// clang-format on

// sums += a · b, for n times kUnroll k: a k by k, b row by row. With each kUnroll k of which Asking, what is next ahead
// is asked for.
template <bool Asking>
NNFAST_INLINE void add_packed(int64_t n, const float* a, const float* b, Ahead& ahead, V* sums) {
  static_assert(offsetof(Ahead, at) == 0 && offsetof(Ahead, step) == 16);
  V s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3], s4 = sums[4], s5 = sums[5];
  V s6 = sums[6], s7 = sums[7], s8 = sums[8], s9 = sums[9], s10 = sums[10], s11 = sums[11];
#define NNFAST_SUMS                                                                                              \
  "+x"(s0), "+x"(s1), "+x"(s2), "+x"(s3), "+x"(s4), "+x"(s5), "+x"(s6), "+x"(s7), "+x"(s8), "+x"(s9), "+x"(s10), \
      "+x"(s11)
#define NNFAST_CHANGED "memory", "cc", "rcx", "r8", "r9", "xmm12", "xmm13", "xmm14", "xmm15"
  if constexpr (Asking) {
    asm("mov (%[ahead]), %%r10\n\tmov 8(%[ahead]), %%r11\n\tmov 16(%[ahead]), %%rax\n\t" NNFAST_WALK(NNFAST_ASK)
        : NNFAST_SUMS
        : [n] "r"(n), [a] "r"(a), [b] "r"(b), [ahead] "r"(&ahead)
        : "rax", "r10", "r11", NNFAST_CHANGED);
    for (const float*& at : ahead.at) at += n * ahead.step;
  } else {
    asm(NNFAST_WALK("") : NNFAST_SUMS : [n] "r"(n), [a] "r"(a), [b] "r"(b) : NNFAST_CHANGED);
  }
  sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3, sums[4] = s4, sums[5] = s5;
  sums[6] = s6, sums[7] = s7, sums[8] = s8, sums[9] = s9, sums[10] = s10, sums[11] = s11;
}

#else

constexpr bool kHasPackedTile = false;
template <bool Asking>
void add_packed(int64_t n, const float* a, const float* b, Ahead& ahead, V* sums);

#endif

}  // namespace
}  // namespace nnfast::NNFAST_ISA
