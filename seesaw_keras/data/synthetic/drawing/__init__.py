"""How a synthetic face is drawn: shape, features, hair, light, covers and camera."""

__all__: list[str] = []
