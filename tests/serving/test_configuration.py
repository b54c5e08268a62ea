import pytest
from google.protobuf import descriptor_pool, message_factory, text_format, wrappers_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from seesaw_keras.serving.configuration import models_config, write_configuration


def parse(text):
    config = text_format.Parse(text, ModelServerConfig()).model_config_list.config
    return [(model.name, model.base_path, model.model_platform) for model in config]


def test_models_are_added_and_others_stay(tmp_path):
    path = tmp_path / "models.config"
    write_configuration(tmp_path, "face")
    assert parse(path.read_text()) == [("face", "/models/face", "tensorflow")]
    path.write_text(path.read_text().replace("/models/face", "gs://bucket/face"))
    edited = path.read_text()
    assert models_config(path, "face") is None
    write_configuration(tmp_path, "face")
    assert path.read_text() == edited
    write_configuration(tmp_path, "other")
    assert parse(path.read_text()) == [
        ("face", "gs://bucket/face", "tensorflow"),
        ("other", "/models/other", "tensorflow"),
    ]


def test_what_was_edited_stays(tmp_path):
    write_configuration(tmp_path, "face")
    files = ["batching_parameters.txt", "examples/README.md", "examples/grpc_client.py", "examples/rest_client.py"]
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert written == sorted([*files, "models.config"])
    for name in files:
        (tmp_path / name).write_text("mine")
    write_configuration(tmp_path, "face")
    assert {(tmp_path / name).read_text() for name in files} == {"mine"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"model_config_list { oops }", r"models\.config: not a models.config of TensorFlow Serving: 1:\d+"),
        (b"\xff\xfe", "not a models.config of TensorFlow Serving"),
        (b"custom_model_config {}", "cannot add a model to a custom_model_config"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, content, message):
    path = tmp_path / "models.config"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        models_config(path, "face")
    assert path.read_bytes() == content


def test_batching_parameters_are_those_the_server_knows(tmp_path):
    """By session_bundle_config.proto of TensorFlow Serving, which is not in tensorflow-serving-api."""
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    file = FileDescriptorProto(name="batching.proto", syntax="proto3", dependency=[wrappers_pb2.DESCRIPTOR.name])
    message = file.message_type.add(name="BatchingParameters")
    whole = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")
    fields = dict.fromkeys((*whole, "max_execution_batch_size"), "Int64Value")
    for number, (name, kind) in enumerate({**fields, "enable_large_batch_splitting": "BoolValue"}.items(), 1):
        message.field.add(name=name, number=number, type=11, label=1, type_name=f".google.protobuf.{kind}")
    pool.AddSerializedFile(file.SerializeToString())
    batching = message_factory.GetMessageClass(pool.FindMessageTypeByName("BatchingParameters"))()
    write_configuration(tmp_path, "face")
    text_format.Parse((tmp_path / "batching_parameters.txt").read_text(), batching)
    assert all(getattr(batching, name).value > 0 for name in fields)
    # The server refuses requests beyond the first, and computes so many images at once.
    assert batching.max_batch_size.value > batching.max_execution_batch_size.value
    assert batching.enable_large_batch_splitting.value
