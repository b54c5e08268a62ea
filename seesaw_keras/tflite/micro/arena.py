"""Size of the arena that the firmware allocates for TFLite Micro.

>>> from seesaw_keras.tflite.micro.arena import arena_size
>>> from seesaw_keras.tflite.runtimes import Arena
>>> arena_size(Arena(planned=200000, persistent=50000, total=250000))
259072
"""

from seesaw_keras.tflite.runtimes import Arena

__all__ = ["MARGIN", "arena_size"]

# For scratch buffers of CMSIS-NN kernels; the measured reference kernels do not need them.
MARGIN = 8192
_STEP = 1024


def arena_size(measured: Arena) -> int:
    """Returns the arena size in bytes: the measured size plus `MARGIN`, rounded up to whole KiB.

    The measurement is on x86-64 with 8-byte pointers; on a 32-bit processor the persistent part should be smaller.
    """
    return -(-(measured.total + MARGIN) // _STEP) * _STEP
