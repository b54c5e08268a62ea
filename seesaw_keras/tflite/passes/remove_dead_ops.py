"""What nothing needs is dropped, and equal constants become one.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.passes import remove_dead_ops as tidy
>>> tidy(flatbuffer.read("phone_int8.tflite").main)  # doctest: +SKIP
0
"""

from seesaw_keras.tflite.flatbuffer import Subgraph, Tensor
from seesaw_keras.tflite.passes.graph_index import redirect, sweep

__all__ = ["tidy"]


def tidy(graph: Subgraph) -> int:
    """Drops operators and tensors that nothing uses, and all but the first of equal constants.

    Names of inputs, outputs and computed tensors stay. Bytes that several constants share are written once anyway.

    Args:
        graph: changed in place.

    Returns:
        How many operators and tensors are gone.
    """
    before = len(graph.operators) + len(graph.tensors)
    first: dict[tuple, Tensor] = {}
    for tensor in graph.tensors:
        if tensor.data is not None and not tensor.is_variable and tensor not in graph.outputs:
            kept = first.setdefault(_value(tensor), tensor)
            if kept is not tensor:
                redirect(graph, tensor, kept)
    sweep(graph)
    return before - len(graph.operators) - len(graph.tensors)


def _value(tensor: Tensor) -> tuple:
    assert tensor.data is not None
    quantization = tensor.quantization
    scales = quantization and (quantization.scales.tobytes(), quantization.zero_points.tobytes(), quantization.axis)
    return tensor.type, tensor.shape, tensor.shape_signature, tensor.data.tobytes(), scales
