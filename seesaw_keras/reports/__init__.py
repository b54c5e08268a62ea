"""HTML pages, plots and sheets: everything that people look at rather than programs."""

__all__: list[str] = []
