"""Verification results as a JSON record and as Markdown.

>>> from seesaw_keras.reports.verification_record import to_markdown
>>> print(to_markdown(record))  # doctest: +SKIP
# model.tflite on lfw_view2_aligned112.zip
...

A *record* is a JSON-serializable dict: the metrics of `Verification.to_json()`, and their origin under "embedder",
"data", "flip", "comparison" and "provenance". `verification_page.py` renders it as HTML.
"""

import hashlib
import importlib.metadata
import os
import platform
import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import seesaw_keras
from seesaw_keras.data.records import Pairs
from seesaw_keras.files import sha256_of
from seesaw_keras.verification.comparison import Comparison
from seesaw_keras.verification.evaluation import Verification
from seesaw_keras.verification.threshold_calibration import pairs_sha256

__all__ = ["comparison_record", "comparison_rows", "data_record", "metric_rows", "provenance", "to_markdown"]

_RUNTIMES = ("ai-edge-litert", "onnxruntime", "tensorflow", "tf-keras")


def data_record(data: Path, protocol: Path | None, pairs: Pairs) -> dict[str, Any]:
    """Returns the identity of the pairs: names and SHA-256 of their files, and the SHA-256 of the list of pairs.

    Args:
        data: file or folder of the images; the images of a folder are hashed in the order of `pairs.names`.
        protocol: file or folder with the list of pairs, if any.
        pairs: the opened pairs.
    """
    hashes = {}
    if data.is_file():
        hashes[data.name] = sha256_of(data)
    else:
        digest = hashlib.sha256()
        for at in range(len(pairs.names)):
            digest.update(pairs.read(at))
        hashes[f"{data.name}/ (images)"] = digest.hexdigest()
    if protocol is not None and protocol.is_file():
        hashes[protocol.name] = sha256_of(protocol)
    return {"name": data.name, "pairs_sha256": pairs_sha256(pairs.names, pairs.index, pairs.same), "sha256": hashes}


def comparison_record(
    other: Verification, described: dict[str, Any], comparison: Comparison, pairs: Pairs
) -> dict[str, Any]:
    """Returns the entry "comparison" of a record: the second embedder's metrics and the changes."""
    farthest = comparison.farthest
    return {
        "embedder": described,
        "figures": other.to_json(),
        "accuracy_change": comparison.accuracy_change,
        "mcnemar_p": comparison.p_value,
        "lost": _pair_names(comparison.lost, pairs),
        "gained": _pair_names(comparison.gained, pairs),
        "embedding_cosine": comparison.cosine,
        "farthest_image": None if farthest is None else pairs.names[farthest],
    }


def _pair_names(chosen: np.ndarray, pairs: Pairs) -> list[list[str]]:
    return [[pairs.names[image] for image in pairs.index[pair]] for pair in chosen]


def provenance(command: str) -> dict[str, Any]:
    """Returns the provenance of a record: command line, software versions and machine."""
    versions = {"seesaw_keras": seesaw_keras.__version__, "Python": platform.python_version(), "NumPy": np.__version__}
    versions["OpenCV"] = cv2.__version__
    for name in _RUNTIMES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "command": command,
        "versions": versions,
        "machine": f"{_processor()}, {os.cpu_count()} logical cores, {platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    """Returns the processor's model name on Linux, otherwise that of `platform`."""
    listed = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", listed.read_text("utf-8", "replace")) if listed.exists() else None
    return found[1].strip() if found else platform.processor() or "unknown processor"


def scientific(rate: float) -> str:
    """Formats a rate as 1e-4, without leading zeros in the exponent."""
    mantissa, exponent = f"{rate:.2e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def metric_rows(metrics: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Returns (metric, value, interval) as text for each metric of `Verification.to_json()`."""
    intervals = metrics["intervals"]
    rows = [
        (
            "ten-fold accuracy",
            f"{metrics['accuracy']:.2f} ± {metrics['accuracy_std']:.2f} %",
            _interval(intervals["accuracy"]),
        ),
        ("EER", f"{metrics['eer']:.2f} %", _interval(intervals["eer"])),
        ("AUC", f"{metrics['auc']:.5f}", _interval(intervals["auc"], 5)),
        (
            "d-prime",
            "infinite" if metrics["d_prime"] is None else f"{metrics['d_prime']:.3f}",
            _interval(intervals["d_prime"], 3),
        ),
    ]
    for point in metrics["tar_at_far"]:
        name = f"TAR at FAR {scientific(point['far'])}"
        if point["tar"] is None:
            rows.append((name, point["note"], ""))
        else:
            rows.append((name, f"{point['tar']:.2f} %", _interval(intervals[f"tar@{point['far']:g}"])))
    found = metrics["identification"] or {}
    ranks = [key for key in found if key.startswith("rank_")]
    return rows + [(f"rank-{key.removeprefix('rank_')} identification", f"{found[key]:.2f} %", "") for key in ranks]


def _interval(ends: list[float | None], digits: int = 2) -> str:
    low, high = ends
    return "" if low is None or high is None else f"{low:.{digits}f} to {high:.{digits}f}"


def comparison_rows(compared: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns the entry "comparison" of a record as rows of text."""
    lost, gained, p_value = len(compared["lost"]), len(compared["gained"]), compared["mcnemar_p"]
    verdict = "significant" if p_value < 0.05 else "not significant"
    rows = [
        ("change in accuracy", f"{compared['accuracy_change']:+.2f} points"),
        ("pairs lost, gained", f"{lost}, {gained}"),
        ("McNemar's exact test", f"p = {p_value:.3g} ({verdict} at 5 %)"),
    ]
    cosine = compared["embedding_cosine"]
    if cosine is None:
        return [*rows, ("cosine between embeddings", "not comparable: different lengths")]
    listed = ", ".join(f"{name} {value:.4f}" for name, value in cosine.items())
    return [*rows, ("cosine between embeddings", listed), ("image with the lowest cosine", compared["farthest_image"])]


def threshold_text(metrics: dict[str, Any]) -> str:
    """Returns a sentence on the threshold for the target FAR."""
    section = metrics["calibration"]
    if section is None:
        return f"No threshold chosen: {metrics['calibration_note']}."
    return (
        f"Threshold {section['threshold']:.6f} (cosine): measured FAR {scientific(section['measured_far'])}, target "
        f"{scientific(section['far'])}, TAR {100 * section['tar']:.2f} %."
    )


def method_text(metrics: dict[str, Any]) -> str:
    """Returns a sentence on the method of the intervals and one on the identification protocol."""
    by = metrics["intervals_by"]
    why = "" if by["resampled"] == "identities" else ", because the identities are unknown"
    found = metrics["identification"]
    searched = f" Identification: {found['probes']:,} probes among {found['identities']:,} identities." if found else ""
    return (
        f"Intervals: {100 * by['level']:g} % percentile bootstrap, {by['replicates']} draws of {by['units']:,} "
        f"{by['resampled']}{why}.{searched}"
    )


def embedder_text(embedder: dict[str, Any]) -> str:
    """Returns a one-line description of an embedder: runtime, preprocessing, size, latency."""
    parts = [embedder["runtime"]]
    if "preprocess" in embedder:
        height, width = embedder["input_size"]
        parts.append(f"input {height}x{width}, preprocess {embedder['preprocess']}")
    if "bytes" in embedder:
        parts.append(f"{embedder['bytes']:,} bytes")
    if "latency_ms" in embedder:
        taken = embedder["latency_ms"]
        parts.append(f"{taken['min']:.2f} ms per image (minimum), {taken['median']:.2f} ms (median)")
    return ", ".join(parts)


def title(record: dict[str, Any]) -> str:
    """Returns the heading of a record."""
    return f"{record['embedder']['name']} on {record['data']['name']}"


def to_markdown(record: dict[str, Any]) -> str:
    """Returns a record as Markdown, aligned to be readable on a terminal."""
    pairs, compared = record["pairs"], record["comparison"]
    columns = [["metric", "value", "95 % interval"], *map(list, metric_rows(record))]
    if compared is not None:
        for row, (_, value, interval) in zip(
            columns, [("", compared["embedder"]["name"], ""), *metric_rows(compared["figures"])], strict=True
        ):
            row += [value, interval]
    lines = [
        f"# {title(record)}",
        "",
        f"{embedder_text(record['embedder'])}{', flipped copy added' if record['flip'] else ''}.",
        f"{pairs['genuine']:,} genuine and {pairs['impostor']:,} impostor pairs of {pairs['images']:,} images.",
        "",
        *_table(columns),
        "",
        threshold_text(record),
        method_text(record),
    ]
    if compared is not None:
        lines += [
            "",
            f"## Comparison with {compared['embedder']['name']}",
            "",
            f"{embedder_text(compared['embedder'])}.",
            "",
            *_table([["metric", "value"], *map(list, comparison_rows(compared))]),
        ]
    produced = record["provenance"]
    lines += ["", f"Produced by `{produced['command']}` on {produced['machine']}.", ""]
    return "\n".join(lines)


def _table(rows: list[list[str]]) -> list[str]:
    cells = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    return [lines[0], "| " + " | ".join("-" * width for width in widths) + " |", *lines[1:]]
