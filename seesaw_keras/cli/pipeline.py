"""Runs the full pipeline: train, verify, prune, quantize, convert for phones and microcontrollers, check, report.

    seesaw pipeline                                             # synthetic faces, minutes on two cores
    seesaw pipeline --recipe faces --data train.rec --verify lfw.zip --pairs pairs.txt --out runs/faces

--data accepts the formats of `seesaw train`. To start from unaligned photographs, one sub-folder per person, of which
--pairs lists some for verification:

    seesaw pipeline --photographs people --yunet face_detection_yunet_2023mar.onnx --pairs pairs.txt ...

Each stage runs another command, which is printed; its outputs are recorded with their
SHA-256. Repeat the command to resume an interrupted run; finished stages with unchanged outputs are skipped.

The output folder contains report.html with all results, xnnpack.tflite and tflm.tflite with the threshold in their
metadata, and a folder or file for each stage. The pipeline stops when a stage fails, with one exception: if XNNPACK
differs from the other runtimes by more than `seesaw check_tflite` accepts, as happens with small networks, this is
noted in the report.
"""

import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.pairs_flag import define_pairs_flag
from seesaw_keras.cli.support.subcommand import run_subcommand
from seesaw_keras.files import replacing, sha256_of
from seesaw_keras.inference.preprocessing import PREPROCESSES
from seesaw_keras.reports.run_page import CHECKS, FORMS
from seesaw_keras.training.recipe import Recipe, get_recipe, list_recipes

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_enum("recipe", "synthetic", list_recipes(), "Training recipe; see `seesaw train --help`.")
FLAGS.DEFINE_multi_string("set", [], "key=value: override a field of the recipe; repeatable.")
FLAGS.DEFINE_string("data", None, "Training data set. Default for the recipe `synthetic`: the built-in demo data.")
FLAGS.DEFINE_string("verify", None, "Verification pairs: a .bin, images of LFW or CFP, or synthetic:2000@32.")
define_pairs_flag(FLAGS, "--verify")
FLAGS.DEFINE_string("teacher", None, "Teacher model or stored embeddings, for a recipe with distillation.")
FLAGS.DEFINE_enum("teacher_preprocess", None, list(PREPROCESSES), "Teacher's input preprocessing. Default: pm1.")
FLAGS.DEFINE_string("photographs", None, "Photographs to detect and align faces in, instead of --data.")
FLAGS.DEFINE_string("yunet", None, "YuNet model for face detection; see `seesaw align_faces --help`.")
FLAGS.DEFINE_enum(
    "compress",
    "prune+quantize",
    ["prune", "quantize", "prune+quantize"],
    "Compression stages to run; see `seesaw compress --help`.",
)
FLAGS.DEFINE_float("sparsity", None, "Pruning sparsity, as in `seesaw compress`. Default for the demo data: 0.5.")
FLAGS.DEFINE_integer(
    "steps", None, "Training steps per compression stage, as in `seesaw compress`. Default for the demo data: 300.", 1
)
FLAGS.DEFINE_float(
    "far",
    0.01,
    "False accept rate of the threshold; it must be measurable with the number of impostor pairs.",
    0.0,
    1.0,
)
FLAGS.DEFINE_string("out", None, "Output folder. Default: runs/RECIPE.")

STATE = "pipeline.json"
EMBEDDED = {"steps": 300, "sparsity": 0.5}  # compression defaults for the demo data: about a minute per stage


@dataclass(frozen=True)
class Stage:
    """One run of another command, with its arguments and outputs.

    Attributes:
        name: display name and key in the state file.
        command: name of the command.
        arguments: command-line arguments.
        outputs: files that exist after a successful run.
        verdict: for checks, the output with the result; a low XNNPACK similarity in it is accepted, other differences
            are not.
    """

    name: str
    command: str
    arguments: Sequence[str]
    outputs: Sequence[Path]
    verdict: Path | None = None

    @property
    def command_line(self) -> list[str]:
        """The words of the command line."""
        return ["seesaw", self.command, *self.arguments]


class State:
    """Finished stages with their commands and output hashes, stored in the output folder.

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
                raise ValueError(f"{self._path}: damaged ({error}); delete it and run the command again") from error

    def finished(self, stage: Stage) -> bool:
        """Whether the stage was finished with this command and its outputs are unchanged."""
        record = self._stages.get(stage.name)
        return (
            record is not None and record["command"] == stage.command_line and record["outputs"] == self._hashes(stage)
        )

    def seconds(self, stage: Stage) -> float:
        """Returns the duration of a finished stage in seconds."""
        return self._stages[stage.name]["seconds"]

    def finish(self, stage: Stage, seconds: float, before: Sequence[Stage]) -> None:
        """Records the stage as finished and keeps the records of the stages `before` it; all others are discarded."""
        self._stages = {each.name: self._stages[each.name] for each in before}
        self._stages[stage.name] = {
            "command": stage.command_line,
            "seconds": round(seconds, 1),
            "outputs": self._hashes(stage),
        }
        with replacing(self._path) as beside:
            beside.write_text(json.dumps({"stages": self._stages}, indent=2) + "\n", "utf-8")

    @staticmethod
    def _hashes(stage: Stage) -> dict[str, str | None]:
        return {path.name: sha256_of(path) if path.is_file() else None for path in stage.outputs}


def given(**values: str | None) -> list[str]:
    """Returns command-line arguments for the values that are not None."""
    return [part for name, value in values.items() if value is not None for part in (f"--{name}", value)]


def embedded() -> bool:
    """Whether the run uses the built-in demo data, synthetic identities."""
    return not (FLAGS.data or FLAGS.photographs)


def stages(recipe: Recipe, out: Path) -> list[Stage]:
    """Returns all stages in order.

    Raises:
        ValueError: flags are incompatible, or there are no verification pairs.
    """
    if FLAGS.photographs and FLAGS.data:
        raise ValueError("--photographs and --data are mutually exclusive")
    aligned = str(out / "aligned") if FLAGS.photographs else None
    data = FLAGS.data or aligned
    # Aligned photographs are used for verification if --pairs lists pairs of them.
    verify = (
        FLAGS.verify or (aligned if FLAGS.pairs else None) or (None if data else f"synthetic:2000@{recipe.image_size}")
    )
    if not verify:
        raise ValueError(
            "--verify: required, verification pairs such as lfw.bin; or set --pairs for pairs of the photographs"
        )
    pairs = given(data=verify, pairs=FLAGS.pairs)
    faces = data or str(out / "train" / "faces" / "train")
    return [
        *alignment(out),
        *training(recipe, data, pairs, out),
        *compression(recipe, faces, pairs, out),
        *proof(faces, pairs, out),
        Stage("report", "report_run", ["--run", str(out), *pairs], [out / "report.html"]),
    ]


def alignment(out: Path) -> list[Stage]:
    """Returns the face alignment stage if there are photographs, otherwise an empty list."""
    if not FLAGS.photographs:
        return []
    told = given(photographs=FLAGS.photographs, output=str(out / "aligned"), yunet=FLAGS.yunet)
    left = ["faces.jsonl", "not_found.csv", "contact_sheet.png"]
    return [Stage("align", "align_faces", told, [out / "aligned" / name for name in left])]


def training(recipe: Recipe, data: str | None, pairs: Sequence[str], out: Path) -> list[Stage]:
    """Returns the stages that train and evaluate the float network."""
    model = out / "train" / "model.keras"
    settings = [part for assignment in FLAGS.set for part in ("--set", assignment)]
    learning = given(data=data, teacher=FLAGS.teacher, teacher_preprocess=FLAGS.teacher_preprocess)
    if data:
        learning += ["--verify", *pairs[1:]]
    return [
        Stage(
            "train",
            "train",
            ["--recipe", recipe.name, *settings, *learning, "--out", str(out / "train")],
            [model, out / "train" / "curves.png"],
        ),
        Stage(
            "verify",
            "evaluate",
            ["--model", str(model), *pairs, "--json", str(out / "float.json")],
            [out / "float.json"],
        ),
    ]


def compression(recipe: Recipe, faces: str, pairs: Sequence[str], out: Path) -> list[Stage]:
    """Returns the stages that compress the network, calibrate its threshold and convert it for each target."""
    values = {"steps": FLAGS.steps, "sparsity": FLAGS.sparsity}
    if embedded():
        values = {name: EMBEDDED[name] if value is None else value for name, value in values.items()}
    how = given(**{name: None if value is None else f"{value:g}" for name, value in values.items()})
    what = ["--stage", FLAGS.compress, "--model", str(out / "train" / "model.keras"), "--recipe", recipe.name]
    compress, plain, card = out / "compress", out / FORMS["plain"], out / "card.json"
    if "quantize" in FLAGS.compress:
        smaller = compress / "quantize" / "saved_model"
        left = [smaller / "saved_model.pb", smaller / "variables" / "variables.data-00000-of-00001"]
        source = ["--model", str(smaller)]
    else:
        left = [compress / "prune" / "model.keras"]
        source = ["--model", str(left[0]), "--data", faces, "--images", "256"]
    files = given(card=str(card), json=str(out / "int8.json"), report=str(out / "verification.html"))
    return [
        Stage(
            FLAGS.compress,
            "compress",
            [*what, "--data", faces, "--verify", *pairs[1:], *how, "--out", str(compress)],
            [plain, compress / "report.json", *left],
        ),
        Stage(
            "verify int8",
            "evaluate",
            ["--model", str(plain), "--runtime", "reference", *pairs, "--far", f"{FLAGS.far:g}", *files],
            [Path(name) for name in files[1::2]],
        ),
        *(
            Stage(
                f"convert {target}",
                "convert_tflite",
                [*source, "--target", target, "--card", str(card), "--out", str(out / FORMS[target])],
                [out / FORMS[target]],
            )
            for target in CHECKS
        ),
    ]


def proof(faces: str, pairs: Sequence[str], out: Path) -> list[Stage]:
    """Returns the stages that check the runtimes of each flatbuffer, evaluate the `xnnpack` form and explain it."""
    told = ["--float", str(out / "train" / "model.keras"), "--data", faces]
    checks = [
        Stage(
            f"check {target}",
            "check_tflite",
            ["--model", str(out / FORMS[target]), *told, "--json", str(out / verdict)],
            [out / verdict],
            verdict=out / verdict,
        )
        for target, verdict in CHECKS.items()
    ]
    phone, measured, page = str(out / FORMS["xnnpack"]), out / "xnnpack.json", out / "explain.html"
    on_phone = ["--model", phone, "--runtime", "xnnpack", *pairs, "--far", f"{FLAGS.far:g}", "--json", str(measured)]
    return [
        *checks,
        Stage("verify xnnpack", "evaluate", on_phone, [measured]),
        Stage("explain", "explain_tflite", [phone, "--data", faces, "--out", str(page)], [page]),
    ]


def execute(stage: Stage) -> None:
    """Runs a stage in a separate process.

    Raises:
        ValueError: the stage failed; the command has printed its error message.
    """
    if stage.verdict:
        stage.verdict.unlink(missing_ok=True)  # a result of an earlier run must not be used
    code = run_subcommand(stage.command, stage.arguments)
    missing = [str(path) for path in stage.outputs if not path.is_file()]
    failed = code and not (stage.verdict and only_far(stage.verdict))
    if failed or missing:
        problem = f"left no {missing[0]}" if missing and not code else "failed, see above"
        raise ValueError(f"stage {stage.name!r} {problem}; run the same command again to resume: {run.command_line}")


def only_far(verdict: Path) -> bool:
    """Whether a low XNNPACK similarity, caused by different rounding, is the only problem that a check found."""
    if not verdict.is_file():
        return False
    found = json.loads(verdict.read_bytes())
    return bool(found["distances"]) and not found["differences"]


def summary(road: Sequence[Stage], state: State, out: Path) -> str:
    """Returns the final summary: durations, accuracies, output paths and next commands."""
    networks = json.loads((out / "compress" / "report.json").read_bytes())["networks"]
    before, after = networks["float"]["accuracy"], networks["int8, compressed"]["accuracy"]
    total = sum(map(state.seconds, road))
    lines = ["", *(f"{stage.name:<14} {state.seconds(stage):7.1f} s" for stage in road), f"{'':<14} {total:7.1f} s", ""]
    lines.append(f"accuracy: float {before:.2f}%, int8 {after:.2f}%")
    for stage in road:
        if stage.verdict:
            far = only_far(stage.verdict)
            lines.append(f"{stage.name}: equal integers" + (", XNNPACK farther than wished (see the report)" * far))
    phone, micro = (out / FORMS[form] for form in ("xnnpack", "tflm"))
    lines += [
        "",
        f"report           {out / 'report.html'}   <- look here first",
        f"float network    {out / 'train' / 'model.keras'}",
        f"phones           {phone}, {phone.stat().st_size / 1024:.0f} KiB",
        f"microcontrollers {micro}, {micro.stat().st_size / 1024:.0f} KiB",
        "",
        "Next:",
        f"  firmware       seesaw export_micro --model {micro} --out firmware",
    ]
    if embedded():
        lines += [
            "  your own faces seesaw pipeline --help",
            "  longer         seesaw pipeline --set epochs=20 --out runs/longer",
        ]
    else:
        lines.append(f"  two people     seesaw verify_faces --model {phone} A.jpg B.jpg")
    return "\n".join(lines)


def main() -> None:
    """Runs the stages that are not finished and prints a summary."""
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
        print(f"{title}: {shlex.join(stage.command_line)}", flush=True)
        start = time.monotonic()
        execute(stage)
        state.finish(stage, time.monotonic() - start, road[: number - 1])
        fresh = True
    print(summary(road, state, out))


run = Command(main, FLAGS)
