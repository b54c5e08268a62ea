"""Runs drawn operators by the reference and by a native runtime, many behind one interpreter, and compares.

Every operator is a branch of its own in one graph, so that making an interpreter, which costs more than running, is
shared by all.
"""

import numpy as np

from seesaw_keras.tflite.flatbuffer import build
from seesaw_keras.tflite.reference import Interpreter, UnsupportedError
from seesaw_keras.tflite.runtimes import open_runtime

NATIVE = {"litert": "reference", "tflm": "tflm"}


def refusal(case, flavor):
    """Returns why the reference does not compute a case, None if it does."""
    try:
        Interpreter(build(case.operator, outputs=case.operator.outputs), flavor)
    except UnsupportedError as error:
        return str(error)
    return None


def differences(cases, flavor):
    """Returns a text for every output that differs from the native one."""
    outputs = [tensor for case in cases for tensor in case.operator.outputs]
    model = build(*(case.operator for case in cases), outputs=outputs)
    inputs = {tensor: array for case in cases for tensor, array in case.inputs.items()}
    given = [inputs[tensor] for tensor in model.main.inputs]
    native = open_runtime(NATIVE[flavor], model)
    right = [
        np.stack(arrays) for arrays in zip(*(native.invoke(*one) for one in zip(*given, strict=True)), strict=True)
    ]
    made = dict(zip(outputs, zip(Interpreter(model, flavor).run(*given), right, strict=True), strict=True))
    return [
        f"{case.operator}: {made[tensor][0]} instead of {made[tensor][1]}"
        for case in cases
        for tensor in case.operator.outputs
        if not agree(*made[tensor])
    ]


def agree(made, right):
    """Whether integers are equal, and real numbers, which are sums of about 100 of magnitude 1, to 1e-5."""
    if made.shape != right.shape or made.dtype != right.dtype:
        return False
    return np.allclose(made, right, rtol=1e-5, atol=1e-5) if made.dtype.kind == "f" else np.array_equal(made, right)
