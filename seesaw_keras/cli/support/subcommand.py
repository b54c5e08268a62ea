"""Execution of a command in a process of its own.

>>> from seesaw_keras.cli.support.subcommand import run_subcommand
>>> run_subcommand("list_models", ["shuffle"])  # doctest: +SKIP
0
"""

import subprocess
import sys
from collections.abc import Sequence

__all__ = ["run_subcommand"]


def run_subcommand(name: str, arguments: Sequence[str]) -> int:
    """Runs a command of this package and returns its exit code; its output goes to the terminal.

    Args:
        name: name of the command, such as "train".
        arguments: its command-line arguments.
    """
    return subprocess.run([sys.executable, "-m", "seesaw_keras.cli", name, *arguments], check=False).returncode
