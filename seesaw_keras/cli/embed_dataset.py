"""Embeds every image of a data set of aligned faces, in parallel, into .npy shards with an index.

    seesaw embed_dataset --data faces_emore --model phone.tflite --output embeddings
    seesaw embed_dataset --data faces_emore --model teacher.onnx --preprocess imagenet --output embeddings

The data set is InsightFace RecordIO (a .rec file or its folder), TFRecord shards, a folder or .zip of identity/image,
or a .csv of path,identity. The model is a .tflite, .onnx, .keras or .h5 file, or a SavedModel folder. The output
contains the shards, float32 (images, length) in the order of the data set; index.csv, one line per image; and
manifest.json with the configuration. Repeat the command to resume an interrupted run; finished shards are kept.

    shards = [np.load(path, mmap_mode="r") for path in sorted(Path("embeddings").glob("*.npy"))]
"""

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.progress_bars import ProgressBars
from seesaw_keras.inference.preprocessing import PREPROCESSES
from seesaw_keras.tflite.runtimes import RUNTIMES
from seesaw_keras.verification.dataset_embeddings import INDEX, EmbeddingSettings, embed_dataset

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_string("data", None, "Data set to embed: a .rec, .tfrecord, .csv or .zip, or a folder.", required=True)
FLAGS.DEFINE_string(
    "model", None, "Embedding model: a .tflite, .onnx, .keras or .h5 file, or a SavedModel folder.", required=True
)
FLAGS.DEFINE_string("output", None, "Output folder: new, or of an interrupted run to resume.", required=True)
FLAGS.DEFINE_enum("preprocess", None, list(PREPROCESSES), "Model's input preprocessing. Default: pm1.")
FLAGS.DEFINE_enum("runtime", "xnnpack", list(RUNTIMES), "Runtime for a .tflite; see seesaw_keras/tflite/runtimes.py.")
FLAGS.DEFINE_integer(
    "images_per_shard", 4096, "Images per shard; an interruption loses at most one shard per process.", 1
)
FLAGS.DEFINE_integer("processes", None, "Number of worker processes. Default: one per CPU.", lower_bound=1)


def main() -> None:
    """Embeds the data set and prints a summary."""
    settings = EmbeddingSettings(FLAGS.model, FLAGS.preprocess, FLAGS.runtime, FLAGS.images_per_shard)
    with ProgressBars() as bars:
        manifest = embed_dataset(FLAGS.data, FLAGS.output, settings, processes=FLAGS.processes, progress=bars)
    print(
        f"{FLAGS.output}: {manifest['images']:,} embeddings of {manifest['embedding_size']} numbers in "
        f"{len(manifest['shards'])} shards"
    )
    if manifest["without_embedding"]:
        print(f"{manifest['without_embedding']:,} images could not be decoded, their rows are NaN; see {INDEX}")


run = Command(main, FLAGS)
