"""Keras to flatbuffer: quantization ranges, scales on which all runtimes agree, and the facts stored inside."""

__all__: list[str] = []
