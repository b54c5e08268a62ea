"""Exports an int8 network as C++17 firmware sources, from the templates next to this module.

>>> from seesaw_keras.tflite.micro.cpp_sources import export
>>> made = export("micro_int8.tflite")  # doctest: +SKIP
>>> sorted(made.files)[:3]  # doctest: +SKIP
['CMakeLists.txt', 'README.md', 'cosine.cc']
"""

import hashlib
import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Any

import seesaw_keras
from seesaw_keras.tflite.analysis.costs import cost_of
from seesaw_keras.tflite.conversion.interface import pixel_table, read_facts, sole_input_and_output
from seesaw_keras.tflite.flatbuffer import Model, ModelFile, ModelSource
from seesaw_keras.tflite.micro.arena import MARGIN, arena_size
from seesaw_keras.tflite.micro.cosine import LONGEST_EMBEDDING, ONE_Q15, cosine_q15
from seesaw_keras.tflite.micro.golden import golden_images
from seesaw_keras.tflite.micro.operators import resolver_methods
from seesaw_keras.tflite.runtimes import Arena, TFLiteMicro

__all__ = ["MADE_BY", "Export", "export"]

MADE_BY = "Made by seesaw_keras"  # first words of every generated file
_VALUES_PER_LINE = 32


class _Template(Template):
    delimiter = "@"  # CMake uses $


@dataclass(frozen=True)
class Export:
    """Generated firmware sources and their parameters.

    Attributes:
        files: file contents by file name.
        methods: operator resolver methods by operator.
        arena: memory requirements, measured on this machine.
        arena_size: bytes that the firmware allocates.
        threshold: minimum cosine for a match.
        threshold_q15: the threshold in units of 1/32768.
    """

    files: dict[str, str]
    methods: dict[str, str]
    arena: Arena
    arena_size: int
    threshold: float
    threshold_q15: int


def export(model: ModelSource, *, threshold: float | None = None) -> Export:
    """Generates the sources, with golden vectors and the arena size from TFLite Micro.

    Args:
        model: path, contents, `Model` or `ModelFile` with an image input and an int8 embedding output, as produced by
            `convert`.
        threshold: cosine from -1 to 1; None to use the one stored in the file.

    Raises:
        FlatbufferError: the file is damaged.
        ImportError: TFLite Micro is not installed.
        ValueError: the model is not such a network, TFLite Micro lacks an operator or cannot run the model, or there is
            no threshold. The message names the file and the problem.
    """
    file = ModelFile.of(model)
    sole_input_and_output(file.name, file.model.main.inputs, file.model.main.outputs)
    try:
        _require_embedder(file.model)
        methods = resolver_methods(file.model)
        threshold = _threshold(file.model, threshold)
    except ValueError as error:
        raise ValueError(f"{file.name}: {error}") from error
    runtime = TFLiteMicro(file)
    threshold_q15 = round(threshold * ONE_Q15)
    values = {
        **_file_values(file.data, file.name),
        **_interface_values(file.model),
        **_memory_values(runtime.arena),
        **_operator_values(file.model, methods),
        **_golden_values(runtime),
        "threshold": f"{threshold:g}",
        "threshold_q15": threshold_q15,
    }
    templates = resources.files("seesaw_keras.tflite.micro").joinpath("templates").iterdir()
    files = {template.name: _Template(template.read_text("utf-8")).substitute(values) for template in templates}
    return Export(files, methods, runtime.arena, arena_size(runtime.arena), threshold, threshold_q15)


def _require_embedder(model: Model) -> None:
    """Raises ValueError unless the firmware supports the model's input and output."""
    (given,), (made,) = model.main.inputs, model.main.outputs
    remedy = "convert the network with `seesaw convert_tflite --type int8`"
    if given.type not in ("INT8", "UINT8") or len(given.shape) != 4 or given.shape[::3] != (1, 3) or not given.size:
        raise ValueError(
            f"the input is {given.type} {given.shape}; expected one RGB image in int8 or uint8, (1, height, width, 3): "
            f"{remedy}"
        )
    if pixel_table(model) is None:
        raise ValueError(f"the metadata does not give the preprocessing of the input as pixel - 128 or pixel: {remedy}")
    quantization = made.quantization
    if made.type != "INT8" or quantization is None or quantization.scales.size != 1:
        raise ValueError(f"the output is {made.type}; expected int8 with one scale: {remedy}")
    if made.shape[:1] != (1,) or not 0 < made.size <= LONGEST_EMBEDDING:
        raise ValueError(
            f"the output has shape {made.shape}; expected one embedding of 1 to {LONGEST_EMBEDDING} entries"
        )


def _threshold(model: Model, override: float | None) -> float:
    threshold = read_facts(model).get("threshold") if override is None else override
    if threshold is None:
        raise ValueError("no threshold is stored in it; set --threshold")
    if isinstance(threshold, bool) or not isinstance(threshold, (int, float)) or not -1 <= threshold <= 1:
        raise ValueError(f"invalid threshold {threshold!r}: expected a cosine from -1 to 1; set --threshold")
    return float(threshold)


def _file_values(data: bytes, name: str) -> dict[str, Any]:
    plain = re.sub(r"[^\w.+-]", "_", name.replace("\\", "/").rpartition("/")[2])  # sanitized for use in comments
    digest = hashlib.sha256(data).hexdigest()
    return {
        "stamp": f"{MADE_BY} {seesaw_keras.__version__}, seesaw export_micro, from {plain} (sha256 {digest}).",
        "model_name": plain,
        "model_size": len(data),
        "model_size_text": f"{len(data):,}",
        "model_crc32": zlib.crc32(data),
        "model_bytes": _lines(data),
    }


def _interface_values(model: Model) -> dict[str, Any]:
    (given,), (made,) = model.main.inputs, model.main.outputs
    signed = given.type == "INT8"
    assert made.quantization is not None
    return {
        "height": given.shape[1],
        "width": given.shape[2],
        "preprocessing": "pixel - 128 in int8" if signed else "the pixel in uint8",
        "pixel_flip": "0x80" if signed else "0x00",
        "embedding_size": made.size,
        "longest": LONGEST_EMBEDDING,
        "zero_point": made.quantization.zero_point,
    }


def _memory_values(arena: Arena) -> dict[str, Any]:
    size = arena_size(arena)
    return {
        "arena_total": arena.total,
        "planned": arena.planned,
        "persistent": arena.persistent,
        "margin": MARGIN,
        "arena_size": size,
        "planned_text": f"{arena.planned:,}",
        "persistent_text": f"{arena.persistent:,}",
        "margin_text": f"{MARGIN:,}",
        "arena_size_text": f"{size:,}",
        "spare_text": f"{size - arena.planned - arena.persistent:,}",
    }


def _operator_values(model: Model, methods: dict[str, str]) -> dict[str, Any]:
    cost = cost_of(model)
    return {
        "operator_count": len(methods),
        "operator_calls": " &&\n         ".join(f"operators.{call}() == kTfLiteOk" for call in methods.values()),
        "operator_names": ", ".join(methods),
        "operator_total": sum(cost.operators.values()),
        "madds_text": f"{cost.madds:,}",
    }


def _golden_values(runtime: TFLiteMicro) -> dict[str, Any]:
    (given,), (made,) = runtime.model.main.inputs, runtime.model.main.outputs
    images = golden_images(*given.shape[1:3])
    table = pixel_table(runtime.model)
    assert table is not None and made.quantization is not None
    embeddings = runtime.run(table[images]).reshape(len(images), -1)
    zero_point = made.quantization.zero_point
    return {
        "golden_crc32s": _lines(f"{zlib.crc32(image.tobytes())}u" for image in images),
        "golden_embeddings": _rows(embeddings),
        "golden_cosines": _rows([[cosine_q15(a, b, zero_point) for b in embeddings] for a in embeddings]),
    }


def _lines(values: Iterable[Any]) -> str:
    """Comma-separated values, with a line break after every `_VALUES_PER_LINE`."""
    texts = list(map(str, values))
    starts = range(0, len(texts), _VALUES_PER_LINE)
    return "".join(f"{','.join(texts[start : start + _VALUES_PER_LINE])},\n" for start in starts)


def _rows(rows: Iterable[Iterable[Any]]) -> str:
    return "".join(f"{{\n{_lines(row)}}},\n" for row in rows)
