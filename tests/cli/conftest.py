"""Commands are run in this process; `test_main.py` starts each once as a process of its own."""

import contextlib
import importlib
import io
import sys
from typing import NamedTuple

import pytest


class Finished(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def seesaw():
    """Function: a command's name and arguments -> exit code and output, as of a process of its own."""

    def run(name, *arguments):
        command = importlib.import_module(f"seesaw_keras.cli.{name}").run
        if tensorflow := sys.modules.get("tf_keras"):
            tensorflow.backend.clear_session()  # layer names are numbered from the start, as in a new process
        out, errors, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            try:
                command([str(argument) for argument in arguments])
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
                if isinstance(end.code, str):
                    print(end.code, file=sys.stderr)
        return Finished(code, out.getvalue(), errors.getvalue())

    return run
