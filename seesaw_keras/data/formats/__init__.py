"""Readers and writers of the file formats of face image data sets; every length in a file is validated."""

__all__: list[str] = []
