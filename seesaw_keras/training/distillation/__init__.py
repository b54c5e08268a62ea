"""Teacher embeddings, their on-disk cache, and distillation losses."""

__all__: list[str] = []
