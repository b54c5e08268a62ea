"""Rendering speed of synthetic faces on one core, in images per second.

    python benchmarks/synthetic_faces.py
    python benchmarks/synthetic_faces.py --size 224 --images 500

Prints the best and the median over the rounds; the median also reflects other load on the machine.
"""

import statistics
import time

import cv2

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.data.synthetic import SyntheticFaces

FLAGS = Flags()
FLAGS.DEFINE_integer("size", 112, "Side of the images in pixels.", lower_bound=16, upper_bound=1024)
FLAGS.DEFINE_integer("images", 200, "Images per round, ten of each identity.", lower_bound=10)
FLAGS.DEFINE_integer("rounds", 9, "Number of rounds.", lower_bound=1)


def main() -> None:
    """Measures drawing alone, and drawing with PNG encoding."""
    cv2.setNumThreads(1)
    faces = SyntheticFaces(FLAGS.images, 10, size=FLAGS.size)
    for name, draw in (("drawn", faces.array), ("drawn and encoded as PNG", faces.__getitem__)):
        rates = []
        for _ in range(FLAGS.rounds):
            start = time.perf_counter()
            for position in range(FLAGS.images):
                draw(position)
            rates.append(FLAGS.images / (time.perf_counter() - start))
        print(
            f"{FLAGS.size}x{FLAGS.size}, {name}: best {max(rates):.0f}, median {statistics.median(rates):.0f} images/s"
        )


if __name__ == "__main__":
    Command(main, FLAGS)()
