"""Unused and duplicate operators are removed; outputs and side effects stay."""

from seesaw_keras.tflite.flatbuffer import Operator, Signature, Tensor
from seesaw_keras.tflite.passes.deduplicate import deduplicate


def test_drops_what_is_unused_and_what_is_twice(new_net, applied, codes):
    net = new_net(channels=8)
    x = net.conv(net.image, 8)
    made = net.binary("MUL", net.mean(x), net.mean(x))
    net.unary("TANH", net.unary("RELU", x))  # two operators whose results are unused
    model = net.model(made)
    model.signatures = [Signature("serving_default", {"image": net.image}, {"made": made}, model.main)]
    model.main.tensors.append(Tensor.constant("unused", [1.0]))
    # Their outputs, the second copy of the axes, and the unused constant.
    assert applied(model, deduplicate) == [2 + 2 + 1 + 1]
    assert codes(model) == ["CONV_2D", "MEAN", "MEAN", "MUL"]
    assert [operator.inputs[1] for operator in model.main.operators[1:3]] == [model.main.operators[1].inputs[1]] * 2
    assert deduplicate(model.main) == 0


def test_constants_that_stand_for_other_values_stay(new_net, unchanged):
    net = new_net(channels=4)
    model = net.model(net.prelu(net.image), net.prelu(net.image))
    first, second = (operator.inputs[1] for operator in model.main.operators)
    second.data = first.data
    assert first.quantization.scale != second.quantization.scale
    unchanged(model, deduplicate)


def test_operators_with_lasting_effects_stay(new_net, unchanged):
    net = new_net(channels=4)
    handle = Tensor("handle", (), "RESOURCE")
    net.operators.append(Operator("VAR_HANDLE", [], [handle], {"shared_name": "state"}))
    net.operators.append(Operator("ASSIGN_VARIABLE", [handle, net.image], []))
    net.operators.append(Operator("CUSTOM", [net.image], [net.value((1,))], custom_code="Own"))
    unchanged(net.model(net.unary("RELU", net.image)), deduplicate)
