"""Verifies whether two photographs show the same person.

    seesaw verify_faces --model phone.tflite A.jpg B.jpg
    seesaw verify_faces --model phone.tflite --yunet face_detection_yunet_2023mar.onnx --out ab.png A.jpg B.jpg

The main face of each photograph is detected, aligned and embedded. Two faces match if the cosine of their embeddings is
at least the threshold stored in the flatbuffer, or --threshold. A flatbuffer that was not converted by
`seesaw convert_tflite` does not store its input preprocessing: set --preprocess. --out draws both aligned faces with
the result.
"""

import cv2

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.embedder_flags import define_embedder_flags, embedder_from_flags
from seesaw_keras.files import replacing

__all__ = ["run"]

FLAGS = Flags()
define_embedder_flags(FLAGS)
FLAGS.DEFINE_string("out", None, "PNG file for a picture of the aligned faces and the result.")


def main(photographs: list[str]) -> None:
    """Compares the two photographs and prints the result."""
    if len(photographs) != 2:
        raise ValueError(f"expected two photographs, got {len(photographs)}; see --help")
    if FLAGS.out and not FLAGS.out.lower().endswith(".png"):
        raise ValueError(f"--out {FLAGS.out!r} must end in .png")
    embedder = embedder_from_flags(FLAGS)
    crops = [embedder.crop(photograph) for photograph in photographs]
    result = embedder.compare(*embedder.embed_crops(crops))
    words, sign = ("same person", ">=") if result.is_match else ("different people", "<")
    print(f"{words}: similarity {result.similarity:.4f} {sign} threshold {result.threshold:.4f}")
    if FLAGS.out:
        from seesaw_keras.reports.pictures.verify_picture import verify_picture

        _, png = cv2.imencode(".png", cv2.cvtColor(verify_picture(crops[0], crops[1], result), cv2.COLOR_RGB2BGR))
        with replacing(FLAGS.out) as beside:
            beside.write_bytes(png.tobytes())


run = Command(main, FLAGS, positional=True)
