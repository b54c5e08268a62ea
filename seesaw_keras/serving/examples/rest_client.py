"""Compares two aligned face images with TensorFlow Serving over REST; needs only the Python standard library.

    python rest_client.py http://localhost:8501/v1/models/face anna.jpg ben.jpg --threshold 0.3

The threshold is in NAME/1/assets.extra/seesaw_keras.json. Over gRPC, the signature `compare` applies it itself.
"""

import argparse
import base64
import json
import math
import urllib.error
import urllib.request
from pathlib import Path

__all__ = ["embed"]


def embed(url: str, files: list[bytes]) -> list[list[float]]:
    """Returns one embedding per JPEG or PNG file; raises ValueError with the server's message if it refuses them."""
    instances = [{"image": {"b64": base64.b64encode(file).decode()}} for file in files]
    body = json.dumps({"signature_name": "encoded", "instances": instances}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{url}:predict", body), timeout=10) as response:
            return json.load(response)["predictions"]
    except urllib.error.HTTPError as error:
        raise ValueError(json.load(error)["error"]) from error


def main() -> None:
    """Compares the two files named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", help="URL of the model, such as http://localhost:8501/v1/models/face")
    parser.add_argument("images", nargs=2, type=Path, help="aligned faces, JPEG or PNG")
    parser.add_argument("--threshold", type=float, required=True, help="minimum cosine for the same person")
    arguments = parser.parse_args()
    try:
        left, right = embed(arguments.url, [path.read_bytes() for path in arguments.images])
    except (OSError, ValueError) as error:
        raise SystemExit(str(error)) from error
    cosine = sum(a * b for a, b in zip(left, right, strict=True)) / (math.hypot(*left) * math.hypot(*right))
    print(f"{'same' if cosine >= arguments.threshold else 'different'}, cosine {cosine:.4f}")


if __name__ == "__main__":
    main()
