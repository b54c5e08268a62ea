"""What watches a training: history, progress bar, TensorBoard, validation."""

__all__: list[str] = []
