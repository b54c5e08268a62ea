"""Preparation of clean training sets with held-out identities: scan, select, exclude, write."""

__all__: list[str] = []
