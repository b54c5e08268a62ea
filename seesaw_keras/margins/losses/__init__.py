"""Margin-based softmax losses, one module each."""

__all__: list[str] = []
