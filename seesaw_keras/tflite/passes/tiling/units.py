"""Finds tileable units: channelwise regions, and the rows from the image to the first global operator.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes.graph_index import GraphIndex
>>> from seesaw_keras.tflite.passes.tiling.units import channel_units
>>> units = channel_units(GraphIndex(flatbuffer.read("shuffle_hard.tflite").main))  # doctest: +SKIP
>>> len(units[0].layouts)  # doctest: +SKIP
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, combinations, pairwise

from seesaw_keras.tflite.flatbuffer import Operator, Tensor
from seesaw_keras.tflite.passes.channels import channel_constants, channel_slices, joined_parts
from seesaw_keras.tflite.passes.graph_index import GraphIndex
from seesaw_keras.tflite.passes.regions import region_around
from seesaw_keras.tflite.passes.tiling.boxes import Box, Cuts, is_image, whole
from seesaw_keras.tflite.passes.tiling.required_inputs import required_inputs
from seesaw_keras.tflite.passes.tiling.tiles import STREAMED, Layout

__all__ = ["Unit", "channel_units", "strip_units"]

_GROUP_COUNTS = (2, 3, 4, 8)  # candidate numbers of channel groups
_STRIP_COUNTS = (2, 3, 4, 6)
_MAX_ANCHORS = 4  # maximum number of split positions; all of their subsets are tried
_GROUP_MULTIPLE = 8  # group sizes are multiples of it, to suit vector units
_INPUT_OPERATORS = frozenset(("PAD", "QUANTIZE"))  # on the input image; their outputs are about as small as the image


@dataclass
class Unit:
    """Tensors that are tiled together.

    Attributes:
        tensors: all tensors that a layout of the unit can change, and those derived from them.
        layouts: alternative layouts, without the trivial one.
    """

    tensors: set[Tensor]
    layouts: list[Layout]


def channel_units(graph_index: GraphIndex) -> list[Unit]:
    """Finds units that can be split by channels: per channelwise region, the images of one size."""
    units, seen = [], set()
    for operator in graph_index.graph.operators:
        for start in operator.outputs:
            if start in seen or not is_image(start):
                continue
            region = region_around(graph_index, start)
            seen |= {start} if region is None else region.tensors
            if region is None or not region.operators:
                continue
            bounds = {b for o in region.sinks for _, *ends in channel_slices(graph_index, o) or () for b in ends}
            for tensors in _by_size(graph_index, region.tensors):
                unit = _unit(graph_index, tensors, bounds - {0, start.shape[3]})
                if unit is not None:
                    units.append(unit)
    return units


def _by_size(graph_index: GraphIndex, tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """Groups images of more than one pixel by spatial size; padded tensors count with their input."""
    sizes: dict[tuple[int, ...], list[Tensor]] = {}
    for tensor in tensors:
        producer = graph_index.producers[tensor]
        shape = (producer.inputs[0] or tensor).shape if producer.code == "PAD" else tensor.shape
        if is_image(tensor):
            sizes.setdefault(shape[1:3], []).append(tensor)
    return [some for (height, width), some in sizes.items() if height * width > 1]


def _unit(graph_index: GraphIndex, tensors: list[Tensor], bounds: set[int]) -> Unit | None:
    producers = [graph_index.producers[tensor] for tensor in tensors]
    if not all(_is_channel_separable(graph_index, producer) for producer in producers):
        return None
    parts = {part for producer in producers for part in joined_parts(producer) or ()}
    streamed = {
        part for part in parts if _is_convolution(graph_index, part) and graph_index.only_user(part) is not None
    }
    # Smaller outputs that follow, of a mean or a strided operator, are also computed in groups.
    ends = {
        o.outputs[0]
        for tensor in tensors
        for o in graph_index.consumers[tensor]
        if is_image(o.outputs[0])
        and o.outputs[0].shape[3] == tensor.shape[3]
        and channel_constants(graph_index, o) is not None
        and _is_channel_separable(graph_index, o)
    }
    boundaries = {end for producer in producers for end in _concat_boundaries(producer)}
    layouts: list[Layout] = []
    for cuts in _channel_cuts(tensors[0].shape[3], bounds, boundaries):
        layouts.append(dict.fromkeys([*tensors, *ends], Cuts((), cuts)) | dict.fromkeys(streamed, STREAMED))
    slices = {
        part
        for tensor in tensors
        for o in graph_index.consumers[tensor]
        for part, *_ in channel_slices(graph_index, o) or ()
        if not graph_index.is_open(part)
    }
    return Unit({*tensors, *ends, *streamed, *slices}, layouts)


def _is_channel_separable(graph_index: GraphIndex, operator: Operator) -> bool:
    made = operator.outputs[0]
    if joined_parts(operator) is not None:
        return True
    return made.shape[3] > 1 and required_inputs(graph_index, operator, whole(made)._replace(last=1)) is not None


def _is_convolution(graph_index: GraphIndex, tensor: Tensor) -> bool:
    producer = graph_index.producers.get(tensor)
    return producer is not None and producer.code == "CONV_2D" and _is_channel_separable(graph_index, producer)


def _concat_boundaries(producer: Operator) -> list[int]:
    return list(accumulate(part.shape[3] for part in (joined_parts(producer) or ())[:-1]))


def _channel_cuts(channels: int, bounds: set[int], boundaries: set[int]) -> list[tuple[int, ...]]:
    """Candidate channel splits: at positions where channels are sliced or concatenated anyway, and in between."""
    anchors = sorted(bounds | boundaries)[:_MAX_ANCHORS]
    found = []
    for count in range(len(anchors) + 1):
        for some in combinations(anchors, count):
            for most in (channels, *(-(-channels // groups) for groups in _GROUP_COUNTS)):
                found.append(_add_splits((0, *some, channels), most))
    return [cuts for cuts in dict.fromkeys(found) if cuts]


def _add_splits(ends: tuple[int, ...], most: int) -> tuple[int, ...]:
    """The split positions, with more in between so that no group exceeds the maximum size."""
    cuts: list[int] = []
    for begin, end in pairwise(ends):
        size = -(-(end - begin) // -(-(end - begin) // most))
        size = -(-size // _GROUP_MULTIPLE) * _GROUP_MULTIPLE if size > _GROUP_MULTIPLE else size
        cuts += range(begin, end, size)
    return tuple(cuts[1:])


def strip_units(graph_index: GraphIndex, channels: list[Unit]) -> list[Unit]:
    """Finds units that can be computed in strips of rows: from the image to one of the downsampled tensors."""
    units = []
    for operator in graph_index.graph.operators:
        if any(operator.options.get(name, 1) > 1 for name in ("stride_h", "stride_w")):
            end = operator.outputs[0]
            streamed = _strip_tensors(graph_index, end)
            if streamed is None:
                break
            if len(streamed) > 1:
                units.append(_strips(end, streamed, [layout for unit in channels for layout in unit.layouts]))
    return units


def _strip_tensors(graph_index: GraphIndex, end: Tensor) -> set[Tensor] | None:
    """The tensors needed to compute a tensor in strips; None if one of them requires a whole image."""
    found: set[Tensor] = set()
    waiting = [end]
    while waiting:
        tensor = waiting.pop()
        producer = graph_index.producers.get(tensor)
        if producer is None or tensor in found:
            continue
        free = producer.code in _INPUT_OPERATORS and producer.inputs[0] not in graph_index.producers
        if free and tensor is not end:
            continue
        if not is_image(tensor) or tensor.shape[1] < 2 or graph_index.is_open(tensor):
            return None
        view = joined_parts(producer) is not None or channel_slices(graph_index, producer) is not None
        if not view and required_inputs(graph_index, producer, _half(tensor)) is None:
            return None
        found.add(tensor)
        waiting += [t for t in producer.inputs if t is not None and t.data is None]
    return found


def _half(tensor: Tensor) -> Box:
    return whole(tensor)._replace(bottom=tensor.shape[1] // 2)


def _strips(end: Tensor, streamed: set[Tensor], channels: list[Layout]) -> Unit:
    groups = dict.fromkeys(cuts.channels for layout in channels if isinstance(cuts := layout.get(end), Cuts))
    before = dict.fromkeys(streamed - {end}, STREAMED)
    rows = [cuts for count in _STRIP_COUNTS for cuts in _row_cuts(end.shape[1], count)]
    return Unit(set(streamed), [before | {end: Cuts(cuts, some)} for cuts in rows for some in [(), *groups]])


def _row_cuts(height: int, count: int) -> list[tuple[int, ...]]:
    """Candidate row splits: roughly equal strips, or a higher first one, while no other strip is stored yet."""
    found = []
    for more in (0, 2):
        first = height // count + more
        rest = height - first
        if rest < count - 1:
            continue
        # The last strips may be higher again, since the image is no longer needed.
        sizes = [first, *((rest + n) // (count - 1) for n in range(count - 1))]
        found.append(tuple(accumulate(sizes[:-1])))
    return list(dict.fromkeys(found))
