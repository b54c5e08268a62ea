"""How every tool starts and ends: quiet libraries, one line for a user's mistake.

    if __name__ == "__main__":
        cli.run(main)
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from absl import app

__all__ = ["quiet_native_stderr", "quiet_tensorflow", "run"]


def run(main: Callable[[list[str]], None]) -> None:
    """Runs a tool by `absl.app.run`: parses the flags, then calls `main` with the remaining arguments.

    A mistake that the user can mend (ValueError, OSError, ImportError) ends in one line on stderr and exit code 1.
    """

    def guarded(argv: list[str]) -> None:
        try:
            main(argv)
        except (ValueError, OSError, ImportError) as error:
            sys.exit(f"{Path(argv[0]).stem}: {error}")
        except KeyboardInterrupt:
            sys.exit(f"{Path(argv[0]).stem}: interrupted")

    app.run(guarded)


def quiet_tensorflow() -> None:
    """Imports TensorFlow without its greetings about CPU features and absent GPUs."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with quiet_native_stderr():
        import tensorflow

        tensorflow.config.list_physical_devices()  # the search for GPUs, which complains when there is none
    tensorflow.get_logger().setLevel("ERROR")


@contextmanager
def quiet_native_stderr() -> Iterator[None]:
    """Sends what native code writes to stderr nowhere for a while; Python's own exceptions are not affected."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
