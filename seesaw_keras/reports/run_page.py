"""Self-contained HTML report of a run of `seesaw pipeline`.

>>> from seesaw_keras.data.sources import open_pairs
>>> from seesaw_keras.reports.run_page import write_page
>>> write_page("runs/demo/report.html", "runs/demo", open_pairs("synthetic:2000@32"))  # doctest: +SKIP

It contains the results written by the stages and whatever can be computed without retraining: decisions for a few pairs
and the costs of each form of the network. The reports of individual stages are linked by relative path.
"""

import json
import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from seesaw_keras.data.images import decode_image
from seesaw_keras.data.records import Pairs
from seesaw_keras.inference.embedders import FlatbufferEmbedder
from seesaw_keras.inference.preprocessing import DEFAULT_PREPROCESS
from seesaw_keras.reports.pages import Table, write_html
from seesaw_keras.reports.pictures.pair_picture import PairPicture, pair_picture
from seesaw_keras.reports.verification_record import method_text, provenance
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.analysis.costs import Cost, cost_of
from seesaw_keras.tflite.runtimes import Arena, TFLiteMicro

__all__ = ["CHECKS", "FORMS", "write_page"]

# Flatbuffer of each form of the network, and the result of `seesaw check_tflite` for it, in the run's folder.
FORMS = {"plain": "compress/after.tflite", "xnnpack": "xnnpack.tflite", "tflm": "tflm.tflite"}
CHECKS = {"xnnpack": "check_xnnpack.json", "tflm": "check_tflm.json"}
SHOWN = 6  # pairs of each kind
_LINKS = {
    "verification.html": "verification of the int8 network: ROC, confidence intervals, worst errors",
    "explain.html": "outputs of every operator of the int8 network for one face",
    "aligned/contact_sheet.png": "faces detected in the photographs",
    "train/curves.png": "training curves",
    "xnnpack.tflite": "int8 network for phones (XNNPACK)",
    "tflm.tflite": "int8 network for microcontrollers (TFLite Micro); seesaw export_micro generates C++ from it",
    "card.json": "threshold, and the pairs on which it was chosen",
    "compress/report.json": "effect of pruning and quantization, per layer",
}


class _Form(NamedTuple):
    """Costs of a flatbuffer; `arena` is None if TFLite Micro is not installed."""

    size: int
    cost: Cost
    arena: Arena | None


def write_page(path: str | Path, run: str | Path, pairs: Pairs) -> None:
    """Writes the HTML report.

    Args:
        path: output file, written atomically; should be in the run's folder, because links are relative to it.
        run: folder of the run, with all stages before the report completed.
        pairs: the pairs used for verification in the run.

    Raises:
        ValueError: if a file of the run is missing or damaged; the message names it.
    """
    folder = Path(run)
    state, compression, verified, phone = (
        _read(folder / name) for name in ("pipeline.json", "compress/report.json", "int8.json", "xnnpack.json")
    )
    checks = {form: _read(folder / name) for form, name in CHECKS.items()}
    forms = {form: _form(folder / name) for form, name in FORMS.items()}
    decisions, faces = _example_decisions(folder / FORMS["xnnpack"], pairs)
    write_html(
        path,
        "run.html",
        title=f"{compression['recipe']['name']}: from faces to int8",
        summary=_summary(state, verified),
        metrics=_metrics(compression, forms, checks),
        decisions=decisions,
        faces=faces,
        accuracy=_accuracy(compression, verified, phone),
        method=f"On {verified['data']['name']}. {method_text(verified)}",
        forms=_costs(forms),
        operators=_operators(forms),
        checks=[(Path(FORMS[form]).name, found, _check_rows(found)) for form, found in checks.items()],
        curves=_bytes(folder / "train" / "curves.png"),
        stages=_stages(state),
        machine=_machine(),
        links=[(name, description) for name, description in _LINKS.items() if (folder / name).is_file()],
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; `seesaw pipeline` creates it") from error


def _read(path: Path) -> Any:
    try:
        return json.loads(_bytes(path))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: damaged ({error}); delete it and start `seesaw pipeline` again") from error


def _form(path: Path) -> _Form:
    file = flatbuffer.ModelFile.of(_bytes(path), path.name)
    arena = TFLiteMicro(file).arena if TFLiteMicro.is_available() else None
    return _Form(len(file.data), cost_of(file.model), arena)


def _summary(state: dict[str, Any], verified: dict[str, Any]) -> str:
    seconds = sum(stage["seconds"] for stage in state["stages"].values())
    pairs = verified["pairs"]
    return (
        f"{len(state['stages'])} stages in {_duration(seconds)}; verified on {pairs['genuine']:,} genuine "
        f"and {pairs['impostor']:,} impostor pairs."
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 60 else f"{int(seconds // 60)} min {seconds % 60:02.0f} s"


def _metrics(
    compression: dict[str, Any], forms: dict[str, _Form], checks: dict[str, Any]
) -> Iterable[tuple[str, str, str]]:
    """Yields the key metrics as (name, value, note)."""
    before, after = (compression["networks"][name] for name in ("float", "int8, compressed"))
    yield "accuracy, int8", f"{after['accuracy']:.2f} %", f"float: {before['accuracy']:.2f} %"
    yield "XNNPACK file", _kib(forms["xnnpack"].size), f"plain form: {after['gzipped'] / 1024:.0f} KiB gzipped"
    plain, micro = forms["plain"].arena, forms["tflm"].arena
    if plain is not None and micro is not None:
        yield "TFLite Micro arena", _kib(micro.total), f"plain form: {_kib(plain.total)}"
    equal = not any(found["differences"] for found in checks.values())
    runtimes = {row["title"] for found in checks.values() for row in found["rows"]}
    yield "integer outputs", "equal" if equal else "differ", f"{len(runtimes)} runtimes compared, see below"


def _kib(size: int) -> str:
    return f"{size / 1024:.0f} KiB"


def _example_decisions(model: Path, pairs: Pairs) -> tuple[str, list[tuple[str, PairPicture]]]:
    """Returns an introduction and a few genuine and impostor pairs with the flatbuffer's decisions."""
    embedder = FlatbufferEmbedder(model, DEFAULT_PREPROCESS, runtime="reference")
    threshold = float(embedder.facts["threshold"])
    shown = []
    for same in (True, False):
        (of_kind,) = np.nonzero(pairs.same == same)
        for pair in of_kind[np.linspace(0, len(of_kind) - 1, min(SHOWN, len(of_kind))).astype(int)].tolist():
            images = [decode_image(pairs.read(int(at)), name=pairs.names[at]) for at in pairs.index[pair]]
            left, right = (embedder.embed(image[None])[0] for image in images)
            cosine = float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))
            accepted = cosine >= threshold
            mark = "right" if accepted == same else "wrong"
            caption = f"{'same' if accepted else 'different'}, {mark}: cosine {cosine:.3f}"
            shown.append((mark, pair_picture(pairs, pair, caption)))
    decisions = (
        f"Decisions of {model.name}, threshold {threshold:.3f} (cosine). The first {len(shown) // 2} "
        f"pairs are genuine, the others impostors; they are evenly spaced, not selected by result."
    )
    return decisions, shown


def _accuracy(compression: dict[str, Any], *verified: dict[str, Any]) -> Table:
    """Returns a table with one row per network: float, compressed, and the final flatbuffer in each runtime."""
    head = ("network", "accuracy", "95 % interval", "cosine with float", "McNemar's p", "bytes", "gzipped")
    rows = []
    for name, found in compression["networks"].items():
        low, high = found["interval"]
        changed = (f"{found['cosine']['mean']:.4f}", f"{found['p_value']:.3g}") if name != "float" else ("", "")
        sizes = (f"{found[key]:,}" if key in found else "" for key in ("bytes", "gzipped"))
        rows.append((name, f"{found['accuracy']:.2f} %", f"{low:.2f} to {high:.2f}", *changed, *sizes))
    for record in verified:
        low, high = record["intervals"]["accuracy"]
        name = f"{record['embedder']['name']}, in {record['embedder']['runtime']}"
        size = f"{record['embedder']['bytes']:,}"
        rows.append((name, f"{record['accuracy']:.2f} %", f"{low:.2f} to {high:.2f}", "", "", size, ""))
    return head, rows


def _costs(forms: dict[str, _Form]) -> Table:
    """Returns a table of costs with one column per form."""
    rows: list[tuple[str, ...]] = [
        ("file, bytes", *(f"{form.size:,}" for form in forms.values())),
        ("operators", *(f"{sum(form.cost.operators.values()):,}" for form in forms.values())),
        ("multiply-adds", *(f"{form.cost.madds:,}" for form in forms.values())),
        ("activation peak, bytes", *(f"{form.cost.activation_peak:,}" for form in forms.values())),
    ]
    arenas = [form.arena for form in forms.values()]
    for name, description in (
        ("planned", "TFLite Micro arena: activations, bytes"),
        ("persistent", "TFLite Micro arena: structures (8-byte pointers on this machine), bytes"),
        ("total", "TFLite Micro arena: total, bytes"),
    ):
        rows.append(
            (description, *("not installed" if arena is None else f"{getattr(arena, name):,}" for arena in arenas))
        )
    return ("", *forms), rows


def _operators(forms: dict[str, _Form]) -> Table:
    """Returns a table of operator counts with one column per form."""
    counts = [form.cost.operators for form in forms.values()]
    kinds = sorted({kind for count in counts for kind in count}, key=lambda kind: (-counts[0].get(kind, 0), kind))
    return ("operator", *forms), [(kind, *(f"{count.get(kind, 0)}" for count in counts)) for kind in kinds]


def _check_rows(found: dict[str, Any]) -> list[tuple[str, ...]]:
    """Returns the distances that `seesaw check_tflite` found for one form, a row per runtime and group of inputs."""
    return [
        (
            row["title"],
            row["group"],
            f"{row['inputs']}",
            f"{row['largest']:g}",
            f"{100 * row['share']:.2f} %",
            f"{row['cosine']:.4f}",
            f"{row['float_cosine'][0]:.4f}" if row["float_cosine"] else "",
        )
        for row in found["rows"]
    ]


def _stages(state: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Returns the duration and command of each stage."""
    return [
        (name, _duration(stage["seconds"]), shlex.join(stage["command"])) for name, stage in state["stages"].items()
    ]


def _machine() -> str:
    produced = provenance("")
    versions = ", ".join(f"{name} {version}" for name, version in produced["versions"].items())
    return f"{produced['machine']}; {versions}"
