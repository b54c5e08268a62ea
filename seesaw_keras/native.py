"""What native code writes to stderr, collected or silenced. No dependency beyond the standard library.

>>> import os
>>> from seesaw_keras.native import native_stderr
>>> with native_stderr() as said:
...     _ = os.write(2, b"from below Python")
...     said()
'from below Python'
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["native_stderr", "quiet_native_stderr"]


@contextmanager
def native_stderr() -> Iterator[Callable[[], str]]:
    """Collects what native code writes to stderr for a while; Python's own exceptions are not affected.

    Yields:
        A function that returns what was written so far; inside of the block only.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as file:
        try:
            os.dup2(file.fileno(), 2)
            yield lambda: os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")
        finally:
            sys.stderr.flush()
            os.dup2(kept, 2)
            os.close(kept)


@contextmanager
def quiet_native_stderr() -> Iterator[None]:
    """Sends what native code writes to stderr nowhere for a while; Python's own exceptions are not affected."""
    with native_stderr():
        yield
