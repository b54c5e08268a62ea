"""Common entry point of the command-line tools: flag parsing, quiet libraries, progress bars, one-line errors.

if __name__ == "__main__":
    cli.run(main)
"""

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from absl import app, logging
from tqdm import tqdm

from seesaw_keras.native import quiet_native_stderr

__all__ = ["ProgressBars", "bytes_of", "quiet_tensorflow", "run"]

_WITHOUT_TENSORFLOW = (".tflite", ".onnx", ".npy", ".npz")


def run(main: Callable[..., None], *, takes_arguments: bool = False) -> None:
    """Runs a tool with `absl.app.run`, which parses the flags; `--min-images` is accepted for `--min_images`.

    User errors (ValueError, OSError, ImportError) are printed as one line on stderr with exit code 1.

    Args:
        main: the tool; called without arguments, or with the list of positional arguments.
        takes_arguments: whether positional arguments are accepted; if not, they are a user error.
    """

    def guarded(argv: list[str]) -> None:
        name = Path(argv[0]).stem
        try:
            if argv[1:] and not takes_arguments:
                raise ValueError(f"{argv[1]!r} is no flag; see --help")
            main(*([argv[1:]] if takes_arguments else []))
        except (ValueError, OSError, ImportError) as error:
            _fail(f"{name}: {error}", at_once=isinstance(error, ConnectionError))
        except KeyboardInterrupt:
            _fail(f"{name}: interrupted")

    app.run(guarded, argv=[sys.argv[0], *_underscored(sys.argv[1:])])


def _fail(message: str, *, at_once: bool = False) -> NoReturn:
    """Prints an error and exits with code 1.

    Args:
        message: one line for stderr.
        at_once: whether to skip the interpreter's shutdown. After the loss of a worker, TensorFlow's threads sometimes
            wait there forever for the lost one.
    """
    if not at_once:
        sys.exit(message)
    print(message, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _underscored(arguments: list[str]) -> list[str]:
    """Replaces dashes in flag names, up to a lone `--`, with the underscores that absl expects."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    flag = re.compile(r"(?<=^--)[^=]+")
    return [flag.sub(lambda name: name[0].replace("-", "_"), argument) for argument in arguments[:end]] + arguments[
        end:
    ]


def bytes_of(text: str) -> int:
    """Returns the number of bytes for a size such as 393216, 384K (KiB) or 1M (MiB).

    >>> bytes_of("384k")
    393216

    Raises:
        ValueError: the text is not such a size.
    """
    found = re.fullmatch(r"(\d+)([kKmM]?)", text)
    if not found:
        raise ValueError(f"{text!r} is no number of bytes: 393216, 384K, 1M")
    return int(found[1]) << {"": 0, "k": 10, "m": 20}[found[2].lower()]


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


def quiet_tensorflow(model: str | Path | None = None) -> None:
    """Imports TensorFlow without its startup messages about CPU features and missing GPUs.

    Args:
        model: the model to run; TensorFlow is not imported for files that do not need it (.tflite, .onnx, .npy, .npz).
    """
    if model is not None and Path(model).suffix in _WITHOUT_TENSORFLOW:
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_native_stderr():
        import tensorflow

        tensorflow.config.list_physical_devices()  # the GPU search logs errors when there is no GPU
    tensorflow.get_logger().setLevel("ERROR")
    logging.set_verbosity(logging.WARNING)  # TensorFlow logs how long each checkpoint took to write
