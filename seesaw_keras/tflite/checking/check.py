"""Runs a flatbuffer in every runtime and compares the results.

>>> import numpy as np
>>> from seesaw_keras.tflite.checking.check import check
>>> images = np.zeros((4, 112, 112, 3), np.int8)
>>> check("shuffle_int8.tflite", {"black": images}).passed  # doctest: +SKIP
True

It measures how close each runtime's output is to that of LiteRT's reference kernels, which define the operators'
numerics, and whether runtimes that must be bit-exact (`Runtime.equals`) are equal in every entry of every tensor.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from seesaw_keras.tflite.checking.check_result import ADVERSARIAL_GROUP, CheckResult, Equality, OutputDifference
from seesaw_keras.tflite.checking.tensor_diff import OperatorDifference, differing, first_difference, largest_difference
from seesaw_keras.tflite.conversion.interface import read_facts
from seesaw_keras.tflite.flatbuffer import ModelFile, ModelSource, Tensor
from seesaw_keras.tflite.runtimes import Runtime, TFLiteMicro, available_runtimes, open_runtime

__all__ = ["ADVERSARIAL", "adversarial_inputs", "check"]

ADVERSARIAL = ("all minimum", "all maximum", "noise", "one hot pixel")

Progress = Callable[[str, int, int], object]
Arrays = Mapping[str, np.ndarray]


def adversarial_inputs(given: Tensor, images: Sequence[np.ndarray] = ()) -> np.ndarray:
    """Returns inputs at the limits of the model's input range; deterministic.

    Args:
        given: the model's input tensor, of batch size 1.
        images: arrays whose minimum and maximum are the limits of a float input; -1 and 1 if empty.

    Returns:
        (4, ...) array of the input's dtype, in the order of `ADVERSARIAL`.
    """
    if np.issubdtype(given.dtype, np.floating):
        low = min((float(group.min()) for group in images), default=-1.0)
        high = max((float(group.max()) for group in images), default=1.0)
    else:
        limits = np.iinfo(given.dtype)
        low, high = limits.min, limits.max
    shape = given.shape[1:]
    r = np.random.default_rng(0)
    noise = r.uniform(low, high, shape) if isinstance(low, float) else r.integers(low, high, shape, endpoint=True)
    hot = np.full(shape, low, given.dtype)
    hot[tuple(r.integers(0, size) for size in shape[:-1])] = high
    return np.stack([np.full(shape, low), np.full(shape, high), noise, hot]).astype(given.dtype)


def check(
    model: ModelSource,
    inputs: Mapping[str, np.ndarray],
    *,
    float_embeddings: Mapping[str, np.ndarray] | None = None,
    runtimes: Sequence[str] | None = None,
    threads: int = 1,
    progress: Progress = lambda stage, done, total: None,
) -> CheckResult:
    """Runs a model with one input and one output, both of batch size 1, in the installed runtimes.

    The check fails if two runtimes that must be bit-exact differ in any entry of any tensor (for floats: by more than
    the order of summation explains), or if the metadata marks the network as trained and the minimum cosine between the
    outputs of XNNPACK and the reference kernels is below 0.995, adversarial inputs excluded.

    Args:
        model: see `open_runtime`.
        inputs: groups of inputs by name, each (n, ...) of the input's dtype. A group "adversarial" is added.
        float_embeddings: (n, length) embeddings of the float model, for any of the groups.
        runtimes: names in `RUNTIMES` of the runtimes to run besides LiteRT's reference kernels; None for all installed
            ones.
        threads: number of threads for XNNPACK.
        progress: called with a stage name, the number of finished inputs and their total.

    Raises:
        ValueError: the file is damaged, LiteRT cannot run it, it has another interface, or the inputs do not match it.
        OSError: the file cannot be read.
    """
    file = ModelFile.of(model)
    reference = open_runtime("reference", file)
    opened, refused = {"reference": reference}, []
    for name in available_runtimes():
        if name == "reference" or (runtimes is not None and name not in runtimes):
            continue
        try:
            opened[name] = open_runtime(name, file, threads=threads)
        except ValueError as error:
            refused.append(str(error))
    groups = {**inputs, ADVERSARIAL_GROUP: adversarial_inputs(reference.model.main.inputs[0], list(inputs.values()))}
    outputs = {name: _outputs(runtime, groups, progress) for name, runtime in opened.items()}
    rows = [
        _output_difference(
            name, opened[name], group, made[group], outputs["reference"][group], (float_embeddings or {}).get(group)
        )
        for name, made in outputs.items()
        for group in groups
    ]
    graph = reference.model.main
    return CheckResult(
        name=reference.name,
        trained=read_facts(reference.model).get("trained") is True,
        integers=not any(np.issubdtype(tensor.dtype, np.floating) for tensor in graph.producers()),
        rows=rows,
        equalities=_equalities(opened, groups, outputs, progress),
        refused=refused,
        arena=next((runtime.arena for runtime in opened.values() if isinstance(runtime, TFLiteMicro)), None),
    )


def _outputs(runtime: Runtime, groups: Arrays, progress: Progress) -> dict[str, np.ndarray]:
    """The outputs of a runtime per group."""
    total, done = sum(map(len, groups.values())), 0
    outputs = {}
    for group, inputs in groups.items():
        rows = []
        for one in inputs:
            rows.append(runtime.run(one[None]))
            done += 1
            progress(runtime.title, done, total)
        outputs[group] = np.concatenate(rows)
    return outputs


def _output_difference(
    name: str, runtime: Runtime, group: str, made: np.ndarray, expected: np.ndarray, real: np.ndarray | None
) -> OutputDifference:
    (output,) = runtime.model.main.outputs
    with_float = None if real is None else _cosines(output.real(made), real)
    return OutputDifference(
        runtime=name,
        title=runtime.title,
        group=group,
        inputs=len(made),
        largest=largest_difference(made, expected),
        share=float((made != expected).mean()),
        cosine=float(_cosines(output.real(made), output.real(expected)).min()),
        float_cosine=None if with_float is None else (float(with_float.mean()), float(with_float.min())),
    )


def _cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The cosine of each row with its counterpart; 1 if both rows are zero, 0 if one is."""
    left, right = (rows.reshape(len(rows), -1).astype(np.float64) for rows in (left, right))
    lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    both_zero = ~(left.any(axis=1) | right.any(axis=1))
    return np.where(both_zero, 1, (left * right).sum(axis=1) / np.where(lengths > 0, lengths, 1))


def _equalities(
    runtimes: Mapping[str, Runtime], groups: Arrays, outputs: Mapping[str, Arrays], progress: Progress
) -> list[Equality]:
    """Compares every tensor between runtimes that must be bit-exact."""
    pairs = [(runtime.equals, name) for name, runtime in runtimes.items() if runtime.equals in runtimes]
    names = {name for pair in pairs for name in pair}
    inputs = [(group, number) for group, members in groups.items() for number in range(len(members))]
    found = [_Comparison(runtimes[left], runtimes[right]) for left, right in pairs]
    for done, (group, number) in enumerate(inputs if pairs else [], 1):
        one = groups[group][number]
        tensors = {name: runtimes[name].tensors(one[None]) for name in names}
        where = (
            f"input {number} ({ADVERSARIAL[number]})" if group == ADVERSARIAL_GROUP else f"input {number} of {group}"
        )
        for comparison, (left, right) in zip(found, pairs, strict=True):
            comparison.add(where, one[None], tensors[left], tensors[right])
            comparison.differing += int(differing(outputs[left][group][number], outputs[right][group][number]).sum())
        progress("all tensors", done, len(inputs))
    return [comparison.result() for comparison in found]


class _Comparison:
    """Comparison of two runtimes, accumulated over inputs."""

    def __init__(self, left: Runtime, right: Runtime) -> None:
        self._left, self._right = left, right
        self._inputs = self._tensors = self._entries = self.differing = 0
        self._first: OperatorDifference | None = None
        self._where = ""

    def add(self, where: str, one: np.ndarray, left: Mapping[int, np.ndarray], right: Mapping[int, np.ndarray]) -> None:
        """Compares all tensors for one input."""
        both = left.keys() & right.keys()
        self._inputs += 1
        self._tensors = len(both)
        self._entries += sum(left[number].size for number in both)
        differences = sum(int(differing(left[number], right[number]).sum()) for number in both)
        self.differing += differences
        first = first_difference(self._left, self._right, [one], left, right) if differences else None
        if first is not None and (self._first is None or first.operator < self._first.operator):
            self._first, self._where = first, where

    def result(self) -> Equality:
        """The accumulated result."""
        return Equality(
            left=self._left.title,
            right=self._right.title,
            inputs=self._inputs,
            tensors=self._tensors,
            entries=self._entries,
            differing=self.differing,
            first=self._first,
            input=self._where,
        )
