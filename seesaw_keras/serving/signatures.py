"""The four signatures of a served network, in plain TensorFlow: the SavedModel contains no Keras objects.

>>> import tensorflow as tf
>>> import seesaw_keras
>>> from seesaw_keras.serving.signatures import make_signatures
>>> module, signatures = make_signatures(seesaw_keras.build("shuffle"), threshold=0.3)
>>> tf.saved_model.save(module, "face/1", signatures=signatures)  # doctest: +SKIP

| signature | inputs | outputs |
| --- | --- | --- |
| serving_default | image: float32 (n, height, width, 3) RGB in [-1, 1] | embedding: float32 (n, length) |
| pixels | image: uint8 (n, height, width, 3) RGB | embedding |
| encoded | image: (n,) JPEG or PNG files of height x width pixels | embedding |
| compare | left, right: uint8 (n, height, width, 3) RGB, aligned faces | cosine: float32 (n,), same: bool (n,) |

Every output has one row per image, or pair, of a request, so TensorFlow Serving can batch requests.
"""

from typing import Any

import tensorflow as tf

from seesaw_keras.serving.image_decoding import check_pixels, check_range, check_same_count, decode
from seesaw_keras.tflite.conversion.convert import input_shape
from seesaw_keras.tflite.conversion.interface import to_float

__all__ = ["make_signatures"]


def make_signatures(network: Any, threshold: float) -> tuple[tf.Module, dict[str, Any]]:
    """Traces the signatures of a network.

    Args:
        network: a Keras model from (n, height, width, 3) RGB in [-1, 1] to (n, length).
        threshold: minimum cosine at which `compare` returns that two faces show the same person.

    Returns:
        The arguments of `tf.saved_model.save`: a module that holds the weights, and the signatures by name.

    Raises:
        ValueError: the network has another interface.
    """
    if hasattr(network, "signatures"):
        raise ValueError("already a SavedModel: export the Keras model that it was saved from")
    shape = input_shape(network)
    size = shape[:2]
    made = network.output_shape
    if not isinstance(made, tuple) or len(made) != 2:
        raise ValueError(f"{network.name}: the output must have shape (n, length), got {made}")

    # Traced once and shared by the signatures, which makes the SavedModel smaller.
    @tf.function(input_signature=[tf.TensorSpec((None, *shape), tf.float32)], autograph=False)
    def embed(images: Any) -> Any:
        return network(images, training=False)

    def serving_default(image: Any) -> dict[str, Any]:
        return {"embedding": embed(check_range(check_pixels(image, size)))}

    def pixels(image: Any) -> dict[str, Any]:
        return {"embedding": embed(to_float(check_pixels(image, size)))}

    def encoded(image: Any) -> dict[str, Any]:
        return {"embedding": embed(to_float(decode(image, size)))}

    def compare(left: Any, right: Any) -> dict[str, Any]:
        left, right = check_same_count(check_pixels(left, size), check_pixels(right, size))
        embeddings = embed(to_float(tf.concat([left, right], axis=0)))
        left, right = tf.split(tf.math.l2_normalize(embeddings, axis=1), 2)
        cosine = tf.reduce_sum(left * right, axis=1)
        return {"cosine": cosine, "same": cosine >= threshold}

    specs = {
        serving_default: {"image": tf.TensorSpec((None, *shape), tf.float32)},
        pixels: {"image": tf.TensorSpec((None, *shape), tf.uint8)},
        encoded: {"image": tf.TensorSpec((None,), tf.string)},
        compare: {side: tf.TensorSpec((None, *shape), tf.uint8) for side in ("left", "right")},
    }
    module = tf.Module(name="served")
    # The variables alone: saving Keras layers would add a trace per layer and require their classes at load time.
    module.weights = list(network.variables)
    traced = {
        call.__name__: tf.function(call, autograph=False).get_concrete_function(**spec) for call, spec in specs.items()
    }
    return module, traced
