"""One small file per additive-margin softmax loss."""

__all__: list[str] = []
