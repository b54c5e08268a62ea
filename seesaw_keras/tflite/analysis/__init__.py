"""Cost of a flatbuffer and sources of its quantization noise."""

__all__: list[str] = []
