"""What the commands share: entry point, startup of TensorFlow, progress bars, parsing, flags for face embedders."""

__all__: list[str] = []
