"""Thousands of operators drawn at random, in NumPy and in both native runtimes: how many differ in an integer.

    python benchmarks/reference_kernels.py --cases 3000 --operators CONV_2D ADD

Draws as the tests do (tests/tflite/reference/drawn_operators), from other seeds and more of them. A row is an operator
and its types; real numbers count as equal within 1e-5. What the reference refuses by name, because its scales are
beyond what kernels can compute, is drawn, counted and not compared. Exit code 1 when anything differs.
"""

import random
import sys
from pathlib import Path

from absl import flags
from tqdm import tqdm

from seesaw_keras import cli

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "tflite" / "reference"))
from drawn_operators import ROWS, Row, case
from drawn_operators.comparing import differences, refusal

FLAGS = flags.FLAGS
flags.DEFINE_integer("cases", 3000, "Operators of each row.", 1)
flags.DEFINE_multi_string("operators", [], "Which rows, by the operators' codes; all if not given.")
flags.DEFINE_integer("seed", 0, "Of the draws.")

TOGETHER = 50  # in one graph


def measure(row: Row) -> dict[str, tuple[int, int]]:
    """Returns for each flavor of a row how many cases are refused, and how many outputs differ."""
    r = random.Random(f"{FLAGS.seed} {row.code} {row.type}")
    refused, wrong = dict.fromkeys(row.flavors, 0), dict.fromkeys(row.flavors, 0)
    for start in range(0, FLAGS.cases, TOGETHER):
        drawn = [case(r, row) for _ in range(min(TOGETHER, FLAGS.cases - start))]
        for flavor in row.flavors:
            known = [one for one in drawn if refusal(one, flavor) is None]
            refused[flavor] += len(drawn) - len(known)
            found = differences(known, flavor) if known else []
            wrong[flavor] += len(found)
            for line in found:
                print(f"{flavor}: {line}", file=sys.stderr)
    return {flavor: (refused[flavor], wrong[flavor]) for flavor in row.flavors}


def main() -> None:
    """Prints the table."""
    unknown = set(FLAGS.operators) - {row.code for row in ROWS}
    if unknown:
        raise ValueError(f"--operators: {min(unknown)!r} is not among {', '.join(sorted({row.code for row in ROWS}))}")
    print("| operator | types | flavor | cases | refused | differ |\n| --- | --- | --- |" + " ---: |" * 3)
    rows = [row for row in ROWS if not FLAGS.operators or row.code in FLAGS.operators]
    total = 0
    for row in tqdm(rows, "rows", disable=None):
        for flavor, (refused, wrong) in measure(row).items():
            print(f"| {row.code} | {row.type} | {flavor} | {FLAGS.cases} | {refused} | {wrong} |", flush=True)
            total += wrong
    sys.exit(total > 0)


if __name__ == "__main__":
    cli.run(main)
