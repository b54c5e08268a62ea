"""Kernels of the NumPy interpreter, one module per kernel family."""

__all__: list[str] = []
