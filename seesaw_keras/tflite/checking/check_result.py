"""Results of `check`: output similarity per runtime, tensor equality, and pass or fail.

>>> from seesaw_keras.tflite.checking.check import check
>>> result = check("shuffle_int8.tflite", {"given": images})  # doctest: +SKIP
>>> print(result.table())  # doctest: +SKIP
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from seesaw_keras.tflite.checking.tensor_diff import FLOAT_TOLERANCE, OperatorDifference, in_steps
from seesaw_keras.tflite.runtimes import Arena

__all__ = ["ADVERSARIAL_GROUP", "LEAST_COSINE", "CheckResult", "Equality", "OutputDifference"]

ADVERSARIAL_GROUP = "adversarial"
LEAST_COSINE = 0.995  # minimum cosine of XNNPACK to reference embeddings, for trained networks


@dataclass(frozen=True)
class OutputDifference:
    """Output differences between a runtime and LiteRT's reference kernels, for one group of inputs.

    Attributes:
        runtime: runtime name.
        title: display name.
        group: name of the input group.
        inputs: number of inputs.
        largest: maximum absolute difference of an entry: quantization steps for integer outputs, the output's unit for
            float.
        share: fraction of entries that differ, 0 to 1.
        cosine: minimum cosine over all inputs.
        float_cosine: mean and minimum cosine to the float model's embeddings; None if none were given.
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
    """Comparison of two runtimes over every entry of every tensor.

    Attributes:
        left: display name of the first runtime.
        right: display name of the second runtime.
        inputs: number of inputs.
        tensors: number of computed tensors.
        entries: number of entries of these tensors, over all inputs.
        differing: number of entries that differ; floats are compared with a tolerance.
        first: first operator that differs for any of the inputs.
        input: the input for which it differs.
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
    """Complete results of a check.

    Attributes:
        name: model name.
        trained: whether the metadata marks the network as trained; with random weights similarity is not checked.
        integers: whether no operator computes floats.
        rows: one entry per runtime and group.
        equalities: comparisons of the runtimes that must be bit-exact.
        refused: runtimes that rejected the model, with the reason.
        arena: TFLite Micro's memory requirements.
    """

    name: str
    trained: bool
    integers: bool
    rows: Sequence[OutputDifference]
    equalities: Sequence[Equality]
    refused: Sequence[str] = ()
    arena: Arena | None = None

    @property
    def differences(self) -> list[str]:
        """Violations of bit-exactness, each with the first operator that differs; empty if there are none."""
        lines = []
        for equality in self.equalities:
            if equality.first is not None:
                lines += [str(equality), f"first, on {equality.input}: {equality.first}"]
            elif equality.differing:
                lines.append(f"{equality}: only in outputs, so tensors overlap in memory in one of the two")
        return lines

    @property
    def distances(self) -> list[str]:
        """Messages for trained networks whose XNNPACK output is too far from the reference kernels'.

        XNNPACK's kernels occasionally round differently, and each difference propagates: at the output the two differ
        by about as much as quantization moves either from the float network. A low cosine therefore reflects the
        network's sensitivity to rounding.
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
        """Reasons for failure, one line each; empty if the model passed."""
        return self.differences + self.distances

    @property
    def passed(self) -> bool:
        """Whether there are no problems."""
        return not self.problems

    def table(self) -> str:
        """Returns a text report that ends with the verdict."""
        shown = [row for row in self.rows if row.runtime != "reference" or row.float_cosine]
        lines = _aligned([_HEAD, *map(_cells, shown)])
        lines += [str(equality) for equality in self.equalities if not equality.differing]
        if not self.integers:
            lines.append(f"floats are compared with a tolerance of {FLOAT_TOLERANCE:g} times a tensor's largest entry")
        if self.arena is not None:
            lines.append(
                f"TFLite Micro arena: {self.arena.planned:,} bytes planned, {self.arena.persistent:,} persistent, "
                f"{self.arena.total:,} required"
            )
        lines += self.refused
        if not self.passed:
            return "\n".join([*lines, "NOT PASSED", *(f"  {problem}" for problem in self.problems)])
        unproven = "no differences, but no second runtime that must be bit-exact was available"
        return "\n".join([*lines, "passed" if self.equalities else unproven])

    def to_json(self) -> dict[str, Any]:
        """Returns a JSON-serializable dictionary."""
        record = asdict(self)
        record["arena"] = self.arena._asdict() if self.arena else None
        return record | {
            "passed": self.passed,
            "problems": self.problems,
            "differences": self.differences,
            "distances": self.distances,
        }


_HEAD = (
    "compared with LiteRT reference",
    "inputs",
    "max difference",
    "differing entries",
    "min cosine",
    "cosine with float: mean",
    "min",
)


def _cells(row: OutputDifference) -> tuple[str, ...]:
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
    """Aligns the first column left and the others right; omits empty columns."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    return [
        "  ".join(cell.ljust(width) if index == 0 else cell.rjust(width) for index, (cell, width) in enumerate(line))
        for line in (zip(row, widths, strict=True) for row in zip(*columns, strict=True))
    ]
