"""Exports a network for TensorFlow Serving, which loads it without this package.

    seesaw export_serving --model shuffle --weights shuffle.weights.h5 --card card.json --out serving

The model is a variant (`seesaw list_models`) or a .keras file. It is written as the next version in
OUT/NAME, starting at 1; older versions are kept. A version appears atomically, so a server may poll OUT.

Signatures, for any batch size: serving_default (float32 in [-1, 1]), pixels (uint8), encoded (JPEG or PNG files), and
compare, which takes two batches of aligned faces and returns the cosine and whether it reaches the threshold. The
threshold is set by --threshold, or by --card, in which `seesaw evaluate` stored it for a false accept rate.

The export also writes models.config, batching_parameters.txt, and examples with REST and gRPC clients and a README.md
with the command that starts the server. Existing files are kept; the model is added to models.config.

A variant without --weights gets random weights (seed 0): suitable for latency measurements, not for recognition.
"""

from pathlib import Path
from typing import Any

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.messages import say
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.models.configs import list_models

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_string("model", None, "Variant or .keras file.", required=True)
FLAGS.DEFINE_string("weights", None, "Weights file for a variant, as written by model.save_weights.")
FLAGS.DEFINE_float("threshold", None, "Minimum cosine at which two faces are the same person.", -1.0, 1.0)
FLAGS.DEFINE_string("card", None, "Model card (JSON) that contains the threshold, instead of --threshold.")
FLAGS.DEFINE_string("name", None, "Model name in the server. Default: the name of the variant or file.")
FLAGS.DEFINE_string("out", None, "Model base folder to write to.", required=True)

STATISTICS_IMAGES = 64  # in one batch; needs 1.2 GB of memory with shuffle


def main() -> None:
    """Exports the network and prints the path of the new version."""
    threshold, facts = decision()
    say("loading TensorFlow ...")
    quiet_tensorflow()
    from seesaw_keras.compression.loading import load_network
    from seesaw_keras.data.representative import representative_images
    from seesaw_keras.models.statistics import set_batch_statistics
    from seesaw_keras.serving import export_serving
    from seesaw_keras.tflite.conversion.convert import input_shape
    from seesaw_keras.tflite.conversion.interface import to_float

    say(f"loading {FLAGS.model} ...")
    network = load_network(FLAGS.model, weights=FLAGS.weights)
    variant = FLAGS.model if FLAGS.model in list_models() else None
    untrained = variant is not None and FLAGS.weights is None
    if untrained:
        say(f"warning: no --weights: random weights (seed 0) with the batch statistics of {STATISTICS_IMAGES} faces")
        images = representative_images(None, STATISTICS_IMAGES, side=input_shape(network)[0])
        set_batch_statistics(network, to_float(images))
    say("exporting and verifying ...")
    version = export_serving(
        network,
        FLAGS.out,
        name=FLAGS.name or Path(FLAGS.model).stem,
        threshold=threshold,
        facts={"variant": variant, "trained": not untrained, **facts},
    )
    print(f"{version}: all signatures verified against {network.name}; threshold {threshold:g}")
    print(f"how to serve it: {Path(FLAGS.out) / 'examples' / 'README.md'}")


def decision() -> tuple[float, dict[str, Any]]:
    """Returns the threshold and the calibration record of the card.

    Raises:
        ValueError: there is no threshold, there are two, or the card's was measured with other preprocessing or --flip.
    """
    from seesaw_keras.inference.preprocessing import DEFAULT_PREPROCESS
    from seesaw_keras.verification.threshold_calibration import load_calibration

    if (FLAGS.threshold is None) == (FLAGS.card is None):
        raise ValueError("give either --threshold or --card; `seesaw evaluate --card` stores a calibrated one")
    if FLAGS.card is None:
        return FLAGS.threshold, {}
    calibration = load_calibration(FLAGS.card)
    if calibration.get("flip"):
        raise ValueError(f"{FLAGS.card}: its threshold is for embeddings summed with the mirrored image's (--flip)")
    if calibration.get("preprocess", DEFAULT_PREPROCESS) != DEFAULT_PREPROCESS:
        raise ValueError(
            f"{FLAGS.card}: its threshold is for --preprocess {calibration['preprocess']}, and the signatures apply "
            f"{DEFAULT_PREPROCESS}"
        )
    return calibration["threshold"], {"calibration": calibration}


run = Command(main, FLAGS)
