"""Self-contained HTML report of a verification: metrics, plots and the worst pairs.

>>> from seesaw_keras.reports.verification_page import write_page
>>> write_page("report.html", record, pairs, result)  # doctest: +SKIP
"""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from seesaw_keras.data.records import Pairs
from seesaw_keras.reports import verification_plots
from seesaw_keras.reports.pages import Table, write_html
from seesaw_keras.reports.pictures.pair_picture import PairPicture, pair_picture
from seesaw_keras.reports.verification_record import (
    comparison_rows,
    embedder_text,
    method_text,
    metric_rows,
    threshold_text,
    title,
)
from seesaw_keras.verification.comparison import Comparison
from seesaw_keras.verification.evaluation import Verification

__all__ = ["write_page"]

WORST = 12  # pairs of each kind


def write_page(
    path: str | Path,
    record: dict[str, Any],
    pairs: Pairs,
    result: Verification,
    other: Verification | None = None,
    comparison: Comparison | None = None,
) -> None:
    """Writes the HTML report.

    Args:
        path: output file, written atomically.
        record: see `seesaw_keras.reports.verification_record`; its "comparison" is None without `other`.
        pairs: the pairs, for thumbnails.
        result: the results that the record was created from.
        other: results of the compared embedder, if any.
        comparison: result of `compare` for the two, if any.
    """
    threshold, origin = result.decision
    write_html(
        path,
        "verification.html",
        title=title(record),
        embedder=embedder_text(record["embedder"]),
        flip=record["flip"],
        count=record["pairs"],
        metrics=_metrics(record),
        figures=_figures(record),
        intervals=method_text(record),
        threshold=threshold_text(record),
        plots=_plots(record, result, other),
        decision=f"cosine {threshold:.4f} ({origin})",
        false_accepts=_worst(result, pairs, threshold, genuine=False),
        false_rejects=_worst(result, pairs, threshold, genuine=True),
        comparison=_comparison(record, pairs, result, other, comparison),
        provenance=_provenance(record),
    )


def _metrics(record: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Returns the key metrics as (name, value, interval)."""
    measurable = [row for row in metric_rows(record) if row[0].startswith("TAR") and row[1].endswith("%")]
    chosen = [*metric_rows(record)[:2], *measurable[-1:]]
    chosen += [row for row in metric_rows(record) if row[0].startswith("rank-1 ")]
    return chosen


def _figures(record: dict[str, Any]) -> Table:
    """Returns head and rows of the table of all metrics."""
    rows = metric_rows(record)
    compared = record["comparison"]
    if compared is None:
        return ("metric", "value", "95 % interval"), rows
    others = metric_rows(compared["figures"])
    head = ("metric", record["embedder"]["name"], "95 % interval", compared["embedder"]["name"], "95 % interval")
    return head, [(*row, *second[1:]) for row, second in zip(rows, others, strict=True)]


def _plots(record: dict[str, Any], result: Verification, other: Verification | None) -> list[tuple[bytes, str]]:
    """Returns (PNG, caption) of each plot."""
    measured = {record["embedder"]["name"]: result}
    if other is not None:
        measured[_other_name(record)] = other
    curves = {name: each.roc for name, each in measured.items()}
    drawn = [
        (verification_plots.roc_curves(curves), "ROC: true accept rate over false accept rate"),
        (verification_plots.det_curves(curves), "DET: false reject rate over false accept rate; lower left is better"),
    ]
    for name, each in measured.items():
        histogram = verification_plots.score_histogram(each.scores, each.same, each.decision[0])
        drawn.append((histogram, f"Scores of {name}; threshold for {each.decision[1]}"))
    return drawn


def _other_name(record: dict[str, Any]) -> str:
    """Returns the compared embedder's name, with a suffix if both embedders have the same name."""
    name = record["comparison"]["embedder"]["name"]
    return f"{name} (compared)" if name == record["embedder"]["name"] else name


def _worst(result: Verification, pairs: Pairs, threshold: float, *, genuine: bool) -> dict[str, Any]:
    """Returns the number of misclassified genuine or impostor pairs, and those farthest from the threshold."""
    wrong = result.same & (result.scores < threshold) if genuine else ~result.same & (result.scores >= threshold)
    chosen = np.flatnonzero(wrong)
    chosen = chosen[np.argsort(result.scores[chosen] * (1 if genuine else -1), kind="stable")]
    return {
        "kind": "genuine" if genuine else "impostor",
        "count": chosen.size,
        "total": int((result.same == genuine).sum()),
        "shown": [pair_picture(pairs, int(at), f"cosine {result.scores[at]:.3f}") for at in chosen[:WORST]],
    }


def _comparison(
    record: dict[str, Any],
    pairs: Pairs,
    result: Verification,
    other: Verification | None,
    comparison: Comparison | None,
) -> dict[str, Any] | None:
    compared = record["comparison"]
    if compared is None or other is None or comparison is None:
        return None

    def changed(indices: npt.NDArray[np.int64]) -> list[PairPicture]:
        change = np.abs(result.scores[indices] - other.scores[indices])
        kinds = np.where(result.same, "genuine", "impostor")
        return [
            pair_picture(pairs, int(at), f"{result.scores[at]:.3f} → {other.scores[at]:.3f}, {kinds[at]}")
            for at in indices[np.argsort(-change, kind="stable")][:WORST]
        ]

    names = (record["embedder"]["name"], _other_name(record))
    changes = (("lost", comparison.lost), ("gained", comparison.gained))
    return {
        "name": names[1],
        "embedder": embedder_text(compared["embedder"]),
        "rows": comparison_rows(compared),
        "plot": verification_plots.score_change(result.scores, other.scores, comparison.lost, comparison.gained, names),
        "changes": [(kind, indices.size, changed(indices)) for kind, indices in changes],
    }


def _provenance(record: dict[str, Any]) -> list[tuple[str, str]]:
    produced = record["provenance"]
    hashes = {record["embedder"]["name"]: record["embedder"].get("sha256", "none (in memory)")}
    if record["comparison"] is not None:
        hashes[_other_name(record)] = record["comparison"]["embedder"].get("sha256", "none (in memory)")
    hashes |= record["data"]["sha256"] | {"the list of pairs": record["data"]["pairs_sha256"]}
    return [
        ("command", produced["command"]),
        ("machine", produced["machine"]),
        ("versions", ", ".join(f"{name} {version}" for name, version in produced["versions"].items())),
        *((f"SHA-256 of {name}", digest) for name, digest in hashes.items()),
    ]
