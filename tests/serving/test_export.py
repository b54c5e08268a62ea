"""The folder that is exported: complete, labeled, version beside version."""

import hashlib
import json
import re

import numpy as np
import pytest
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

import seesaw_keras
from seesaw_keras.api import keras
from seesaw_keras.serving import export, export_serving
from seesaw_keras.serving.configuration import write_configuration


@pytest.fixture(scope="module")
def tiny():
    """A network of one layer, whose embeddings do not have unit length."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((16, 16, 3)), keras.layers.Conv2D(8, 16), keras.layers.Flatten()]
    return keras.Sequential(layers)


def content(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_facts_say_what_made_it(exported, network, threshold):
    facts = json.loads((exported / "assets.extra" / "seesaw_keras.json").read_text())
    assert facts["package_version"] == seesaw_keras.__version__
    assert (facts["variant"], facts["threshold"]) == ("mobilefacenet", threshold)
    assert (facts["input_size"], facts["embedding_size"], facts["channels"]) == ([32, 32], 16, "RGB")
    digests = sorted(
        hashlib.sha256(str(array.shape).encode() + array.tobytes()).hexdigest() for array in network.get_weights()
    )
    assert facts["weights_sha256"] == hashlib.sha256("".join(digests).encode()).hexdigest()
    assert eval(facts["preprocessing"], {"pixel": np.arange(256)}).tolist()[::255] == [-1, 1]


def test_no_keras_object_is_saved(exported):
    saved = SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    (meta,) = saved.meta_graphs
    users = {node.user_object.identifier for node in meta.object_graph_def.nodes if node.HasField("user_object")}
    assert users
    assert not [name for name in users if "keras" in name]
    assert not (exported / "keras_metadata.pb").exists()


@pytest.mark.slow
def test_a_second_version_leaves_the_first_and_one_that_fails_leaves_nothing(tiny, tmp_path, monkeypatch):
    first = export_serving(tiny, tmp_path, name="face", threshold=0.3)
    assert first == tmp_path / "face" / "1"
    before = content(tmp_path)
    assert export_serving(tiny, tmp_path, name="face", threshold=0.4) == tmp_path / "face" / "2"
    after = content(tmp_path)
    assert {path: after[path] for path in before} == before
    assert {path.split("/")[1] for path in after.keys() - before.keys()} == {"2"}
    # A network that does not answer as it was exported, for half a step of a pixel: the warm-up requests tell.
    monkeypatch.setattr(export, "to_float", lambda images: ((images - 127.0) / 127.5).astype(np.float32))
    with pytest.raises(ValueError, match=r"signature \w+: embedding differs from the network by [\d.e-]+"):
        export_serving(tiny, tmp_path, name="face", threshold=0.3)
    assert content(tmp_path) == after
    assert sorted(path.name for path in (tmp_path / "face").iterdir()) == ["1", "2"]


@pytest.mark.slow
def test_the_rounding_of_a_loud_network_is_no_fault(tmp_path):
    keras.utils.set_random_seed(0)
    loud = seesaw_keras.build("dw_v2")  # whose graph and operators differ by 2e-5 and more
    assert export_serving(loud, tmp_path, name="face", threshold=0.3).name == "1"


def test_what_others_put_into_models_config_meanwhile_stays(tiny, tmp_path, monkeypatch):
    def publish(model, write):
        write_configuration(tmp_path, "theirs")
        return model / "1"

    monkeypatch.setattr(export, "publish", publish)
    export_serving(tiny, tmp_path, name="ours", threshold=0.3)
    assert re.findall('name: "(.*)"', (tmp_path / "models.config").read_text()) == ["theirs", "ours"]


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "-x", "a:b", "a b"])
def test_names_that_a_server_or_address_cannot_hold(tiny, tmp_path, name):
    with pytest.raises(ValueError, match="letters, digits"):
        export_serving(tiny, tmp_path, name=name, threshold=0.3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("threshold", [1.5, -2, float("nan")])
def test_thresholds_are_cosines(tiny, tmp_path, threshold):
    with pytest.raises(ValueError, match="threshold must be a cosine from -1 to 1"):
        export_serving(tiny, tmp_path, name="face", threshold=threshold)
