"""Commands run as processes: the console script, the scripts in tools/, their help and exit codes."""

import subprocess
import sys

import pytest

import seesaw_keras
from seesaw_keras.cli.__main__ import command_names

LIGHT = """
import sys
from seesaw_keras.cli.__main__ import main
main(sys.argv[1:])
heavy = {"tensorflow", "tf_keras", "keras"} & set(sys.modules)
assert not heavy, heavy
"""


def python(*arguments):
    return subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_all_commands_are_listed_with_a_summary():
    done = python("-c", LIGHT)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"seesaw_keras {seesaw_keras.__version__}")
    rows = [line.split(maxsplit=1) for line in lines if line.startswith("  ")]
    assert [name for name, _ in rows] == command_names() and all(text.endswith(".") for _, text in rows)
    assert python("-m", "seesaw_keras.cli", "--help").stdout == done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", command_names())
def test_help_does_not_import_tensorflow(name, repository):
    """Through the console script, with dashes, and through the script of the same name in tools/."""
    done = python("-c", LIGHT, name.replace("_", "-"), "--help")
    assert done.returncode == 0, done.stderr
    assert f"seesaw {name}" in done.stdout
    assert python(repository / "tools" / f"{name}.py", "-h").stdout == done.stdout


def test_tools_contains_one_script_per_command(repository):
    assert sorted(path.stem for path in (repository / "tools").glob("*.py")) == command_names()


def test_unknown_command_prints_one_line():
    done = python("-m", "seesaw_keras.cli", "verify_face")
    assert done.returncode == 1
    assert done.stderr.startswith("seesaw: unknown command 'verify_face': did you mean 'verify_faces'? All: ")
    assert done.stderr.count("\n") == 1


def test_exit_code_is_that_of_the_command():
    done = python("-m", "seesaw_keras.cli", "verify_faces", "one.jpg")
    assert (done.returncode, done.stderr) == (1, "verify_faces: expected two photographs, got 1; see --help\n")
