"""What a flatbuffer costs and where its quantization noise comes from."""

__all__: list[str] = []
