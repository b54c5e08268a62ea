"""What `check` found: closeness of each runtime's outputs, equality of all tensors, and the verdict.

>>> from seesaw_keras.tflite.checking.check import check
>>> result = check("shuffle_int8.tflite", {"given": images})  # doctest: +SKIP
>>> print(result.table())  # doctest: +SKIP
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seesaw_keras.tflite.checking.tensor_diff import FLOAT_TOLERANCE, OperatorDifference, in_steps
from seesaw_keras.tflite.runtimes import Arena

__all__ = ["ADVERSARIAL_GROUP", "LEAST_COSINE", "CheckResult", "Closeness", "Equality"]

ADVERSARIAL_GROUP = "adversarial"
LEAST_COSINE = 0.995  # of XNNPACK's embeddings of a trained network to those of the reference kernels


@dataclass(frozen=True)
class Closeness:
    """The outputs of a runtime beside those of LiteRT's reference kernels, for one group of inputs.

    Attributes:
        runtime: its name.
        title: what people call it.
        group: of the inputs.
        inputs: how many.
        largest: difference of an entry, in steps; of a float output in its own unit.
        share: of the entries that differ, 0 to 1.
        cosine: the least one of all inputs.
        float_cosine: the mean and the least cosine to the float model's embeddings; None where there are none.
    """

    runtime: str
    title: str
    group: str
    inputs: int
    largest: float
    share: float
    cosine: float
    float_cosine: tuple[float, float] | None


@dataclass(frozen=True)
class Equality:
    """Whether two runtimes computed the same value for every entry of every tensor.

    Attributes:
        left: what people call the one.
        right: and the other.
        inputs: how many the model was run on.
        tensors: how many an operator computed.
        entries: of these tensors, over all inputs.
        differing: how many of those are not equal; of floats, not nearly.
        first: the first operator that computed something else in any of the inputs.
        input: for which input that was.
    """

    left: str
    right: str
    inputs: int
    tensors: int
    entries: int
    differing: int
    first: OperatorDifference | None
    input: str

    def __str__(self) -> str:
        extent = f"{self.entries:,} entries of {self.tensors} tensors on {self.inputs} inputs"
        if not self.differing:
            return f"{self.left} and {self.right} agree in all {extent}"
        return f"{self.left} and {self.right} differ in {self.differing:,} of {extent}"


@dataclass(frozen=True)
class CheckResult:
    """All that was found.

    Attributes:
        name: of the model.
        trained: whether the file says that the network was trained; one with random weights is not asked for closeness.
        integers: whether no operator computes a float.
        rows: a runtime and group each.
        equalities: of the runtimes that have to compute the same.
        refused: by which runtimes, and why.
        arena: of TFLite Micro.
    """

    name: str
    trained: bool
    integers: bool
    rows: Sequence[Closeness]
    equalities: Sequence[Equality]
    refused: Sequence[str] = ()
    arena: Arena | None = None

    @property
    def differences(self) -> list[str]:
        """What differs though it has to be the same, and where first; none where nothing does."""
        lines = []
        for equality in self.equalities:
            if equality.first is not None:
                lines += [str(equality), f"first, on {equality.input}: {equality.first}"]
            elif equality.differing:
                lines.append(f"{equality}: in outputs alone, so the memory of tensors overlaps in one of the two")
        return lines

    @property
    def distances(self) -> list[str]:
        """Where XNNPACK is too far from the reference kernels in a trained network.

        Its kernels round otherwise now and then, and each step of difference becomes others after it: in the end the
        two differ by as much as rounding moves either from the float network. So these are of the network's own making.
        """
        return [
            f"{row.title}, {row.group}: a cosine of {row.cosine:.4f}, less than {LEAST_COSINE}"
            for row in self.rows
            if self.trained
            and row.runtime == "xnnpack"
            and row.group != ADVERSARIAL_GROUP
            and row.cosine < LEAST_COSINE
        ]

    @property
    def problems(self) -> list[str]:
        """Why the model did not pass, a line each; none where it passed."""
        return self.differences + self.distances

    @property
    def passed(self) -> bool:
        """Whether it has no problems."""
        return not self.problems

    def table(self) -> str:
        """Returns all of it for people, the verdict in the last lines."""
        told = [row for row in self.rows if row.runtime != "reference" or row.float_cosine]
        lines = _aligned([_HEAD, *map(_cells, told)])
        lines += [str(equality) for equality in self.equalities if not equality.differing]
        if not self.integers:
            lines.append(f"floats count as equal within {FLOAT_TOLERANCE:g} of a tensor's largest entry")
        if self.arena is not None:
            lines.append(
                f"arena of TFLite Micro: {self.arena.planned:,} bytes planned, {self.arena.persistent:,} persistent, "
                f"{self.arena.total:,} needed"
            )
        lines += self.refused
        if not self.passed:
            return "\n".join([*lines, "NOT PASSED", *(f"  {problem}" for problem in self.problems)])
        unproven = "nothing differs, but no second runtime was there that has to compute the same"
        return "\n".join([*lines, "passed" if self.equalities else unproven])

    def to_json(self) -> dict[str, Any]:
        """Returns all of it as what JSON can hold."""
        record = asdict(self)
        record["arena"] = self.arena._asdict() if self.arena else None
        return record | {
            "passed": self.passed,
            "problems": self.problems,
            "differences": self.differences,
            "distances": self.distances,
        }


_HEAD = (
    "against LiteRT reference",
    "inputs",
    "largest difference",
    "entries that differ",
    "least cosine",
    "cosine with float: mean",
    "least",
)


def _cells(row: Closeness) -> tuple[str, ...]:
    return (
        f"{row.title}, {row.group}",
        f"{row.inputs}",
        in_steps(row.largest),
        f"{100 * row.share:.2f}%",
        *(
            f"{cosine:.4f}" if cosine is not None else ""
            for cosine in (row.cosine, *(row.float_cosine or (None, None)))
        ),
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right; columns that say nothing are left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(cell.ljust(width) if place == 0 else cell.rjust(width) for place, (cell, width) in enumerate(line))
        for line in (zip(row, widths, strict=True) for row in zip(*columns, strict=True))
    ]
