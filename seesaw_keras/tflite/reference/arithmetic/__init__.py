"""The integer arithmetic that kernels share: fixed-point multiplication, look-up tables, requantization."""

__all__: list[str] = []
