"""External interface of a converted model: input, output, tensor names and metadata.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.conversion.interface import read_facts
>>> read_facts(flatbuffer.read("shuffle_int8.tflite"))["preprocessing"]  # doctest: +SKIP
'pixel - 128'
"""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, TypeVar, get_args

import numpy as np

import seesaw_keras
from seesaw_keras.tflite.flatbuffer import Model, Operator, Quantization, Subgraph, Tensor

__all__ = [
    "INPUT_TYPES",
    "METADATA",
    "PIXEL_SCALE",
    "InputType",
    "name_tensors",
    "pixel_table",
    "read_facts",
    "set_normalization",
    "set_pixel_input",
    "sole_input_and_output",
    "store_facts",
    "to_float",
]

T = TypeVar("T")
InputType = Literal["int8", "uint8"]
INPUT_TYPES: tuple[InputType, ...] = get_args(InputType)
METADATA = "seesaw_keras"  # name of the metadata entry
PIXEL_SCALE = 1 / 127.5
# Names of an operator's constant inputs, by input index.
_ROLES = {
    "CONV_2D": ("", "weights", "bias"),
    "DEPTHWISE_CONV_2D": ("", "weights", "bias"),
    "FULLY_CONNECTED": ("", "weights", "bias"),
    "PRELU": ("", "slopes"),
    "PAD": ("", "paddings"),
    "RESHAPE": ("", "shape"),
    "TRANSPOSE": ("", "permutation"),
    "MEAN": ("", "axes"),
    "STRIDED_SLICE": ("", "begin", "end", "strides"),
}


def to_float(images: Any) -> Any:
    """Returns pixels in the float networks' input range: (pixel - 127.5) / 127.5.

    Args:
        images: uint8, of any shape; a NumPy array or a TensorFlow tensor, also in a graph.

    Returns:
        float32 in [-1, 1], of the same kind and shape.
    """
    if isinstance(images, np.ndarray):
        return (images.astype(np.float32) - 127.5) / 127.5
    import tensorflow as tf

    return (tf.cast(images, tf.float32) - 127.5) / 127.5


_PIXELS = np.arange(256, dtype=np.uint8)
# Per input type: the metadata's description of the preprocessing, and the input for pixel values 0 to 255.
_PREPROCESSING: dict[str, tuple[str, np.ndarray]] = {
    "INT8": ("pixel - 128", (_PIXELS ^ 128).view(np.int8)),
    "UINT8": ("pixel", _PIXELS),
    "FLOAT32": ("(pixel - 127.5) / 127.5", to_float(_PIXELS)),
}


def set_pixel_input(model: Model, input_type: InputType = "int8") -> None:
    """Makes an int8 network accept pixel - 128 as the representation of (pixel - 127.5) / 127.5.

    No int8 input of scale 1/127.5 represents that exactly: q = pixel - 128 corresponds to (q + 0.5) / 127.5, and zero
    points are integers. With zero point 0, as stored in the file, q means (pixel - 128) / 127.5, half a step too dark.
    The missing half step is the same for every pixel, so it moves into the first convolution's bias: half of the sum of
    each channel's integer weights, in units of the bias. This is exact to half a unit of the bias, about a thousandth
    of an output step. Only zero padding outside the image still has the integer value 0, half a step above the float
    network's 0.

    Preprocessing is thus a subtraction of 128 (flipping the highest bit of every byte), without floating point. Do not
    quantize (pixel - 127.5) / 127.5 with the file's scale and zero point: every value would be a tie.

    The input scale found by calibration or quantization-aware training is replaced, and the bias is converted to the
    new scale.

    Args:
        model: an int8 network whose input feeds convolutions, directly or through padding; modified in place.
        input_type: "uint8" prepends a QUANTIZE, which costs one pass over the image; the input is then the raw pixel.

    Raises:
        ValueError: the input feeds another operator.
    """
    graph = model.main
    (given,) = graph.inputs
    old = given.quantization
    if given.type != "INT8" or old is None:
        raise ValueError(f"the input {given.name!r} is {given.type}, expected quantized INT8")
    moved, convolutions = _first_convolutions(graph, given)
    for convolution in convolutions:
        _fold_half_step(graph, convolution, old.scale)
    for tensor in moved:
        tensor.quantization = Quantization(PIXEL_SCALE, 0)
    if input_type == "uint8":
        pixels = Tensor("pixels", given.shape, "UINT8", Quantization(PIXEL_SCALE, 128))
        graph.tensors.insert(0, pixels)
        graph.inputs[:] = [pixels]
        graph.operators.insert(0, Operator("QUANTIZE", [pixels], [given]))
        _replace_in_signatures(model, given, pixels)


def _first_convolutions(graph: Subgraph, given: Tensor) -> tuple[list[Tensor], list[Operator]]:
    """The tensors that hold pixels (the input and its padded copies) and the convolutions that read them."""
    tensors, convolutions = [given], []
    consumers = graph.consumers()
    for tensor in tensors:
        for operator in consumers[tensor]:
            if operator.code == "PAD":
                tensors += operator.outputs
            elif operator.code in ("CONV_2D", "DEPTHWISE_CONV_2D") and _constant(operator, 1) is not None:
                convolutions.append(operator)
            else:
                raise ValueError(
                    f"the input feeds {operator.code}; int8 pixels must feed a convolution, directly or through PAD: "
                    f"remove the preprocessing from the network"
                )
    return tensors, convolutions


def _constant(operator: Operator, index: int) -> np.ndarray | None:
    tensor = operator.inputs[index] if index < len(operator.inputs) else None
    return None if tensor is None else tensor.data


def _fold_half_step(graph: Subgraph, convolution: Operator, old_scale: float) -> None:
    """Rescales a first convolution's bias to the new input scale and adds the half-step correction."""
    weights = convolution.inputs[1]
    assert weights is not None and weights.data is not None and weights.quantization is not None
    axis = 0 if convolution.code == "CONV_2D" else 3
    sums = weights.data.sum(axis=tuple(set(range(4)) - {axis}), dtype=np.int64)
    bias = _constant(convolution, 2)
    in_new_unit = 0.0 if bias is None else bias * (old_scale / PIXEL_SCALE)
    values = np.rint(in_new_unit + sums / 2)
    if np.abs(values).max(initial=0) > np.iinfo(np.int32).max:
        raise ValueError(f"the bias of {weights.name!r} overflows int32")
    scales = weights.quantization.scales * np.float32(PIXEL_SCALE)
    tensor = Tensor.constant(f"{weights.name}/bias", values.astype(np.int32), Quantization(scales))
    graph.tensors.append(tensor)
    convolution.inputs[2:] = [tensor]


def set_normalization(model: Model, normalize: bool) -> None:
    """Adds an L2_NORMALIZATION at the end of a network, or removes the existing one.

    Args:
        model: model with one output (1, length); modified in place.
        normalize: whether the network ends in an L2_NORMALIZATION.
    """
    graph = model.main
    (made,) = graph.outputs
    last = graph.producers()[made]
    if (last.code == "L2_NORMALIZATION") == normalize:
        return
    if normalize:
        # The operator's specification fixes this scale for int8.
        quantization = Quantization(1 / 128, 0) if made.quantization else None
        output = Tensor("unit_embedding", made.shape, made.type, quantization)
        graph.tensors.append(output)
        graph.operators.append(Operator("L2_NORMALIZATION", [made], [output], version=2 if quantization else 1))
    else:
        (before,) = last.inputs
        assert before is not None
        output = before
        graph.operators.remove(last)
    graph.outputs[:] = [output]
    _replace_in_signatures(model, made, output)


def _replace_in_signatures(model: Model, old: Tensor, new: Tensor) -> None:
    for signature in model.signatures:
        for ends in (signature.inputs, signature.outputs):
            ends.update({name: new for name, tensor in ends.items() if tensor is old})


def name_tensors(model: Model) -> None:
    """Names tensors after the Keras layers that compute them, consistently across all types.

    The input is `image`, the output `embedding`. The output of a layer's last operator has the layer's name, without
    the `_conv` and `_bn` suffixes of fused layers; the outputs of the layer's other operators have the layer's name,
    `/` and the operator (`stem_act/logistic`). A constant has the name of its first consumer's output, `/` and its role
    (`stem/weights`).

    Args:
        model: output of TensorFlow's converter; modified in place. Unused tensors are removed and the others sorted by
            first use.
    """
    graph = model.main
    layers = [_layer(operator) for operator in graph.operators]
    last = {layer: number for number, layer in enumerate(layers)}
    names: dict[Tensor, str] = dict.fromkeys(graph.inputs, "image") | dict.fromkeys(graph.outputs, "embedding")
    seen = Counter(names.values())

    def name(tensor: Tensor, candidate: str) -> None:
        if tensor not in names:
            seen[candidate] += 1
            names[tensor] = candidate if seen[candidate] == 1 else f"{candidate}_{seen[candidate]}"

    for number, (operator, layer) in enumerate(zip(graph.operators, layers, strict=True)):
        code = operator.code.lower()
        own = layer if layer and last[layer] == number and layer not in seen else f"{layer}/{code}".lstrip("/")
        for output in operator.outputs:
            name(output, own)
        roles = _ROLES.get(operator.code, ())
        for index, tensor in enumerate(operator.inputs):
            if tensor is not None and tensor.data is not None:
                role = roles[index] if index < len(roles) else f"operand{index}"
                name(tensor, f"{names[operator.outputs[0]]}/{role}")
    for tensor, new in names.items():
        tensor.name = new
    graph.tensors[:] = list(names)


def _layer(operator: Operator) -> str:
    """The Keras layer of an operator: the second path component of the converter's names; "" if there is none.

    For example, `stem_dw` for `seesaw_shuffle/stem_dw_bn/FusedBatchNormV3;seesaw_shuffle/stem_dw_conv/depthwise1`.
    Names have the prefix `PartitionedCall/` where functions call functions.
    """
    for path in operator.outputs[0].name.split(";"):
        parts = [part for part in path.split("/") if not part.endswith("PartitionedCall")]
        if len(parts) > 2:
            layer = parts[1].removeprefix("quant_")
            if operator.code in ("CONV_2D", "DEPTHWISE_CONV_2D"):
                layer = layer.removesuffix("_act").removesuffix("_bn").removesuffix("_conv")
            return layer
    return ""


def sole_input_and_output(name: object, inputs: Sequence[T], outputs: Sequence[T]) -> tuple[T, T]:
    """Returns the input and the output of a model that must have one each; `name` is for the error message.

    Raises:
        ValueError: there is not exactly one input and one output.
    """
    if len(inputs) != 1 or len(outputs) != 1:
        raise ValueError(f"{name}: expected one input and one output, got {len(inputs)} and {len(outputs)}")
    return inputs[0], outputs[0]


def store_facts(model: Model, **facts: Any) -> None:
    """Stores metadata as one JSON object in the model, under `seesaw_keras`.

    Args:
        model: modified in place.
        **facts: JSON-serializable values. The package version and the preprocessing are added.
    """
    preprocessing, _ = _PREPROCESSING.get(model.main.inputs[0].type, (None, None))
    facts |= {
        "package_version": seesaw_keras.__version__,
        "preprocessing": preprocessing,
        "channels": "RGB",
    }
    model.metadata[METADATA] = json.dumps(facts, sort_keys=True, allow_nan=False).encode()


def read_facts(model: Model) -> dict[str, Any]:
    """Returns the metadata stored by `store_facts`; an empty dictionary for other models.

    Raises:
        ValueError: the entry exists but is not a JSON object.
    """
    try:
        facts = json.loads(model.metadata.get(METADATA, b"{}"))
    except (ValueError, RecursionError) as error:  # RecursionError: deeply nested brackets
        raise ValueError(f"metadata {METADATA!r}: not JSON: {error}") from error
    if not isinstance(facts, dict):
        raise ValueError(f"metadata {METADATA!r}: not a JSON object")
    return facts


def pixel_table(model: Model) -> np.ndarray | None:
    """Returns the exact network input for each pixel value, for a network made by `convert`.

    Returns:
        (256,) array of the input's dtype: `table[images]` is the input for uint8 RGB images. None for other models.

    Raises:
        ValueError: see `read_facts`.
    """
    known = _PREPROCESSING.get(model.main.inputs[0].type)
    return known[1] if known and read_facts(model).get("preprocessing") == known[0] else None
