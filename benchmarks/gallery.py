"""Latency of a gallery search among 100,000 embeddings, of startup, and of the verification of two photographs.

    python benchmarks/gallery.py --model phone.tflite --yunet face_detection_yunet_2023mar.onnx A.jpg B.jpg

A query is a call to `Gallery.search`, which checks for changes by other processes, computes one matrix product with all
embeddings, and selects the best match of each person and the best people. A removal rewrites the whole file. The
embeddings are random unit vectors, which does not affect the times. Startup is measured in a new process until
`FaceEmbedder` is ready, and verification is a complete run of tools/verify_faces.py. Files are in the page cache.
Prints a Markdown table.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.faces import Gallery
from seesaw_keras.faces.gallery_file import GalleryFile, GalleryModel

FLAGS = Flags()
FLAGS.DEFINE_string("model", None, "Embedding network, a .tflite file.", required=True)
FLAGS.DEFINE_string("preprocess", None, "Input preprocessing, if not stored in the .tflite.")
FLAGS.DEFINE_string("yunet", None, "YuNet model for verify_faces. Default: OpenCV's cascades.")
FLAGS.DEFINE_integer("people", 1000, "Number of enrolled people.", 1)
FLAGS.DEFINE_integer("each", 100, "Embeddings per person.", 1)
FLAGS.DEFINE_integer("length", 512, "Embedding size.", 1)
FLAGS.DEFINE_integer("queries", 40, "Number of queries to time.", 1)
FLAGS.DEFINE_integer("starts", 5, "Number of runs to time, for startup and for verification.", 1)

TOOL = Path(__file__).resolve().parents[1] / "tools" / "verify_faces.py"
START = (
    "import sys; from seesaw_keras.faces import FaceEmbedder; FaceEmbedder(sys.argv[1], preprocess=sys.argv[2] or None)"
)


class Directions:
    """Stand-in for an embedder; the embeddings are supplied directly."""

    model_sha256, threshold = "00" * 32, 0.5

    def __init__(self, length: int) -> None:
        self.embedding_size = length


def seconds(work: Callable[[], Any]) -> float:
    """Returns the duration of a call in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def directions(count: int, seed: int) -> np.ndarray:
    """Returns random unit vectors, float32 (count, length)."""
    rows = np.random.default_rng(seed).standard_normal((count, FLAGS.length), np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def gallery_times(path: Path) -> dict[str, list[float]]:
    """Returns the seconds to enroll a person, open and run the first query, run each query, and remove a person."""
    taken: dict[str, list[float]] = {}
    with GalleryFile(path, GalleryModel(Directions.model_sha256, FLAGS.length)) as file:
        start = time.perf_counter()
        for person in tqdm(range(FLAGS.people), desc="enroll", unit="person", disable=None):
            rows = directions(FLAGS.each, person)
            file.add(f"Person {person}", {b"%d" % number: row for number, row in enumerate(rows)})
        taken["enroll a person's embeddings, flushed to disk"] = [(time.perf_counter() - start) / FLAGS.people]
    embedder: Any = Directions(FLAGS.length)
    queries = directions(FLAGS.queries, FLAGS.people)
    start = time.perf_counter()
    with Gallery(path, embedder) as gallery:
        gallery.search(queries[0], 5)
        taken["open and run the first query"] = [time.perf_counter() - start]
        taken["query"] = [seconds(lambda query=query: gallery.search(query, 5)) for query in queries]
        taken["remove a person"] = [seconds(lambda: gallery.remove("Person 0"))]
    return taken


def start_times(photographs: list[str]) -> dict[str, list[float]]:
    """Returns the seconds that each process takes to start or to verify."""
    model = [*("--model", FLAGS.model), *(("--preprocess", FLAGS.preprocess) if FLAGS.preprocess else ())]
    detector = ["--yunet", FLAGS.yunet] if FLAGS.yunet else []
    verify = [sys.executable, str(TOOL), *model, *detector, "--threshold", "0.4", *photographs]
    commands = {
        "start FaceEmbedder, including the process": [sys.executable, "-c", START, FLAGS.model, FLAGS.preprocess or ""],
        "verify_faces, from start to result": verify,
    }
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(FLAGS.starts):
        for name, command in commands.items():
            taken[name].append(
                seconds(lambda command=command: subprocess.run(command, check=True, capture_output=True))
            )
    return taken


def main(photographs: list[str]) -> None:
    """Runs the measurements and prints the table."""
    if len(photographs) != 2:
        raise ValueError("expected two photographs, see --help")
    with tempfile.TemporaryDirectory() as folder:
        taken = gallery_times(Path(folder) / "people.gallery") | start_times(photographs)
    count = FLAGS.people * FLAGS.each
    print(f"{count:,} {FLAGS.length}-dimensional embeddings, {FLAGS.people:,} people; {Path(FLAGS.model).name}\n")
    print("| operation | median, ms | fastest, ms | times |\n| --- | ---: | ---: | ---: |")
    for name, each in taken.items():
        print(f"| {name} | {1000 * statistics.median(each):.1f} | {1000 * min(each):.1f} | {len(each)} |")


if __name__ == "__main__":
    Command(main, FLAGS, positional=True)()
