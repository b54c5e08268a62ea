"""Keras to flatbuffer conversion: quantization ranges, scales aligned across runtimes, and stored metadata."""

__all__: list[str] = []
