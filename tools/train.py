"""Trains a network by a recipe; killed at any moment and started again by the same command, it goes on.

    python tools/train.py                                  # synthetic faces, minutes on two cores
    python tools/train.py --recipe paper --data faces_emore --verify lfw.bin --out runs/paper

The data are InsightFace's RecordIO, TFRecord shards, a folder or .zip of identity/image, or a .csv;
`synthetic:2000x10@32` are 2,000 people who do not exist, in 10 pictures each, 32 pixels wide. Any field of the recipe
can be changed:

    python tools/train.py --recipe paper --set epochs=4 --set batch_size=64 --set learning_rate=0.03 ...

From a stronger network's embeddings, with the labels or without (`--set margin=none`):

    python tools/train.py --recipe distill --data faces --teacher teacher.onnx --teacher_preprocess imagenet

From the weights of another training, which may have had smaller images:

    python tools/train.py --recipe faces --weights runs/small/best.weights.h5 ...

On several machines, each with its TF_CONFIG and the same folder for --out:

    python tools/train.py --strategy multi_worker ...

The folder then holds model.keras (the network), best.weights.h5 (where verification was best), history.csv, curves.png,
run.json (what made them), checkpoints, and logs for `tensorboard --logdir`.
"""

import json
import os
import re
import shlex
import sys
import time
from pathlib import Path
from typing import Any

from absl import flags
from tqdm import tqdm

from seesaw_keras import cli
from seesaw_keras.data import Pairs, Source, open_pairs, open_source, prepare_faces
from seesaw_keras.data.fingerprint import fingerprint
from seesaw_keras.data.preprocess import PREPROCESSES
from seesaw_keras.data.synthetic.names import is_synthetic
from seesaw_keras.files import replacing, sha256_of
from seesaw_keras.training.curves import plot_history
from seesaw_keras.training.history import History
from seesaw_keras.training.monitor import Monitor
from seesaw_keras.training.progress import ProgressBar
from seesaw_keras.training.recipe import Recipe, get_recipe, list_recipes
from seesaw_keras.training.teacher import teacher_embeddings
from seesaw_keras.training.tensorboard import TensorBoardMonitor
from seesaw_keras.training.validation import Validation
from seesaw_keras.verification.embedders import load_embedder
from seesaw_keras.verification.report import provenance

RECIPES = "; ".join(f"{name}: {get_recipe(name).summary}" for name in list_recipes())

FLAGS = flags.FLAGS
flags.DEFINE_enum("recipe", "synthetic", list_recipes(), f"What to do. {RECIPES}.")
flags.DEFINE_multi_string("set", [], "key=value: another value for a field of the recipe.")
flags.DEFINE_string("data", None, "Faces to train on; for the recipe `synthetic`, 2,000 people in 10 pictures each.")
flags.DEFINE_string("out", None, "Folder for all that comes of it; runs/RECIPE if not given.")
flags.DEFINE_string("verify", None, "Pairs to verify on the way: a .bin, LFW's or CFP's images, or synthetic:2000@32.")
flags.DEFINE_string("pairs", None, "LFW's pairs.txt or CFP's Protocol/Split/FP, for --verify of images.")
flags.DEFINE_string(
    "teacher", None, "Who is learned from: a .keras, .tflite or .onnx file, or a .npy or .npz of embeddings."
)
flags.DEFINE_enum("teacher_preprocess", None, list(PREPROCESSES), "What the teacher wants of pixels; pm1 if not given.")
flags.DEFINE_string("weights", None, "Weights to start from: a *.weights.h5 of the same variant and width.")
flags.DEFINE_enum("strategy", "none", ["none", "mirrored", "multi_worker"], "How devices and machines share the work.")
flags.DEFINE_bool("deterministic", False, "The same weights, bit for bit, however often it is killed; slower.")


def training_set(recipe: Recipe, out: Path, *, chief: bool) -> Path:
    """Returns where the faces are; synthetic ones are drawn once, by the chief, into the output folder."""
    if FLAGS.data is None and recipe.name != "synthetic":
        raise ValueError(f"--data: the recipe {recipe.name} needs faces to train on; see --help")
    data = FLAGS.data or f"synthetic:2000x10@{recipe.image_size}"
    if not is_synthetic(data):
        return Path(data)
    if chief:
        with cli.Bars() as bars:
            prepare_faces(data, out / "faces", progress=bars)
    return out / "faces" / "train"


def verification_pairs(recipe: Recipe) -> dict[str, Pairs]:
    """Returns the pairs to verify on the way, by name; with the embedded data, people who are not in it."""
    if FLAGS.verify:
        name = re.split(r"\W|_", Path(FLAGS.verify).name)[0]
        return {name: open_pairs(FLAGS.verify, FLAGS.pairs)}
    return {} if FLAGS.data else {"synthetic": open_pairs(f"synthetic:2000@{recipe.image_size}")}


def teacher(recipe: Recipe, source: Source, out: Path) -> Any:
    """Returns the teacher's embeddings of the data, None if the recipe learns from no teacher."""
    if not recipe.distils:
        if FLAGS.teacher:
            raise ValueError("--teacher: the recipe does not learn from one; --set cosine_weight=20, for example")
        return None
    if not FLAGS.teacher:
        raise ValueError("--teacher: the recipe learns from one; name a model or a file of embeddings")
    embedder = load_embedder(FLAGS.teacher, preprocess=FLAGS.teacher_preprocess, threads=os.cpu_count() or 1)
    with tqdm(total=len(source), desc="teacher", unit="image", disable=None) as bar:
        return teacher_embeddings(embedder, source, out / "teacher", flip=recipe.flip, progress=bar.update)


def file_facts(path: str | None) -> dict[str, str] | None:
    """Returns what tells a file from others."""
    return {"file": Path(path).name, "sha256": sha256_of(path)} if path else None


def store(out: Path, model: Any, recipe: Recipe, data: Path, seconds: float) -> None:
    """Writes the network and what made it."""
    with replacing(out / "model.keras") as beside:
        model.save(beside)
    plot_history(out / "history.csv", out / "curves.png")
    record = {
        "recipe": recipe.to_json(),
        "data": fingerprint(data),
        "teacher": file_facts(FLAGS.teacher),
        "weights": file_facts(FLAGS.weights),
        "sha256": sha256_of(out / "model.keras"),
        "seconds_of_this_process": round(seconds),
        "provenance": provenance([shlex.quote(part) for part in sys.argv]),
    }
    with replacing(out / "run.json") as beside:
        beside.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")


def main() -> None:
    """Trains as the flags say and writes what came of it."""
    recipe = get_recipe(FLAGS.recipe).override(FLAGS.set)
    out = Path(FLAGS.out or f"runs/{recipe.name}")
    start = time.monotonic()
    pairs = verification_pairs(recipe)
    print(f"training by the recipe {recipe.name} into {out}; loading TensorFlow ...", flush=True)
    cli.quiet_tensorflow()
    from seesaw_keras.training.strategies import agree, is_chief, make_strategy
    from seesaw_keras.training.trainer import train

    strategy = make_strategy(FLAGS.strategy)
    chief = is_chief(strategy)
    data = training_set(recipe, out, chief=chief)
    agree(strategy, str(data), "--data: the workers were given different ones")  # and all wait until it is there
    source = open_source(data)
    targets = teacher(recipe, source, out)
    monitors: list[Monitor] = [History(), ProgressBar(), TensorBoardMonitor()]
    if pairs:
        monitors.insert(0, Validation(pairs))
    model = train(
        recipe,
        source,
        out,
        strategy=strategy,
        teacher=targets,
        weights=FLAGS.weights,
        monitors=monitors,
        deterministic=FLAGS.deterministic,
    )
    if chief:
        store(out, model, recipe, data, time.monotonic() - start)
        print(f"{out}: model.keras, history.csv, curves.png, run.json; tensorboard --logdir {out}")


if __name__ == "__main__":
    cli.run(main)
