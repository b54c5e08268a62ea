"""Converts a checkpoint of a public PyTorch implementation to Keras weights.

    seesaw import_reference --variant shuffle --checkpoint model.pth --out shuffle.weights.h5
    seesaw import_reference --variant dw_v1 --checkpoint arrays.npz --out dw_v1.keras

The checkpoint is a .pth or TorchScript file (requires the extra `torch`; no code in it is executed) or an .npz of
arrays with the implementation's parameter names. `--out` ends in .weights.h5 for weights only, loaded by
`seesaw_keras.build(variant, weights=FILE)`, or in .keras for the whole model.
"""

import json

import h5py

import seesaw_keras
from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.files import replacing, sha256_of
from seesaw_keras.models.configs import list_models

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_enum("variant", "shuffle", list_models(), "Variant of the checkpoint.")
FLAGS.DEFINE_string("checkpoint", None, "Checkpoint to read: .pth, TorchScript or .npz.", required=True)
FLAGS.DEFINE_string("out", None, "File to write: .weights.h5 (weights) or .keras (the whole model).", required=True)
FLAGS.DEFINE_integer("embedding_size", 512, "Embedding dimension of the checkpoint.", lower_bound=1)


def main() -> None:
    """Loads the checkpoint into the variant and writes the weights or the model."""
    if not FLAGS.out.endswith((".weights.h5", ".keras")):
        raise ValueError(f"--out {FLAGS.out!r} must end in .weights.h5 or .keras")
    quiet_tensorflow()
    model = seesaw_keras.build(FLAGS.variant, embedding_size=FLAGS.embedding_size)
    dropped = seesaw_keras.load_reference_weights(model, FLAGS.checkpoint)
    made_by = {
        "seesaw_keras": seesaw_keras.__version__,
        "variant": FLAGS.variant,
        "embedding_size": FLAGS.embedding_size,
        "checkpoint_sha256": sha256_of(FLAGS.checkpoint),
    }
    with replacing(FLAGS.out) as beside:
        if FLAGS.out.endswith(".keras"):
            model.save(beside)
        else:
            model.save_weights(beside)
            with h5py.File(beside, "a") as file:
                file.attrs["made_by"] = json.dumps(made_by)
    for name in dropped:
        print(f"dropped, never used by the implementation: {name}")
    print(f"{FLAGS.out}: {FLAGS.variant}, {model.count_params():,} weights, sha256 {sha256_of(FLAGS.out)}")


run = Command(main, FLAGS)
