"""Self-contained HTML report of a verification: metrics, plots and the worst pairs.

>>> from seesaw_keras.reports.verification_page import write_page
>>> write_page("report.html", record, pairs, result)  # doctest: +SKIP
"""

import html
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from seesaw_keras.data.records import Pairs
from seesaw_keras.files import replacing
from seesaw_keras.reports import verification_plots
from seesaw_keras.reports.pages import cards, picture, style, table
from seesaw_keras.reports.pictures.pair_picture import pair_picture
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
    template = Template(resources.files("seesaw_keras.reports").joinpath("verification.html").read_text("utf-8"))
    threshold, origin = result.decision
    page = template.substitute(
        style=style(),
        title=html.escape(title(record)),
        embedder=html.escape(embedder_text(record["embedder"])),
        flip=" A flipped copy of each image was embedded too." if record["flip"] else "",
        pairs=f"{record['pairs']['genuine']:,} genuine and {record['pairs']['impostor']:,} impostor pairs",
        images=f"{record['pairs']['images']:,}",
        cards=_cards(record),
        metrics=_metrics_table(record),
        intervals=html.escape(method_text(record)),
        threshold=html.escape(threshold_text(record)),
        pictures=_pictures(record, result, other),
        decision=html.escape(f"cosine {threshold:.4f} ({origin})"),
        false_accepts=_worst(result, pairs, threshold, genuine=False),
        false_rejects=_worst(result, pairs, threshold, genuine=True),
        comparison=_comparison(record, pairs, result, other, comparison),
        provenance=_provenance(record),
    )
    with replacing(path) as beside:
        beside.write_text(page, "utf-8")


def _cards(record: dict[str, Any]) -> str:
    """Returns the key metrics as cards."""
    measurable = [row for row in metric_rows(record) if row[0].startswith("TAR") and row[1].endswith("%")]
    chosen = [*metric_rows(record)[:2], *measurable[-1:]]
    chosen += [row for row in metric_rows(record) if row[0].startswith("rank-1 ")]
    return cards(chosen)


def _metrics_table(record: dict[str, Any]) -> str:
    rows = metric_rows(record)
    compared = record["comparison"]
    if compared is None:
        return table(("metric", "value", "95 % interval"), rows)
    others = metric_rows(compared["figures"])
    head = ("metric", record["embedder"]["name"], "95 % interval", compared["embedder"]["name"], "95 % interval")
    return table(head, [(*row, *second[1:]) for row, second in zip(rows, others, strict=True)])


def _pictures(record: dict[str, Any], result: Verification, other: Verification | None) -> str:
    measured = {record["embedder"]["name"]: result}
    if other is not None:
        measured[_other_name(record)] = other
    curves = {name: each.roc for name, each in measured.items()}
    drawn = [
        picture(verification_plots.roc_curves(curves), "ROC: true accept rate over false accept rate"),
        picture(
            verification_plots.det_curves(curves), "DET: false reject rate over false accept rate; lower left is better"
        ),
    ]
    for name, each in measured.items():
        histogram = verification_plots.score_histogram(each.scores, each.same, each.decision[0])
        drawn.append(picture(histogram, f"Scores of {name}; threshold for {each.decision[1]}"))
    return "".join(drawn)


def _other_name(record: dict[str, Any]) -> str:
    """Returns the compared embedder's name, with a suffix if both embedders have the same name."""
    name = record["comparison"]["embedder"]["name"]
    return f"{name} (compared)" if name == record["embedder"]["name"] else name


def _worst(result: Verification, pairs: Pairs, threshold: float, *, genuine: bool) -> str:
    """Returns the misclassified genuine or impostor pairs, farthest from the threshold first."""
    wrong = result.same & (result.scores < threshold) if genuine else ~result.same & (result.scores >= threshold)
    chosen = np.flatnonzero(wrong)
    chosen = chosen[np.argsort(result.scores[chosen] * (1 if genuine else -1), kind="stable")]
    total = int((result.same == genuine).sum())
    summary = f"<p>{chosen.size:,} of {total:,} {'genuine' if genuine else 'impostor'} pairs"
    summary += f"; the worst {WORST}:</p>" if chosen.size > WORST else ".</p>"
    shown = "".join(pair_picture(pairs, int(at), f"cosine {result.scores[at]:.3f}") for at in chosen[:WORST])
    return f'{summary}<div class="pairs">{shown}</div>'


def _comparison(
    record: dict[str, Any],
    pairs: Pairs,
    result: Verification,
    other: Verification | None,
    comparison: Comparison | None,
) -> str:
    compared = record["comparison"]
    if compared is None or other is None or comparison is None:
        return ""
    names = (record["embedder"]["name"], _other_name(record))
    drawn = verification_plots.score_change(result.scores, other.scores, comparison.lost, comparison.gained, names)
    parts = [
        f"<h2>Comparison with {html.escape(names[1])}</h2><p>{html.escape(embedder_text(compared['embedder']))}.</p>",
        f'<div class="side">{table(("metric", "value"), comparison_rows(compared))}',
        f"{picture(drawn, 'Cosine of each pair with both embedders')}</div>",
    ]
    for kind, chosen in (("lost", comparison.lost), ("gained", comparison.gained)):
        change = np.abs(result.scores[chosen] - other.scores[chosen])
        first = chosen[np.argsort(-change, kind="stable")][:WORST]
        shown = "".join(
            pair_picture(pairs, int(at), f"{result.scores[at]:.3f} → {other.scores[at]:.3f}, "
                  f"{'genuine' if result.same[at] else 'impostor'}")
            for at in first
        )  # fmt: skip
        parts.append(f'<h3>Pairs {kind}: {chosen.size}</h3><div class="pairs">{shown}</div>')
    return f"<section>{''.join(parts)}</section>"


def _provenance(record: dict[str, Any]) -> str:
    produced = record["provenance"]
    hashes = {record["embedder"]["name"]: record["embedder"].get("sha256", "none (in memory)")}
    if record["comparison"] is not None:
        hashes[_other_name(record)] = record["comparison"]["embedder"].get("sha256", "none (in memory)")
    hashes |= record["data"]["sha256"] | {"the list of pairs": record["data"]["pairs_sha256"]}
    rows = [
        ("command", produced["command"]),
        ("machine", produced["machine"]),
        ("versions", ", ".join(f"{name} {version}" for name, version in produced["versions"].items())),
        *((f"SHA-256 of {name}", digest) for name, digest in hashes.items()),
    ]
    return table(("item", "value"), rows)
