"""Converts a Keras model or SavedModel to a flatbuffer with one image input and one embedding output.

>>> import numpy as np
>>> import seesaw_keras
>>> from seesaw_keras.tflite.conversion.convert import convert
>>> network = seesaw_keras.build("shuffle", weights="shuffle.weights.h5")  # doctest: +SKIP
>>> model = convert(network, images=np.zeros((1, 112, 112, 3), np.uint8))  # doctest: +SKIP

The only module of `seesaw_keras.tflite` that imports TensorFlow, and only during conversion. The network is frozen
first: with weights as constants and without Keras objects, saving takes a fraction of a second and the converter has
less work than in `from_keras_model` (`benchmarks/conversion.py` measures both).
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from seesaw_keras.choices import unknown_name
from seesaw_keras.native import quiet_native_stderr
from seesaw_keras.tflite.conversion.dense_layers import dense_to_convolution
from seesaw_keras.tflite.conversion.empty_channels import restore_biases
from seesaw_keras.tflite.conversion.interface import (
    InputType,
    name_tensors,
    set_normalization,
    set_pixel_input,
    sole_input_and_output,
    store_facts,
)
from seesaw_keras.tflite.conversion.range_calibration import Range, measure_ranges
from seesaw_keras.tflite.conversion.scale_alignment import align_scales
from seesaw_keras.tflite.flatbuffer import Model, ModelFile, loads

__all__ = ["TYPES", "Type", "convert", "input_shape", "load_saved_model", "weights_sha256"]

Type = Literal["int8", "float32", "float16", "dynamic"]
TYPES: tuple[Type, ...] = get_args(Type)
_SIGNATURE = "serving_default"


def convert(
    model: Any,
    *,
    type: Type = "int8",
    images: npt.NDArray[np.uint8] | None = None,
    input_type: InputType = "int8",
    normalize: bool = False,
    facts: dict[str, Any] | None = None,
) -> Model:
    """Converts a network to a flatbuffer with batch size 1 and static shapes.

    | type | weights | arithmetic | input, for RGB pixels 0 to 255 | output |
    | --- | --- | --- | --- | --- |
    | int8 | int8, per-channel scales | integer only | int8: pixel - 128 | int8 |
    | float32 | float32 | float32 | float32: (pixel - 127.5) / 127.5 | float32 |
    | float16 | float16 | float32, or float16 where the hardware supports it | as float32 | float32 |
    | dynamic | int8, per-channel scales | float32; int8 products with dynamic ranges | as float32 | float32 |

    A quantization-aware model provides its own ranges, except optionally that of its input; any other model is
    quantized with ranges measured on `images`. `interface.set_pixel_input` defines the int8 input. LiteRT's reference
    kernels and TFLite Micro are bit-exact on the int8 network, within the limits of `dense_layers` and
    `scale_alignment`.

    Args:
        model: a Keras model (optionally quantization-aware) or the result of `load_saved_model`, mapping float32
            (batch, height, width, 3) RGB in [-1, 1] to float32 (batch, length).
        type: see the table.
        images: calibration images, uint8 RGB (n, height, width, 3); required for "int8" unless the model is
            quantization-aware.
        input_type: "uint8" makes an int8 network accept raw pixels, at the cost of one QUANTIZE operator.
        normalize: whether the embedding is normalized to unit length by a final L2_NORMALIZATION; if false, an existing
            one is removed. Its int8 output has a fixed scale of 1/128, in which the entries of a 512-d unit vector are
            about six steps: rounding alone limits the cosine similarity to the float embedding to 0.9987. Cosine
            similarity does not require unit length.
        facts: additional entries for the metadata `seesaw_keras`, such as the variant; see `interface.store_facts`.

    Returns:
        The model; deterministic on a given machine. `flatbuffer.write` and `dumps` serialize it.

    Raises:
        ValueError: the model has an unsupported interface, the arguments are inconsistent, TensorFlow Lite cannot
            convert the model, or part of an int8 network stays in float.
    """
    if type not in TYPES:
        raise ValueError(unknown_name("type", type, list(TYPES)))
    if input_type != "int8" and type != "int8":
        raise ValueError(f"input type {input_type!r} requires type int8; a {type} network takes float32")
    concrete = _concrete_function(model)
    shape = tuple(concrete.inputs[0].shape)
    frozen, aware = _freeze(concrete)
    if aware and type != "int8":
        raise ValueError(f"a quantization-aware network can be converted only to int8, not to {type}")
    if type == "int8" and not aware:
        images = _checked(images, shape)
        plain = ModelFile.of(_tensorflow_lite(frozen, shape, "float32"))
        converted = loads(_quantize(plain.data, measure_ranges(plain, images)))
        restore_biases(converted, plain.model)
    else:
        converted = loads(_tensorflow_lite(_with_input_range(frozen) if aware else frozen, shape, type))
    if type == "int8":
        dense_to_convolution(converted)
        set_pixel_input(converted, input_type)
    set_normalization(converted, normalize)
    name_tensors(converted)
    store_facts(
        converted,
        type=type,
        normalized=normalize,
        weights_sha256=weights_sha256(variable.numpy() for variable in concrete.variables),
        **(facts or {}),
    )
    if type == "int8":
        align_scales(converted)
        _require_integers(converted)
    return converted


def weights_sha256(arrays: Iterable[np.ndarray]) -> str:
    """Returns a SHA-256 of a network's float weights that does not depend on the container format.

    It is the digest of the sorted digests of all arrays (shape and little-endian float32 entries), so names and order
    do not matter: a weights file, a .keras file and a SavedModel of one network have the same digest.
    """
    digests = []
    for array in arrays:
        if np.issubdtype(array.dtype, np.floating):
            digests.append(hashlib.sha256(f"{array.shape}".encode() + array.astype("<f4").tobytes()).hexdigest())
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def load_saved_model(path: str | Path) -> Any:
    """Loads a SavedModel for `convert`.

    Raises:
        ValueError: TensorFlow cannot load it, or it has no signature `serving_default` with one float32 input and one
            output.
    """
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path}: TensorFlow cannot load it as a SavedModel: {error}") from error
    if _SIGNATURE not in loaded.signatures:
        raise ValueError(f"{path}: no signature {_SIGNATURE}; available: {', '.join(loaded.signatures) or 'none'}")
    given = loaded.signatures[_SIGNATURE].structured_input_signature[1]
    made = loaded.signatures[_SIGNATURE].structured_outputs
    spec, _ = sole_input_and_output(path, list(given.values()), list(made.values()))
    if spec.shape.rank is None or spec.dtype != tf.float32:
        raise ValueError(f"{path}: the input is {spec}; expected float32 (batch, height, width, 3)")
    return loaded


def input_shape(model: Any) -> tuple[int, int, int]:
    """Returns the model's input image shape (height, width, 3).

    Args:
        model: see `convert`.

    Raises:
        ValueError: the model does not have exactly one such input of fixed size.
    """
    if hasattr(model, "signatures"):
        (spec,) = model.signatures[_SIGNATURE].structured_input_signature[1].values()
        shape: Any = spec.shape.as_list()
    else:
        shape = model.input_shape
    if not isinstance(shape, (tuple, list)) or len(shape) != 4 or shape[3] != 3 or None in shape[1:]:
        raise ValueError(f"the input has shape {shape}; expected (batch, height, width, 3) of fixed size")
    return tuple(shape[1:])


def _concrete_function(model: Any) -> Any:
    """Traces a model at batch size 1, with input `image` and output `embedding`."""
    import tensorflow as tf

    spec = tf.TensorSpec((1, *input_shape(model)), tf.float32, name="image")
    call = _call_of_signature(model) if hasattr(model, "signatures") else _call_of_keras(model)
    concrete = tf.function(lambda image: {"embedding": call(image)}).get_concrete_function(image=spec)
    made = concrete.structured_outputs["embedding"].shape
    if made.rank != 2:
        raise ValueError(f"the output has shape {made}; expected (batch, length)")
    return concrete


def _call_of_keras(model: Any) -> Callable[[Any], Any]:
    if isinstance(model.output_shape, (list, dict)):
        raise ValueError(f"{model.name}: expected one output, got {len(model.output_shape)}")
    for layer in model.layers:
        if layer.compute_dtype != "float32":
            raise ValueError(
                f"{model.name}: {layer.name} computes in {layer.compute_dtype}; build the network under the policy "
                f"float32 and load its weights into it"
            )
    return lambda image: model(image, training=False)


def _call_of_signature(model: Any) -> Callable[[Any], Any]:
    signature = model.signatures[_SIGNATURE]
    (key,) = signature.structured_input_signature[1]

    def call(image: Any) -> Any:
        (embedding,) = signature(**{key: image}).values()
        return embedding

    return call


def _freeze(concrete: Any) -> tuple[Any, bool]:
    """Converts variables to constants; also returns whether the network is quantization-aware."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(concrete)
    aware = any(node.op.startswith("FakeQuantWithMinMaxVars") for node in frozen.graph.as_graph_def().node)
    return frozen, aware


def _with_input_range(frozen: Any) -> Any:
    """Quantizes the input of a quantization-aware network that does not do so itself, with the range of the pixels."""
    import tensorflow as tf

    operators = [user for tensor in frozen.inputs for user in tensor.consumers()]
    if any(operator.type.startswith("FakeQuant") for operator in operators):
        return frozen
    return lambda image: frozen(tf.quantization.fake_quant_with_min_max_args(image, -1.0, 1.0))


def _checked(images: npt.NDArray[np.uint8] | None, shape: tuple) -> npt.NDArray[np.uint8]:
    if images is None:
        raise ValueError("int8 requires calibration images, unless the network is quantization-aware")
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != shape[1:] or not len(images):
        raise ValueError(
            f"calibration images are {images.dtype} {images.shape}; the network expects uint8 (n, {str(shape[1:])[1:]}"
        )
    return images


def _tensorflow_lite(frozen: Any, shape: tuple, type: Type) -> bytes:
    """Runs TensorFlow Lite's converter on a frozen function via a SavedModel, which preserves the signature.

    Args:
        frozen: function without variables; quantization-aware for "int8".
        shape: input shape.
        type: see `convert`.
    """
    import tensorflow as tf

    spec = tf.TensorSpec(shape, tf.float32, name="image")
    function = tf.function(lambda image: {"embedding": frozen(image)[0]}).get_concrete_function(image=spec)
    with tempfile.TemporaryDirectory() as folder, quiet_native_stderr():
        tf.saved_model.save(tf.Module(), folder, signatures=function)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.exclude_conversion_metadata = True
        if type != "float32":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if type == "float16":
            converter.target_spec.supported_types = [tf.float16]
        if type == "int8":
            converter.inference_input_type = converter.inference_output_type = tf.int8
        try:
            return bytes(converter.convert())
        except Exception as error:  # the converter raises many exception types
            raise ValueError(f"TensorFlow Lite cannot convert the network to {type}: {error}") from error


def _quantize(plain: bytes, ranges: Mapping[int, Range]) -> bytes:
    """Runs TensorFlow Lite's quantizer on a float flatbuffer with known ranges."""
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize
    from tensorflow.lite.python.schema_py_generated import QuantizationParametersT
    from tensorflow.lite.tools import flatbuffer_utils

    table = flatbuffer_utils.convert_bytearray_to_object(plain)
    for number, (minimum, maximum) in ranges.items():
        parameters = QuantizationParametersT()
        parameters.min, parameters.max = [minimum], [maximum]
        table.subgraphs[0].tensors[number].quantization = parameters
    with quiet_native_stderr():
        try:
            return bytes(
                mlir_quantize(
                    bytes(flatbuffer_utils.convert_object_to_bytearray(table)),
                    input_data_type=tf.int8,
                    output_data_type=tf.int8,
                )
            )
        except Exception as error:  # as above
            raise ValueError(f"TensorFlow Lite cannot quantize the network: {error}") from error


def _require_integers(model: Model) -> None:
    floats = [tensor.name for tensor in model.main.tensors if tensor.type.startswith(("FLOAT", "BFLOAT"))]
    if floats:
        raise ValueError(
            f"{len(floats)} tensors of the int8 network are still float, the first is {floats[0]!r}: its operator has "
            f"no int8 kernel, or quantization-aware training recorded no range for it"
        )
