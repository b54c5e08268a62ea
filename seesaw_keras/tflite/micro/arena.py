"""How much memory the firmware sets aside for TFLite Micro's arena.

>>> from seesaw_keras.tflite.micro.arena import arena_size
>>> from seesaw_keras.tflite.runtimes import Arena
>>> arena_size(Arena(planned=200000, persistent=50000, total=250000))
258048
"""

from seesaw_keras.tflite.runtimes import Arena

__all__ = ["MARGIN", "arena_size"]

# For scratch buffers of CMSIS-NN's kernels, which the reference kernels that are measured do without.
MARGIN = 8192
_STEP = 1024


def arena_size(measured: Arena) -> int:
    """Returns bytes for the arena: what was measured and `MARGIN`, in whole KiB.

    Measured is on x86-64, where pointers have 8 bytes; on a 32-bit processor what is persistent should be less.
    """
    return -(-(measured.total + MARGIN) // _STEP) * _STEP
