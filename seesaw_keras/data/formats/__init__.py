"""Readers and writers of the file formats that hold face images; every length from outside is checked."""

__all__: list[str] = []
