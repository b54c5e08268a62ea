"""Deferred handling of SIGINT (Ctrl-C) and SIGTERM, so that training stops at a safe point.

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
    """Context manager that records the first SIGINT or SIGTERM; a second one raises KeyboardInterrupt.

    Has no effect outside the main thread, where Python does not allow signal handlers.

    Attributes:
        signal: number of the signal received, or None.
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._record) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _record(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number

    def reraise(self) -> None:
        """Raises SystemExit(143) if the recorded signal is SIGTERM, otherwise KeyboardInterrupt."""
        raise SystemExit(128 + signal.SIGTERM) if self.signal == signal.SIGTERM else KeyboardInterrupt
