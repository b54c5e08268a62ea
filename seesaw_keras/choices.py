"""Error message for an unknown name: the closest known one, and all of them.

>>> from seesaw_keras.choices import unknown_name
>>> unknown_name("target", "xnpack", ["plain", "xnnpack", "tflm"])
"unknown target 'xnpack': did you mean 'xnnpack'? All: plain, xnnpack, tflm"
"""

import difflib
from collections.abc import Sequence

__all__ = ["unknown_name"]


def unknown_name(kind: str, name: object, known: Sequence[str]) -> str:
    """Returns the message.

    Args:
        kind: what is named, such as "target".
        name: the unknown name.
        known: all valid names; at least one.
    """
    nearest = difflib.get_close_matches(str(name), known, n=1, cutoff=0.0)[0]
    return f"unknown {kind} {name!r}: did you mean {nearest!r}? All: {', '.join(known)}"
