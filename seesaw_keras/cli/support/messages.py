"""Progress messages of commands.

>>> from seesaw_keras.cli.support.messages import say
>>> say("converting ...")
"""

import sys

__all__ = ["say"]


def say(line: str) -> None:
    """Prints a progress message to stderr, where it does not mix with results."""
    print(line, file=sys.stderr, flush=True)
