"""Graph rewrites on flatbuffers, one module per pass; the int8 outputs stay bit-exact.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes import rewrite
>>> model = flatbuffer.read("phone_int8.tflite")  # doctest: +SKIP
>>> rewrite(model, "xnnpack")  # doctest: +SKIP
{'merge_pairs': 11, 'fold_shuffles': 15, 'split_streams': 2, 'flatten_depthwise': 1, ...}

A pass is a function that takes a `Subgraph`, modifies it in place and returns the number of rewrites; where its pattern
does not match exactly, the graph is left unchanged. Passes do not need TensorFlow, do not depend on seesaw's layer
names, and can run in any order; the order in `TARGETS` works best. In float, sums are computed in a different order:
entries of a unit vector agree to 1e-5. Passes are built on `graph_index`, `channels`, `regions` and `layout_ops`.

The table shows the latency of `phone` in int8 with XNNPACK on one thread, relative to the plain form, with one more
pass per row, on a processor with a matrix unit (AMX) and on the same processor without it, which is closer to a phone
(benchmarks/latency.py --passes phone, and --without_amx).

| passes | with AMX | without |
| --- | ---: | ---: |
| fold_shuffles | 0.88 | 0.78 |
| split_streams | 0.79 | 0.76 |
| flatten_depthwise | 0.51 | 0.67 |
| merge_pairs, before the others | 0.42 | 0.66 |
| merge_pairs of all pairs, for 15% more bytes | 0.40 | 0.68 |

spread_prelu is for networks with PReLU: it reduces the latency of an int8 MobileFaceNet to 0.20 of the original.

For microcontrollers, `tiling` computes a graph in parts to reduce peak memory.
"""

from collections.abc import Callable

from seesaw_keras.choices import unknown_name
from seesaw_keras.tflite.flatbuffer import Model, Subgraph
from seesaw_keras.tflite.passes.deduplicate import deduplicate
from seesaw_keras.tflite.passes.flatten_depthwise import flatten_depthwise
from seesaw_keras.tflite.passes.fold_shuffles import fold_shuffles
from seesaw_keras.tflite.passes.merge_pairs import merge_pairs
from seesaw_keras.tflite.passes.split_streams import split_streams
from seesaw_keras.tflite.passes.spread_prelu import spread_prelu
from seesaw_keras.tflite.passes.tiling import fit

__all__ = [
    "TARGETS",
    "Pass",
    "check_target",
    "deduplicate",
    "fit",
    "flatten_depthwise",
    "fold_shuffles",
    "merge_pairs",
    "rewrite",
    "split_streams",
    "spread_prelu",
]

Pass = Callable[[Subgraph], int]

TARGETS: dict[str, tuple[Pass, ...]] = {
    "plain": (),
    "xnnpack": (merge_pairs, fold_shuffles, split_streams, flatten_depthwise, spread_prelu, deduplicate),
    "tflm": (fold_shuffles, split_streams, deduplicate),
}


# Former names of targets.
_RENAMED = {"phone": "xnnpack", "micro": "tflm"}


def check_target(target: str) -> None:
    """Raises ValueError for an unknown target; the message gives the new name of a renamed one."""
    if target in _RENAMED:
        raise ValueError(f"unknown target {target!r}: it is now {_RENAMED[target]!r}")
    if target not in TARGETS:
        raise ValueError(unknown_name("target", target, list(TARGETS)))


def rewrite(model: Model, target: str, *, arena: int | None = None) -> dict[str, int]:
    """Rewrites a model for a target.

    Args:
        model: its main subgraph is modified in place; for "tflm", also its metadata.
        target: "xnnpack"; "tflm", for little memory in TFLite Micro; "plain", for no changes.
        arena: for "tflm", the maximum arena size of TFLite Micro on x86-64, in bytes; None for the smallest possible.

    Returns:
        Number of rewrites by pass name.

    Raises:
        ValueError: the target is unknown, or no plan fits the arena.
    """
    check_target(target)
    counts = {change.__name__: change(model.main) for change in TARGETS[target]}
    return counts | ({"fit": fit(model, arena)} if target == "tflm" else {})
