"""Builder for layout operators that move values without computing any.

>>> from seesaw_keras.tflite.flatbuffer import Tensor
>>> from seesaw_keras.tflite.passes.layout_ops import LayoutOps
>>> layout_ops = LayoutOps("turned")
>>> layout_ops.transpose(layout_ops.reshape(Tensor("x", (1, 2, 3), "FLOAT32"), 2, 3), 1, 0).shape
(3, 2)
>>> [operator.code for operator in layout_ops.operators]
['RESHAPE', 'TRANSPOSE']
"""

from collections.abc import Sequence

import numpy as np

from seesaw_keras.tflite.flatbuffer import Operator, Tensor

__all__ = ["LayoutOps"]


class LayoutOps:
    """Builder that appends one operator per method call and returns the operator's output.

    Attributes:
        operators: operators in execution order.
    """

    def __init__(self, name: str) -> None:
        """Takes the name prefix of new tensors; the operator name and a number are appended."""
        self.operators: list[Operator] = []
        self._name = name

    def reshape(self, x: Tensor, *shape: int) -> Tensor:
        """Adds a RESHAPE to `shape`, with as many entries as `x`."""
        return self._add("RESHAPE", x, shape, {"shape": shape}, new_shape=shape)

    def transpose(self, x: Tensor, *axes: int) -> Tensor:
        """Adds a TRANSPOSE; axis i of the output is axis `axes[i]` of `x`."""
        return self._add("TRANSPOSE", x, [x.shape[axis] for axis in axes], {"permutation": axes})

    def pad(self, x: Tensor, *after: int) -> Tensor:
        """Appends the given number of zeros along each axis."""
        shape = [size + more for size, more in zip(x.shape, after, strict=True)]
        return self._add("PAD", x, shape, {"paddings": [(0, more) for more in after]})

    def cut(self, x: Tensor, begins: Sequence[int], ends: Sequence[int]) -> Tensor:
        """Slices a tensor between bounds along each axis."""
        shape = [end - begin for begin, end in zip(begins, ends, strict=True)]
        return self._add("STRIDED_SLICE", x, shape, {"begin": begins, "end": ends, "strides": [1] * len(shape)})

    def join(self, parts: Sequence[Tensor]) -> Tensor:
        """Concatenates tensors along the last axis."""
        shape = (*parts[0].shape[:-1], sum(part.shape[-1] for part in parts))
        made = self._add("CONCATENATION", parts[0], shape, {}, axis=len(shape) - 1)
        self.operators[-1].inputs[:] = parts
        return made

    def into(self, made: Tensor) -> None:
        """Makes the last operator write to an existing tensor."""
        self.operators[-1].outputs[:] = [made]

    def _add(
        self, code: str, x: Tensor, shape: Sequence[int], numbers: dict[str, Sequence], **options: object
    ) -> Tensor:
        made = Tensor(f"{self._name}/{code.lower()}{len(self.operators)}", tuple(shape), x.type, x.quantization)
        constants = [Tensor.constant(f"{made.name}/{role}", np.array(n, np.int32)) for role, n in numbers.items()]
        version = 1 if code == "RESHAPE" or x.type != "INT8" else 2
        self.operators.append(Operator(code, [x, *constants], [made], options, version))
        return made
