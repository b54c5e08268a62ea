"""HTML reports, plots and contact sheets."""

__all__: list[str] = []
