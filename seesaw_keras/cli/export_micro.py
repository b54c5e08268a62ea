"""Exports an int8 network as C++17 sources for firmware with TFLite Micro.

    seesaw export_micro --model micro_int8.tflite --out firmware/face

The folder contains the network as an array, a resolver with the required operators, the arena size measured in TFLite
Micro, a class that maps RGB pixels to int8 embeddings, with cosine and threshold in integer arithmetic, golden vectors
with a self-test, a CMakeLists.txt for the desktop, and a README.md on integration.

The model is the output of `seesaw convert_tflite`, with int8 or uint8 input and int8 embeddings. The threshold, the
minimum cosine at which two faces are the same person, is read from the model unless --threshold is given. An earlier
export in the folder is replaced; a folder with other contents is not modified.
"""

from pathlib import Path

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.messages import say
from seesaw_keras.tflite.flatbuffer import ModelFile
from seesaw_keras.tflite.micro import Export, export, write_sources

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_string("model", None, "Flatbuffer (.tflite) to export.", required=True)
FLAGS.DEFINE_float("threshold", None, "Minimum cosine at which two faces are the same person.", -1.0, 1.0)
FLAGS.DEFINE_string("out", None, "Output folder.", required=True)


def table(made: Export, size: int) -> str:
    """Returns the firmware's resource requirements as text; `size` is the model size in bytes."""
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
    """Exports the model and prints the firmware's resource requirements."""
    if Path(FLAGS.model).suffix != ".tflite":
        raise ValueError(f"{FLAGS.model}: expected a .tflite file; `seesaw convert_tflite` creates one")
    file = ModelFile.of(FLAGS.model)
    say("running TFLite Micro ...")
    made = export(file, threshold=FLAGS.threshold)
    write_sources(FLAGS.out, made)
    print(table(made, len(file.data)))


run = Command(main, FLAGS)
