"""Whether two forms of one network put out the same.

>>> from seesaw_keras.tflite import flatbuffer
>>> from seesaw_keras.tflite.checking.equivalence import require_same_outputs
>>> from seesaw_keras.tflite.passes import rewrite
>>> plain, phone = (flatbuffer.read("phone_int8.tflite") for _ in range(2))  # doctest: +SKIP
>>> rewrite(phone, "phone")  # doctest: +SKIP
>>> require_same_outputs(plain, phone, inputs)  # doctest: +SKIP
"""

from collections.abc import Callable, Sequence

import numpy as np

from seesaw_keras.tflite.flatbuffer import Model
from seesaw_keras.tflite.runtimes import open_runtime

__all__ = ["FLOAT_TOLERANCE", "require_same_outputs"]

FLOAT_TOLERANCE = 1e-5  # of an entry, in outputs of unit length: rewritten networks add in another order


def require_same_outputs(
    before: Model,
    after: Model,
    inputs: np.ndarray,
    *,
    runtimes: Sequence[str] = ("reference", "numpy"),
    progress: Callable[[str, int, int], object] = lambda stage, done, total: None,
) -> None:
    """Runs both forms and compares every entry of their outputs.

    Args:
        before: a model of one input and one output, both of batch 1.
        after: the other form.
        inputs: (n, ...) of their input's type.
        runtimes: the programs that run both; by default LiteRT's reference kernels and our own in NumPy.
        progress: called with a stage, how many inputs of it are done, and of how many.

    Raises:
        ValueError: an output differs, in integers at all, in float by more than `FLOAT_TOLERANCE`; or a runtime
            cannot run one of them.
    """
    for name in runtimes:
        left, right = open_runtime(name, before), open_runtime(name, after)
        for number, one in enumerate(inputs):
            expected, made = left.run(one[None]), right.run(one[None])
            if made.shape != expected.shape or _differ(made, expected):
                raise ValueError(
                    f"{left.title}: input {number}: the rewritten network puts out something else, in "
                    f"{np.count_nonzero(made != expected)} of {expected.size} entries"
                )
            progress(left.title, number + 1, len(inputs))


def _differ(made: np.ndarray, expected: np.ndarray) -> bool:
    if not np.issubdtype(expected.dtype, np.floating):
        return not np.array_equal(made, expected)
    # Written such that a NaN differs.
    return not np.abs(made - expected).max() <= FLOAT_TOLERANCE * np.linalg.norm(expected)
