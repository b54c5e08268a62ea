"""Training callbacks: history, progress bar, TensorBoard, validation."""

__all__: list[str] = []
