"""Are these two the same person?

    python tools/verify_faces.py --model phone.tflite A.jpg B.jpg
    python tools/verify_faces.py --model phone.tflite --yunet face_detection_yunet_2023mar.onnx --out ab.png A.jpg B.jpg

Each photograph's main face is found, aligned and embedded; the answer is whether the embeddings' cosine reaches the
threshold that the flatbuffer carries, or --threshold. A flatbuffer that tools/convert_tflite.py did not make does not
say what it wants of pixels: give --preprocess. --out draws both aligned faces with the answer.
"""

import cv2
from absl import flags

from seesaw_keras import cli
from seesaw_keras.data.preprocess import PREPROCESSES
from seesaw_keras.faces.embedder import RELEASED_MODEL, FaceEmbedder
from seesaw_keras.files import replacing

FLAGS = flags.FLAGS
flags.DEFINE_string("model", RELEASED_MODEL, "The .tflite that embeds faces, or the name of a released one.")
flags.DEFINE_string(
    "yunet",
    None,
    "A YuNet model (face_detection_yunet_2023mar.onnx of OpenCV's model zoo): finds small and turned faces. Without it "
    "the cascades inside of OpenCV find frontal ones.",
)
flags.DEFINE_bool("aligned", False, "The images are aligned faces already, 112x112.")
flags.DEFINE_enum("preprocess", None, list(PREPROCESSES), "What a flatbuffer of other origin wants of pixels.")
flags.DEFINE_float("threshold", None, "Cosine from which on two faces are one person's.", -1.0, 1.0)
flags.DEFINE_integer("threads", 1, "Threads of LiteRT.", 1)
flags.DEFINE_string("out", None, "PNG file to draw the aligned faces and the answer to.")


def main(photographs: list[str]) -> None:
    """Compares the two photographs and prints the answer."""
    if len(photographs) != 2:
        raise ValueError(f"two photographs are compared, not {len(photographs)}; see --help")
    if FLAGS.out and not FLAGS.out.lower().endswith(".png"):
        raise ValueError(f"--out {FLAGS.out!r} must end in .png")
    embedder = FaceEmbedder(
        FLAGS.model,
        detector=FLAGS.yunet,
        aligned=FLAGS.aligned,
        preprocess=FLAGS.preprocess,
        threshold=FLAGS.threshold,
        threads=FLAGS.threads,
    )
    crops = [embedder.crop(photograph) for photograph in photographs]
    verdict = embedder.compare(*embedder.embed_crops(crops))
    words, sign = ("same person", ">=") if verdict.same else ("different people", "<")
    print(f"{words}: similarity {verdict.similarity:.4f} {sign} threshold {verdict.threshold:.4f}")
    if FLAGS.out:
        from seesaw_keras.faces.verdict_picture import verdict_picture

        _, png = cv2.imencode(".png", cv2.cvtColor(verdict_picture(*crops, verdict), cv2.COLOR_RGB2BGR))
        with replacing(FLAGS.out) as beside:
            beside.write_bytes(png.tobytes())


if __name__ == "__main__":
    cli.run(main, takes_arguments=True)
