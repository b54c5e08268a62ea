"""Embeds every image of a data set of aligned faces, by several processes, into .npy shards with an index.

    python tools/embed_dataset.py --data faces_emore --model phone.tflite --output embeddings
    python tools/embed_dataset.py --data faces_emore --model teacher.onnx --preprocess imagenet --output embeddings

The data are InsightFace's RecordIO (a .rec file or its folder), TFRecord shards, a folder or .zip of identity/image, or
a .csv of path,identity; the model is a .tflite, .onnx, .keras or .h5 file, or a SavedModel folder. The output holds the
shards, float32 (images, length) in the order of the data; index.csv, a line an image; and manifest.json, which says
what made them. Stopped and started again by the same command, it keeps the shards that are finished and goes on.

    shards = [np.load(path, mmap_mode="r") for path in sorted(Path("embeddings").glob("*.npy"))]
"""

from absl import flags

from seesaw_keras import cli
from seesaw_keras.inference.preprocessing import PREPROCESSES
from seesaw_keras.tflite.runtimes import RUNTIMES
from seesaw_keras.verification.dataset_embeddings import INDEX, Recipe, embed_dataset

FLAGS = flags.FLAGS
flags.DEFINE_string("data", None, "What to embed: a .rec, .tfrecord, .csv or .zip, or a folder.", required=True)
flags.DEFINE_string("model", None, "What embeds.", required=True)
flags.DEFINE_string("output", None, "Folder to fill: new, or of the same run that was stopped.", required=True)
flags.DEFINE_enum("preprocess", None, list(PREPROCESSES), "What the model wants of pixels; pm1 if not given.")
flags.DEFINE_enum("runtime", "xnnpack", list(RUNTIMES), "What runs a .tflite; see seesaw_keras/tflite/runtimes.py.")
flags.DEFINE_integer("images_per_shard", 4096, "Images of a shard, the most that a kill costs a process.", 1)
flags.DEFINE_integer("processes", None, "How many read and embed; one a processor if not given.", lower_bound=1)


def main() -> None:
    """Embeds the data set and prints what came of it."""
    recipe = Recipe(FLAGS.model, FLAGS.preprocess, FLAGS.runtime, FLAGS.images_per_shard)
    with cli.Bars() as bars:
        manifest = embed_dataset(FLAGS.data, FLAGS.output, recipe, processes=FLAGS.processes, progress=bars)
    print(
        f"{FLAGS.output}: {manifest['images']:,} embeddings of {manifest['embedding_size']} numbers in "
        f"{len(manifest['shards'])} shards"
    )
    if manifest["without_embedding"]:
        print(f"{manifest['without_embedding']:,} images do not decode: their rows are NaN; see {INDEX}")


if __name__ == "__main__":
    cli.run(main)
