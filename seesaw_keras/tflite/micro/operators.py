"""Maps a model's operators to methods of TFLite Micro's `MicroMutableOpResolver`.

>>> from seesaw_keras.tflite.micro.operators import resolver_method
>>> resolver_method("DEPTHWISE_CONV_2D")
'AddDepthwiseConv2D'
"""

from seesaw_keras.tflite.analysis.audit import TFLM_OPERATORS
from seesaw_keras.tflite.flatbuffer import Model

__all__ = ["resolver_method", "resolver_methods"]

# Methods with irregular names in tensorflow/lite/micro/micro_mutable_op_resolver.h (August 2026).
_IRREGULAR = {
    "BATCH_MATMUL": "AddBatchMatMul",
    "CUMSUM": "AddCumSum",
    "PADV2": "AddPadV2",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "AddUnidirectionalSequenceLSTM",
}


def resolver_method(code: str) -> str:
    """Returns the method of `MicroMutableOpResolver` that adds an operator.

    Args:
        code: operator name in the schema, such as "CONV_2D".

    Raises:
        ValueError: TFLite Micro does not support the operator.
    """
    if code not in TFLM_OPERATORS:
        raise ValueError(f"TFLite Micro does not support {code}")
    words = code.split("_")
    return _IRREGULAR.get(code) or "Add" + "".join(word if word[0].isdigit() else word.capitalize() for word in words)


def resolver_methods(model: Model) -> dict[str, str]:
    """Returns the resolver method of each operator type in a model, in alphabetical order.

    Raises:
        ValueError: TFLite Micro does not support all of them.
    """
    used = {operator.custom_code or operator.code for graph in model.subgraphs for operator in graph.operators}
    if absent := sorted(used - TFLM_OPERATORS):
        raise ValueError(
            f"TFLite Micro does not support {', '.join(absent)}; `seesaw check_tflite --audit` lists slow and "
            "unsupported operators"
        )
    return {code: resolver_method(code) for code in sorted(used)}
