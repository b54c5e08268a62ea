"""Integer arithmetic shared by kernels: fixed-point multiplication, lookup tables, requantization."""

__all__: list[str] = []
