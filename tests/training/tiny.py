"""A tiny training run in a separate process, to be killed and restarted, or to be one of several workers.

    python tests/training/tiny.py OUT '{"set": ["epochs=2"], "deterministic": true}'

It prints a line of JSON for every step and checkpoint, and at the end the SHA-256 of the final weights.
"""

import hashlib
import json
import time
from pathlib import Path

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.startup import quiet_tensorflow


def small_network(recipe, normalize):
    """Three layers with the names that weight decay looks for, in place of a network that takes 10 s to trace."""
    from seesaw_keras.api import keras

    side = recipe.image_size
    inputs = keras.Input((side, side, 3), name="image")
    x = keras.layers.Conv2D(8, 3, strides=2, use_bias=False, name="stem_conv")(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9, name="stem_bn")(x)
    x = keras.layers.PReLU(shared_axes=(1, 2), name="stem_act")(x)
    x = keras.layers.AveragePooling2D(3)(x)
    x = keras.layers.Conv2D(recipe.embedding_size, x.shape[1], use_bias=False, name="embedding_conv")(x)
    x = keras.layers.Flatten(dtype="float32")(keras.layers.BatchNormalization(momentum=0.9, name="embedding_bn")(x))
    return keras.Model(inputs, keras.layers.UnitNormalization(dtype="float32")(x) if normalize else x)


def freeze_statistics(network):
    """Lets batch normalization use, and keep, its moving statistics."""
    for layer in network.layers:
        if "BatchNormalization" in type(layer).__name__:
            layer.trainable = False
    return network


def small_recipe(*settings):
    from seesaw_keras.training.recipe import Recipe

    common = {"image_size": 32, "embedding_size": 16, "batch_size": 8, "epochs": 2, "learning_rate": 0.01}
    return Recipe("tiny", "", milestones=(), **common).override(settings)


def reporter(pause):
    from seesaw_keras.training.callbacks.callback import Callback

    class Reporter(Callback):
        def step(self, report):
            print(json.dumps({"step": report.step, "loss": report.loss, **report.statistics}), flush=True)
            time.sleep(pause)

        def checkpoint(self, step, path):
            print(json.dumps({"checkpoint": step}), flush=True)

    return Reporter()


def distillation(faces, views):
    """Two sources, one of them shown every other epoch, and random embeddings of their views to learn from."""
    import numpy as np

    from seesaw_keras.data import Mixture

    mixture = Mixture([faces, faces], [1.0, 0.5])
    return mixture, np.random.default_rng(0).normal(size=(views, len(mixture), 16)).astype(np.float16)


def main(out, *, strategy="none", devices=1, frozen=False, people=10, pause=0.0, minutes=10.0, views=0, **options):
    quiet_tensorflow()
    import tensorflow as tf

    from seesaw_keras.data.synthetic import SyntheticFaces
    from seesaw_keras.training import strategies, trainer

    if devices > 1:
        processor = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(processor, [tf.config.LogicalDeviceConfiguration()] * devices)
    strategy = strategies.make_strategy(strategy)
    trainer.build_network = lambda *arguments, **how: (
        freeze_statistics(small_network(*arguments, **how)) if frozen else small_network(*arguments, **how)
    )
    faces, teacher = SyntheticFaces(people, 3, size=32), None
    if views:
        faces, teacher = distillation(faces, views)
    model = trainer.train(
        small_recipe(*options.get("set", ())),
        faces,
        out,
        teacher=teacher,
        strategy=strategy,
        callbacks=[reporter(pause)],
        deterministic=options.get("deterministic", False),
        checkpoint_minutes=minutes,
    )
    weights = b"".join(weight.tobytes() for weight in model.get_weights())
    print(json.dumps({"weights": hashlib.sha256(weights).hexdigest()}), flush=True)


if __name__ == "__main__":
    Command(lambda words: main(Path(words[0]), **json.loads(words[1])), Flags(), positional=True)()
