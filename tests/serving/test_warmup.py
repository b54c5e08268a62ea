import builtins

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from seesaw_keras.serving.warmup import WARMUP, read_warmup, require_protos, write_warmup


def test_every_signature_is_warmed_up_and_answers(exported, server):
    requests = list(read_warmup(exported))
    loaded = tf.saved_model.load(str(exported))
    assert {signature for signature, _ in requests} == set(loaded.signatures)
    for signature, inputs in requests:
        here = loaded.signatures[signature](**{key: tf.constant(value) for key, value in inputs.items()})
        there = server.predict(signature, **inputs)
        assert here.keys() == there.keys()
        for key, value in here.items():
            np.testing.assert_allclose(there[key], value, atol=1e-5)


def test_the_file_is_what_the_server_reads(exported):
    path = exported / "assets.extra" / "tf_serving_warmup_requests"
    logs = [PredictionLog.FromString(record.numpy()) for record in tf.data.TFRecordDataset(str(path))]
    for log in logs:
        assert log.WhichOneof("log_type") == "predict_log"
        assert log.predict_log.request.model_spec.name == "face"
    assert len(logs) == 4


def test_requests_come_back_as_they_were(tmp_path):
    requests = [
        ("a", {"x": np.arange(6, dtype=np.uint8).reshape(1, 2, 3), "y": np.float32([-0.5])}),
        ("b", {"x": np.array([b"\x00\xff", b""], dtype=object)}),
    ]
    write_warmup(tmp_path, "face", requests)
    assert (tmp_path / WARMUP).is_file()
    for (signature, inputs), (wanted, arrays) in zip(read_warmup(tmp_path), requests, strict=True):
        assert signature == wanted
        assert inputs.keys() == arrays.keys()
        for key, array in arrays.items():
            assert inputs[key].dtype == array.dtype
            np.testing.assert_array_equal(inputs[key], array)


def test_the_missing_package_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith("tensorflow_serving"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"pip install 'seesaw_keras\[serving\]'"):
        require_protos()
