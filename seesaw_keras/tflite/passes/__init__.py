"""Graph surgery on flatbuffers, one file a pass; each keeps every output integer the same.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes import rewrite
>>> model = flatbuffer.read("phone_int8.tflite")  # doctest: +SKIP
>>> rewrite(model, "phone")  # doctest: +SKIP
{'merge_pairs': 11, 'fold_shuffles': 15, 'split_streams': 2, 'flatten_depthwise': 1, 'spread_prelu': 0, 'tidy': 0}

A pass is a function that takes a `Subgraph`, changes it in place and returns in how many places; where its pattern does
not apply exactly, the graph is left as it is. Passes need no TensorFlow, know nothing of seesaw's names, and compose in
any order; they are best in the order of `TARGETS`. In float, sums are computed in another order: entries of a unit
vector agree to 1e-5. `graph`, `channels`, `regions` and `moves` are what passes are made of.

What they are worth: the time of `phone` in int8 under XNNPACK, one thread, as a share of the plain form's, after one
pass more in each line, on a processor with a matrix unit (AMX) and on the same one without it, which is more like a
phone's (benchmarks/latency.py --passes phone, and --without_amx).

| passes | with AMX | without |
| --- | ---: | ---: |
| fold_shuffles | 0.88 | 0.78 |
| split_streams | 0.79 | 0.76 |
| flatten_depthwise | 0.51 | 0.67 |
| merge_pairs, before the others | 0.42 | 0.66 |
| merge_pairs of all pairs, for 15% more bytes | 0.40 | 0.68 |

spread_prelu is for networks with PReLU: it takes an int8 MobileFaceNet to 0.20 of its time.

For microcontrollers, `tiling` computes a graph in parts, such that less lives at once.
"""

from collections.abc import Callable

from seesaw_keras.tflite.flatbuffer import Model, Subgraph
from seesaw_keras.tflite.passes.flatten_depthwise import flatten_depthwise
from seesaw_keras.tflite.passes.fold_shuffles import fold_shuffles
from seesaw_keras.tflite.passes.merge_pairs import merge_pairs
from seesaw_keras.tflite.passes.remove_dead_ops import tidy
from seesaw_keras.tflite.passes.split_streams import split_streams
from seesaw_keras.tflite.passes.spread_prelu import spread_prelu
from seesaw_keras.tflite.passes.tiling import fit

__all__ = [
    "TARGETS",
    "Pass",
    "fit",
    "flatten_depthwise",
    "fold_shuffles",
    "merge_pairs",
    "rewrite",
    "split_streams",
    "spread_prelu",
    "tidy",
]

Pass = Callable[[Subgraph], int]

TARGETS: dict[str, tuple[Pass, ...]] = {
    "plain": (),
    "phone": (merge_pairs, fold_shuffles, split_streams, flatten_depthwise, spread_prelu, tidy),
    "micro": (fold_shuffles, split_streams, tidy),
}


def rewrite(model: Model, target: str, *, arena: int | None = None) -> dict[str, int]:
    """Changes a model into the form for a target.

    Args:
        model: its main subgraph is changed in place; for "micro", its metadata, too.
        target: "phone", for XNNPACK; "micro", for the memory of a microcontroller; "plain" changes nothing.
        arena: for "micro", the bytes that TFLite Micro may need on x86-64; None for as few as can be.

    Returns:
        In how many places each pass did something, by its name.

    Raises:
        ValueError: there is no such target, or no plan fits the arena.
    """
    if target not in TARGETS:
        raise ValueError(f"unknown target {target!r}: choose one of {', '.join(TARGETS)}")
    counts = {change.__name__: change(model.main) for change in TARGETS[target]}
    return counts | ({"fit": fit(model, arena)} if target == "micro" else {})
