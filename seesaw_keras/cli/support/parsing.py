"""Parsing of flag values.

>>> from seesaw_keras.cli.support.parsing import parse_size
>>> parse_size("384k")
393216
"""

import re

__all__ = ["parse_size"]


def parse_size(text: str) -> int:
    """Returns the number of bytes for a size such as 393216, 384K (KiB) or 1M (MiB).

    Raises:
        ValueError: the text is not such a size.
    """
    found = re.fullmatch(r"(\d+)([kKmM]?)", text)
    if not found:
        raise ValueError(f"invalid size {text!r}: expected bytes such as 393216, 384K or 1M")
    return int(found[1]) << {"": 0, "k": 10, "m": 20}[found[2].lower()]
