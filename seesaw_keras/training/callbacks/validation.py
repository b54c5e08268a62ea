"""Verification during training; saves the best weights.

>>> from seesaw_keras.data.sources import open_pairs
>>> from seesaw_keras.training.callbacks.validation import Validation
>>> lfw = open_pairs("lfw_view2_aligned112.zip", "pairs.txt")  # doctest: +SKIP
>>> train(recipe, source, out, callbacks=[Validation({"lfw": lfw})])  # doctest: +SKIP
>>> model.load_weights(out / "best.weights.h5")  # doctest: +SKIP
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py

from seesaw_keras._version import __version__
from seesaw_keras.data.records import Pairs
from seesaw_keras.files import replacing
from seesaw_keras.inference.embedders import Embedder, load_embedder
from seesaw_keras.training.callbacks.callback import Callback, Run, ValidationReport
from seesaw_keras.verification.evaluation import Verification, evaluate
from seesaw_keras.verification.threshold_calibration import pairs_sha256

__all__ = ["BEST", "BEST_WEIGHTS", "Validation"]

BEST_WEIGHTS, BEST = "best.weights.h5", "best.json"
_ATTRIBUTE = "seesaw_keras"  # HDF5 attribute of the weights file with the contents of best.json
FAR = 1e-3  # low enough to be useful, high enough for LFW's 3000 impostor pairs


class Validation(Callback):
    """Evaluates verification on sets of pairs and saves the weights with the highest accuracy.

    `best.weights.h5` holds the weights and `best.json` their metadata: step, epoch, accuracy in percent, the other
    metrics, the recipe, and the SHA-256 of the pairs. The weights file contains the same metadata, so a kill between
    writing the two files is harmless; a resumed run reads it back.

    Args:
        sets: pairs by name, which prefixes the metrics: `lfw_accuracy` in percent, `lfw_tar` in percent at FAR 1e-3
            (omitted if there are too few pairs), `lfw_auc`. With several sets, the mean accuracy determines the best
            weights.
        flip: whether to add the embedding of the mirrored image.
        draw: callable from scores, ground truth and threshold to a PNG file for TensorBoard, such as
            `seesaw_keras.reports.verification_plots.score_histogram`; None for no plot.

    Raises:
        ValueError: if `sets` is empty; from `begin`, if the best weights in the folder belong to a different run or
            different pairs; from `validate`, if an image cannot be decoded or an embedding is not finite.
    """

    def __init__(
        self, sets: Mapping[str, Pairs], *, flip: bool = False, draw: Callable[[Any, Any, float], bytes] | None = None
    ) -> None:
        if not sets:
            raise ValueError("validation needs at least one set of pairs")
        self._sets = dict(sets)
        self._flip = flip
        self._draw = draw
        self._pairs = {name: pairs_sha256(pairs.names, pairs.index, pairs.same) for name, pairs in sets.items()}
        self._compiled: tuple[Any, Embedder] | None = None

    def begin(self, run: Run) -> None:
        """Reads the best result so far, if any."""
        self._run = run
        self._best: float | None = None
        weights = run.out / BEST_WEIGHTS
        if not weights.exists():
            return
        facts = _facts_in(weights)
        for key, here in (("recipe", run.recipe.to_json()), ("pairs_sha256", self._pairs), ("flip", self._flip)):
            if facts[key] != here:
                raise ValueError(f"{weights}: its {key} differs from this run; move it away or choose another folder")
        self._best = facts["accuracy"]
        _write_json(run.out / BEST, facts)

    def validate(self, step: int, model: Any) -> ValidationReport:
        """Evaluates the network on every set and saves its weights if they are the best so far."""
        if self._compiled is None or self._compiled[0] is not model:
            self._compiled = model, load_embedder(model)
        metrics: dict[str, float] = {}
        pictures: dict[str, bytes] = {}
        for name, pairs in self._sets.items():
            result = evaluate(self._compiled[1], pairs, flip=self._flip, replicates=0)
            metrics |= _metrics(name, result)
            if self._draw is not None:
                pictures[f"{name}_scores"] = self._draw(result.scores, result.same, result.decision[0])
        accuracy = sum(metrics[f"{name}_accuracy"] for name in self._sets) / len(self._sets)
        if self._best is None or accuracy > self._best:
            self._keep(step, accuracy, metrics, model)
        return ValidationReport(step, metrics, pictures)

    def _keep(self, step: int, accuracy: float, metrics: dict[str, float], model: Any) -> None:
        facts = {
            "step": step,
            "epoch": step / self._run.steps_per_epoch,
            "accuracy": accuracy,
            "figures": metrics,
            "flip": self._flip,
            "recipe": self._run.recipe.to_json(),
            "pairs_sha256": self._pairs,
            "seesaw_keras": __version__,
        }
        with replacing(self._run.out / BEST_WEIGHTS) as beside:
            model.save_weights(beside)
            with h5py.File(beside, "a") as file:
                file.attrs[_ATTRIBUTE] = json.dumps(facts)
        _write_json(self._run.out / BEST, facts)
        self._best = accuracy


def _metrics(name: str, result: Verification) -> dict[str, float]:
    tar = next(point.tar for point in result.tar_at_far if point.far == FAR)
    return {
        f"{name}_accuracy": 100 * result.ten_fold.accuracy,
        **({} if tar is None else {f"{name}_tar": 100 * tar}),
        f"{name}_auc": result.auc,
    }


def _write_json(path: Path, facts: dict[str, Any]) -> None:
    with replacing(path) as beside:
        beside.write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


def _facts_in(weights: Path) -> dict[str, Any]:
    try:
        with h5py.File(weights, "r") as file:
            facts = json.loads(file.attrs[_ATTRIBUTE])
        if not {"accuracy", "recipe", "pairs_sha256", "flip"} <= set(facts):
            raise KeyError("facts")
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ValueError(f"{weights}: not written by a validation, or damaged ({error}); move it away") from error
    return facts
