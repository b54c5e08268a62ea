"""What all commands share: flags, help, errors of one line, startup, sizes."""

import subprocess
import sys
import textwrap

import pytest

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.parsing import parse_size


@pytest.fixture
def tool(capsys):
    """Function: arguments -> the output of a command with two flags and positional arguments."""
    values = Flags()
    values.DEFINE_integer("min_images", 1, "Minimum number of images.")
    values.DEFINE_multi_string("set", [], "A setting; repeatable.")

    def main(words):
        if words == ["fail"]:
            raise ValueError("the file is damaged: copy it again")
        if words == ["stop"]:
            raise KeyboardInterrupt
        print(values.min_images, values.set, words)

    command = Command(main, values, positional=True)

    def run(*arguments):
        command(arguments)
        return capsys.readouterr().out

    run.command = command
    return run


def test_flags_take_dashes_and_underscores(tool):
    for flag in ("--min-images=3", "--min_images=3"):
        assert tool(flag, "a-b", "c=d-e") == "3 [] ['a-b', 'c=d-e']\n"
    assert tool("--min-images", "4", "--", "--x-y") == "4 [] ['--x-y']\n"


def test_a_second_call_starts_from_the_defaults(tool):
    assert tool("--min_images", "3", "--set", "a", "--set", "b") == "3 ['a', 'b'] []\n"
    assert tool("--set", "c") == "1 ['c'] []\n"
    assert tool() == "1 [] []\n"


def test_the_command_line_is_quoted_for_a_shell(tool):
    tool("--set", "a b")
    assert tool.command.command_line == "seesaw test_command --set 'a b'"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fail"], "the file is damaged: copy it again"),
        (["stop"], "interrupted"),
        (["--minimages", "3"], "Unknown command line flag 'minimages'. Did you mean: min_images ?; see --help"),
        (
            ["--min_images", "many"],
            "flag --min_images=many: invalid literal for int() with base 10: 'many'; see --help",
        ),
    ],
)
def test_user_errors_print_one_line(tool, arguments, message):
    with pytest.raises(SystemExit) as end:
        tool(*arguments)
    assert end.value.code == f"test_command: {message}"


def test_missing_flags_and_surplus_arguments_are_named():
    values = Flags()
    for name in ("data", "out"):
        values.DEFINE_string(name, None, "A path.", required=True)
    command = Command(lambda: None, values)
    with pytest.raises(SystemExit, match=r"^test_command: --data, --out: required; see --help$"):
        command([])
    with pytest.raises(SystemExit, match=r"^test_command: unexpected argument 'word'; see --help$"):
        command(["--data", "a", "--out", "b", "word"])


def test_help_shows_the_docstring_and_every_flag_in_order(tool):
    text = tool("--help")
    assert text == tool("-h") == tool("--set", "x", "--help")
    assert text.startswith("What all commands share") and "(an integer) (default: '1')" in text
    assert text.index("--min_images\n") < text.index("--set\n      A setting; repeatable.\n")


def test_the_loss_of_a_worker_ends_the_process_at_once():
    """Not even `atexit` runs: TensorFlow's would wait for the lost worker."""
    code = """
        import atexit
        from absl import flags
        from seesaw_keras.cli.support.command import Command, Flags
        def main():
            raise ConnectionError("lost another worker")
        atexit.register(print, "never")
        __file__ = "train.py"
        Command(main, Flags())([])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "train: lost another worker\n")


def test_sizes():
    assert [parse_size(text) for text in ("0", "393216", "384k", "384K", "2M")] == [0, 393216, 393216, 393216, 2 << 20]
    for text in ("", "k", "1.5M", "-1", "1G", "1 k"):
        with pytest.raises(ValueError, match=r"invalid size .*: expected bytes such as 393216, 384K or 1M"):
            parse_size(text)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "imported"), [("a.tflite", False), ("a.npz", False), ("a.keras", True), ("a", True)])
def test_tensorflow_is_imported_silently_and_only_where_it_is_needed(model, imported):
    code = (
        "import sys\nfrom seesaw_keras.cli.support.startup import quiet_tensorflow\n"
        f"quiet_tensorflow({model!r})\nprint('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (f"{imported}\n", "")
