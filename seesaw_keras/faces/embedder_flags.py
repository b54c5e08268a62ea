"""Flags shared by all tools that embed faces in photographs.

from seesaw_keras.faces.embedder_flags import define_embedder_flags, flagged_embedder

define_embedder_flags()
embedder = flagged_embedder()  # after `cli.run` has parsed the flags
"""

from absl import flags

from seesaw_keras.faces.embedder import RELEASED_MODEL, FaceEmbedder
from seesaw_keras.inference.preprocessing import PREPROCESSES

__all__ = ["define_embedder_flags", "flagged_embedder"]

FLAGS = flags.FLAGS
flags.disclaim_key_flags()  # they belong to the calling tool, whose --help shows them


def define_embedder_flags() -> None:
    """Defines --model, --yunet, --aligned, --preprocess, --threshold and --threads."""
    flags.DEFINE_string("model", RELEASED_MODEL, "The .tflite that embeds faces, or the name of a released one.")
    flags.DEFINE_string(
        "yunet",
        None,
        "A YuNet model (face_detection_yunet_2023mar.onnx of OpenCV's model zoo): finds small and turned faces. "
        "Without it the cascades inside of OpenCV find frontal ones.",
    )
    flags.DEFINE_bool("aligned", False, "The images are aligned faces already, 112x112.")
    flags.DEFINE_enum("preprocess", None, list(PREPROCESSES), "What a flatbuffer of other origin wants of pixels.")
    flags.DEFINE_float("threshold", None, "Cosine from which on two faces are one person's.", -1.0, 1.0)
    flags.DEFINE_integer("threads", 1, "Threads of LiteRT.", 1)


def flagged_embedder() -> FaceEmbedder:
    """Returns the embedder that the flags specify."""
    return FaceEmbedder(
        FLAGS.model,
        detector=FLAGS.yunet,
        aligned=FLAGS.aligned,
        preprocess=FLAGS.preprocess,
        threshold=FLAGS.threshold,
        threads=FLAGS.threads,
    )
