"""Compares thousands of random operators in NumPy and both native runtimes, and counts differing outputs.

    python benchmarks/reference_kernels.py --cases 3000 --operators CONV_2D ADD

Operators are generated as in the tests (tests/tflite/reference/drawn_operators), with other seeds and in larger
numbers. A row is an operator and its types; floating-point outputs are equal if they agree within 1e-5. Operators that
the reference rejects, because kernels cannot represent their scales, are counted but not compared. Exits with code 1 if
anything differs.
"""

import random
import sys
from pathlib import Path

from tqdm import tqdm

from seesaw_keras.cli.support.command import Command, Flags

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "tflite" / "reference"))
from drawn_operators import ROWS, Row, case
from drawn_operators.comparing import differences, refusal

FLAGS = Flags()
FLAGS.DEFINE_integer("cases", 3000, "Number of operators per row.", 1)
FLAGS.DEFINE_multi_string("operators", [], "Operator codes of the rows to run. Default: all.")
FLAGS.DEFINE_integer("seed", 0, "Seed of the random operators.")

TOGETHER = 50  # operators per graph


def measure(row: Row) -> dict[str, tuple[int, int]]:
    """Returns the number of rejected cases and of differing outputs for each flavor of a row."""
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
    known = {row.code for row in ROWS}
    unknown = set(FLAGS.operators) - known
    if unknown:
        raise ValueError(f"--operators: unknown operator {min(unknown)!r}; choose from {', '.join(sorted(known))}")
    print("| operator | types | flavor | cases | rejected | differ |\n| --- | --- | --- |" + " ---: |" * 3)
    rows = [row for row in ROWS if not FLAGS.operators or row.code in FLAGS.operators]
    total = 0
    for row in tqdm(rows, "rows", disable=None):
        for flavor, (refused, wrong) in measure(row).items():
            print(f"| {row.code} | {row.type} | {flavor} | {FLAGS.cases} | {refused} | {wrong} |", flush=True)
            total += wrong
    sys.exit(total > 0)


if __name__ == "__main__":
    Command(main, FLAGS)()
