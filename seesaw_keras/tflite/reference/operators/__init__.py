"""One file per kernel family of the NumPy interpreter."""

__all__: list[str] = []
