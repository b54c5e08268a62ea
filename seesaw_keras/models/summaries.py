"""Text tables of network costs.

>>> import seesaw_keras
>>> print(seesaw_keras.summary(seesaw_keras.build("shuffle")))  # doctest: +SKIP
"""

from collections.abc import Sequence
from typing import Any

from seesaw_keras.models.counting import ModelInfo, activation_peak, count_madds, count_parameters, kind_costs

__all__ = ["summary", "variants_table"]

_DATA_SETS = ("LFW", "CFP-FP", "AgeDB-30", "CPLFW", "CALFW")


def summary(model: Any) -> str:
    """Returns a table of a network's costs, with one line per kind of layer.

    Args:
        model: a flat functional model of 2D layers.
    """
    madds, kinds = count_madds(model), kind_costs(model)
    rows = [["", "layers", "parameters", "multiply-adds", "share"]]
    for cost in kinds:
        share = f"{cost.madds / madds:.1%}" if cost.madds else ""
        rows.append([cost.kind, str(cost.layers), _count(cost.parameters), _count(cost.madds), share])
    layers = sum(cost.layers for cost in kinds)
    rows.append(["total", str(layers), _count(count_parameters(model)), _count(madds), "100.0%"])
    return "\n".join(
        [
            f"{model.name}: {_shape(model.input_shape)} -> {_shape(model.output_shape)}",
            *_aligned(rows),
            f"activations: at most {activation_peak(model):,} entries live at once (bytes in int8)",
        ]
    )


def variants_table(infos: Sequence[ModelInfo]) -> str:
    """Returns a table of variants: parameters, multiply-adds, activations and published accuracies.

    Args:
        infos: results of `model_info`.
    """
    rows = [["variant", "parameters", "multiply-adds", "activations", *_DATA_SETS, ""]]
    sources: list[str] = []
    for info in infos:
        published, mark = {}, ""
        if info.published:
            published = info.published.accuracy
            if info.published.source not in sources:
                sources.append(info.published.source)
            mark = f"[{sources.index(info.published.source) + 1}]"
        accuracies = [f"{published[name]:.2f}" if name in published else "" for name in _DATA_SETS]
        counts = [_count(info.parameters), _count(info.madds), _count(info.activation_peak)]
        rows.append([info.variant, *counts, *accuracies, mark])
    width = max(len(info.variant) for info in infos)
    return "\n".join(
        [
            *_aligned(rows),
            "",
            *(f"{info.variant:{width}}  {info.summary}" for info in infos),
            "",
            "At each variant's own image and embedding size. Activations: entries live at once, bytes in int8.",
            "Accuracies in percent are published by others, not measured here:",
            *(f"[{number}] {source}" for number, source in enumerate(sources, 1)),
        ]
    )


def _count(value: int) -> str:
    return f"{value:,}" if value else "-"


def _shape(shape: tuple) -> str:
    return "x".join(str(side) for side in shape[1:])


def _aligned(rows: list[list[str]]) -> list[str]:
    """Returns the rows as text, with the first column left-aligned and the others right-aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join([row[0].ljust(widths[0]), *cells]).rstrip())
    return lines
