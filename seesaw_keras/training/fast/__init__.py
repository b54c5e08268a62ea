"""Training forward and backward pass with reduced memory traffic."""

__all__: list[str] = []
