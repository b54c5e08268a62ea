"""Contact sheets and annotated photos."""

__all__: list[str] = []
