"""What compression costs in accuracy, and gains in bytes: every way of tools/compress.py on one trained network.

    python tools/train.py --out runs/synthetic
    python benchmarks/compression_accuracy.py --run runs/synthetic

Each way is a run of tools/compress.py into a folder below --out; stopped and started again, those that are finished are
left as they are and the others go on. Without --data and --verify it takes the synthetic faces that the training drew.
"""

import json
import subprocess
import sys
from pathlib import Path

from absl import flags

from seesaw_keras import cli

FLAGS = flags.FLAGS
flags.DEFINE_string("run", "runs/synthetic", "Folder of a training, with model.keras.")
flags.DEFINE_string("recipe", "synthetic", "Its recipe.")
flags.DEFINE_string("data", None, "Faces to learn from.")
flags.DEFINE_string("verify", "synthetic:2000@32", "Pairs to verify on.")
flags.DEFINE_string("pairs", None, "LFW's pairs.txt or CFP's Protocol/Split/FP, for --verify of images.")
flags.DEFINE_string("out", None, "Folder for the results; `compression` below --run if not given.")
flags.DEFINE_integer("steps", 3000, "About how many steps a stage trains.", 1)
flags.DEFINE_list("ways", [], "Which to go; all if not given.")

WAYS = {
    "int8": ["--stage", "quantize"],
    "80% zeros": ["--stage", "prune+quantize", "--sparsity", "0.8"],
    "90% zeros": ["--stage", "prune+quantize", "--sparsity", "0.9", "--also", "squeeze_excite"],
    "2:4": ["--stage", "prune+quantize", "--pattern", "2:4"],
    "30% fewer channels": ["--stage", "prune+quantize", "--pattern", "channels", "--sparsity", "0.3"],
}
TOOL = Path(__file__).resolve().parent.parent / "tools" / "compress.py"


def report(way: str) -> dict:
    """Returns the report of one way, which is gone if it was not."""
    run = Path(FLAGS.run)
    out = Path(FLAGS.out or run / "compression") / way.replace("%", "").replace(":", "_").replace(" ", "_")
    if not (out / "report.json").exists():
        command = [sys.executable, str(TOOL), *WAYS[way], "--model", str(run / "model.keras"), "--out", str(out)]
        command += ["--recipe", FLAGS.recipe, "--data", FLAGS.data or str(run / "faces" / "train")]
        command += ["--verify", FLAGS.verify, "--steps", str(FLAGS.steps)]
        print(f"{way}: {' '.join(command)}", file=sys.stderr, flush=True)
        if subprocess.run([*command, *(["--pairs", FLAGS.pairs] if FLAGS.pairs else [])], check=False).returncode:
            raise ValueError(f"{way}: failed, see above; the same command goes on from here")
    return json.loads((out / "report.json").read_bytes())["networks"]


def main() -> None:
    """Goes the ways that are left and prints a table of all."""
    reports = {way: report(way) for way in FLAGS.ways or WAYS}
    first = next(iter(reports.values()))
    rows = {"float": first["float"], "int8, after training": first["int8, after training"]}
    rows |= {f"{way}, int8": networks["int8, compressed"] for way, networks in reports.items()}
    dense = first["int8, after training"]["gzipped"]
    print("| network | accuracy | change | cosine with float | bytes | gzipped | of dense |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, row in rows.items():
        change = row["accuracy"] - rows["float"]["accuracy"]
        sizes = f"{row['bytes']:,} | {row['gzipped']:,} | {row['gzipped'] / dense:.0%}" if "bytes" in row else " | |"
        print(f"| {name} | {row['accuracy']:.2f} | {change:+.2f} | {row['cosine']['mean']:.4f} | {sizes} |")


if __name__ == "__main__":
    cli.run(main)
