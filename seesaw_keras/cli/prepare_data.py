"""Builds a training set from face images: validated, deduplicated, in shards, with a manifest.

    seesaw prepare_data --data=faces_emore --output=prepared --min_images=3 --holdout_identities=1000

The data set is InsightFace RecordIO (a .rec file or its folder), TFRecord shards, a folder or .zip of identity/image,
or a .csv of path,identity. The output contains `train`; `holdout`, with identities that are not in `train`;
left_out.csv, which lists every excluded image and identity with the reason; and manifest.json. Repeat the command to
resume an interrupted run; for a finished run, the files are verified against the manifest.

To select weights and settings without the test set, create validation pairs of held-out identities: plain, degraded and
turned, each a .zip for --verify of `seesaw train` and --data of `seesaw evaluate`:

    seesaw prepare_data --data=faces_emore --output=prepared --holdout_identities=500 --holdout_pairs=3000

To avoid identity overlap with a test set, exclude identities that are similar to those of the test set:

    seesaw prepare_data --data=faces_emore --output=prepared --exclude_near=lfw.bin --embedder=model.tflite

Verification pairs (a .bin, or images of LFW or CFP with --pairs) are written as an InsightFace .bin:

    seesaw prepare_data --data=lfw.zip --pairs=pairs.txt --output=lfw
"""

import os
from pathlib import Path

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.progress_bars import ProgressBars
from seesaw_keras.data.preparation.near import Exclusion
from seesaw_keras.data.preparation.prepare import FORMATS, Settings, prepare_faces
from seesaw_keras.data.preparation.prepare_pairs import prepare_pairs
from seesaw_keras.data.preparation.run_folder import LEFT_OUT
from seesaw_keras.inference.embedders import load_embedder
from seesaw_keras.inference.preprocessing import PREPROCESSES

__all__ = ["run"]

FLAGS = Flags()
DEFAULT = Settings()
FLAGS.DEFINE_string(
    "data", None, "Data set to prepare: a .rec, .tfrecord, .csv, .zip or .bin, or a folder.", required=True
)
FLAGS.DEFINE_string("output", None, "Output folder: new, or of an interrupted run to resume.", required=True)
FLAGS.DEFINE_string(
    "pairs", None, "Pair list of LFW (pairs.txt) or CFP (Protocol/Split/FP), to prepare verification pairs."
)
FLAGS.DEFINE_enum(
    "format",
    DEFAULT.format,
    FORMATS,
    "Output format: TFRecord shards, or InsightFace's train.rec, train.idx and property.",
)
FLAGS.DEFINE_integer("images_per_shard", DEFAULT.images_per_shard, "Images per TFRecord shard.", lower_bound=1)
FLAGS.DEFINE_integer("min_images", DEFAULT.min_images, "Exclude identities with fewer images.", lower_bound=1)
FLAGS.DEFINE_integer(
    "holdout_identities", 0, "Number of identities to write to `holdout` instead of `train`.", lower_bound=0
)
FLAGS.DEFINE_integer(
    "holdout_pairs",
    0,
    "Number of genuine and of impostor pairs of held-out identities: holdout/validation.zip, degraded.zip, turned.zip.",
    lower_bound=0,
)
FLAGS.DEFINE_integer("seed", DEFAULT.seed, "Seed for the choice of held-out identities and their pairs.")
FLAGS.DEFINE_string(
    "exclude_near", None, "Test set, a .bin or as --data; identities similar to those in it are excluded."
)
FLAGS.DEFINE_string(
    "embedder",
    None,
    "Embedding model for --exclude_near: a .tflite, .onnx, .keras or .h5 file, or a SavedModel folder.",
)
FLAGS.DEFINE_enum("preprocess", None, list(PREPROCESSES), "Input preprocessing of --embedder. Default: pm1.")
FLAGS.DEFINE_float("near_cosine", 0.5, "Minimum cosine of mean embeddings at which an identity is excluded.", -1.0, 1.0)
FLAGS.DEFINE_integer("processes", None, "Number of worker processes. Default: one per CPU.", lower_bound=1)

NOT_OF_PAIRS = (
    *("format", "images_per_shard", "min_images", "holdout_identities", "holdout_pairs", "seed"),
    *("exclude_near", "embedder", "preprocess", "near_cosine", "processes"),
)


def exclusion() -> Exclusion | None:
    """Returns the identities to exclude as the flags specify, or None."""
    if not FLAGS.exclude_near and not FLAGS.embedder:
        return None
    if not FLAGS.exclude_near or not FLAGS.embedder:
        raise ValueError("--exclude_near and --embedder require each other")
    embedder = load_embedder(
        FLAGS.embedder, preprocess=FLAGS.preprocess, threads=FLAGS.processes or os.cpu_count() or 1
    )
    return Exclusion(FLAGS.exclude_near, embedder, FLAGS.near_cosine)


def pairs(bars: ProgressBars) -> None:
    """Prepares verification pairs and prints a summary."""
    for name in NOT_OF_PAIRS:
        if FLAGS[name].present:
            raise ValueError(f"--{name} applies to training sets; {FLAGS.data} contains verification pairs")
    manifest = prepare_pairs(FLAGS.data, FLAGS.output, pairs=FLAGS.pairs, progress=bars)
    counts = manifest["counts"]
    for name in manifest["files"]:
        if name != LEFT_OUT:
            print(f"{Path(FLAGS.output, name)}: {counts['pairs']:,} pairs, {counts['same']:,} of one person")
    if counts["pairs_left_out"]:
        print(f"left out: {counts['pairs_left_out']:,} pairs, see {LEFT_OUT}")
    if not manifest["folds_kept"]:
        print("a .bin stores no folds: its readers use ten equal ones, which differ from those of the protocol")


def faces(bars: ProgressBars) -> None:
    """Prepares a training set and prints a summary."""
    settings = Settings(
        format=FLAGS.format,
        images_per_shard=FLAGS.images_per_shard,
        min_images=FLAGS.min_images,
        holdout_identities=FLAGS.holdout_identities,
        holdout_pairs=FLAGS.holdout_pairs,
        seed=FLAGS.seed,
    )
    manifest = prepare_faces(
        FLAGS.data, FLAGS.output, settings, exclusion=exclusion(), processes=FLAGS.processes, progress=bars
    )
    for name, counts in manifest["sets"].items():
        print(f"{Path(FLAGS.output, name)}: {counts['images']:,} images of {counts['identities']:,} identities")
    if FLAGS.holdout_pairs:
        pairs_made = f"{FLAGS.holdout_pairs:,} genuine and as many impostor pairs in each .zip"
        print(f"{Path(FLAGS.output, 'holdout')}: {pairs_made}")
    left_out = [f"{count:,} {reason}" for reason, count in manifest["left_out"].items() if count]
    if left_out:
        print(f"images left out: {', '.join(left_out)}; see {LEFT_OUT}")


def main() -> None:
    """Prepares verification pairs or a training set."""
    with ProgressBars() as bars:
        if FLAGS.pairs or FLAGS.data.lower().endswith(".bin"):
            pairs(bars)
        else:
            faces(bars)


run = Command(main, FLAGS)
