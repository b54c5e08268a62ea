"""Inference: input preprocessing, and one embedder interface for all runtimes."""

__all__: list[str] = []
