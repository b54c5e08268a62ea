"""Commands are run in this process; `test_main.py` starts each one in a separate process."""

import contextlib
import importlib
import io
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import pytest

PATIENCE = 600  # seconds, for busy machines


class Finished(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def seesaw():
    """Function: a command's name and arguments -> exit code and output, as in a separate process."""

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


@pytest.fixture(scope="session")
def interrupt():
    """Function: command line, function -> exit code and stderr of a process that gets SIGINT once it is true."""

    def run(line, reached):
        command = [sys.executable, "-m", "seesaw_keras.cli", *line]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        start = time.monotonic()
        while not reached() and process.poll() is None:
            assert time.monotonic() - start < PATIENCE
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, errors

    return run
