"""The single kernels on NumPy arrays: for teaching, tests and benchmarks. Contiguous float32 is never copied."""

from nnfast._core import gemm

__all__ = ["gemm"]
