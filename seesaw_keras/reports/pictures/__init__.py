"""Sheets and annotated photographs, drawn with OpenCV."""

__all__: list[str] = []
