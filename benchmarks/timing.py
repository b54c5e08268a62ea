"""Latency measurement shared by the benchmarks."""

import time
from typing import Any

import numpy as np

__all__ = ["milliseconds_of"]


def milliseconds_of(runtime: Any) -> float:
    """Runs a model twice on zeros and returns the milliseconds of the second run; the first one warms up the caches."""
    inputs = [np.zeros(tensor.shape, tensor.dtype) for tensor in runtime.model.main.inputs]
    runtime.invoke(*inputs)
    start = time.perf_counter()
    runtime.invoke(*inputs)
    return 1000 * (time.perf_counter() - start)
