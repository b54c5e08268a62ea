"""Names of operators against names of methods, and which of them a model needs."""

import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.analysis.audit import TFLM_OPERATORS
from seesaw_keras.tflite.flatbuffer import Model, Operator, Quantization, Subgraph, Tensor
from seesaw_keras.tflite.micro.operators import resolver_method, resolver_methods


# By hand from tensorflow/lite/micro/micro_mutable_op_resolver.h: all whose spelling could be taken for another.
@pytest.mark.parametrize(
    ("code", "method"),
    [
        ("ADD", "AddAdd"),
        ("ADD_N", "AddAddN"),
        ("AVERAGE_POOL_2D", "AddAveragePool2D"),
        ("BATCH_MATMUL", "AddBatchMatMul"),
        ("BATCH_TO_SPACE_ND", "AddBatchToSpaceNd"),
        ("CONV_2D", "AddConv2D"),
        ("CUMSUM", "AddCumSum"),
        ("DEPTHWISE_CONV_2D", "AddDepthwiseConv2D"),
        ("GATHER_ND", "AddGatherNd"),
        ("HARD_SWISH", "AddHardSwish"),
        ("L2_NORMALIZATION", "AddL2Normalization"),
        ("L2_POOL_2D", "AddL2Pool2D"),
        ("LOG_SOFTMAX", "AddLogSoftmax"),
        ("PADV2", "AddPadV2"),
        ("RELU6", "AddRelu6"),
        ("RESIZE_NEAREST_NEIGHBOR", "AddResizeNearestNeighbor"),
        ("REVERSE_V2", "AddReverseV2"),
        ("SELECT_V2", "AddSelectV2"),
        ("SPLIT_V", "AddSplitV"),
        ("SVDF", "AddSvdf"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "AddUnidirectionalSequenceLSTM"),
    ],
)
def test_methods(code, method):
    assert resolver_method(code) == method


def test_every_operator_of_micro_has_a_method_of_its_own():
    methods = {resolver_method(code) for code in TFLM_OPERATORS}
    assert len(methods) == len(TFLM_OPERATORS) == 100
    assert all(method.isidentifier() and method.startswith("Add") for method in methods)


def relu(code="RELU", **arguments):
    x, y = (Tensor(name, (1, 4), "INT8", Quantization(0.1)) for name in "xy")
    return Operator(code, [x], [y], **arguments)


def test_each_operator_once_in_order_also_of_graphs_that_are_called():
    x, y, z = (Tensor(name, (1, 4), "INT8", Quantization(0.1)) for name in "xyz")
    model = flatbuffer.build(Operator("RELU", [x], [y]), Operator("RELU", [y], [z]))
    called = relu("ABS")
    model.subgraphs.append(Subgraph([*called.inputs, *called.outputs], called.inputs, called.outputs, [called], "abs"))
    assert list(resolver_methods(model).items()) == [("ABS", "AddAbs"), ("RELU", "AddRelu")]


@pytest.mark.parametrize(
    ("operator", "name"), [(relu("LSH_PROJECTION"), "LSH_PROJECTION"), (relu("CUSTOM", custom_code="Own"), "Own")]
)
def test_an_operator_that_micro_lacks(operator, name):
    graph = Subgraph([*operator.inputs, *operator.outputs], operator.inputs, operator.outputs, [operator])
    with pytest.raises(ValueError, match=f"TFLite Micro does not support {name}"):
        resolver_methods(Model([graph]))
    with pytest.raises(ValueError, match=f"TFLite Micro does not support {name}"):
        resolver_method(name)
