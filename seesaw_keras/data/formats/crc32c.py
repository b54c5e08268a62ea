"""CRC-32C (Castagnoli) in NumPy: the checksum of TFRecord files.

>>> from seesaw_keras.data.formats.crc32c import crc32c
>>> hex(crc32c(b"123456789"))
'0xe3069283'

A CRC is linear: the contribution of a byte depends on its value and on the number of bytes after it, and contributions
are combined by XOR. A table indexed by both turns a block into one vectorized lookup per byte.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

__all__ = ["crc32c"]

_POLYNOMIAL = 0x82F63B78  # reflected; RFC 3720, appendix B.4
_BLOCK = 1024


@cache
def _tables() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.intp]]:
    """Returns contributions, uint32 (_BLOCK * 256,), and the offset of each position of a block in it, (_BLOCK,)."""
    row = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        row = np.where(row & 1, row >> 1 ^ _POLYNOMIAL, row >> 1).astype(np.uint32)
    table = np.empty((_BLOCK, 256), np.uint32)
    table[-1] = row
    for position in range(_BLOCK - 2, -1, -1):
        following = table[position + 1]
        table[position] = row[following & 0xFF] ^ following >> 8
    return table.reshape(-1), np.arange(_BLOCK) * 256


def crc32c(data: bytes) -> int:
    """Returns the CRC-32C of `data`, 32 bits."""
    table, starts = _tables()
    state = 0xFFFFFFFF
    # The short block comes first, so that every block ends at the end of the table.
    begin, end = 0, len(data) % _BLOCK or _BLOCK
    while begin < len(data):
        block = np.frombuffer(data[begin:end], np.uint8).copy()
        carried = min(len(block), 4)  # the state acts on the first four bytes
        block[:carried] ^= np.frombuffer(state.to_bytes(4, "little"), np.uint8)[:carried]
        state = int(np.bitwise_xor.reduce(table[starts[-len(block) :] + block])) ^ state >> 8 * carried
        begin, end = end, end + _BLOCK
    return state ^ 0xFFFFFFFF
