"""Self-contained HTML report of `explain`: per-operator statistics, curves and feature maps.

>>> from seesaw_keras.reports.explain_page import write_page
>>> write_page("shuffle.html", steps, model=model, name="shuffle_int8.tflite", pixels=pixels)  # doctest: +SKIP
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from seesaw_keras.reports.pages import write_html
from seesaw_keras.tflite.analysis.costs import cost_of
from seesaw_keras.tflite.analysis.explain import DATA_MOVEMENT, Step
from seesaw_keras.tflite.flatbuffer import Model

__all__ = ["write_page"]

MAPS = 6  # number of channels shown per feature map: those with the highest variance
SIDE = 28  # maximum side of a feature map in pixels: hundreds of them are embedded in the page
WORST = 12  # rows of the lists at the top
_WIDTH, _HEIGHT = 1120, 180  # size of the curves in SVG units


def write_page(
    path: str | Path, steps: Sequence[Step], *, model: Model, name: str, pixels: npt.NDArray[np.uint8], real: str = ""
) -> None:
    """Writes the HTML report.

    Args:
        path: output file, written atomically.
        steps: result of `explain`.
        model: the explained model.
        name: file name of the model.
        pixels: the image, uint8 RGB (height, width, 3).
        real: file name of the float network, "" for none.
    """
    write_html(
        path,
        "explain.html",
        title=name,
        image=_png(pixels[:, :, ::-1]),
        float_note=_float_note(steps, real),
        metrics=_metrics(steps, model),
        curves=_curves(steps),
        saturated=_most_saturated(steps),
        errors=_largest_errors(steps),
        steps=[(step, _facts(step), _maps(step)) for step in steps],
        data_movement=DATA_MOVEMENT,
    )


def _float_note(steps: Sequence[Step], real: str) -> str:
    if not real:
        return "No float network was given, so the accumulated error is unknown; --float FILE measures it."
    known = sum(step.expected is not None for step in steps)
    return (
        f"Accumulated error: relative to {real}; {known} of {len(steps)} tensors have a counterpart by name and shape."
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%" if share < 0.1 else f"{100 * share:.1f}%"


def _metrics(steps: Sequence[Step], model: Model) -> list[tuple[str, str, str]]:
    """Returns the key metrics as (name, value, note)."""
    cost = cost_of(model)
    counted = [step for step in steps if step.float_output is not None]
    entries, clamped = sum(step.values.size for step in counted), sum(sum(step.saturated) for step in counted)
    rows = [
        ("operators", f"{sum(cost.operators.values()):,}", f"{len(cost.operators)} types"),
        ("multiply-adds", f"{cost.madds:,}", f"{cost.parameters:,} parameters"),
        ("saturated", _percent(clamped / max(1, entries)), f"{clamped:,} of {entries:,} entries"),
    ]
    last = steps[-1]
    if last.expected is not None and last.error is not None:
        made, wanted = last.real.reshape(-1).astype(np.float64), last.expected.reshape(-1).astype(np.float64)
        cosine = float(made @ wanted / max(1e-30, np.linalg.norm(made) * np.linalg.norm(wanted)))
        rows.append(("cosine with float", f"{cosine:.4f}", f"relative error {_percent(last.error)}"))
    return rows


def _curves(steps: Sequence[Step]) -> dict[str, Any]:
    """Returns an SVG's contents: the error, accumulated or per operator, as a line and saturated entries as bars."""
    across = _WIDTH / max(1, len(steps))
    lost = [step.error for step in steps]
    title = "accumulated error"
    if not any(error is not None for error in lost):
        lost, title = [step.own_error for step in steps], "error of the operator itself"
    max_error = max((error for error in lost if error is not None), default=0.0)
    max_share = max(map(_share, steps), default=0.0)
    bars = []
    for index, share in enumerate(map(_share, steps)):
        if share:
            height = _HEIGHT * share / max_share
            numbers = (index * across, _HEIGHT - height, max(1, across), height)
            bars.append([f"{number:.1f}" for number in numbers])
    points = " ".join(
        f"{(index + 0.5) * across:.1f},{_HEIGHT * (1 - error / (max_error or 1)):.1f}"
        for index, error in enumerate(lost)
        if error is not None
    )
    description = f"line: {title}, up to {_percent(max_error)}; bars: saturated entries, up to {_percent(max_share)}"
    return {"width": _WIDTH, "height": _HEIGHT, "bars": bars, "points": points, "description": description}


def _share(step: Step) -> float:
    return sum(step.saturated) / max(1, step.values.size)


def _most_saturated(steps: Sequence[Step]) -> list[tuple[Step, str]]:
    """Returns the steps with the largest fraction of saturated entries, and what is saturated."""
    worst = sorted((step for step in steps if _share(step) > 0), key=_share, reverse=True)[:WORST]
    return [(step, f"{_percent(_share(step))}: {sum(step.saturated):,}") for step in worst]


def _largest_errors(steps: Sequence[Step]) -> list[tuple[Step, str]]:
    """Returns the steps with the largest error of their own, and that error."""
    known = [(error, step) for step in steps if (error := step.own_error) is not None]
    worst = sorted(known, key=lambda pair: pair[0], reverse=True)[:WORST]
    return [(step, _percent(error)) for error, step in worst]


def _facts(step: Step) -> list[tuple[str, str]]:
    """Returns the properties of one operator as (name, value)."""
    taken = [tensor.shape for tensor in step.operator.inputs if tensor is not None and tensor.data is None]
    weights = [tensor.shape for tensor in step.operator.inputs if tensor is not None and tensor.data is not None]
    constant = f" with {', '.join(map(str, weights))}" if weights else ""
    rows = [("shapes", f"{', '.join(map(str, taken))} to {step.output.shape}{constant}")]
    rows += [("options", text)] if (text := _options(step)) else []
    if step.representable is not None and step.output.quantization is not None:
        quantization = step.output.quantization
        rows.append(("scale, zero point", f"{quantization.scale:.6g}, {quantization.zero_point} ({step.output.type})"))
        rows.append(("representable", "{:.4g} to {:.4g}".format(*step.representable)))
    if step.values.size:
        real = step.real
        rows.append(("actual", f"{real.min():.4g} to {real.max():.4g}; mean {real.mean():.4g}"))
    if step.float_output is not None:
        low, high = step.saturated
        rows.append(("saturated", f"{low:,} low, {high:,} high of {step.values.size:,}" if low + high else "none"))
    for name, wanted, error in (
        ("own error", step.float_output, step.own_error),
        ("accumulated error", step.expected, step.error),
    ):
        if wanted is not None and error is not None:
            rows.append((name, _error(step, wanted, error)))
    return rows


def _error(step: Step, wanted: npt.NDArray[np.float32], error: float) -> str:
    decibels = f", {-20 * np.log10(error):.1f} dB" if error > 0 else ""
    largest = float(np.abs(step.real - wanted).max(initial=0))
    steps = f" ({largest / step.output.quantization.scale:.1f} steps)" if step.output.quantization else ""
    return f"{_percent(error)}{decibels}; maximum {largest:.4g}{steps}"


def _options(step: Step) -> str:
    """Returns the operator's options that differ from common defaults."""
    usual = {0, 1, "NONE", "FLOAT32", "DEFAULT", ()}
    shown = {name: value for name, value in step.operator.options.items() if value not in usual}
    return ", ".join(f"{name.removesuffix('_function')} {value}" for name, value in shown.items())


def _maps(step: Step) -> bytes | None:
    """Returns a PNG of feature maps side by side: red above 0, blue below, yellow where saturated."""
    real = step.real
    if not real.size or step.operator.code in DATA_MOVEMENT:
        return None
    unit = float(np.abs(real).max()) or 1.0
    values, clamped = _grids(real / unit), _grids(step.clipped != 0)
    kept = np.sort(np.argsort(values.std(axis=(1, 2)), kind="stable")[::-1][:MAPS])  # in channel order
    tiles = [_shrunk(_colors(values[number], clamped[number])) for number in kept]
    gap = np.full((len(tiles[0]), 1, 3), 255, np.uint8)
    strip = np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)
    return _png(strip)


def _grids(values: npt.NDArray) -> npt.NDArray:
    """Returns the entries as (maps, height, width): the channels of an image, or a single row for other shapes."""
    if values.ndim == 4 and values.shape[1] * values.shape[2] > 1:
        return np.moveaxis(values[0], -1, 0)
    return values.reshape(1, 1, -1)


def _colors(values: npt.NDArray, clamped: npt.NDArray) -> npt.NDArray[np.uint8]:
    """Returns numbers from -1 to 1 as BGR pixels: white at 0, red at 1, blue at -1, yellow where clamped."""
    ends = np.array([[0xAC, 0x66, 0x21], [0x2B, 0x18, 0xB2]], np.float32)  # colors of -1 and 1
    amount = np.abs(values)[..., None]
    pixels = 255 * (1 - amount) + ends[(values > 0).astype(int)] * amount
    pixels[clamped] = (0x00, 0xD7, 0xFF)
    return pixels.astype(np.uint8)


def _shrunk(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    height, width = pixels.shape[:2]
    if max(height, width) <= SIDE or 1 in (height, width):
        return pixels
    return cv2.resize(pixels, (SIDE, round(SIDE * height / width)), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    return cv2.imencode(".png", np.ascontiguousarray(pixels))[1].tobytes()
