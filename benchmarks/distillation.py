r"""Ablation of the distillation recipe: short training runs that each change one setting of a base recipe.

    python benchmarks/distillation.py --rows distillation.jsonl --out runs/distillation \
        --faces prepared/train --more more/train --teacher teacher.onnx \
        --verify prepared/holdout/validation.zip --verify prepared/holdout/degraded.zip \
        --verify prepared/holdout/turned.zip
    python benchmarks/distillation.py ... --only "base,batch 128" --seeds 0,1

Every row is one run of tools/train.py, printed with its settings. All rows process about the same number of images
(--images), so rows with more data see each image less often. Accuracies are those of the last weights on identities
that are in neither data set; their standard error is 0.4 to 0.6 points. Images per second are the median over the
training run and depend on other load on the machine.

Each row is written to --rows when done; a rerun continues.
"""

import csv
import json
import math
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from rows import read_rows, write_rows

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.data.sources import open_source

FLAGS = Flags()
FLAGS.DEFINE_string("rows", None, "JSON Lines file for the results.", required=True)
FLAGS.DEFINE_string("out", "runs/distillation", "Folder for the training runs.")
FLAGS.DEFINE_string("faces", None, "Labeled faces to train on.", required=True)
FLAGS.DEFINE_string("more", None, "Additional, mostly unlabeled faces, for the rows that use them.")
FLAGS.DEFINE_string("teacher", None, "Teacher model.", required=True)
FLAGS.DEFINE_string("teacher_preprocess", "pm1", "Input preprocessing of the teacher.")
FLAGS.DEFINE_string("teacher_cache", None, "Cache folder of the teacher's embeddings. Default: OUT/teacher.")
FLAGS.DEFINE_multi_string("verify", None, "Pairs to verify, as for tools/train.py.", required=True)
FLAGS.DEFINE_string("recipe", "faces_micro", "Base recipe.")
FLAGS.DEFINE_multi_string(
    "set", ["image_size=48", "ema=0.99", "warmup_epochs=0.1"], "Override of a field of the base recipe, key=value."
)
FLAGS.DEFINE_integer("images", 75_000, "Approximate number of images per row, rounded to whole epochs.", 1)
FLAGS.DEFINE_list("only", [], "Names of rows to run. Default: all.")
FLAGS.DEFINE_list("seeds", ["0"], "Seeds of each row.")

TRAIN = Path(__file__).resolve().parents[1] / "tools" / "train.py"


class Row(NamedTuple):
    """A training run to compare.

    Attributes:
        settings: overrides of the base recipe.
        more: whether to train on --more as well.
    """

    settings: tuple[str, ...] = ()
    more: bool = False


PLAIN = ("teacher_views=0", "degrade=0")
ADAMW = ("optimizer=adamw", "weight_decay=1e-2")
COSINE = (*ADAMW, "cosine_weight=20", "contrast_weight=0", "learning_rate=4e-3")
CONTRAST = (*ADAMW, "cosine_weight=0", "contrast_weight=1", "temperature=0.07", "learning_rate=4e-3")
ROWS = {
    "plain images; cosine": Row((*PLAIN, *COSINE)),
    "cosine": Row(COSINE),
    "cosine and contrast": Row((*COSINE, "contrast_weight=1", "temperature=0.07")),
    "contrast": Row(CONTRAST),
    "plain images; contrast": Row((*PLAIN, *CONTRAST)),
    "base": Row(),
    "learning rate 0.2": Row(("learning_rate=0.2",)),
    "more data": Row(more=True),
    "degrade 0.25": Row(("degrade=0.25",)),
    "temperature 0.04": Row(("temperature=0.04",)),
    "temperature 0.12": Row(("temperature=0.12",)),
    "bank of 16384": Row(("bank_size=16384",)),
    "relation": Row(("relation_weight=1",)),
    "NormFace on labels": Row(("margin=normface", "s=16", "label_weight=0.1")),
    "ArcFace on labels": Row(("margin=arcface", "s=32", "m=0.3", "label_weight=0.1")),
    "AdamW": Row((*ADAMW, "learning_rate=8e-3")),
    "batch 32": Row(("batch_size=32", "learning_rate=0.07")),
    "batch 128": Row(("batch_size=128", "learning_rate=0.14")),
    "no EMA": Row(("ema=0",)),
    "dropout 0.1": Row(("dropout=0.1",)),
}


def train(name: str, row: Row, seed: str) -> dict[str, Any]:
    """Runs one training and returns its row: accuracies in percent, throughput and duration."""
    data = [FLAGS.faces, *([FLAGS.more] if row.more else [])]
    images = sum(len(open_source(path)) for path in data)
    epochs = max(round(FLAGS.images / images), 1)
    weight = FLAGS.images / images if epochs == 1 else 1.0  # with more than --images images, sample a part
    settings = [*FLAGS.set, f"epochs={epochs}", "validate_every=1000", *row.settings, f"seed={seed}"]
    out = Path(FLAGS.out, f"{name.replace(',', '').replace(' ', '_')}-{seed}")
    command = [sys.executable, str(TRAIN), "--recipe", FLAGS.recipe, "--out", str(out)]
    command += [part for setting in settings for part in ("--set", setting)]
    command += [part for path in data for part in ("--data", path)]
    command += ["--data_weights", ",".join([f"{weight:.4f}"] * len(data))]
    command += ["--teacher", FLAGS.teacher, "--teacher_preprocess", FLAGS.teacher_preprocess]
    command += ["--teacher_cache", FLAGS.teacher_cache or str(Path(FLAGS.out, "teacher"))]
    command += [part for path in FLAGS.verify for part in ("--verify", path)]
    print(f"{name}, seed {seed}: {' '.join(settings)}", file=sys.stderr, flush=True)
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    with (out / "history.csv").open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    rates = sorted(float(line["images_per_second"]) for line in lines if line.get("images_per_second"))
    best = json.loads((out / "best.json").read_text("utf-8"))
    figures = {key.removesuffix("_accuracy"): round(value, 2) for key, value in best["figures"].items() if "acc" in key}
    return {
        "row": name,
        "seed": int(seed),
        "images": math.floor(images * weight) * epochs,
        "images/s": round(rates[len(rates) // 2]) if rates else None,
        "minutes": round((time.monotonic() - start) / 60, 1),
        **figures,
        "mean": round(best["accuracy"], 2),
        "settings": " ".join(row.settings),
    }


def main() -> None:
    """Runs the missing trainings and prints the table."""
    names = FLAGS.only or list(ROWS)
    if unknown := set(names) - set(ROWS):
        raise ValueError(f"--only: no row {sorted(unknown)[0]!r}; the rows are {', '.join(ROWS)}")
    path = Path(FLAGS.rows)
    results = read_rows(path)
    for seed in FLAGS.seeds:
        for name in names:
            row = ROWS[name]
            done = any((result["row"], result["seed"]) == (name, int(seed)) for result in results)
            if not done and (FLAGS.more or not row.more):
                results.append(train(name, row, seed))
                write_rows(path, results)
    if results:
        columns = list(results[0])
        print(f"| {' | '.join(columns)} |\n| --- |{' ---: |' * (len(columns) - 2)} --- |")
        for result in results:
            print(f"| {' | '.join(str(value) for value in result.values())} |")


if __name__ == "__main__":
    Command(main, FLAGS)()
