"""From a pile of faces to a clean training set with held-out people: scan, select, exclude, write."""

__all__: list[str] = []
