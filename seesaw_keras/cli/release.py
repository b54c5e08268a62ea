r"""Creates a released model from a training run: float weights, int8 flatbuffer, golden vectors and a model card.

    seesaw release --run runs/phone --name phone.faces --target xnnpack --data faces \
        --verify lfw_view2_aligned112.zip --pairs pairs.txt --about about.json

Float weights are rounded to 11 bits of precision, which halves the compressed file; the error is far below that of int8
quantization. All other files and results are computed from the rounded weights. --about is a JSON object of strings
that are copied into the card: data and license, recipe, teacher, intended use, limitations. The threshold is the one
for --far on --verify.

Files of an earlier release with the same name are replaced after all new files are complete. Repeat the command to
resume an interrupted run. The tool prints the lines to add to seesaw_keras/models/pretrained.py.
"""

import hashlib
import json
import re
import shlex
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from seesaw_keras import __version__
from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.pairs_flag import define_pairs_flag
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.cli.support.subcommand import run_subcommand
from seesaw_keras.files import replacing, sha256_of
from seesaw_keras.tflite.passes import TARGETS, check_target

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_string("run", None, "Folder of a training run, with best.json and best.weights.h5.", required=True)
FLAGS.DEFINE_string("name", None, "Release name VARIANT.DATA, such as phone.faces.", required=True)
FLAGS.DEFINE_string("target", "plain", f"Target runtime of the flatbuffer: {', '.join(TARGETS)}.")
FLAGS.DEFINE_string(
    "quantized", None, "SavedModel from `seesaw compress`. Default: post-training quantization with --data."
)
FLAGS.DEFINE_string("data", None, "Data set to calibrate int8 ranges on.", required=True)
FLAGS.DEFINE_string("verify", None, "Verification pairs.", required=True)
define_pairs_flag(FLAGS, "--verify")
FLAGS.DEFINE_float("far", 1e-2, "False accept rate of the threshold.", 0.0, 1.0)
FLAGS.DEFINE_integer("images", 256, "Number of calibration images from --data.", 1)
FLAGS.DEFINE_string("about", None, "JSON file with the text fields of the card.", required=True)
FLAGS.DEFINE_string("out", "tflite", "Output folder.")

WORTH_COMPRESSING = 1024  # entries; below this, HDF5's overhead exceeds the savings
BITS_LEFT_OUT = 13  # of float32's 23 mantissa bits; keeps float16's precision and float32's range


def rounded(array: np.ndarray) -> np.ndarray:
    """Returns float32 values rounded to 11 significant bits."""
    bits = np.asarray(array, np.float32).view(np.uint32).astype(np.uint64)
    half, mask = 1 << (BITS_LEFT_OUT - 1), ~((1 << BITS_LEFT_OUT) - 1) & 0xFFFFFFFF
    return ((bits + half) & mask).astype(np.uint32).view(np.float32)


def compress_weights(source: Path, path: Path) -> None:
    """Rewrites a *.weights.h5 file with compressed arrays; Keras can load it."""
    import h5py

    with h5py.File(source) as given, h5py.File(path, "w", libver="latest") as made:

        def copy(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                options = {"compression": 9, "shuffle": True} if item.size >= WORTH_COMPRESSING else {}
                made.create_dataset(name, data=item[()], **options)
            else:
                made.require_group(name)

        given.visititems(copy)


def float_network(work: Path) -> tuple[Path, Path, dict[str, Any]]:
    """Returns paths of the run's best network, rounded, as .keras and as weights, and the contents of best.json."""
    quiet_tensorflow()
    from seesaw_keras.training.network import build_network
    from seesaw_keras.training.recipe import Recipe

    best = json.loads((Path(FLAGS.run) / "best.json").read_text("utf-8"))
    network = build_network(Recipe.from_json(best["recipe"]), normalize=True)
    network.load_weights(str(Path(FLAGS.run) / "best.weights.h5"))
    network.set_weights([rounded(array) for array in network.get_weights()])
    model, full, weights = work / "model.keras", work / "full.weights.h5", work / "small.weights.h5"
    network.save(model)
    network.save_weights(full)
    compress_weights(full, weights)
    return model, weights, best


def settings_hash() -> str:
    """Returns a short hash of everything that the files depend on; a changed setting starts a new release."""
    names = ("target", "quantized", "data", "verify", "pairs", "far", "images")
    settings = [sha256_of(Path(FLAGS.run) / "best.weights.h5"), *(FLAGS[name].value for name in names)]
    return hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]


def make(made: Path, name: str, *arguments: object) -> None:
    """Runs another command unless its output `made` already exists."""
    if made.exists():
        return
    words = [str(argument) for argument in arguments]
    print(shlex.join(["seesaw", name, *words]), file=sys.stderr, flush=True)
    if run_subcommand(name, words):
        raise ValueError(f"{name}: failed, see above")


def golden(flatbuffer: Path, path: Path) -> None:
    """Writes golden vectors: uint8 images and their int8 embeddings, equal in all bit-exact runtimes."""
    from seesaw_keras.tflite.conversion.interface import pixel_table
    from seesaw_keras.tflite.micro.golden import golden_images
    from seesaw_keras.tflite.runtimes import open_runtime

    runtime = open_runtime("reference", flatbuffer)
    _, height, width, _ = runtime.model.main.inputs[0].shape
    images = np.asarray(golden_images(height, width))
    table = np.asarray(pixel_table(runtime.model))
    embeddings = [np.reshape(runtime.invoke(table[image][None]), -1) for image in images]
    with path.open("wb") as file:
        np.savez_compressed(file, images=images, embeddings=np.stack(embeddings))


def curve() -> list[str]:
    """Returns the validation results during training as Markdown table rows."""
    lines = (Path(FLAGS.run) / "history.csv").read_text("utf-8").splitlines()
    names = lines[0].split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
    return [f"| {row['epoch']} | {row['lfw_accuracy']} |" for row in rows if row.get("lfw_accuracy")]


def without_folders(command: str) -> str:
    """Returns a command line with file names in place of paths, which are those of this machine."""
    return shlex.join(Path(word).name if "/" in word else word for word in shlex.split(command))


def write_card(path: Path, record: dict[str, Any], table: str) -> None:
    """Writes the model card as Markdown; the JSON record next to it is machine-readable."""
    table = re.sub(r"^(?=#)", "##", table, flags=re.M)  # its headings are below "Figures"
    parts = [f"# {record['name']}", *(f"**{key}.** {value}" for key, value in record["about"].items())]
    parts += ["## Figures", table.strip(), f"Threshold for a false accept rate of {FLAGS.far:g}: a cosine of "]
    parts[-1] += f"{record['threshold']:.4f}."
    parts += ["## Learning curve", "\n".join(["| epoch | LFW % |", "| ---: | ---: |", *record["curve"]])]
    parts += ["## Files", "\n".join(f"- `{name}`: {sha}" for name, sha in record["sha256"].items())]
    path.write_text("\n\n".join(parts) + "\n", "utf-8")


def main() -> None:
    """Creates all files in a work folder, then copies them to the output folder."""
    check_target(FLAGS.target)
    about = json.loads(Path(FLAGS.about).read_text("utf-8"))
    work = Path(FLAGS.run) / f"release-{settings_hash()}"
    work.mkdir(exist_ok=True)
    model, weights, best = float_network(work)
    pairs = ["--data", FLAGS.verify, *(["--pairs", FLAGS.pairs] if FLAGS.pairs else [])]
    card, lite, table = work / "card.json", work / "int8.tflite", work / "table.md"
    if not (work / "float.json").exists():
        card.write_text("{}", "utf-8")
    alone, both = work / "float.json", work / "comparison.json"
    verify = ["--model", model, *pairs, "--far", FLAGS.far]
    make(alone, "evaluate", *verify, "--card", card, "--json", alone)
    calibration = json.loads(card.read_text("utf-8"))["calibration"]
    convert = [
        "--model",
        FLAGS.quantized or model,
        "--data",
        FLAGS.data,
        "--images",
        FLAGS.images,
        "--target",
        FLAGS.target,
    ]
    make(lite, "convert_tflite", *convert, "--threshold", calibration["threshold"], "--out", lite)
    make(both, "evaluate", *verify, "--compare", lite, "--markdown", table, "--json", both)
    golden(lite, work / "golden.npz")

    made = {f"{FLAGS.name}.weights.h5": weights, f"{FLAGS.name}.int8.tflite": lite}
    made[f"{FLAGS.name}.golden.npz"] = work / "golden.npz"
    record: dict[str, Any] = {
        "name": FLAGS.name,
        "date": date.today().isoformat(),
        "seesaw_keras": __version__,
        "about": about,
        "training": best,
        "curve": curve(),
        "target": FLAGS.target,
        "threshold": calibration["threshold"],
        "calibration": calibration,
        "verification": json.loads(both.read_text("utf-8")),
        "sha256": {name: sha256_of(path) for name, path in made.items()},
    }
    provenance, words = record["verification"]["provenance"], table.read_text("utf-8")
    words = words.replace(provenance["command"], without_folders(provenance["command"]))
    provenance["command"] = without_folders(provenance["command"])
    out = Path(FLAGS.out)
    out.mkdir(exist_ok=True)
    for name, source in made.items():
        with replacing(out / name) as beside:
            beside.write_bytes(source.read_bytes())
    with replacing(out / f"{FLAGS.name}.json") as beside:
        beside.write_text(json.dumps(record, indent=1) + "\n", "utf-8")
    with replacing(out / f"{FLAGS.name}.md") as beside:
        write_card(beside, record, words)
    print("\n".join(f'    "{name}": "{sha}",' for name, sha in record["sha256"].items()))


run = Command(main, FLAGS)
