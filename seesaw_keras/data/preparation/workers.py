"""Worker processes that share one source and exit when their parent process ends, even if it is killed.

>>> from seesaw_keras.data.records import Source
>>> from seesaw_keras.data.preparation.workers import Workers
>>> def count(source: Source, start: int, stop: int) -> int:
...     return sum(len(source[position].image) for position in range(start, stop))
>>> with Workers(source, 2) as workers:  # doctest: +SKIP
...     total = sum(size for _, size in workers.run(count, [(0, 500), (500, 1000)]))

Processes are spawned, not forked: forking a process in which TensorFlow runs may hang. A script that uses them must
start below `if __name__ == "__main__":`.
"""

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any, TypeVar

from seesaw_keras.data.records import Source

__all__ = ["Workers"]

Result = TypeVar("Result")

_source: Source  # set once per worker process by `_start`


def _start(source: Source) -> None:
    global _source
    _source = source
    with contextlib.closing(os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")) as nowhere:
        os.dup2(nowhere.fileno(), 2)  # libjpeg and libpng print warnings there; exceptions go to the parent
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Exits this process when its parent was killed; it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Starts processes with SIGINT blocked, since Ctrl-C reaches all processes of a terminal; the parent stops them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _call(function: Callable[..., Result], task: tuple[Any, ...]) -> Result:
    return function(_source, *task)


class Workers:
    """Pool of processes, each with the same source; a context manager.

    Args:
        source: first argument of every function call.
        processes: number of processes; one per processor if None.
    """

    def __init__(self, source: Source, processes: int | None) -> None:
        self._pool = ProcessPoolExecutor(
            processes or os.cpu_count(), multiprocessing.get_context("spawn"), initializer=_start, initargs=(source,)
        )

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def run(self, function: Callable[..., Result], tasks: Iterable[tuple[Any, ...]]) -> Iterator[tuple[int, Result]]:
        """Calls `function(source, *task)` for every task and yields (task index, result) in order of completion.

        Raises:
            ChildProcessError: if a process was killed.
            Exception: any exception that `function` raises.
        """
        try:
            with _without_interrupts():
                futures = {self._pool.submit(_call, function, task): index for index, task in enumerate(tasks)}
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise ChildProcessError(
                "a worker process ended unexpectedly: it was probably killed because memory ran out (start again with "
                'fewer processes), or the script that started it lacks if __name__ == "__main__"'
            ) from error
