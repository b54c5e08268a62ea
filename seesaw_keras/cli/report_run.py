"""Writes an HTML report of a run of `seesaw pipeline`: answers, accuracy, sizes, checks, durations.

    seesaw report_run --run runs/demo --data synthetic:2000@32

--data and --pairs are the run's --verify and --pairs; some of the pairs are shown with the answers of the int8 network.
The report is RUN/report.html, a self-contained page that links to the reports of single stages. It is the last stage of
the pipeline; repeating it takes about a second.
"""

from pathlib import Path

from seesaw_keras.cli.support.command import Command, Flags
from seesaw_keras.cli.support.pairs_flag import define_pairs_flag
from seesaw_keras.data.sources import open_pairs
from seesaw_keras.reports.run_page import write_page

__all__ = ["run"]

FLAGS = Flags()
FLAGS.DEFINE_string("run", None, "Output folder of `seesaw pipeline`.", required=True)
FLAGS.DEFINE_string(
    "data", None, "Verification pairs of the run: a .bin, images of LFW or CFP, or synthetic:2000@32.", required=True
)
define_pairs_flag(FLAGS, "--data")


def main() -> None:
    """Writes the report."""
    page = Path(FLAGS.run) / "report.html"
    write_page(page, FLAGS.run, open_pairs(FLAGS.data, FLAGS.pairs))
    print(page)


run = Command(main, FLAGS)
