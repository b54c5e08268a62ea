"""The console script `seesaw`: runs a command of this package by name, or lists all of them."""

import ast
import importlib
import pkgutil
import sys
from pathlib import Path

from seesaw_keras import cli
from seesaw_keras._version import __version__
from seesaw_keras.choices import unknown_name

__all__ = ["main"]

_USAGE = f"""seesaw_keras {__version__}: SeesawFaceNets for TensorFlow/Keras, LiteRT and TFLite Micro

usage: seesaw COMMAND [flags]; seesaw COMMAND --help explains a command"""


def command_names() -> list[str]:
    """Returns the names of all commands."""
    return [module.name for module in pkgutil.iter_modules(cli.__path__) if not module.ispkg and module.name[0] != "_"]


def _summary(name: str) -> str:
    """Returns the first line of a command's docstring, without importing its module."""
    source = Path(cli.__path__[0], f"{name}.py").read_text("utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").partition("\n")[0]


def main(arguments: list[str] | None = None) -> None:
    """Runs the command named by the first argument with the remaining arguments; without arguments, lists the commands.

    Args:
        arguments: command line without the program name; None for `sys.argv[1:]`.

    Raises:
        SystemExit: if the command is unknown, or when the command exits.
    """
    given = sys.argv[1:] if arguments is None else arguments
    names = command_names()
    if not given or given[0] in ("--help", "-h", "help"):
        width = max(map(len, names))
        print("\n".join([_USAGE, "", *(f"  {name:{width}}  {_summary(name)}" for name in names)]))
        return
    name = given[0].replace("-", "_")
    if name not in names:
        sys.exit(f"seesaw: {unknown_name('command', given[0], names)}")
    importlib.import_module(f"seesaw_keras.cli.{name}").run(given[1:])


if __name__ == "__main__":
    main()
