"""Comparing runtimes tensor by tensor."""

__all__: list[str] = []
