"""Flags of all commands that embed faces in photographs.

>>> from absl import flags
>>> FLAGS = flags.FlagValues()
>>> define_embedder_flags(FLAGS)
>>> _ = FLAGS(["verify_faces", "--threshold", "0.4"])
>>> embedder = embedder_from_flags(FLAGS)  # doctest: +SKIP
"""

from absl import flags

from seesaw_keras.faces.embedder import RELEASED_MODEL, FaceEmbedder
from seesaw_keras.inference.preprocessing import PREPROCESSES

__all__ = ["define_embedder_flags", "embedder_from_flags"]

flags.disclaim_key_flags()  # they belong to the calling command, whose --help shows them


def define_embedder_flags(flag_values: flags.FlagValues) -> None:
    """Defines --model, --yunet, --aligned, --preprocess, --threshold and --threads."""
    flags.DEFINE_string(
        "model", RELEASED_MODEL, "Flatbuffer that embeds faces, or the name of a released one.", flag_values=flag_values
    )
    flags.DEFINE_string(
        "yunet",
        None,
        "YuNet model (face_detection_yunet_2023mar.onnx of OpenCV's model zoo), which detects small and turned faces. "
        "Default: OpenCV's cascades, which detect frontal ones.",
        flag_values=flag_values,
    )
    flags.DEFINE_bool("aligned", False, "The images are aligned faces, 112x112.", flag_values=flag_values)
    flags.DEFINE_enum(
        "preprocess",
        None,
        list(PREPROCESSES),
        "Input preprocessing of a flatbuffer that does not store it.",
        flag_values=flag_values,
    )
    flags.DEFINE_float(
        "threshold",
        None,
        "Minimum cosine of two faces of one person. Default: the stored threshold.",
        -1.0,
        1.0,
        flag_values=flag_values,
    )
    flags.DEFINE_integer("threads", 1, "Threads of LiteRT.", 1, flag_values=flag_values)


def embedder_from_flags(flag_values: flags.FlagValues) -> FaceEmbedder:
    """Returns the embedder that the flags specify."""
    return FaceEmbedder(
        flag_values.model,
        detector=flag_values.yunet,
        aligned=flag_values.aligned,
        preprocess=flag_values.preprocess,
        threshold=flag_values.threshold,
        threads=flag_values.threads,
    )
