import subprocess
import sys

import pytest

from seesaw_keras.cli import bytes_of

TOOL = """
from absl import flags
from seesaw_keras import cli
flags.DEFINE_integer("min_images", 1, "")
def main(words):
    if words == ["fail"]:
        raise ValueError("the file is damaged: copy it again")
    print(flags.FLAGS.min_images, words)
cli.run(main, takes_arguments=True)
"""


def run(code, *arguments, tmp_path):
    path = tmp_path / "a_tool.py"
    path.write_text(code)
    return subprocess.run([sys.executable, path, *arguments], capture_output=True, text=True, check=False)


def test_flags_take_dashes_and_underscores(tmp_path):
    for flag in ("--min-images=3", "--min_images=3"):
        assert run(TOOL, flag, "a-b", "c=d-e", tmp_path=tmp_path).stdout == "3 ['a-b', 'c=d-e']\n"
    assert run(TOOL, "--min-images", "4", "--", "--x-y", tmp_path=tmp_path).stdout == "4 ['--x-y']\n"


def test_a_mistake_is_one_line_and_exit_code_1(tmp_path):
    done = run(TOOL, "fail", tmp_path=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "a_tool: the file is damaged: copy it again\n"
    done = run(TOOL.replace(", takes_arguments=True", ""), "word", tmp_path=tmp_path)
    assert done.stderr == "a_tool: 'word' is no flag; see --help\n"


def test_numbers_of_bytes():
    assert [bytes_of(text) for text in ("0", "393216", "384k", "384K", "2M")] == [0, 393216, 393216, 393216, 2 << 20]
    for text in ("", "k", "1.5M", "-1", "1G", "1 k"):
        with pytest.raises(ValueError, match="is no number of bytes"):
            bytes_of(text)


@pytest.mark.parametrize(("model", "imported"), [("a.tflite", False), ("a.npz", False), ("a.keras", True), ("a", True)])
def test_tensorflow_comes_without_greetings_and_only_where_it_is_needed(model, imported, tmp_path):
    code = (
        f"import sys\nfrom seesaw_keras import cli\ncli.quiet_tensorflow({model!r})\nprint('tensorflow' in sys.modules)"
    )
    done = run(code, tmp_path=tmp_path)
    assert (done.stdout, done.stderr) == (f"{imported}\n", "")
