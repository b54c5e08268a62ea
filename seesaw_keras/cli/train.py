r"""Trains a network with a recipe. An interrupted run can be resumed with the same command.

    seesaw train                                  # synthetic faces, minutes on two cores
    seesaw train --recipe paper --data faces_emore --verify lfw.bin --out runs/paper

The data set is InsightFace RecordIO, TFRecord shards, a folder or .zip of identity/image, or a .csv;
`synthetic:2000x10@32` is a set of 2,000 synthetic identities with 10 images each, 32 pixels wide. Any field of the
recipe can be overridden:

    seesaw train --recipe paper --set epochs=4 --set batch_size=64 --set learning_rate=0.03 ...

With distillation from a stronger network's embeddings, with or without labels (`--set margin=none`):

    seesaw train --recipe distill --data faces --teacher teacher.onnx --teacher_preprocess imagenet

With several data sets and teachers; here half of the images of `more_faces` are shown per epoch. Images whose identity
has no other image, as in a collection without names, contribute only to the distillation loss:

    seesaw train --recipe distill --data faces --data more_faces --data_weights 1,0.5 \
        --teacher a.onnx --teacher b.onnx --set teacher_views=4 --set degrade=0.5 --verify validation.zip

Starting from the weights of another training run, which may have used smaller images:

    seesaw train --recipe faces --weights runs/small/best.weights.h5 ...

On several machines, each with its TF_CONFIG and the same folder for --out:

    seesaw train --strategy multi_worker ...

The output folder contains model.keras (the network), best.weights.h5 (the weights with the best validation accuracy),
history.csv, curves.png, run.json (configuration and provenance), checkpoints, and logs for `tensorboard --logdir`.
"""

import json
import re
import time
from pathlib import Path
from typing import Any

from tqdm import tqdm

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.pairs_flag import define_pairs_flag
from seesaw_keras.cli.support.progress_bars import ProgressBars
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.data import Mixture, Pairs, Source, open_pairs, open_source, prepare_faces
from seesaw_keras.data.fingerprint import fingerprint
from seesaw_keras.data.synthetic.names import is_synthetic
from seesaw_keras.files import replacing, sha256_of
from seesaw_keras.inference.preprocessing import PREPROCESSES
from seesaw_keras.reports.training_curves import TrainingCurves
from seesaw_keras.reports.verification_plots import score_histogram
from seesaw_keras.reports.verification_record import provenance
from seesaw_keras.training.callbacks.callback import Callback
from seesaw_keras.training.callbacks.history import History
from seesaw_keras.training.callbacks.progress import ProgressBar
from seesaw_keras.training.callbacks.tensorboard import TensorBoard
from seesaw_keras.training.callbacks.validation import Validation
from seesaw_keras.training.distillation.teacher import load_teachers, teacher_targets
from seesaw_keras.training.recipe import Recipe, get_recipe, list_recipes

RECIPES = "; ".join(f"{name}: {get_recipe(name).summary}" for name in list_recipes())

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_enum("recipe", "synthetic", list_recipes(), f"Training recipe. {RECIPES}.")
FLAGS.DEFINE_multi_string("set", [], "key=value: override a field of the recipe; repeatable.")
FLAGS.DEFINE_multi_string(
    "data", None, "Training data set; repeatable. Default for the recipe `synthetic`: 2,000 synthetic identities."
)
FLAGS.DEFINE_list("data_weights", None, "Sampling weight of each --data per epoch, such as 1,0.5. Default: 1 for each.")
FLAGS.DEFINE_string("out", None, "Output folder. Default: runs/RECIPE.")
FLAGS.DEFINE_multi_string(
    "verify",
    None,
    "Validation pairs; repeatable: a .bin, a .zip from `seesaw prepare_data --holdout_pairs`, images of LFW or CFP, or "
    "synthetic:2000@32. The weights with the best mean accuracy are kept.",
)
define_pairs_flag(FLAGS, "--verify")
FLAGS.DEFINE_multi_string(
    "teacher", [], "Teacher model or stored embeddings; repeatable: .keras, .tflite, .onnx, .npy or .npz."
)
FLAGS.DEFINE_list(
    "teacher_preprocess", None, f"Input preprocessing of each teacher: {', '.join(PREPROCESSES)}. Default: pm1."
)
FLAGS.DEFINE_string(
    "teacher_cache", None, "Folder for teacher embeddings, can be shared by training runs. Default: OUT/teacher."
)
FLAGS.DEFINE_string("weights", None, "Initial weights: a *.weights.h5 of the same variant and width.")
FLAGS.DEFINE_enum("strategy", "none", ["none", "mirrored", "multi_worker"], "Distribution strategy.")
FLAGS.DEFINE_bool("deterministic", False, "Bit-reproducible weights, also after interruptions; slower.")


def training_sets(recipe: Recipe, out: Path, *, chief: bool) -> list[Path]:
    """Returns the paths of the training sets; the chief renders synthetic faces once into the output folder."""
    if not FLAGS.data and recipe.name != "synthetic":
        raise ValueError(f"--data: required by the recipe {recipe.name}; see --help")
    paths = []
    for number, data in enumerate(FLAGS.data or [f"synthetic:2000x10@{recipe.image_size}"]):
        if not is_synthetic(data):
            paths.append(Path(data))
            continue
        faces = out / ("faces" if number == 0 else f"faces{number}")
        if chief:
            with ProgressBars() as bars:
                prepare_faces(data, faces, progress=bars)
        paths.append(faces / "train")
    return paths


def data_weights() -> list[float] | None:
    """Returns the sampling weight of each data set, or None for equal weights."""
    if FLAGS.data_weights is None:
        return None
    try:
        return [float(text) for text in FLAGS.data_weights]
    except ValueError:
        raise ValueError(f"--data_weights {','.join(FLAGS.data_weights)}: must be numbers such as 1,0.5") from None


def open_faces(paths: list[Path]) -> Source:
    """Opens the data sets as one source."""
    weights = data_weights()
    sources = [open_source(path) for path in paths]
    return sources[0] if len(sources) == 1 and weights is None else Mixture(sources, weights)


def verification_pairs(recipe: Recipe) -> dict[str, Pairs]:
    """Returns the validation pairs by name; for the built-in demo data, pairs of other synthetic identities."""
    if not FLAGS.verify:
        return {} if FLAGS.data else {"synthetic": open_pairs(f"synthetic:2000@{recipe.image_size}")}
    sets = {}
    for path in FLAGS.verify:
        name = re.split(r"\W|_", Path(path).name)[0]
        if name in sets:
            raise ValueError(f"--verify: two sets are called {name!r} after the first word of their files; rename one")
        sets[name] = open_pairs(path, FLAGS.pairs)
    return sets


def teacher(recipe: Recipe, source: Source, out: Path) -> Any:
    """Returns the teachers' embeddings of the data, or None for a recipe without distillation."""
    if not recipe.distills:
        if FLAGS.teacher:
            raise ValueError("--teacher: the recipe has no distillation loss; set one, such as --set cosine_weight=20")
        return None
    if not FLAGS.teacher:
        raise ValueError("--teacher: required by the recipe's distillation loss, a model or a file of embeddings")
    teachers = load_teachers(FLAGS.teacher, FLAGS.teacher_preprocess)
    with tqdm(total=len(source) * len(teachers), desc="teacher", unit="image", disable=None) as bar:
        return teacher_targets(
            teachers,
            source,
            FLAGS.teacher_cache or out / "teacher",
            size=recipe.embedding_size,
            views=recipe.views,
            progress=bar.update,
        )


def file_facts(path: str | None) -> dict[str, str] | None:
    """Returns the name and SHA-256 of a file, or None."""
    return {"file": Path(path).name, "sha256": sha256_of(path)} if path else None


def store(out: Path, model: Any, recipe: Recipe, data: list[Path], seconds: float) -> None:
    """Writes model.keras and run.json."""
    with replacing(out / "model.keras") as beside:
        model.save(beside)
    record = {
        "recipe": recipe.to_json(),
        "data": [fingerprint(path) for path in data],
        "data_weights": data_weights(),
        "teacher": [file_facts(path) for path in FLAGS.teacher],
        "weights": file_facts(FLAGS.weights),
        "sha256": sha256_of(out / "model.keras"),
        "seconds_of_this_process": round(seconds),
        "provenance": provenance(run.command_line),
    }
    with replacing(out / "run.json") as beside:
        beside.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", "utf-8")


def main() -> None:
    """Trains the network and writes the results."""
    recipe = get_recipe(FLAGS.recipe).override(FLAGS.set)
    out = Path(FLAGS.out or f"runs/{recipe.name}")
    start = time.monotonic()
    pairs = verification_pairs(recipe)
    print(f"training by the recipe {recipe.name} into {out}; loading TensorFlow ...", flush=True)
    quiet_tensorflow()
    from seesaw_keras.training.strategies import check_workers_agree, is_chief, make_strategy
    from seesaw_keras.training.trainer import train

    strategy = make_strategy(FLAGS.strategy)
    chief = is_chief(strategy)
    data = training_sets(recipe, out, chief=chief)
    # Also a barrier: the data are written.
    check_workers_agree(strategy, str(data), "--data: the workers were given different ones")
    source = open_faces(data)
    targets = teacher(recipe, source, out)
    callbacks: list[Callback] = [History(), TrainingCurves(), ProgressBar(), TensorBoard()]
    if pairs:
        callbacks.insert(0, Validation(pairs, draw=score_histogram))
    model = train(
        recipe,
        source,
        out,
        strategy=strategy,
        teacher=targets,
        weights=FLAGS.weights,
        callbacks=callbacks,
        deterministic=FLAGS.deterministic,
    )
    if chief:
        store(out, model, recipe, data, time.monotonic() - start)
        print(f"{out}: model.keras, history.csv, curves.png, run.json; tensorboard --logdir {out}")


run = Command(main, FLAGS)
