"""Every command of the pages runs, and every snippet; what they name exists.

The commands of a page run one after the other, in a folder of their own, as they are written but for `CAPS`: flags of
the tool itself that make the run short. An unsupported command fails.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from seesaw_keras.tflite.runtimes import available_runtimes

pytestmark = pytest.mark.skipif("tflm" not in available_runtimes(), reason="TFLite Micro is not installed")

REPOSITORY = Path(__file__).resolve().parents[2]
README = REPOSITORY / "README.md"
PAGES = [README, *sorted((REPOSITORY / "docs").glob("*.md"))]
SHELL, PYTHON = "sh", "python"

# A recipe for small images, one epoch, and a network of few operators (one block per stage, see runner.py) with bounded
# ranges: batch statistics have not arrived after three steps, and runtimes do not agree on LOGISTIC of thousands.
_SMALL = {
    "variant": "mobilefacenet",
    "activation": "relu6",
    "width": 0.125,
    "image_size": 32,
    "embedding_size": 16,
    "batch_size": 16,
    "epochs": 1,
    "warmup_epochs": 0,
}
_SETTINGS = [part for field, value in _SMALL.items() for part in ("--set", f"{field}={value}")]
_NOBODY = ["--data", "synthetic:12x4@32", "--verify", "synthetic:40@32"]  # in the place of 20,000 images

# What is appended to the commands of a tool; the last value of a flag counts.
CAPS = {
    "check_tflite": ["--inputs", "2"],
    "compress": ["--steps", "3", "--set", "batch_size=16"],
    "convert_tflite": ["--images", "8"],
    "embed_dataset": ["--processes", "1"],
    "evaluate": ["--far", "0.2"],  # 1e-3 cannot be measured with ten impostor pairs
    "pipeline": [*_SETTINGS, "--steps", "3", "--far", "0.2"],
    "prepare_data": ["--processes", "1", "--holdout_identities", "2"],
    "train": _SETTINGS,
}
AS_THEY_ARE = {
    "align_faces",
    "explain_tflite",
    "export_micro",
    "export_serving",
    "gallery",
    "import_reference",
    "list_models",
    "show_faces",
    "verify_faces",
}


def blocks(page, language=None):
    """The fenced blocks of a page: (language, text), or the texts in one language."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S)
    return found if language is None else [text for given, text in found if given == language]


def words(line):
    return shlex.split(line, comments=True)


def commands(page):
    """The command lines of a page, continued lines joined."""
    text = "".join(blocks(page, SHELL)).replace("\\\n", " ")
    return [line for line in text.splitlines() if words(line)]


def name(page):
    return page.stem


class Machine:
    """Runs command lines in a folder; `python` is the runner's."""

    def __init__(self, runner, folder):
        self._runner, self._folder = runner, folder

    def run(self, line):
        command, *rest = words(line)
        kind = command if command != "python" else f"python {Path(rest[0]).parent}"
        rules = {"python tools": self.tool, "make": self.make, "pip": self.pip}
        if kind not in rules:
            pytest.fail(f"no test knows how to run {line!r}: add a rule to {Path(__file__).name}")
        rules[kind](rest)

    def tool(self, given):
        tool = Path(given[0]).stem
        if tool not in CAPS and tool not in AS_THEY_ARE:
            pytest.fail(f"say in {Path(__file__).name} how to keep {tool} short")
        caps = list(CAPS.get(tool, []))
        if tool in ("train", "pipeline") and "--data" not in given:
            caps += _NOBODY
        if "--holdout_pairs" in given:
            caps += ["--holdout_identities", "20", "--holdout_pairs", "10"]
        if "--teacher" in given:
            caps += ["--set", "embedding_size=3"]  # as long as the teacher's
        # A checkpoint of the public implementation has all blocks.
        whole = tool == "import_reference"
        code, output = self._runner([REPOSITORY / given[0], *given[1:], *caps], self._folder, whole=whole)
        assert code == 0, f"{shlex.join([*given, *caps])}\n{output}"

    def make(self, given):
        """Runs the last command of `make TARGET`; the installation before it is assumed to be done."""
        make = ["make", "--no-print-directory", "--dry-run"]
        made = subprocess.run([*make, *given], cwd=REPOSITORY, capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        _, *last = shlex.split(made.stdout.splitlines()[-1])
        if given == ["test"]:
            assert last[:2] == ["-m", "pytest"]  # which is running now
            return
        self.tool(last)

    def pip(self, given):
        """Checks offline that pip accepts the command and that its requirements are installed."""
        offline = ["--dry-run", "--no-index", "--no-build-isolation", "--quiet"]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *given, *offline], cwd=REPOSITORY, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def machine(runner, folder):
    return Machine(runner, folder)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_runs(page, machine):
    # What README shares with another page, flag by flag, runs there.
    elsewhere = [words(line) for other in PAGES if other != README for line in commands(other)]
    for line in commands(page):
        if page != README or words(line) not in elsewhere:
            machine.run(line)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, PYTHON)], ids=name)
def test_every_snippet_runs(page, runner, folder):
    for number, text in enumerate(blocks(page, PYTHON)):
        (folder / f"snippet{number}.py").write_text(text)
        code, output = runner([f"snippet{number}.py"], folder)
        assert code == 0, f"{text}\n{output}"


def test_an_unknown_command_fails(tmp_path):
    machine = Machine(None, tmp_path)
    for line in ("docker run tensorflow/serving", "python -m http.server", "python tools/unheard_of.py"):
        with pytest.raises(pytest.fail.Exception, match=r"knows how to|how to keep"):
            machine.run(line)


def test_a_command_that_fails_fails(machine):
    for line, words_of_it in (
        ("python tools/show_faces.py --out sheet.jpg", "must end in .png"),
        ("python tools/show_faces.py --sheet sheet.png", "Unknown command line flag 'sheet'"),
        ("python tools/pipeline.py --data faces --out runs/pipeline", "--verify: required"),
    ):
        with pytest.raises(AssertionError, match=words_of_it):
            machine.run(line)


def test_commands_are_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n```sh\nmake demo  # it\n# only this\n\npip install \\\n  x\n```\n```python\nmake\n```\n")
    assert [words(line) for line in commands(page)] == [["make", "demo"], ["pip", "install", "x"]]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_command_hides_in_another_kind_of_block(page):
    assert {language for language, _ in blocks(page)} <= {SHELL, PYTHON, "cpp"}
    assert not re.search(r"^    (python|make|pip) ", page.read_text("utf-8"), re.M)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_what_a_page_names_exists(page):
    text = page.read_text("utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (page.parent / link).exists(), link
    for file in re.findall(r"\b((?:tools|benchmarks|seesaw_keras)/[\w/]*\.py)", text):
        assert (REPOSITORY / file).is_file(), file
    flags = {
        flag
        for file in (REPOSITORY / "seesaw_keras" / "cli").rglob("*.py")
        for flag in re.findall(r'DEFINE_\w+\(\s*"(\w+)"', file.read_text())
    }
    foreign = {"help", "no-deps", "logdir", "enable_batching"}  # of absl, pip, TensorBoard and TensorFlow Serving
    assert set(re.findall(r"(?<![\w-])--([a-z][\w-]*)", text)) <= flags | foreign
