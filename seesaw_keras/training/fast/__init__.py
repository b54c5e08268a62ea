"""The training pass with fewer passes over memory."""

__all__: list[str] = []
