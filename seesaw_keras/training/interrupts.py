"""Requests to stop (Ctrl-C, SIGTERM) that wait until the work is safe.

>>> from seesaw_keras.training.interrupts import Interrupts
>>> with Interrupts() as interrupts:
...     interrupts.signal is None
True
"""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

__all__ = ["Interrupts"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """While its block runs, the first SIGINT or SIGTERM is only noted; a second one raises KeyboardInterrupt.

    Outside of the main thread, where Python allows no handlers, nothing changes.

    Attributes:
        signal: the number of the signal that came, None so far.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number

    def end(self) -> None:
        """Ends the process's work as the signal would have: KeyboardInterrupt, or for SIGTERM SystemExit(143)."""
        raise SystemExit(128 + signal.SIGTERM) if self.signal == signal.SIGTERM else KeyboardInterrupt
