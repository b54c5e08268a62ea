"""Teachers, their stored embeddings, and the losses towards them."""

__all__: list[str] = []
