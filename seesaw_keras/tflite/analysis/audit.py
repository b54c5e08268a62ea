"""Audits which operators have fast kernels in XNNPACK on phones and in TFLite Micro with CMSIS-NN on Arm MCUs.

>>> from seesaw_keras.tflite.analysis.audit import audit
>>> print(audit("shuffle_int8.tflite").table())  # doctest: +SKIP

Delegation to XNNPACK is measured: LiteRT prepares the model and reports the delegated partitions. Operators between
partitions run in LiteRT's own kernels, several times slower and on one thread. TFLite Micro's operators are those of
its wheel; a test checks each against the wheel. CMSIS-NN's operators are those in
tensorflow/lite/micro/kernels/cmsis_nn (August 2026), all of them for int8; TFLite Micro runs the others as plain loops.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from seesaw_keras.native import quiet_native_stderr
from seesaw_keras.tflite.analysis.costs import count_madds
from seesaw_keras.tflite.flatbuffer import ModelFile, ModelSource, Operator, Subgraph, Tensor

__all__ = ["TFLM_OPERATORS", "Audit", "AuditRow", "audit", "has_fast_tflm_kernel", "xnnpack_partitions"]

_TFLM_WHEEL = """
ABS ADD ADD_N ARG_MAX ARG_MIN ASSIGN_VARIABLE AVERAGE_POOL_2D BATCH_MATMUL BATCH_TO_SPACE_ND BROADCAST_ARGS
BROADCAST_TO CALL_ONCE CAST CEIL CONCATENATION CONV_2D COS CUMSUM DEPTHWISE_CONV_2D DEPTH_TO_SPACE DEQUANTIZE DIV
DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP EXPAND_DIMS FILL FLOOR FLOOR_DIV FLOOR_MOD FULLY_CONNECTED
GATHER GATHER_ND GREATER GREATER_EQUAL HARD_SWISH IF L2_NORMALIZATION L2_POOL_2D LEAKY_RELU LESS LESS_EQUAL LOG
LOGICAL_AND LOGICAL_NOT LOGICAL_OR LOGISTIC LOG_SOFTMAX MAXIMUM MAX_POOL_2D MEAN MINIMUM MIRROR_PAD MUL NEG
NOT_EQUAL PACK PAD PADV2 PRELU QUANTIZE READ_VARIABLE REDUCE_ALL REDUCE_MAX REDUCE_MIN RELU RELU6 RESHAPE
RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR REVERSE_V2 ROUND RSQRT SELECT_V2 SHAPE SIN SLICE SOFTMAX SPACE_TO_BATCH_ND
SPACE_TO_DEPTH SPLIT SPLIT_V SQRT SQUARE SQUARED_DIFFERENCE SQUEEZE STRIDED_SLICE SUB SUM SVDF TANH TRANSPOSE
TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM UNPACK VAR_HANDLE WHILE ZEROS_LIKE
"""
_CMSIS_FOLDER = """
ADD AVERAGE_POOL_2D BATCH_MATMUL CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED MAXIMUM MAX_POOL_2D MINIMUM MUL PAD PADV2
SOFTMAX SVDF TRANSPOSE TRANSPOSE_CONV UNIDIRECTIONAL_SEQUENCE_LSTM
"""
TFLM_OPERATORS = frozenset(_TFLM_WHEEL.split())
_CMSIS = frozenset(_CMSIS_FOLDER.split())
_MEMCPY = frozenset(("EXPAND_DIMS", "RESHAPE", "SQUEEZE"))
_SAME_SHAPE = ("ADD", "MUL")  # no broadcasting in CMSIS-NN
_MAX_DIMENSIONS = 4  # limit of CMSIS-NN's TRANSPOSE

_MERGED = "copies memory: --target xnnpack merges uneven pairs into dense convolutions where that is faster"
_FOLDED = "copies memory: --target xnnpack folds channel shuffles into the adjacent weights"
_FUSED = "runs as a fixed-point loop on microcontrollers: ReLU6 is free, because it fuses into the convolution"
_CLAMP = "not delegated in int8: if it is part of a PReLU, ReLU6 is free"
# Advice for int8 operators that are slow in some runtime, or not bit-exact across runtimes.
_ADVICE = {
    "CONCATENATION": _MERGED,
    "FULLY_CONNECTED": "LiteRT and TFLite Micro round differently: `seesaw convert_tflite` makes it a 1x1 CONV_2D",
    "GATHER": _FOLDED,
    "HARD_SWISH": "not delegated in int8, and a loop on microcontrollers: swish is delegated, ReLU6 is free",
    "L2_NORMALIZATION": "cosine similarity does not require unit length: omit it (--normalize none)",
    "LOGISTIC": _FUSED,
    "MAXIMUM": _CLAMP,
    "MEAN": "runs as a loop on microcontrollers, but is cheap compared with a convolution",
    "MINIMUM": _CLAMP,
    "MUL": "runs as a loop on microcontrollers where it broadcasts: networks without squeeze-excite avoid this",
    "PRELU": "not delegated in int8: ReLU6 is free; --target xnnpack replaces PReLUs of images with faster operators",
    "QUANTIZE": "a pass over its tensor: for the image, int8 input (pixel - 128) avoids it",
    "RELU6": "not bit-exact between LiteRT and TFLite Micro: place it after a convolution, into which it fuses",
    "SPLIT": _MERGED,
    "STRIDED_SLICE": _MERGED,
    "SUM": "LiteRT's reference kernel reads int8 as uint8: MEAN is correct in both",
    "TANH": _FUSED,
    "TRANSPOSE": _FOLDED,
}
_ALWAYS = ("FULLY_CONNECTED", "RELU6", "SUM")  # operators with advice regardless of speed


@dataclass(frozen=True)
class AuditRow:
    """All operators of one type.

    Attributes:
        code: operator name.
        count: number of operators.
        madds: multiply-adds per image.
        traffic: bytes read and written, including constants.
        in_xnnpack: number of operators delegated to XNNPACK.
        in_cmsis: number of operators that have a CMSIS-NN kernel or only copy memory.
        in_tflm: whether TFLite Micro supports the operator, for some types.
    """

    code: str
    count: int
    madds: int
    traffic: int
    in_xnnpack: int
    in_cmsis: int
    in_tflm: bool


@dataclass(frozen=True)
class Audit:
    """Audit of a model's operators.

    Attributes:
        rows: one row per operator type, sorted by decreasing traffic.
        partitions: number of partitions delegated to XNNPACK; 1 is best.
        slow: for "XNNPACK" and "CMSIS-NN", the fractions (0 to 1) of multiply-adds and of traffic in operators without
            a fast kernel.
        advice: advice for operators that are slow or not bit-exact across runtimes, one line each.
    """

    rows: list[AuditRow]
    partitions: int
    slow: dict[str, tuple[float, float]]
    advice: list[str]

    def table(self) -> str:
        """Returns a text report."""
        madds, traffic = (max(1, sum(getattr(row, name) for row in self.rows)) for name in ("madds", "traffic"))
        width = max(len(row.code) for row in self.rows)
        lines = [f"{'':{width}}  count  madds  bytes  XNNPACK  TFLite Micro  CMSIS-NN"]
        for row in self.rows:
            shares = f"{row.madds / madds:>5.1%}  {row.traffic / traffic:>5.1%}"
            supported = "yes" if row.in_tflm else "no"
            lines.append(
                f"{row.code:{width}}  {row.count:>5}  {shares}  {row.in_xnnpack:>7}  {supported:>12}  {row.in_cmsis:>8}"
            )
        parts = {"XNNPACK": f", in {self.partitions} partition{'s' * (self.partitions != 1)}"}
        for name, (slow_madds, slow_traffic) in self.slow.items():
            shares = f"{slow_madds:.1%} of multiply-adds and {slow_traffic:.1%} of bytes are not"
            lines.append(f"{name}{parts.get(name, '')}: {shares} on its kernels")
        return "\n".join([*lines, *self.advice])


def audit(model: ModelSource) -> Audit:
    """Determines which operators of a model have fast kernels.

    Args:
        model: path or contents of a flatbuffer, a `Model` or a `ModelFile`.

    Raises:
        FlatbufferError: the file is damaged.
        ValueError: LiteRT cannot run it.
    """
    file = ModelFile.of(model)
    operators = file.model.main.operators
    parts = xnnpack_partitions(file)
    in_xnnpack = {operator for part in parts for operator in part}
    in_cmsis = {operator for operator in operators if has_fast_tflm_kernel(operator)}
    rows = []
    for code in dict.fromkeys(operator.code for operator in operators):
        kind = [operator for operator in operators if operator.code == code]
        rows.append(
            AuditRow(
                code=code,
                count=len(kind),
                madds=sum(map(count_madds, kind)),
                traffic=sum(map(_traffic, kind)),
                in_xnnpack=len(in_xnnpack.intersection(kind)),
                in_cmsis=len(in_cmsis.intersection(kind)),
                in_tflm=code in TFLM_OPERATORS,
            )
        )
    rows.sort(key=lambda row: -row.traffic)
    slow = {"XNNPACK": _shares(operators, in_xnnpack), "CMSIS-NN": _shares(operators, in_cmsis)}
    return Audit(rows, len(parts), slow, _advice(rows, operators, in_xnnpack & in_cmsis))


def _advice(rows: list[AuditRow], operators: list[Operator], fast: set[Operator]) -> list[str]:
    integers = {operator for operator in operators if operator.outputs[0].type == "INT8"}
    slow = {operator.code for operator in integers if operator not in fast or operator.code in _ALWAYS}
    lines = [f"{row.code}: {_ADVICE[row.code]}" for row in rows if row.code in slow & _ADVICE.keys()]
    floats = sum(operator.outputs[0].type == "FLOAT32" for operator in operators)
    if floats:
        lines.append(f"{floats} operators compute in float: CMSIS-NN has kernels only for int8")
    return [*lines, *(f"{row.code}: not supported by TFLite Micro" for row in rows if not row.in_tflm)]


def has_fast_tflm_kernel(operator: Operator) -> bool:
    """Returns whether TFLite Micro runs an operator with a CMSIS-NN kernel or a single memory copy."""
    given, made = operator.inputs[0] if operator.inputs else None, operator.outputs[0]
    if operator.code in _MEMCPY:
        return True
    if operator.code not in _CMSIS or made.type != "INT8" or given is None or given.type != "INT8":
        return False
    if operator.code in _SAME_SHAPE:
        return len({tensor.shape for tensor in operator.inputs if tensor is not None}) == 1
    return operator.code != "TRANSPOSE" or len(made.shape) <= _MAX_DIMENSIONS


def xnnpack_partitions(model: ModelSource) -> list[list[Operator]]:
    """Returns the partitions of operators that LiteRT delegates to XNNPACK, measured.

    Raises:
        FlatbufferError: the file is damaged, or the `Model` is inconsistent.
        ValueError: LiteRT cannot run it.
    """
    file = ModelFile.of(model)
    graph = file.model.main
    with quiet_native_stderr():
        try:
            interpreter = Interpreter(model_content=file.data, num_threads=1)
            interpreter.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"LiteRT cannot run the model: {error}") from error
    parts = []
    for node in interpreter._get_ops_details():
        if node["op_name"] == "DELEGATE":
            # It replaces all operators between its input and output tensors.
            borders = {graph.tensors[number] for number in node["inputs"]}
            inside = _between(graph, borders, (graph.tensors[number] for number in node["outputs"]))
            parts.append([operator for operator in graph.operators if operator in inside])
    return parts


def _between(graph: Subgraph, borders: set, outputs: Iterable[Tensor]) -> set[Operator]:
    producers = graph.producers()
    inside: set[Operator] = set()
    pending = list(outputs)
    while pending:
        tensor = pending.pop()
        producer = None if tensor in borders else producers.get(tensor)
        if producer is not None and producer not in inside:
            inside.add(producer)
            pending += [given for given in producer.inputs if given is not None]
    return inside


def _traffic(operator: Operator) -> int:
    return sum(tensor.nbytes for tensor in [*operator.inputs, *operator.outputs] if tensor is not None)


def _shares(operators: list[Operator], fast: set[Operator]) -> tuple[float, float]:
    """Fractions of multiply-adds and of traffic in operators that are not fast."""
    costs = np.array([[count_madds(operator), _traffic(operator)] for operator in operators], np.float64)
    slow = costs[[operator not in fast for operator in operators]].sum(0)
    madds, traffic = slow / np.maximum(costs.sum(0), 1)
    return float(madds), float(traffic)
