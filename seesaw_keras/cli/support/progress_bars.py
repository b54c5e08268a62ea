"""Progress bars on the terminal, for functions that report (stage, done, total).

>>> from seesaw_keras.cli.support.progress_bars import ProgressBars
>>> with ProgressBars() as progress:
...     progress("scanning", 10, 100)
"""

from types import TracebackType

from tqdm import tqdm

__all__ = ["ProgressBars"]


class ProgressBars:
    """Progress bars, one per stage, shown one after the other."""

    def __init__(self) -> None:
        self._stage, self._bar = "", tqdm(disable=True)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Updates the bar of `stage` to `done` of `total`."""
        if stage != self._stage:
            self._bar.close()
            unit = "identity" if stage.startswith("embed") else "image"
            self._stage, self._bar = stage, tqdm(desc=stage, total=total, initial=done, unit=unit, disable=None)
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> "ProgressBars":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bar.close()
