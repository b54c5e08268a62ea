"""Checks that two forms of one network produce the same outputs.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.checking.equivalence import require_same_outputs
>>> from seesaw_keras.tflite.passes import rewrite
>>> before, after = (flatbuffer.read("phone_int8.tflite") for _ in range(2))  # doctest: +SKIP
>>> rewrite(after, "xnnpack")  # doctest: +SKIP
>>> require_same_outputs(before, after, inputs)  # doctest: +SKIP
"""

from collections.abc import Callable, Sequence

import numpy as np

from seesaw_keras.tflite.flatbuffer import ModelFile, ModelSource
from seesaw_keras.tflite.runtimes import open_runtime

__all__ = ["FLOAT_TOLERANCE", "require_same_outputs"]

FLOAT_TOLERANCE = 1e-5  # per entry of a unit-length output: rewritten networks sum in a different order


def require_same_outputs(
    before: ModelSource,
    after: ModelSource,
    inputs: np.ndarray,
    *,
    runtimes: Sequence[str] = ("reference", "numpy"),
    progress: Callable[[str, int, int], object] = lambda stage, done, total: None,
) -> None:
    """Runs both forms and compares every entry of their outputs.

    Args:
        before: a model with one input and one output, both of batch size 1; see `open_runtime`.
        after: the rewritten model.
        inputs: (n, ...) array of the input's dtype.
        runtimes: names of the runtimes to use; by default LiteRT's reference kernels and the NumPy interpreter.
        progress: called with a stage name, the number of finished inputs and their total.

    Raises:
        ValueError: an output differs (integers: at all; floats: by more than `FLOAT_TOLERANCE`), or a runtime cannot
            run one of the models.
    """
    files = ModelFile.of(before), ModelFile.of(after)
    for name in runtimes:
        left, right = (open_runtime(name, file) for file in files)
        for number, one in enumerate(inputs):
            expected, made = left.run(one[None]), right.run(one[None])
            if made.shape != expected.shape or _differ(made, expected):
                raise ValueError(
                    f"{left.title}: input {number}: the output of the rewritten network differs in "
                    f"{np.count_nonzero(made != expected)} of {expected.size} entries"
                )
            progress(left.title, number + 1, len(inputs))


def _differ(made: np.ndarray, expected: np.ndarray) -> bool:
    if not np.issubdtype(expected.dtype, np.floating):
        return not np.array_equal(made, expected)
    # Written so that NaN counts as a difference.
    return not np.abs(made - expected).max() <= FLOAT_TOLERANCE * np.linalg.norm(expected)
