"""Tensor-by-tensor comparison of runtimes."""

__all__: list[str] = []
