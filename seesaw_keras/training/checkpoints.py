"""Checkpoints written atomically as folders named by step; a kill or a full disk leaves no partial checkpoint.

>>> from seesaw_keras.training.checkpoints import Checkpoints
>>> state = tf.train.Checkpoint(network=network)  # doctest: +SKIP
>>> checkpoints = Checkpoints("out/checkpoints", state, {"recipe": recipe.to_json()})  # doctest: +SKIP
>>> checkpoints.restore()  # the step to resume from  # doctest: +SKIP
0
>>> checkpoints.save(1234, epoch=2)  # doctest: +SKIP
PosixPath('out/checkpoints/step-00001234')
"""

import contextlib
import json
import os
import platform
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import seesaw_keras
from seesaw_keras.files import sync

__all__ = ["Checkpoints", "flatten"]

KEPT = 2
_NAME = re.compile(r"step-(\d{8,})")
_PARTIAL = re.compile(r"\.\d+\.partial\.step-\d{8,}")
_STATE = "state.json"
_VARIABLES = "variables"


def flatten(value: Any, name: str = "") -> dict[str, Any]:
    """Returns the leaves of nested dictionaries keyed by dotted path, such as "recipe.batch_size"."""
    if not isinstance(value, Mapping):
        return {name: value}
    return {
        path: leaf for key, item in value.items() for path, leaf in flatten(item, f"{name}.{key}".strip(".")).items()
    }


class Checkpoints:
    """Manages the checkpoints of one training run; keeps the newest two.

    A checkpoint is a folder with the files of `tf.train.Checkpoint` and `state.json`, which records the step, the
    epoch, the run's fingerprint and library versions. The folder is renamed to its final name only after everything is
    on disk.

    Args:
        folder: checkpoint folder.
        checkpoint: a `tf.train.Checkpoint` over all training state; its variables must already exist.
        run_fingerprint: JSON-serializable fingerprint of the run; a checkpoint of a different run is rejected.
        chief: whether this process writes the checkpoints. All other workers must still call `save` and `restore` at
            the same time, because reading some variables is a collective operation.
    """

    def __init__(
        self, folder: str | Path, checkpoint: Any, run_fingerprint: Mapping[str, Any], *, chief: bool = True
    ) -> None:
        self._folder = Path(folder)
        self._checkpoint = checkpoint
        self._run_fingerprint = json.loads(json.dumps(run_fingerprint))
        self._chief = chief

    def _found(self) -> list[Path]:
        """Returns all complete checkpoints, newest first."""
        if not self._folder.is_dir():
            return []
        steps = {int(match[1]): path for path in self._folder.iterdir() if (match := _NAME.fullmatch(path.name))}
        return [steps[step] for step in sorted(steps, reverse=True)]

    def latest(self) -> Path | None:
        """Returns the path of the newest checkpoint, or None if there is none."""
        return next(iter(self._found()), None)

    def restore(self) -> int:
        """Reads the newest checkpoint into the variables.

        Returns:
            The number of completed steps; 0 if there is no checkpoint, in which case the variables are unchanged.

        Raises:
            ValueError: if the checkpoint belongs to a different run or is damaged.
        """
        path = self.latest()
        if path is None:
            return 0
        state = self._read_state(path)
        self._compare(path, state)
        try:
            self._checkpoint.read(str(path / _VARIABLES)).assert_consumed()
        except Exception as error:  # TensorFlow raises several exception types here
            raise self._damaged(path, str(error).splitlines()[0]) from error
        return state["step"]

    def _damaged(self, path: Path, reason: str) -> ValueError:
        return ValueError(f"{path}: damaged checkpoint ({reason}); delete this folder to resume from the previous one")

    def _read_state(self, path: Path) -> dict[str, Any]:
        try:
            state = json.loads((path / _STATE).read_bytes())
            if f"step-{state['step']:08d}" != path.name:
                raise ValueError(f"{_STATE} belongs to step {state['step']}")
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise self._damaged(path, str(error)) from error
        return state

    def _compare(self, path: Path, state: Mapping[str, Any]) -> None:
        there = flatten({key: value for key, value in state.items() if key not in ("step", "epoch", "versions")})
        asked = flatten(self._run_fingerprint)
        for name in [*asked, *there]:
            if asked.get(name) != there.get(name):
                raise ValueError(
                    f"{path}: belongs to a run with {name} = {there.get(name)!r}, not {asked.get(name)!r}; choose "
                    f"another output folder, or delete {self._folder} to start from the beginning"
                )

    def save(self, step: int, epoch: int) -> Path:
        """Writes a checkpoint, then deletes all but the newest two.

        Args:
            step: the number of completed steps.
            epoch: the number of completed epochs.

        Returns:
            The checkpoint folder.

        Raises:
            OSError: if it cannot be written, for example because the disk is full. Earlier checkpoints are kept.
        """
        path = self._folder / f"step-{step:08d}"
        if not self._chief:
            with tempfile.TemporaryDirectory() as nowhere:
                self._checkpoint.write(f"{nowhere}/{_VARIABLES}")
        else:
            self._write(path, step, epoch)
            self._prune()
        return path

    def _write(self, path: Path, step: int, epoch: int) -> None:
        import tensorflow as tf

        beside = path.with_name(f".{os.getpid()}.partial.{path.name}")
        state = {"step": step, "epoch": epoch, **self._run_fingerprint, "versions": _versions()}
        try:
            beside.mkdir(parents=True)
            self._checkpoint.write(str(beside / _VARIABLES))
            (beside / _STATE).write_text(json.dumps(state, indent=2) + "\n", "utf-8")
            for file in [*beside.iterdir(), beside]:
                sync(file)
            beside.rename(path)
            sync(self._folder)
        except tf.errors.OpError as error:
            raise OSError(f"{path}: {str(error.message).splitlines()[0]}") from error
        finally:
            shutil.rmtree(beside, ignore_errors=True)

    def _prune(self) -> None:
        """Deletes old checkpoints and the leftovers of killed processes."""
        for path in self._found()[KEPT:]:
            # Rename first, so that a half-deleted checkpoint is never mistaken for a complete one.
            path.rename(path.with_name(f".{os.getpid()}.partial.{path.name}"))
        for path in self._folder.iterdir():
            if _PARTIAL.fullmatch(path.name):
                with contextlib.suppress(OSError):
                    shutil.rmtree(path)


def _versions() -> dict[str, str]:
    import numpy as np
    import tensorflow as tf

    return {
        "seesaw_keras": seesaw_keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
