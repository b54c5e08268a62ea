"""Pixels to embeddings: input preprocessing, and one embedder interface over every runtime."""

__all__: list[str] = []
