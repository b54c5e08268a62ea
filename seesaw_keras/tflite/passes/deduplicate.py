"""Removes dead operators and tensors, and deduplicates constants.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes import deduplicate
>>> deduplicate(flatbuffer.read("phone_int8.tflite").main)  # doctest: +SKIP
0
"""

from seesaw_keras.tflite.flatbuffer import Subgraph, Tensor
from seesaw_keras.tflite.passes.graph_index import redirect, remove_dead_ops

__all__ = ["deduplicate"]


def deduplicate(graph: Subgraph) -> int:
    """Removes unused operators and tensors, and deduplicates equal constants.

    Names of inputs, outputs and computed tensors are preserved. The writer stores shared bytes once in any case.

    Args:
        graph: modified in place.

    Returns:
        Number of removed operators and tensors.
    """
    before = len(graph.operators) + len(graph.tensors)
    first: dict[tuple, Tensor] = {}
    for tensor in graph.tensors:
        if tensor.data is not None and not tensor.is_variable and tensor not in graph.outputs:
            kept = first.setdefault(_value(tensor), tensor)
            if kept is not tensor:
                redirect(graph, tensor, kept)
    remove_dead_ops(graph)
    return before - len(graph.operators) - len(graph.tensors)


def _value(tensor: Tensor) -> tuple:
    assert tensor.data is not None
    quantization = tensor.quantization
    scales = quantization and (quantization.scales.tobytes(), quantization.zero_points.tobytes(), quantization.axis)
    return tensor.type, tensor.shape, tensor.shape_signature, tensor.data.tobytes(), scales
