"""Stands in for TensorFlow Serving: loads a SavedModel where neither this package nor its Keras can be imported.

As the server does, it gets the signatures from the MetaGraph and runs them in a session, which holds no request to the
shape of a signature, over gRPC and the REST API of https://www.tensorflow.org/tfx/serving/api_rest.

    python server.py VERSION_FOLDER    # prints its ports, REST's after gRPC's, and serves until its input ends
"""

import base64
import importlib.abc
import json
import sys
import threading
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ABSENT = ("seesaw_keras", "tf_keras")


class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}")


sys.meta_path.insert(0, Absent())

import grpc  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow.core.protobuf.config_pb2 import CallableOptions  # noqa: E402
from tensorflow_serving.apis.predict_pb2 import PredictResponse  # noqa: E402
from tensorflow_serving.apis.prediction_service_pb2_grpc import (  # noqa: E402
    PredictionServiceServicer,
    add_PredictionServiceServicer_to_server,
)


class Model:
    def __init__(self, folder):
        self._session = tf.compat.v1.Session(graph=tf.Graph())
        with self._session.graph.as_default():
            meta = tf.compat.v1.saved_model.load(self._session, ["serve"], folder)
        self.signatures = {
            name: self._signature(definition)
            for name, definition in meta.signature_def.items()
            if definition.method_name == "tensorflow/serving/predict"
        }

    def _signature(self, definition):
        keys = sorted(definition.outputs)
        options = CallableOptions(
            feed=[definition.inputs[key].name for key in sorted(definition.inputs)],
            fetch=[definition.outputs[key].name for key in keys],
        )
        call = self._session._make_callable_from_options(options)
        types = {key: tf.dtypes.as_dtype(info.dtype).as_numpy_dtype for key, info in definition.inputs.items()}
        return types, lambda inputs: dict(zip(keys, call(*(inputs[key] for key in sorted(types))), strict=True))


class Service(PredictionServiceServicer):
    def __init__(self, model):
        self._model = model

    def Predict(self, request, context):  # noqa: N802
        _, call = self._model.signatures[request.model_spec.signature_name]
        try:
            outputs = call({key: tf.make_ndarray(value) for key, value in request.inputs.items()})
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        return PredictResponse(outputs={key: tf.make_tensor_proto(value) for key, value in outputs.items()})


def plain(value):
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


class Handler(BaseHTTPRequestHandler):
    model = None

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        types, call = self.model.signatures[request.get("signature_name", "serving_default")]
        rows = request["instances"]
        inputs = {key: np.array([plain(row[key]) for row in rows], dtype) for key, dtype in types.items()}
        try:
            outputs = {key: value.tolist() for key, value in call(inputs).items()}
        except tf.errors.InvalidArgumentError as error:
            self._answer(400, {"error": error.message})
            return
        made = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
        self._answer(200, {"predictions": next(iter(outputs.values())) if len(outputs) == 1 else made})

    def _answer(self, code, content):
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_):
        pass


def main():
    Handler.model = Model(sys.argv[1])
    server = grpc.server(futures.ThreadPoolExecutor(2))
    add_PredictionServiceServicer_to_server(Service(Handler.model), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    rest = ThreadingHTTPServer(("localhost", 0), Handler)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    assert not set(ABSENT) & sys.modules.keys()
    print(port, rest.server_port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
