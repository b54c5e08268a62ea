"""A first look: builds a network, embeds two generated faces and prints a table of all variants.

make demo
"""

from pathlib import Path

import cv2
import numpy as np
from absl import flags
from tqdm import tqdm

import seesaw_keras
from seesaw_keras import cli
from seesaw_keras.data import SyntheticFaces, face_sheet
from seesaw_keras.files import replacing

FLAGS = flags.FLAGS
flags.DEFINE_string("out", "runs/demo", "Folder for the picture of the two faces.")


def main() -> None:
    """Embeds image 0 of two generated people, compares, and prints what every variant costs."""
    people = SyntheticFaces(num_identities=2, images_per_identity=1)
    picture = Path(FLAGS.out) / "faces.png"
    with replacing(picture) as beside:
        cv2.imwrite(str(beside), cv2.cvtColor(face_sheet(people, identities=2, images=1), cv2.COLOR_RGB2BGR))
    print("loading TensorFlow ...", flush=True)
    cli.quiet_tensorflow()
    from seesaw_keras.models.tables import variants_table

    model = seesaw_keras.build("shuffle")
    faces = np.stack([people.array(0), people.array(1)])
    embeddings = model((faces.astype(np.float32) - 127.5) / 127.5).numpy()
    print(f"\n{seesaw_keras.summary(model)}\n")
    print(f"two generated faces ({picture}) -> embeddings {embeddings.shape}, unit length")
    print(
        f"cosine between them {float(embeddings[0] @ embeddings[1]):+.3f}: of random weights, so it tells nothing yet\n"
    )
    variants = tqdm(seesaw_keras.list_models(), desc="building every variant", unit="variant", leave=False)
    print(variants_table([seesaw_keras.model_info(variant) for variant in variants]))
    print("\nNext: python tools/show_faces.py, python tools/evaluate.py --help, and README.md")


if __name__ == "__main__":
    cli.run(main)
