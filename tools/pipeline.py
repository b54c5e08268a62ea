"""The whole road, one command: train, verify, convert to int8, verify what the device computes.

    python tools/pipeline.py                                             # synthetic faces, minutes on two cores
    python tools/pipeline.py --recipe faces --data train.rec --verify lfw.zip --pairs pairs.txt --out runs/faces

With --compress the network is made smaller on the way, by tools/compress.py: `--compress prune+quantize`, for example.

Each stage is one of the tools beside this one, run by the command that is printed; what it left is checked by SHA-256.
Stopped and started again by the same command, finished stages are left as they are and the others go on.
"""

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from absl import flags

from seesaw_keras import cli
from seesaw_keras.data.preprocess import PREPROCESSES
from seesaw_keras.files import replacing, sha256_of
from seesaw_keras.training.recipe import Recipe, get_recipe, list_recipes

FLAGS = flags.FLAGS
flags.DEFINE_enum("recipe", "synthetic", list_recipes(), "What to train, see tools/train.py --help.")
flags.DEFINE_multi_string("set", [], "key=value: another value for a field of the recipe.")
flags.DEFINE_string("data", None, "Faces to train on; for the recipe `synthetic`, people who do not exist.")
flags.DEFINE_string("verify", None, "Pairs to verify: a .bin, LFW's or CFP's images, or synthetic:2000@32.")
flags.DEFINE_string("pairs", None, "LFW's pairs.txt or CFP's Protocol/Split/FP, for --verify of images.")
flags.DEFINE_string("teacher", None, "Who is learned from, for a recipe that distils.")
flags.DEFINE_enum("teacher_preprocess", None, list(PREPROCESSES), "What the teacher wants of pixels; pm1 if not given.")
flags.DEFINE_enum(
    "compress", None, ["prune", "quantize", "prune+quantize"], "Compress the network, see tools/compress.py --help."
)
flags.DEFINE_float("sparsity", None, "How much pruning takes away, see there.")
flags.DEFINE_string("out", None, "Folder for all that comes of it; runs/RECIPE if not given.")

TOOLS = Path(__file__).resolve().parent
STATE = "pipeline.json"


@dataclass(frozen=True)
class Stage:
    """One of the tools, with what it is told and what it leaves.

    Attributes:
        name: for the screen and the state.
        tool: file name in this folder.
        arguments: its flags.
        outputs: files that are there when it is done.
    """

    name: str
    tool: str
    arguments: Sequence[str]
    outputs: Sequence[Path]

    @property
    def command(self) -> list[str]:
        """What a user would type."""
        return ["python", f"tools/{self.tool}", *self.arguments]


class State:
    """Which stages are finished, by which command, and what they left; in the output folder.

    Raises:
        ValueError: if the file is damaged.
    """

    def __init__(self, out: Path) -> None:
        self._path = out / STATE
        self._stages: dict[str, Any] = {}
        if self._path.exists():
            try:
                self._stages = dict(json.loads(self._path.read_bytes())["stages"])
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{self._path}: damaged ({error}); delete it, the stages will be checked") from error

    def finished(self, stage: Stage) -> bool:
        """Whether the stage was finished by this command and left what is there now."""
        record = self._stages.get(stage.name)
        return bool(record) and record["command"] == stage.command and record["outputs"] == self._hashes(stage)

    def seconds(self, stage: Stage) -> float:
        """How long a finished stage took."""
        return self._stages[stage.name]["seconds"]

    def finish(self, stage: Stage, seconds: float) -> None:
        """Writes down that a stage is finished; those after it have to be done again."""
        names = list(self._stages)
        for later in names[names.index(stage.name) :] if stage.name in names else []:
            del self._stages[later]
        self._stages[stage.name] = {
            "command": stage.command,
            "seconds": round(seconds, 1),
            "outputs": self._hashes(stage),
        }
        with replacing(self._path) as beside:
            beside.write_text(json.dumps({"stages": self._stages}, indent=2) + "\n", "utf-8")

    @staticmethod
    def _hashes(stage: Stage) -> dict[str, str | None]:
        return {path.name: sha256_of(path) if path.is_file() else None for path in stage.outputs}


def given(**values: str | None) -> list[str]:
    """Returns the flags that have a value."""
    return [part for name, value in values.items() if value is not None for part in (f"--{name}", value)]


def stages(recipe: Recipe, out: Path) -> list[Stage]:
    """Returns the road."""
    model = out / "train" / "model.keras"
    verify = FLAGS.verify or (None if FLAGS.data else f"synthetic:2000@{recipe.image_size}")
    if not verify:
        raise ValueError("--verify: name pairs to verify, as lfw.bin")
    pairs = given(data=verify, pairs=FLAGS.pairs)
    settings = [part for assignment in FLAGS.set for part in ("--set", assignment)]
    learning = given(data=FLAGS.data, teacher=FLAGS.teacher, teacher_preprocess=FLAGS.teacher_preprocess)
    if FLAGS.data:
        learning += ["--verify", *pairs[1:]]
    reports = ["--json", str(out / "int8.json"), "--report", str(out / "report.html")]
    to_int8 = conversion(recipe, model, verify, out)
    int8 = to_int8.outputs[0]
    return [
        Stage(
            "train",
            "train.py",
            ["--recipe", recipe.name, *settings, *learning, "--out", str(out / "train")],
            [model, out / "train" / "curves.png"],
        ),
        Stage(
            "verify",
            "evaluate.py",
            ["--model", str(model), *pairs, "--json", str(out / "float.json")],
            [out / "float.json"],
        ),
        to_int8,
        Stage(
            "verify int8",
            "evaluate.py",
            ["--model", str(model), "--compare", str(int8), "--runtime", "reference", *pairs, *reports],
            [out / "int8.json", out / "report.html"],
        ),
    ]


def conversion(recipe: Recipe, model: Path, verify: str, out: Path) -> Stage:
    """Returns the stage that leaves the int8 flatbuffer."""
    faces = ["--model", str(model), "--data", FLAGS.data or str(out / "train" / "faces" / "train")]
    if not FLAGS.compress:
        int8 = out / "int8.tflite"
        return Stage(
            "convert", "convert_tflite.py", [*faces, "--type", "int8", "--images", "256", "--out", str(int8)], [int8]
        )
    sparsity = None if FLAGS.sparsity is None else str(FLAGS.sparsity)
    how = given(recipe=recipe.name, verify=verify, pairs=FLAGS.pairs, sparsity=sparsity, out=str(out / "compress"))
    left = [out / "compress" / "after.tflite", out / "compress" / "report.json"]
    return Stage("compress", "compress.py", ["--stage", FLAGS.compress, *faces, *how], left)


def run(stage: Stage) -> None:
    """Runs a stage in a process of its own.

    Raises:
        ValueError: if it fails; what is wrong it has said itself.
    """
    result = subprocess.run([sys.executable, str(TOOLS / stage.tool), *stage.arguments], check=False)
    missing = [str(path) for path in stage.outputs if not path.is_file()]
    if result.returncode or missing:
        problem = f"left no {missing[0]}" if missing and not result.returncode else "failed, see above"
        raise ValueError(f"stage {stage.name!r} {problem}; the same command goes on from here: {shlex.join(sys.argv)}")


def summary(road: Sequence[Stage], state: State, out: Path) -> str:
    """Returns the last screen: how long it took, what was measured, where it is, what to do next."""
    before = json.loads((out / "int8.json").read_bytes())
    after = before["comparison"]["figures"]
    int8 = next(path for stage in road for path in stage.outputs if path.suffix == ".tflite")
    lines = ["", *(f"{stage.name:<12} {state.seconds(stage):7.1f} s" for stage in road), ""]
    lines += [
        f"accuracy on {before['data']['name']}: float {before['accuracy']:.2f}%, int8 {after['accuracy']:.2f}%",
        "",
        f"network    {out / 'train' / 'model.keras'}",
        f"curves     {out / 'train' / 'curves.png'}",
        f"flatbuffer {int8}, {int8.stat().st_size / 1024:.0f} KiB",
        f"report     {out / 'report.html'}",
        "",
        "Next: tools/train.py --help (your own faces), tools/convert_tflite.py --help, README.md",
    ]
    return "\n".join(lines)


def main() -> None:
    """Runs the stages that are not finished."""
    recipe = get_recipe(FLAGS.recipe).override(FLAGS.set)
    out = Path(FLAGS.out or f"runs/{recipe.name}")
    road = stages(recipe, out)
    state = State(out)
    fresh = False
    for number, stage in enumerate(road, 1):
        title = f"[{number}/{len(road)}] {stage.name}"
        if not fresh and state.finished(stage):
            print(f"{title}: done before", flush=True)
            continue
        print(f"{title}: {shlex.join(stage.command)}", flush=True)
        start = time.monotonic()
        run(stage)
        state.finish(stage, time.monotonic() - start)
        fresh = True
    print(summary(road, state, out))


if __name__ == "__main__":
    cli.run(main)
