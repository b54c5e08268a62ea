"""The layout against the classes that ai-edge-litert generates from TensorFlow Lite's schema."""

import inspect
import re

import pytest
from ai_edge_litert import schema_py_generated as generated

from seesaw_keras.tflite.flatbuffer.schema import ENUMS, TABLES, default_options, options_type

_FLAGS = {"Bool": "bool", "Int8": "int8", "Uint8": "uint8", "Int32": "int32", "Uint32": "uint32", "Float32": "float32"}
_FLAGS |= {"Int64": "int64", "Uint64": "uint64"}


def _snake(name):
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _generated_fields(table):
    """Slot -> name, whether it is a vector, its scalar type if any, its default: read from the generated accessors."""
    fields = {}
    for name, method in vars(getattr(generated, table)).items():
        source = inspect.getsource(method) if inspect.isfunction(method) else ""
        slot = re.search(r"_tab\.Offset\((\d+)\)", source)
        if slot is None or name.endswith(("AsNumpy", "Length", "IsNone")):
            continue
        scalar = re.search(r"Get\(flatbuffers\.number_types\.(\w+)Flags", source)
        default = re.search(r"return (\S+)\s*$", source.rstrip())
        slot = (int(slot[1]) - 4) // 2
        fields[slot] = (_snake(name), ".Vector(" in source, scalar and _FLAGS[scalar[1]], default[1])
    return fields


@pytest.mark.parametrize("name", sorted(ENUMS))
def test_enumeration_is_the_generated_one(name):
    numbers = {key: value for key, value in vars(getattr(generated, name)).items() if not key.startswith("_")}
    assert dict(zip(ENUMS[name], range(len(ENUMS[name])), strict=True)) == numbers


@pytest.mark.parametrize("name", sorted(TABLES))
def test_table_is_the_generated_one(name):
    theirs = _generated_fields(name)
    ours = {slot: field for slot, field in enumerate(TABLES[name]) if field}
    assert {slot: field.name for slot, field in ours.items()} == {slot: entry[0] for slot, entry in theirs.items()}
    for slot, field in ours.items():
        _, is_vector, scalar, default = theirs[slot]
        if field.refused and field.kind == "table":
            continue
        assert is_vector == (field.kind in ("vector", "bytes", "tables"))
        if field.kind in ("scalar", "vector", "bytes"):
            assert field.of == scalar
        if field.kind == "enum":
            assert scalar in ("int8", "uint8")
            assert ENUMS[field.of].index(field.default) == int(default)
        if field.kind == "scalar":
            assert field.default == eval(default)


def test_every_table_of_options_belongs_to_an_operator():
    named = {options_type(code) for code in ENUMS["BuiltinOperator"]}
    assert named == {"", *ENUMS["BuiltinOptions"][1:]}


def test_operators_without_options():
    for code in ("RELU", "LOGISTIC", "PRELU", "CUSTOM", "SQRT", "STABLEHLO_ADD"):
        assert options_type(code) == ""
        assert default_options(code) == {}


def test_defaults_of_options():
    assert default_options("DEPTHWISE_CONV_2D") == {
        "padding": "SAME",
        "stride_w": 1,
        "stride_h": 1,
        "depth_multiplier": 0,
        "fused_activation_function": "NONE",
        "dilation_w_factor": 1,
        "dilation_h_factor": 1,
    }
    assert default_options("RESHAPE") == {"new_shape": ()}
    assert default_options("SUM") == default_options("MEAN") == {"keep_dims": False}
