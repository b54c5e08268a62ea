"""TensorBoard logging; view with `tensorboard --logdir runs`.

>>> from seesaw_keras.training.callbacks.tensorboard import TensorBoard
>>> train(recipe, source, out, callbacks=[TensorBoard()])  # doctest: +SKIP
"""

import struct
import time
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from seesaw_keras.training.callbacks.callback import Callback, Run, StepLog, ValidationReport
from seesaw_keras.training.callbacks.step_means import StepMeans

__all__ = ["FOLDER", "TensorBoard"]

FOLDER = "tensorboard"
SHEET = 64  # number of images of the first batch to log
COLUMNS = 8


class TensorBoard(Callback):
    """Writes scalars and images to the `tensorboard` folder of a run.

    `train/` holds means over `every` steps, `validation/` the metrics and plots of validations, and
    `input/first_batch` the first images as network input. When a run resumes from a checkpoint, TensorBoard discards
    the events after it.

    Args:
        every: number of steps averaged per scalar.

    Raises:
        ValueError: if `every` is below 1.
    """

    def __init__(self, every: int = 20) -> None:
        if every < 1:
            raise ValueError(f"every must be 1 or more, got {every}")
        self._every = every
        self._averages = StepMeans()

    def begin(self, run: Run) -> None:
        """Opens an event file and, for a new run, logs the first batch."""
        self._writer = EventFileWriter(str(run.out / FOLDER))
        start = SessionLog(status=SessionLog.START)
        # TensorBoard discards the events of earlier files from this step on.
        step = run.first_step + 1 if run.first_step else 0
        self._writer.add_event(Event(wall_time=time.time(), step=step, session_log=start))
        if run.first_batch is not None and not run.first_step:
            self._write(0, [_image("input/first_batch", _png(_sheet(run.first_batch()[:SHEET])))])
        self._writer.flush()

    def step(self, report: StepLog) -> None:
        """Writes the mean scalars every `every` steps."""
        self._averages.add(report)
        if len(self._averages) >= self._every:
            self._write_means()

    def validated(self, report: ValidationReport) -> None:
        """Writes the validation metrics and plots."""
        scalars = [_scalar(f"validation/{name}", value) for name, value in report.metrics.items()]
        pictures = [_image(f"validation/{name}", png) for name, png in report.pictures.items()]
        self._write(report.step, [*scalars, *pictures])

    def checkpoint(self, step: int, path: Path) -> None:
        """Writes pending scalars, because a restart resumes after this step."""
        self._write_means()

    def end(self, run: Run) -> None:
        """Writes the last scalars and closes the file."""
        self._write_means()
        self._writer.close()

    def _write_means(self) -> None:
        means = self._averages.take()
        if means:
            step = int(means.pop("step"))
            self._write(step, [_scalar(f"train/{name}", value) for name, value in means.items()])

    def _write(self, step: int, values: list[Summary.Value]) -> None:
        self._writer.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        self._writer.flush()


def _scalar(tag: str, value: float) -> Summary.Value:
    return Summary.Value(tag=tag, simple_value=value)


def _image(tag: str, png: bytes) -> Summary.Value:
    width, height = struct.unpack(">II", png[16:24])  # from the IHDR chunk, which always comes first
    picture = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
    return Summary.Value(tag=tag, image=picture)


def _png(image: npt.NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", image[:, :, ::-1])[1].tobytes()


def _sheet(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Returns images (n, h, w, 3) tiled in rows of eight on a black background."""
    number, height, width, _ = images.shape
    columns = min(COLUMNS, number)
    rows = -(-number // columns)
    padded = np.zeros((rows * columns, *images.shape[1:]), np.uint8)
    padded[:number] = images
    return padded.reshape(rows, columns, height, width, 3).swapaxes(1, 2).reshape(rows * height, columns * width, 3)
