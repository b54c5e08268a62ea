"""Compresses a trained network by pruning, quantization-aware training, or both, with self-distillation.

    seesaw compress --stage quantize --model model.keras --data faces --verify synthetic:2000@32 --out int8
    seesaw compress --stage prune+quantize --sparsity 0.9 --recipe faces --data train.rec --verify lfw.bin ...

Pruning sets weights to zero, which reduces the size of a compressed download. `--pattern unstructured` distributes
zeros over the layers according to a sensitivity scan; `--pattern 2:4` prunes two of every four input channels.
`--pattern channels` removes whole channels, a share of --sparsity, which also makes the network faster. Each stage
trains for about --steps batches with the batch size, mirroring and seed of --recipe and the network's own embeddings
as the teacher; `--set learning_rate=1e-3` overrides a field of the stage's recipe. Repeat the command to resume an
interrupted run.

The output folder contains the fully int8 flatbuffers before.tflite (the uncompressed network with post-training
quantization) and after.tflite; report.json; prune/model.keras, quantize/saved_model, and history.csv and checkpoints of
each stage.
"""

import contextlib
import gzip
import io
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.pairs_flag import define_pairs_flag
from seesaw_keras.cli.support.progress_bars import ProgressBars
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.data import Pairs, Source, open_pairs, open_source
from seesaw_keras.data.preparation.sample import EvenSample
from seesaw_keras.data.representative import representative_images
from seesaw_keras.files import replacing, sha256_of
from seesaw_keras.inference.embedders import load_embedder
from seesaw_keras.reports.training_curves import TrainingCurves
from seesaw_keras.reports.verification_plots import score_histogram
from seesaw_keras.reports.verification_record import provenance
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import to_float
from seesaw_keras.training.callbacks.history import History
from seesaw_keras.training.callbacks.progress import ProgressBar
from seesaw_keras.training.callbacks.tensorboard import TensorBoard
from seesaw_keras.training.callbacks.validation import Validation
from seesaw_keras.training.recipe import Recipe, get_recipe, list_recipes
from seesaw_keras.verification.comparison import compare
from seesaw_keras.verification.evaluation import Verification, evaluate

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_enum("stage", "quantize", ["prune", "quantize", "prune+quantize"], "Compression stages to run.")
FLAGS.DEFINE_string("model", None, "Trained network, a .keras file.", required=True)
FLAGS.DEFINE_enum("recipe", "synthetic", list_recipes(), "Recipe whose batch size, mirroring and seed are used.")
FLAGS.DEFINE_multi_string("set", [], "key=value: override a field of the recipe; repeatable.")
FLAGS.DEFINE_string("data", None, "Training images; labels are not used.", required=True)
FLAGS.DEFINE_string(
    "verify", None, "Verification pairs: a .bin, images of LFW or CFP, or synthetic:2000@32.", required=True
)
define_pairs_flag(FLAGS, "--verify")
FLAGS.DEFINE_string("out", None, "Output folder.", required=True)
FLAGS.DEFINE_integer("steps", 3000, "Approximate number of training steps per stage.", 1)
FLAGS.DEFINE_enum("pattern", "unstructured", ["unstructured", "2:4", "channels"], "Pruning pattern.")
FLAGS.DEFINE_float("sparsity", 0.8, "Fraction of zeros in the pruned layers, or of channels to remove.", 0.0, 0.99)
FLAGS.DEFINE_list("also", [], "Additional layers to prune: stem, depthwise, squeeze_excite.")
FLAGS.DEFINE_enum("importance", "taylor", ["taylor", "gamma"], "Importance criterion for channel pruning.")
FLAGS.DEFINE_integer(
    "freeze_after", 0, "`quantize`: steps after which quantization ranges and batch statistics are frozen.", 0
)

CALIBRATION_IMAGES = 256
BATCH_IMAGES = 64  # subset, in one batch, for the sensitivity scan and the initial ranges


def teacher(source: Source, recipe: Recipe, out: Path) -> Any:
    """Returns the network's own embeddings of the data, or None if the recipe trains on labels only."""
    from seesaw_keras.training.distillation.teacher import teacher_targets

    if not recipe.distills:
        return None
    with tqdm(total=len(source), desc="teacher", unit="image", disable=None) as bar:
        return teacher_targets(
            [load_embedder(FLAGS.model)],
            source,
            out / "teacher",
            size=recipe.embedding_size,
            views=recipe.views,
            progress=bar.update,
        )


def pruning(network: Any, batch: np.ndarray, out: Path) -> Any:
    """Returns the network to train with its pruning configuration, which is read from `out` if it was stored before."""
    from seesaw_keras import compression
    from seesaw_keras.compression.loading import load_network

    if FLAGS.pattern == "2:4":
        return compression.PruningNetwork(network, None, FLAGS.also)
    choice = {name: FLAGS[name].value for name in ("pattern", "sparsity", "also", "importance")}
    path, smaller = out / "pruning.json", out / "smaller.keras"
    if not path.exists():
        layers = None
        if FLAGS.pattern == "channels":
            if FLAGS.importance == "taylor":
                importance = compression.taylor_importance(network, batch)
            else:
                importance = compression.gamma_importance(network)
            with replacing(smaller) as beside:
                compression.prune_channels(network, FLAGS.sparsity, importance).save(beside)
        else:
            with ProgressBars() as bars:
                curves = compression.scan(network, batch, FLAGS.also, progress=lambda *at: bars("sensitivity", *at))
            layers = compression.allocate(curves, FLAGS.sparsity)
        write(path, json.dumps({"choice": choice, "layers": layers}, indent=2) + "\n")
    record = json.loads(path.read_bytes())
    if record["choice"] != choice:
        raise ValueError(f"{path}: was written with other settings, {record['choice']}; set another --out")
    if FLAGS.pattern == "channels":
        return compression.ChannelPrunedNetwork(load_network(smaller))
    return compression.PruningNetwork(network, record["layers"])


def verified(source: Any, pairs: Pairs) -> Verification:
    """Evaluates a network on the pairs, with a progress bar."""
    embedder = load_embedder(source)
    with tqdm(total=len(pairs.names), unit="image", desc=embedder.name, disable=None) as bar:
        return evaluate(embedder, pairs, progress=bar.update)


def flatbuffer_record(path: Path) -> dict[str, Any]:
    """Returns the size of a flatbuffer in bytes and the fraction of zeros in the weights of each convolution."""
    operators = flatbuffer.read(path).main.operators
    convolutions = [operator for operator in operators if operator.code in ("CONV_2D", "DEPTHWISE_CONV_2D")]
    weights = [tensor for tensor in (operator.inputs[1] for operator in convolutions) if tensor is not None]
    return {
        "bytes": path.stat().st_size,
        "gzipped": len(gzip.compress(path.read_bytes(), 9, mtime=0)),
        "zeros": {tensor.name.removesuffix("/weights"): float(np.mean(tensor.data == 0)) for tensor in weights},
    }


def report(out: Path, networks: dict[str, Any], pairs: Pairs, recipe: Recipe, **facts: Any) -> str:
    """Evaluates all networks, writes report.json and returns a Markdown table."""
    results = {name: verified(source, pairs) for name, source in networks.items()}
    rows: dict[str, dict[str, Any]] = {}
    for name, result in results.items():
        change = compare(
            results["float"].ten_fold, result.ten_fold, result.same, results["float"].embeddings, result.embeddings
        )
        figures = result.to_json()
        rows[name] = {
            "accuracy": figures["accuracy"],
            "interval": figures["intervals"]["accuracy"],
            "cosine": change.cosine,
            "p_value": change.p_value,
        }
        if isinstance(networks[name], Path):
            rows[name] |= flatbuffer_record(networks[name])
    record = {
        "networks": rows,
        **facts,
        "recipe": recipe.to_json(),
        "model_sha256": sha256_of(FLAGS.model),
        "provenance": provenance(run.command_line),
    }
    write(out / "report.json", json.dumps(record, indent=2) + "\n")
    lines = ["| network | accuracy | cosine with float | bytes | gzipped |", "| --- | ---: | ---: | ---: | ---: |"]
    for name, row in rows.items():
        sizes = " | ".join(f"{row[key]:,}" if key in row else "" for key in ("bytes", "gzipped"))
        lines.append(f"| {name} | {row['accuracy']:.2f} | {row['cosine']['mean']:.4f} | {sizes} |")
    return "\n".join(lines)


def write(path: Path, content: str) -> None:
    """Writes a text file atomically."""
    with replacing(path) as beside:
        beside.write_text(content, "utf-8")


def main() -> None:
    """Runs the stages and prints the report."""
    quiet_tensorflow()
    from seesaw_keras.compression import QuantizationNetwork, fake_quantized_matches
    from seesaw_keras.compression.fine_tuning import fine_tuning
    from seesaw_keras.compression.layer_graph import check_plain
    from seesaw_keras.compression.loading import load_network
    from seesaw_keras.tflite.conversion.convert import convert
    from seesaw_keras.training.trainer import train

    out, stages = Path(FLAGS.out), FLAGS.stage.split("+")
    network = load_network(FLAGS.model)
    check_plain(network)
    faces, pairs = open_source(FLAGS.data), open_pairs(FLAGS.verify, FLAGS.pairs)
    # The batch size determines the steps per epoch, and these the number of epochs.
    recipe = get_recipe(FLAGS.recipe).override(change for change in FLAGS.set if change.startswith("batch_size="))
    source = EvenSample(faces, FLAGS.steps * recipe.batch_size)
    recipe = fine_tuning(recipe, network, images=len(source), steps=FLAGS.steps).override(FLAGS.set)
    images = representative_images(faces, CALIBRATION_IMAGES, side=network.input_shape[1])
    batch = to_float(images[:: CALIBRATION_IMAGES // BATCH_IMAGES])
    to_prune = pruning(network, batch, out) if "prune" in stages else None
    targets = teacher(source, recipe, out)

    def learn(stage: str, given: Any) -> Any:
        print(f"{stage}: {recipe.epochs} epochs of {len(source):,} images into {out / stage}", flush=True)
        judge = Validation({"pairs": pairs}, draw=score_histogram)
        callbacks = [judge, History(), TrainingCurves(), ProgressBar(), TensorBoard()]
        return given.finished(train(recipe, source, out / stage, teacher=targets, network=given, callbacks=callbacks))

    made, networks, facts = network, {"float": network}, {}
    if to_prune is not None:
        made = networks["pruned"] = learn("prune", to_prune)
        with replacing(out / "prune" / "model.keras") as beside:
            made.save(beside)
    flatbuffer.write(out / "before.tflite", convert(network, images=images))
    if "quantize" in stages:
        made = learn("quantize", QuantizationNetwork(made, batch, FLAGS.freeze_after))
        with contextlib.redirect_stdout(io.StringIO()):  # Keras prints every variable
            made.export(str(out / "quantize" / "saved_model"))
    flatbuffer.write(out / "after.tflite", convert(made, images=None if "quantize" in stages else images))
    if "quantize" in stages:
        worst, *_ = fake_quantized_matches(made, out / "after.tflite", images[:BATCH_IMAGES])
        facts["agreement"] = {"good": worst.good, "worst": asdict(worst)}
    networks |= {"int8, after training": out / "before.tflite", "int8, compressed": out / "after.tflite"}
    print(report(out, networks, pairs, recipe, **facts))


run = Command(main, FLAGS)
