"""One small file a recipe; each holds `RECIPE`. A new file here is a new `--recipe`."""

__all__: list[str] = []
