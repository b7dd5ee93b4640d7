# One line an ISA, weakest first: name; compiler flags; the CPU features (as __builtin_cpu_supports names them)
# without which it must not run. Flags and gate stand together so that they cannot drift apart.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  # A line asked for to be written is asked for as such: prefetchw, which a CPU that does not know it passes over.
  set(kernel_options -mprfchw)
  nnfast_isa(baseline "-march=x86-64" "")
  nnfast_isa(avx2 "-march=x86-64-v3" "avx;avx2;bmi;bmi2;fma;popcnt;lzcnt;movbe;f16c")
  nnfast_isa(avx512 "-march=x86-64-v4" "avx;avx2;bmi;bmi2;fma;popcnt;lzcnt;movbe;f16c;avx512f;avx512bw;avx512cd;avx512dq;avx512vl")
else()
  nnfast_isa(baseline "" "")
endif()
