"""`Command` and its `Flags`: flag parsing, help, and user errors in one line.

A module with a command has

    FLAGS = Flags()
    FLAGS.DEFINE_string("out", None, "PNG file to write.", required=True)

at its top and ends in

    run = Command(main, FLAGS)

and `run()` executes it with the arguments of the process, `run(["--out", "sheet.png"])` with others.
"""

import functools
import os
import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from absl import flags

__all__ = ["Command", "Flags"]


class Flags(flags.FlagValues):
    """Flags of one command: `FLAGS.DEFINE_string(...)` is absl's `flags.DEFINE_string(..., flag_values=FLAGS)`."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("DEFINE_"):
            return functools.partial(getattr(flags, name), flag_values=self)
        return super().__getattr__(name)


class Command:
    """A command with flags of its own, so that several commands can run in one process.

    Its name is that of the module that defines `main`, its help the module's docstring and the flags. `--min-images` is
    accepted for `--min_images`.

    Args:
        main: called without arguments, or with the list of positional arguments.
        flag_values: the flags.
        positional: whether positional arguments are accepted; if not, they are a user error.

    Attributes:
        command_line: the last command line, from "seesaw" on, quoted for a shell.
    """

    def __init__(self, main: Callable[..., None], flag_values: Flags, *, positional: bool = False) -> None:
        self._main, self._flags, self._positional = main, flag_values, positional
        module = main.__globals__
        self.name = Path(module["__file__"]).stem
        self.description: str = module["__doc__"]
        self.command_line = f"seesaw {self.name}"

    def __call__(self, arguments: Sequence[str] | None = None) -> None:
        """Runs the command.

        Args:
            arguments: flags and positional arguments; None for those of the process.

        Raises:
            SystemExit: with a one-line message, for user errors (invalid flags, ValueError, OSError, ImportError) and
                Ctrl-C; the interpreter prints it on stderr and exits with code 1.
        """
        given = list(sys.argv[1:] if arguments is None else arguments)
        self.command_line = shlex.join(["seesaw", self.name, *given])
        if {"--help", "-h"} & set(given):
            print(self.help())
            return
        for name in self._flags:
            self._flags[name].unparse()  # values of an earlier call
        try:
            rest = self._flags([self.name, *_with_underscores(given)])[1:]
            if rest and not self._positional:
                raise ValueError(f"unexpected argument {rest[0]!r}; see --help")
            self._main(*([rest] if self._positional else []))
        except flags.Error as error:
            missing = re.findall(r"flag --(\w+)=None: Flag --\1 must have a value", str(error))
            _fail(f"{self.name}: {'--' + ', --'.join(missing) + ': required' if missing else error}; see --help")
        except (ValueError, OSError, ImportError) as error:
            _fail(f"{self.name}: {error}", at_once=isinstance(error, ConnectionError))
        except KeyboardInterrupt:
            _fail(f"{self.name}: interrupted")

    def help(self) -> str:
        """Returns the module's docstring and the flags in the order of their definition."""
        lines = [self.description.strip()]
        if len(self._flags):
            lines += ["", "Flags:"]
        for name in self._flags:
            flag = self._flags[name]
            if name != flag.short_name:
                lines += ["", f"  --{'[no]' if flag.boolean else ''}{name}", *_described(flag)]
        return "\n".join(lines)


def _described(flag: flags.Flag) -> list[str]:
    """Returns the lines of a flag's help below its name."""
    facts = [re.sub(r";\s+repeat this option.*", "", flag.help)]  # the help texts contain "repeatable" instead
    if flag.parser.syntactic_help and not flag.boolean:
        facts.append(f"({flag.parser.syntactic_help})")
    if flag.default not in (None, []) and not flag.boolean:
        facts.append(f"(default: {flag.default_as_str})")
    return textwrap.wrap(" ".join(facts), 112, initial_indent=6 * " ", subsequent_indent=6 * " ")


def _with_underscores(arguments: list[str]) -> list[str]:
    """Replaces dashes in flag names, up to a lone `--`, with the underscores that absl expects."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    flag = re.compile(r"(?<=^--)[^=]+")
    return [flag.sub(lambda name: name[0].replace("-", "_"), argument) for argument in arguments[:end]] + arguments[
        end:
    ]


def _fail(message: str, *, at_once: bool = False) -> NoReturn:
    """Exits with code 1 and an error message.

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
