"""Flags of all commands that embed faces in photographs.

>>> from seesaw_keras.cli.support.command import Flags
>>> FLAGS = Flags()
>>> define_embedder_flags(FLAGS)
>>> _ = FLAGS(["verify_faces", "--threshold", "0.4"])
>>> embedder = embedder_from_flags(FLAGS)  # doctest: +SKIP
"""

from seesaw_keras.cli.support.command import Flags
from seesaw_keras.faces.embedder import RELEASED_MODEL, FaceEmbedder
from seesaw_keras.inference.preprocessing import PREPROCESSES

__all__ = ["define_embedder_flags", "embedder_from_flags"]


def define_embedder_flags(flag_values: Flags) -> None:
    """Defines --model, --yunet, --aligned, --preprocess, --threshold and --threads."""
    flag_values.DEFINE_string("model", RELEASED_MODEL, "Flatbuffer that embeds faces, or the name of a released one.")
    flag_values.DEFINE_string(
        "yunet",
        None,
        "YuNet model (face_detection_yunet_2023mar.onnx of OpenCV's model zoo), which detects small and turned faces. "
        "Default: OpenCV's cascades, which detect frontal ones.",
    )
    flag_values.DEFINE_bool("aligned", False, "The images are aligned faces, 112x112.")
    flag_values.DEFINE_enum(
        "preprocess", None, list(PREPROCESSES), "Input preprocessing of a flatbuffer that does not store it."
    )
    flag_values.DEFINE_float(
        "threshold", None, "Minimum cosine of two faces of one person. Default: the stored threshold.", -1.0, 1.0
    )
    flag_values.DEFINE_integer("threads", 1, "Threads of LiteRT.", 1)


def embedder_from_flags(flag_values: Flags) -> FaceEmbedder:
    """Returns the embedder that the flags specify."""
    return FaceEmbedder(
        flag_values.model,
        detector=flag_values.yunet,
        aligned=flag_values.aligned,
        preprocess=flag_values.preprocess,
        threshold=flag_values.threshold,
        threads=flag_values.threads,
    )
