"""Writes an int8 network as C++17 sources for a firmware with TFLite Micro.

    python tools/export_micro.py --model micro_int8.tflite --out firmware/face

The folder holds the network as an array, a resolver with the operators that it uses, the size of the arena as measured
in TFLite Micro, a class from RGB pixels to int8 embeddings with cosine and threshold in integers, golden vectors with a
self-test, a CMakeLists.txt that runs it on a desktop, and a README.md on wiring it up.

The model is one of tools/convert_tflite.py, with int8 or uint8 pixels in and an int8 embedding out. The threshold, the
cosine from which on two faces are the same person, is the one stored in it, if there is no --threshold. An older export
in the folder is replaced; a folder with anything else is not touched.
"""

import sys
from pathlib import Path

from absl import flags

from seesaw_keras import cli
from seesaw_keras.tflite.micro import Export, export, write_sources

FLAGS = flags.FLAGS
flags.DEFINE_string("model", None, "The .tflite to export.", required=True)
flags.DEFINE_float("threshold", None, "Cosine from which on two faces are the same person.", -1.0, 1.0)
flags.DEFINE_string("out", None, "Folder to write.", required=True)


def table(made: Export, size: int) -> str:
    """Returns what the firmware will need as lines for people; `size` is the model's, in bytes."""
    arena = made.arena
    return "\n".join(
        [
            f"{FLAGS.out}: {len(made.files)} files",
            f"network        {size:>11,} bytes of flash",
            f"arena          {made.arena_size:>11,} bytes, {arena.planned:,} planned + {arena.persistent:,} persistent "
            f"on x86-64 + {made.arena_size - arena.planned - arena.persistent:,} spare",
            f"operators      {len(made.methods):>11,} kinds: {', '.join(made.methods)}",
            f"threshold      {made.threshold:>11g} = {made.threshold_q15}/32768",
        ]
    )


def main() -> None:
    """Exports what the flags say, and prints what the firmware will need."""
    if Path(FLAGS.model).suffix != ".tflite":
        raise ValueError(f"{FLAGS.model}: a .tflite is needed; tools/convert_tflite.py makes one")
    data = Path(FLAGS.model).read_bytes()
    print("running TFLite Micro ...", file=sys.stderr, flush=True)
    made = export(data, name=FLAGS.model, threshold=FLAGS.threshold)
    write_sources(FLAGS.out, made)
    print(table(made, len(data)))


if __name__ == "__main__":
    cli.run(main)
