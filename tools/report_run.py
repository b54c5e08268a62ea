"""Puts all that a run of tools/pipeline.py left into one HTML page: answers, accuracy, sizes, proofs, times.

    python tools/report_run.py --run runs/demo --data synthetic:2000@32

--data and --pairs are the run's --verify and --pairs; a few of them are shown with the answers of the int8 network.
The page is RUN/report.html. It needs nothing beside it, and links the pages of single stages. This is the last stage of
the pipeline, and a second to do again.
"""

from pathlib import Path

from absl import flags

from seesaw_keras import cli
from seesaw_keras.data.sources import open_pairs
from seesaw_keras.reports.run_page import write_page

FLAGS = flags.FLAGS
flags.DEFINE_string("run", None, "The folder that tools/pipeline.py filled.", required=True)
flags.DEFINE_string(
    "data", None, "Pairs that it was verified on: a .bin, LFW's or CFP's images, or synthetic:2000@32.", required=True
)
flags.DEFINE_string("pairs", None, "LFW's pairs.txt or CFP's Protocol/Split/FP, for --data of images.")


def main() -> None:
    """Writes the page."""
    page = Path(FLAGS.run) / "report.html"
    write_page(page, FLAGS.run, open_pairs(FLAGS.data, FLAGS.pairs))
    print(page)


if __name__ == "__main__":
    cli.run(main)
