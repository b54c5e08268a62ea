"""One module per recipe, each defining `RECIPE`. Every module here is available as `--recipe NAME`."""

__all__: list[str] = []
