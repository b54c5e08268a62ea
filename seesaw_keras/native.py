"""Capture or suppress what native code writes to stderr. No dependency beyond the standard library.

>>> import os
>>> from seesaw_keras.native import native_stderr
>>> with native_stderr() as captured:
...     _ = os.write(2, b"from below Python")
...     captured()
'from below Python'
"""

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["native_stderr", "quiet_native_stderr"]

_LOCK = threading.RLock()  # a process has one stderr: two concurrent redirections would restore the wrong descriptor


@contextmanager
def native_stderr() -> Iterator[Callable[[], str]]:
    """Captures what native code writes to stderr; Python exceptions are not affected.

    Only one thread at a time; others wait.

    Yields:
        A function that returns the text written so far; valid only inside the block.
    """
    with tempfile.TemporaryFile() as file, _stderr_to(file.fileno()):
        yield lambda: os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")


@contextmanager
def quiet_native_stderr() -> Iterator[None]:
    """Discards what native code writes to stderr; Python exceptions are not affected.

    Only one thread at a time; others wait.
    """
    # Not a temporary file: a device may have no writable folder.
    with Path(os.devnull).open("wb") as null_device, _stderr_to(null_device.fileno()):
        yield


@contextmanager
def _stderr_to(descriptor: int) -> Iterator[None]:
    with _LOCK:
        sys.stderr.flush()
        saved = os.dup(2)
        try:
            os.dup2(descriptor, 2)
            yield
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)
