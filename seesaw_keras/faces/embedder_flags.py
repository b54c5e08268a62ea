"""Flags shared by all tools that embed faces in photographs.

from seesaw_keras.faces.embedder_flags import define_embedder_flags, embedder_from_flags

define_embedder_flags()
embedder = embedder_from_flags()  # after `cli.run` has parsed the flags
"""

from absl import flags

from seesaw_keras.faces.embedder import RELEASED_MODEL, FaceEmbedder
from seesaw_keras.inference.preprocessing import PREPROCESSES

__all__ = ["define_embedder_flags", "embedder_from_flags"]

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # they belong to the calling tool, whose --help shows them


def define_embedder_flags() -> None:
    """Defines --model, --yunet, --aligned, --preprocess, --threshold and --threads."""
    flags.DEFINE_string("model", RELEASED_MODEL, "Embedding network: a .tflite file or the name of a released model.")
    flags.DEFINE_string(
        "yunet",
        None,
        "YuNet model (face_detection_yunet_2023mar.onnx from OpenCV's model zoo), which also finds small and turned "
        "faces. Default: OpenCV's Haar cascades, for frontal faces.",
    )
    flags.DEFINE_bool("aligned", False, "Whether the images are already aligned faces, 112x112.")
    flags.DEFINE_enum(
        "preprocess", None, list(PREPROCESSES), "Input preprocessing of a .tflite not converted by seesaw_keras."
    )
    flags.DEFINE_float(
        "threshold", None, "Minimum cosine for the same person. Default: that stored in the .tflite.", -1.0, 1.0
    )
    flags.DEFINE_integer("threads", 1, "Number of LiteRT threads.", 1)


def embedder_from_flags() -> FaceEmbedder:
    """Returns the embedder that the flags specify."""
    return FaceEmbedder(
        FLAGS.model,
        detector=FLAGS.yunet,
        aligned=FLAGS.aligned,
        preprocess=FLAGS.preprocess,
        threshold=FLAGS.threshold,
        threads=FLAGS.threads,
    )
