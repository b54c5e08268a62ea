"""Compares two aligned face images with TensorFlow Serving over gRPC.

pip install grpcio tensorflow-serving-api
python grpc_client.py localhost:8500 face anna.jpg ben.jpg
"""

import argparse
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

__all__ = ["predict"]


def predict(stub: Any, model: str, signature: str, **inputs: Any) -> dict[str, Any]:
    """Returns a signature's outputs by name as NumPy arrays; raises grpc.RpcError if the server refuses the inputs."""
    request = PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    outputs = stub.Predict(request, timeout=10).outputs
    return {name: tf.make_ndarray(value) for name, value in outputs.items()}


def main() -> None:
    """Compares the two files named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", help="host:port, such as localhost:8500")
    parser.add_argument("model", help="name of the model")
    parser.add_argument("images", nargs=2, type=Path, help="aligned faces, JPEG or PNG")
    arguments = parser.parse_args()
    left, right = (tf.io.decode_image(path.read_bytes(), channels=3).numpy()[None] for path in arguments.images)
    with grpc.insecure_channel(arguments.server) as channel:
        stub = PredictionServiceStub(channel)
        try:
            answer = predict(stub, arguments.model, "compare", left=left, right=right)
        except grpc.RpcError as error:
            raise SystemExit(f"{error.code().name}: {error.details()}") from error
    print(f"{'same' if answer['same'][0] else 'different'}, cosine {answer['cosine'][0]:.4f}")


if __name__ == "__main__":
    main()
