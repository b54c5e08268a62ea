"""How every tool starts, shows progress and ends: quiet libraries, one line for a user's mistake.

if __name__ == "__main__":
    cli.run(main)
"""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from absl import app, logging
from tqdm import tqdm

from seesaw_keras.native import quiet_native_stderr

__all__ = ["Bars", "bytes_of", "quiet_tensorflow", "run"]

_WITHOUT_TENSORFLOW = (".tflite", ".onnx", ".npy", ".npz")


def run(main: Callable[..., None], *, takes_arguments: bool = False) -> None:
    """Runs a tool by `absl.app.run`, which parses the flags; `--min-images` is read as `--min_images`.

    A mistake that the user can mend (ValueError, OSError, ImportError) ends in one line on stderr and exit code 1.

    Args:
        main: the tool; called without arguments, or with the list of words that are no flags.
        takes_arguments: whether such words are wanted; otherwise they are such a mistake.
    """

    def guarded(argv: list[str]) -> None:
        name = Path(argv[0]).stem
        try:
            if argv[1:] and not takes_arguments:
                raise ValueError(f"{argv[1]!r} is no flag; see --help")
            main(*([argv[1:]] if takes_arguments else []))
        except (ValueError, OSError, ImportError) as error:
            sys.exit(f"{name}: {error}")
        except KeyboardInterrupt:
            sys.exit(f"{name}: interrupted")

    app.run(guarded, argv=[sys.argv[0], *_underscored(sys.argv[1:])])


def _underscored(arguments: list[str]) -> list[str]:
    """Arguments with the dashes inside of flags' names, up to a lone `--`, as the underscores that absl wants."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    flag = re.compile(r"(?<=^--)[^=]+")
    return [flag.sub(lambda name: name[0].replace("-", "_"), argument) for argument in arguments[:end]] + arguments[
        end:
    ]


def bytes_of(text: str) -> int:
    """Returns a number of bytes that is written with K for KiB or M for MiB, or as it is.

    >>> bytes_of("384k")
    393216

    Raises:
        ValueError: it is no such number.
    """
    found = re.fullmatch(r"(\d+)([kKmM]?)", text)
    if not found:
        raise ValueError(f"{text!r} is no number of bytes: 393216, 384K, 1M")
    return int(found[1]) << {"": 0, "k": 10, "m": 20}[found[2].lower()]


class Bars:
    """A progress bar a stage, one after the other."""

    def __init__(self) -> None:
        self._stage, self._bar = "", tqdm(disable=True)

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Shows that `done` of `total` are done."""
        if stage != self._stage:
            self._bar.close()
            unit = "identity" if stage.startswith("embed") else "image"
            self._stage, self._bar = stage, tqdm(desc=stage, total=total, initial=done, unit=unit, disable=None)
        self._bar.update(done - self._bar.n)

    def __enter__(self) -> "Bars":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bar.close()


def quiet_tensorflow(model: str | Path | None = None) -> None:
    """Imports TensorFlow without its greetings about CPU features and absent GPUs.

    Args:
        model: what will be run; nothing is imported for a file that does without (.tflite, .onnx, .npy, .npz).
    """
    if model is not None and Path(model).suffix in _WITHOUT_TENSORFLOW:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_native_stderr():
        import tensorflow

        tensorflow.config.list_physical_devices()  # the search for GPUs, which complains when there is none
    tensorflow.get_logger().setLevel("ERROR")
    logging.set_verbosity(logging.WARNING)  # TensorFlow says how long it took to write each checkpoint
