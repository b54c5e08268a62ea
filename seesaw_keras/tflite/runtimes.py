"""Runtimes that execute a flatbuffer, behind one interface: LiteRT with two kernel sets, TFLite Micro and NumPy.

>>> import numpy as np
>>> from seesaw_keras.tflite.runtimes import open_runtime
>>> runtime = open_runtime("reference", "shuffle_int8.tflite")  # doctest: +SKIP
>>> runtime.run(np.zeros((4, 112, 112, 3), np.int8)).shape  # doctest: +SKIP
(4, 512)

`flatbuffer` reads and verifies every file before a copy reaches native code, because interpreters read out of bounds on
damaged files.
"""

import bisect
import dataclasses
import importlib.util
import os
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from seesaw_keras.choices import unknown_name
from seesaw_keras.native import native_stderr, quiet_native_stderr
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import sole_input_and_output
from seesaw_keras.tflite.flatbuffer import Model, ModelFile, ModelSource, Tensor
from seesaw_keras.tflite.reference import Flavor, Interpreter

__all__ = ["OFFSETS", "RUNTIMES", "Arena", "Runtime", "Session", "TFLiteMicro", "available_runtimes", "open_runtime"]

OFFSETS = "OfflineMemoryAllocation"  # metadata key of the tensors' offsets in TFLite Micro's arena
_EXTRA_ARENA, _MAX_ARENA, _ALIGNMENT = 1 << 26, 1 << 31, 16  # bytes; TFLite Micro's arena


class Session(Protocol):
    """A native interpreter with a loaded model."""

    def invoke(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Runs the model on one array per input and returns the outputs."""
        ...

    def tensor(self, number: int) -> np.ndarray:
        """Returns the value of a main-subgraph tensor after the last `invoke`."""
        ...


class Runtime(ABC):
    """Abstract runtime that executes one model.

    Attributes:
        title: display name.
        package: Python package that provides the runtime.
        equals: name of the runtime that must be bit-exact with this one in every tensor; "" if there is none.
        name: model name used in error messages.
        model: the loaded model, not to be modified. A tensor is identified by its index in `model.main.tensors`.
        threads: number of threads for kernels that support multithreading.
    """

    title: ClassVar[str]
    package: ClassVar[str]
    equals: ClassVar[str] = ""

    def __init__(self, model: ModelSource, *, threads: int = 1) -> None:
        """Loads a model; see `open_runtime`."""
        file = ModelFile.of(model)
        self.name, self.threads = file.name, threads
        self.model: Model = file.model
        self._data = bytes(bytearray(file.data))  # a copy: native code keeps pointers into it
        self._session = self._open_session(keep=False)

    @classmethod
    def is_available(cls) -> bool:
        """Whether the runtime is installed."""
        return importlib.util.find_spec(cls.package) is not None

    def invoke(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """Runs the model once.

        Args:
            *inputs: one array per model input, with that input's shape and dtype.

        Returns:
            The outputs, as arrays that own their memory.

        Raises:
            ValueError: an input has the wrong dtype or shape, or execution fails.
        """
        return self._invoke_session(self._session, inputs)

    def run(self, images: np.ndarray) -> np.ndarray:
        """Runs a model with one input and one output, both of batch size 1, on each image in turn.

        Args:
            images: (n, ...) array of the input's dtype; n >= 1.

        Returns:
            (n, ...) array of the output's dtype.

        Raises:
            ValueError: see `invoke`; also if the model does not have exactly one input and one output.
        """
        sole_input_and_output(self.name, self.model.main.inputs, self.model.main.outputs)
        return np.concatenate([self.invoke(image[None])[0] for image in images])

    def tensors(self, *inputs: np.ndarray) -> dict[int, np.ndarray]:
        """Runs the model once and returns all intermediate tensors.

        Uses an interpreter that preserves the memory of every tensor, with the same kernels as `invoke`. XNNPACK then
        runs each operator separately instead of delegating whole partitions, so every intermediate value exists.

        Args:
            *inputs: see `invoke`.

        Returns:
            Tensor index to value, for each main-subgraph tensor that an operator computes.

        Raises:
            ValueError: see `invoke`.
        """
        session = self._preserving_session
        self._invoke_session(session, inputs)
        computed = self.model.main.producers()
        return {n: session.tensor(n) for n, tensor in enumerate(self.model.main.tensors) if tensor in computed}

    @cached_property
    def _preserving_session(self) -> Session:
        return self._open_session(keep=True)

    def _open_session(self, keep: bool) -> Session:
        try:
            return self._open(self._data, keep)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{self.name}: {self.title} cannot run it: {error}") from error

    def _invoke_session(self, session: Session, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        expected = self.model.main.inputs
        if len(inputs) != len(expected):
            raise ValueError(f"{self.name}: expected {len(expected)} inputs, got {len(inputs)}")
        for tensor, array in zip(expected, inputs, strict=True):
            if array.dtype != tensor.dtype or array.shape != tensor.shape:
                raise ValueError(
                    f"{self.name}: input {tensor.name!r}: expected {tensor.dtype} {tensor.shape}, got {array.dtype} "
                    f"{array.shape}"
                )
        try:
            return session.invoke([np.ascontiguousarray(array) for array in inputs])
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{self.name}: {self.title} failed to run it: {error}") from error

    @abstractmethod
    def _open(self, data: bytes, keep: bool) -> Session:
        """Loads the flatbuffer into a new interpreter; if `keep` is true, it preserves every tensor."""


class _LiteRTSession:
    def __init__(self, interpreter: Any) -> None:
        interpreter.allocate_tensors()
        self._interpreter = interpreter
        self._inputs = [entry["index"] for entry in interpreter.get_input_details()]
        self._outputs = [entry["index"] for entry in interpreter.get_output_details()]

    def invoke(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        for number, array in zip(self._inputs, inputs, strict=True):
            self._interpreter.set_tensor(number, array)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(number) for number in self._outputs]

    def tensor(self, number: int) -> np.ndarray:
        return self._interpreter.get_tensor(number)


class _LiteRT(Runtime):
    package = "ai_edge_litert"
    resolver: ClassVar[str]  # name of an OpResolverType

    def _open(self, data: bytes, keep: bool) -> Session:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        with warnings.catch_warnings(), quiet_native_stderr():
            warnings.simplefilter("ignore")  # memory warning of experimental_preserve_all_tensors
            return _LiteRTSession(
                Interpreter(
                    model_content=data,
                    num_threads=self.threads,
                    experimental_op_resolver_type=OpResolverType[self.resolver],
                    experimental_preserve_all_tensors=keep,
                )
            )


class LiteRTReference(_LiteRT):
    """LiteRT with its reference kernels, which define the operators' numerics."""

    title = "LiteRT reference"
    resolver = "BUILTIN_REF"


class LiteRTXnnpack(_LiteRT):
    """LiteRT with default settings: the XNNPACK delegate where it applies, optimized built-in kernels elsewhere."""

    title = "LiteRT XNNPACK"
    resolver = "AUTO"


class Arena(NamedTuple):
    """Memory requirements of TFLite Micro's arena, in bytes.

    Attributes:
        planned: activations and scratch buffers; buffers with disjoint lifetimes share memory.
        persistent: interpreter structures and kernel data that live as long as the interpreter. Measured on this
            machine, where pointers take 8 bytes; on a microcontroller they take 4.
        total: smallest arena in which the model starts on this machine: the sum of both, or more if the planner itself
            temporarily needs more memory than the activations (small images).
    """

    planned: int
    persistent: int
    total: int


@contextmanager
def _native_error_message() -> Iterator[None]:
    """Adds TFLite Micro's stderr output to the exception, whose own message only reports that the call failed."""
    with native_stderr() as captured:
        try:
            yield
        except RuntimeError as error:
            raise RuntimeError("; ".join(captured().splitlines()) or str(error)) from error


class _TFLMSession:
    def __init__(self, interpreter: Any, outputs: int) -> None:
        self._interpreter, self._outputs = interpreter, outputs

    def invoke(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        for index, array in enumerate(inputs):
            self._interpreter.set_input(array, index)
        with _native_error_message():
            self._interpreter.invoke()
        return [np.array(self._interpreter.get_output(index)) for index in range(self._outputs)]

    def tensor(self, number: int) -> np.ndarray:
        return np.array(self._interpreter.GetTensor(number, 0)["tensor_data"])


class TFLiteMicro(Runtime):
    """TFLite Micro with its reference kernels, as on a microcontroller."""

    title = "TFLite Micro"
    package = "tflite_micro"
    equals = "reference"

    @cached_property
    def arena(self) -> Arena:
        """Arena requirements of the model, measured."""
        with native_stderr() as captured:
            self._interpreter(self._data, self._sufficient_arena).print_allocations()
            sizes = dict(re.findall(r"Arena allocation (\w+) (\d+) bytes", captured()))
        planned, persistent = int(sizes["head"]), int(sizes["tail"])
        return Arena(planned, persistent, self._smallest_arena(planned + persistent))

    def _smallest_arena(self, lower: int) -> int:
        step = _ALIGNMENT
        while not self._starts_in(lower + step):
            step *= 2
        indices = range(lower, lower + step, _ALIGNMENT)
        return lower + _ALIGNMENT * bisect.bisect_left(indices, True, key=self._starts_in)

    def _starts_in(self, arena: int) -> bool:
        """Whether the model starts in an arena; runs in a child process, as TFLite Micro crashes in some small ones."""
        child = os.fork()
        if not child:
            try:
                self._interpreter(self._data, arena)
                os._exit(0)
            finally:
                os._exit(1)
        return os.waitpid(child, 0)[1] == 0

    def _open(self, data: bytes, keep: bool) -> Session:
        if keep and OFFSETS in self.model.metadata:  # preserving all tensors is incompatible with planned offsets
            metadata = {key: value for key, value in self.model.metadata.items() if key != OFFSETS}
            data = flatbuffer.dumps(dataclasses.replace(self.model, metadata=metadata))
        return _TFLMSession(self._interpreter(data, self._sufficient_arena, keep), len(self.model.main.outputs))

    @property
    def _sufficient_arena(self) -> int:
        """Size of an arena that always suffices; untouched pages cost no memory, and the plan does not depend on it."""
        activations = sum(tensor.nbytes for tensor in self.model.main.producers())
        return min(4 * activations + _EXTRA_ARENA, _MAX_ARENA)  # factor 4: scratch buffers may be int32

    def _interpreter(self, data: bytes, arena: int, keep: bool = False) -> Any:
        try:
            from tflite_micro import runtime
        except ImportError as error:
            raise ImportError(f"{self.title} is not installed: pip install 'seesaw_keras[micro]'") from error
        config = runtime.InterpreterConfig
        with _native_error_message():
            return runtime.Interpreter.from_bytes(
                data,
                arena_size=arena,
                intrepreter_config=config.kPreserveAllTensors if keep else config.kAllocationRecording,
            )


class _NumPySession:
    def __init__(self, interpreter: Interpreter) -> None:
        self._graph, self._interpreter = interpreter.graph, interpreter
        self._values: dict[Tensor, np.ndarray] = {}

    def invoke(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        self._values = self._interpreter.tensors(*(array[None] for array in inputs))  # adds the batch axis
        return [self._values[tensor][0].copy() for tensor in self._graph.outputs]

    def tensor(self, number: int) -> np.ndarray:
        return self._values[self._graph.tensors[number]][0]


class NumPy(Runtime):
    """NumPy implementation of LiteRT's reference kernels (`seesaw_keras.tflite.reference`)."""

    title = "NumPy"
    package = "numpy"
    equals = "reference"
    flavor: ClassVar[Flavor] = "litert"

    @cached_property
    def _interpreter(self) -> Interpreter:
        return Interpreter(self.model, self.flavor)

    def _open(self, data: bytes, keep: bool) -> Session:
        return _NumPySession(self._interpreter)  # always preserves every tensor


class NumPyTFLiteMicro(NumPy):
    """NumPy implementation with TFLite Micro's arithmetic where it differs from LiteRT's."""

    title = "NumPy as TFLite Micro"
    equals = "tflm"
    flavor = "tflm"


RUNTIMES: dict[str, type[Runtime]] = {
    "reference": LiteRTReference,
    "xnnpack": LiteRTXnnpack,
    "tflm": TFLiteMicro,
    "numpy": NumPy,
    "numpy-tflm": NumPyTFLiteMicro,
}


def available_runtimes() -> list[str]:
    """Returns the names of the installed runtimes."""
    return [name for name, runtime in RUNTIMES.items() if runtime.is_available()]


def open_runtime(name: str, model: ModelSource, *, threads: int = 1) -> Runtime:
    """Loads a model into a runtime.

    Args:
        name: "reference" for LiteRT's reference kernels, which define the operators' numerics; "xnnpack" for LiteRT
            with default settings; "tflm" for TFLite Micro; "numpy" for the NumPy kernels; "numpy-tflm" for the NumPy
            kernels with TFLite Micro's arithmetic.
        model: path or contents of a flatbuffer, a `Model`, which must not be modified afterwards, or a `ModelFile`,
            which several runtimes can share.
        threads: number of threads for XNNPACK; the other runtimes use one.

    Raises:
        FlatbufferError: the file is damaged, or the `Model` is inconsistent.
        ImportError: the runtime is not installed; the message names the extra.
        OSError: the file cannot be read.
        ValueError: the runtime name is unknown, or the runtime cannot execute this model.
    """
    if name not in RUNTIMES:
        raise ValueError(unknown_name("runtime", name, list(RUNTIMES)))
    return RUNTIMES[name](model, threads=threads)
