"""Fills a folder with what the pages' commands take, under the names that they give it: small, and made in seconds.

python tests/docs/stand_ins.py FOLDER
"""

import json
import shutil
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np

from seesaw_keras.api import keras
from seesaw_keras.compression.loading import load_network
from seesaw_keras.data.formats.recordio import write_recordio
from seesaw_keras.data.formats.verification_bin import write_bin
from seesaw_keras.data.synthetic import SyntheticFaces
from seesaw_keras.models.statistics import set_batch_statistics
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.convert import convert
from seesaw_keras.tflite.conversion.interface import to_float
from seesaw_keras.tflite.flatbuffer import Operator, Tensor

PEOPLE, IMAGES, SIDE = 12, 4, 32


def photographs(folder, faces):
    """Writes one folder per person in the layout of LFW: NAME/NAME_0001.jpg."""
    pixels, labels = faces.batch(range(len(faces)))
    for index, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        name = f"person{label}"
        path = folder / name / f"{name}_{index % IMAGES + 1:04d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image[..., ::-1])


def pairs(folder):
    """Writes pairs.txt, lfw.zip and lfw.bin of two folds of the photographs in `lfw`."""
    half = PEOPLE // 2
    lines = [f"2\t{half}"]
    for fold in (range(half), range(half, PEOPLE)):
        lines += [f"person{one}\t1\t2" for one in fold]
        lines += [f"person{one}\t3\tperson{(one + 1) % PEOPLE}\t4" for one in fold]
    (folder / "pairs.txt").write_text("\n".join(lines) + "\n")
    with zipfile.ZipFile(folder / "lfw.zip", "w") as archive:
        for path in sorted((folder / "lfw").rglob("*.jpg")):
            archive.write(path, path.relative_to(folder / "lfw"))
    files = [path.read_bytes() for path in sorted((folder / "lfw").rglob("*.jpg"))]
    # Twenty pairs, for ten folds: of one person, and of that person and the next.
    chosen = [
        pair for one in range(10) for pair in ((IMAGES * one, IMAGES * one + 1), (IMAGES * one, IMAGES * one + 4))
    ]
    write_bin(folder / "lfw.bin", [files[index] for pair in chosen for index in pair], [True, False] * 10)


def few_layers():
    """Returns a network of a few layers, with the names that compression looks for."""
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Conv2D(16, 3, strides=2, use_bias=False, name="stem_conv")(image)
    x = layers.ReLU(name="stem_act")(layers.BatchNormalization(name="stem_bn")(x))
    x = layers.Conv2D(32, 1, use_bias=False, name="stage1_conv")(x)
    x = layers.ReLU(name="stage1_act")(layers.BatchNormalization(name="stage1_bn")(x))
    x = layers.Conv2D(16, x.shape[1], use_bias=False, name="embedding_conv")(x)
    x = layers.Flatten(name="embedding")(layers.BatchNormalization(name="embedding_bn")(x))
    return keras.Model(image, layers.UnitNormalization(name="unit_embedding")(x), name="few_layers")


def of_other_origin():
    """Returns a flatbuffer from raw pixels to the means of their patches, without preprocessing in its metadata."""
    image, small = Tensor("image", (1, SIDE, SIDE, 3), "FLOAT32"), Tensor("small", (1, 4, 4, 3), "FLOAT32")
    embedding = Tensor("embedding", (1, 48), "FLOAT32")
    shape = Tensor.constant("shape", np.array([1, 48], np.int32))
    window = dict.fromkeys(("filter_height", "filter_width", "stride_h", "stride_w"), SIDE // 4)
    return flatbuffer.build(
        Operator("AVERAGE_POOL_2D", [image], [small], window, 2),
        Operator("RESHAPE", [small, shape], [embedding], {"new_shape": (1, 48)}),
    )


def networks(folder, faces):
    """Writes a network as a .keras file, and weights and flatbuffers of a variant."""
    few_layers().save(folder / "model.keras")
    images = faces.batch(range(16))[0]
    network = load_network("shuffle")
    set_batch_statistics(network, to_float(images))
    network.save_weights(folder / "shuffle.weights.h5")
    # Not marked as trained, for random weights amplify what XNNPACK rounds otherwise.
    facts = {"variant": "shuffle", "trained": False, "threshold": 0.3, "target": "plain"}
    int8 = convert(network, images=images, facts=facts)
    for name in ("shuffle_int8", "phone", "micro_int8"):
        flatbuffer.write(folder / f"{name}.tflite", int8)
    flatbuffer.write(folder / "model.tflite", of_other_origin())
    flatbuffer.write(folder / "shuffle_float32.tflite", convert(network, type="float32", facts=facts))


def main():
    folder = Path(sys.argv[1])
    keras.utils.set_random_seed(0)
    faces = SyntheticFaces(PEOPLE, IMAGES, size=SIDE)
    for name in ("faces", "lfw", "people"):
        photographs(folder / name, faces)
    pairs(folder)
    (folder / "faces_emore").mkdir()
    # Enough people for ten folds of two, and some to train on.
    write_recordio(folder / "faces_emore" / "train.rec", SyntheticFaces(2 * PEOPLE, IMAGES, size=SIDE))
    networks(folder, faces)
    for name, index in (("A.jpg", 0), ("B.jpg", 1), ("face.jpg", 2)):
        shutil.copy(folder / "people" / "person0" / f"person0_{index + 1:04d}.jpg", folder / name)
    (folder / "face_detection_yunet_2023mar.onnx").write_bytes(b"no network: the detector has a stand-in, too")
    (folder / "card.json").write_text(json.dumps({"calibration": {"metric": "cosine", "threshold": 0.3, "far": 1e-3}}))


if __name__ == "__main__":
    main()
