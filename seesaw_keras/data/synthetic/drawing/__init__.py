"""Drawing of synthetic faces: shape, features, hair, light, covers and camera."""

__all__: list[str] = []
