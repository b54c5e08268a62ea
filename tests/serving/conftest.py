"""A small network, its export, and a server process without this package, created once per session."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

SIDE = 32


@pytest.fixture(scope="session")
def faces():
    """Six synthetic faces: uint8 (6, 32, 32, 3)."""
    from seesaw_keras.data.representative import representative_images

    return representative_images(None, 6, side=SIDE)


@pytest.fixture(scope="session")
def network(faces):
    """A quarter-width network of seed 0 with batch statistics."""
    import seesaw_keras
    from seesaw_keras.api import keras
    from seesaw_keras.models.statistics import set_batch_statistics

    keras.utils.set_random_seed(0)
    model = seesaw_keras.build("mobilefacenet", input_shape=(SIDE, SIDE, 3), width=0.25, embedding_size=16)
    set_batch_statistics(model, ((faces - 127.5) / 127.5).astype(np.float32))
    return model


@pytest.fixture(scope="session")
def embeddings(network):
    """Function: uint8 images -> what Keras makes of them."""
    return lambda images: network(((images - 127.5) / 127.5).astype(np.float32), training=False).numpy()


@pytest.fixture(scope="session")
def threshold():
    """The cosine from which on the exported model says "same"."""
    return 0.25


@pytest.fixture(scope="session")
def exported(network, threshold, tmp_path_factory):
    """Folder of the first version of the model `face`."""
    from seesaw_keras.serving import export_serving

    out = tmp_path_factory.mktemp("models")
    return export_serving(network, out, name="face", threshold=threshold, facts={"variant": "mobilefacenet"})


@pytest.fixture(scope="session")
def example(exported):
    """Function: name of a client that was exported -> its module."""

    def load(name):
        spec = importlib.util.spec_from_file_location(name, exported.parent.parent / "examples" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def server(exported, example, tmp_path_factory):
    """The exported version served by `server.py`: its `grpc` and `rest` addresses, and `predict` over gRPC."""
    import grpc
    from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

    command = [sys.executable, str(Path(__file__).with_name("server.py")), str(exported)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    # TFMOT sets this for the whole process; TensorFlow then looks for tf_keras, which the server must do without.
    environment = {key: value for key, value in os.environ.items() if key != "TF_USE_LEGACY_KERAS"}
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with subprocess.Popen(command, text=True, cwd=elsewhere, env=environment, **pipes) as process:
        ports = process.stdout.readline().split()
        assert len(ports) == 2, "the server did not start"
        address = f"localhost:{ports[0]}"
        client = example("grpc_client")
        with grpc.insecure_channel(address) as channel:
            stub = PredictionServiceStub(channel)
            yield SimpleNamespace(
                grpc=address,
                rest=f"http://localhost:{ports[1]}/v1/models/face",
                predict=lambda signature, **inputs: client.predict(stub, "face", signature, **inputs),
            )
        process.stdin.close()
