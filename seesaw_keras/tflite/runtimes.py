"""The programs that run a flatbuffer, behind one interface: LiteRT by two sets of kernels, TFLite Micro, and NumPy.

>>> import numpy as np
>>> from seesaw_keras.tflite.runtimes import open_runtime
>>> runtime = open_runtime("reference", "shuffle_int8.tflite")  # doctest: +SKIP
>>> runtime.run(np.zeros((4, 112, 112, 3), np.int8)).shape  # doctest: +SKIP
(4, 512)

Every file is read and verified by `flatbuffer` before native code sees a copy of it: damaged ones make interpreters
read outside of their memory.
"""

import bisect
import importlib.util
import os
import re
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from seesaw_keras.native import native_stderr, quiet_native_stderr
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.flatbuffer import Model, Tensor
from seesaw_keras.tflite.reference import Flavor, Interpreter

__all__ = ["OFFSETS", "RUNTIMES", "Arena", "Micro", "Runtime", "Session", "available_runtimes", "open_runtime"]

OFFSETS = "OfflineMemoryAllocation"  # metadata in which a model places its tensors in TFLite Micro's arena
_SPARE, _LARGEST_ARENA, _ALIGNMENT = 1 << 26, 1 << 31, 16  # bytes, of TFLite Micro's arena


class Session(Protocol):
    """One native interpreter with the model in its memory."""

    def invoke(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """Returns the outputs, for one array an input."""
        ...

    def tensor(self, number: int) -> np.ndarray:
        """Returns what a tensor of the main subgraph held in the last `invoke`."""
        ...


class Runtime(ABC):
    """A program that runs one model.

    Attributes:
        title: what people call the program.
        package: that it is imported from.
        equals: name of the runtime that computes the same integers in every tensor; "" where none has to.
        name: of the model, for messages.
        model: what it runs. A tensor's number is its place in `model.main.tensors`.
        threads: of its kernels, where they can use several.
    """

    title: ClassVar[str]
    package: ClassVar[str]
    equals: ClassVar[str] = ""

    def __init__(self, data: bytes, *, name: str = "model", threads: int = 1) -> None:
        """Loads a model.

        Args:
            data: the file.
            name: of the file.
            threads: see above.

        Raises:
            FlatbufferError: the file is damaged.
            ImportError: the program is not installed.
            ValueError: it cannot run this model.
        """
        self.name, self.threads = name, threads
        self._data = bytes(bytearray(data))  # native code points into it for as long as this lives
        self.model: Model = flatbuffer.loads(data, name)
        self._session = self._opened(keep=False)

    @classmethod
    def is_available(cls) -> bool:
        """Whether the program is installed."""
        return importlib.util.find_spec(cls.package) is not None

    def invoke(self, *inputs: np.ndarray) -> list[np.ndarray]:
        """Runs the model once.

        Args:
            *inputs: one for each input of the model, of its shape and type.

        Returns:
            The outputs, of their own memory.

        Raises:
            ValueError: an input has another type or shape, or the run fails.
        """
        return self._invoked(self._session, inputs)

    def run(self, images: np.ndarray) -> np.ndarray:
        """Runs a model of one input and one output, both of batch 1, on one image after the other.

        Args:
            images: (n, ...) of the input's type, n at least 1.

        Returns:
            (n, ...) of the output's type.

        Raises:
            ValueError: as `invoke`, or the model has another interface.
        """
        graph = self.model.main
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise ValueError(
                f"{self.name}: it has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs, not one of each"
            )
        return np.concatenate([self.invoke(image[None])[0] for image in images])

    def tensors(self, *inputs: np.ndarray) -> dict[int, np.ndarray]:
        """Runs the model once, by an interpreter that keeps the memory of every tensor apart.

        The kernels are those of `invoke`. XNNPACK then takes each operator on its own instead of as many as it can,
        so there is a value between any two.

        Args:
            *inputs: as for `invoke`.

        Returns:
            The value of each tensor of the main subgraph that an operator computed, by the tensor's number.

        Raises:
            ValueError: as `invoke`.
        """
        session = self._keeping_session
        self._invoked(session, inputs)
        computed = self.model.main.producers()
        return {n: session.tensor(n) for n, tensor in enumerate(self.model.main.tensors) if tensor in computed}

    @cached_property
    def _keeping_session(self) -> Session:
        return self._opened(keep=True)

    def _opened(self, keep: bool) -> Session:
        try:
            return self._open(self._data, keep)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{self.name}: {self.title} cannot run it: {error}") from error

    def _invoked(self, session: Session, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        wanted = self.model.main.inputs
        if len(inputs) != len(wanted):
            raise ValueError(f"{self.name}: it takes {len(wanted)} inputs, not {len(inputs)}")
        for tensor, array in zip(wanted, inputs, strict=True):
            if array.dtype != tensor.dtype or array.shape != tensor.shape:
                raise ValueError(
                    f"{self.name}: input {tensor.name!r} is {tensor.dtype} {tensor.shape}, not {array.dtype} "
                    f"{array.shape}"
                )
        try:
            return session.invoke([np.ascontiguousarray(array) for array in inputs])
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"{self.name}: {self.title} fails in running it: {error}") from error

    @abstractmethod
    def _open(self, data: bytes, keep: bool) -> Session:
        """Gives the file to a new interpreter, which keeps every tensor if asked."""


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
    resolver: ClassVar[str]  # a name in LiteRT's enumeration

    def _open(self, data: bytes, keep: bool) -> Session:
        from ai_edge_litert.interpreter import Interpreter, OpResolverType

        with warnings.catch_warnings(), quiet_native_stderr():
            warnings.simplefilter("ignore")  # that keeping tensors takes memory
            return _LiteRTSession(
                Interpreter(
                    model_content=data,
                    num_threads=self.threads,
                    experimental_op_resolver_type=OpResolverType[self.resolver],
                    experimental_preserve_all_tensors=keep,
                )
            )


class LiteRTReference(_LiteRT):
    """LiteRT with the plain kernels that define what the operators compute."""

    title = "LiteRT reference"
    resolver = "BUILTIN_REF"


class LiteRTXnnpack(_LiteRT):
    """LiteRT as an application runs it: XNNPACK for the operators that it takes, optimized kernels for the others."""

    title = "LiteRT XNNPACK"
    resolver = "AUTO"


class Arena(NamedTuple):
    """Bytes of the memory that TFLite Micro is given.

    Attributes:
        planned: for activations and scratch buffers, where what is not alive at once shares its place.
        persistent: for what lives as long as the interpreter: structures and constants of kernels. They are those of
            this machine; pointers have 8 bytes here, and 4 on a microcontroller.
        total: the smallest arena in which the model starts here. That is the sum of both, and more where the plan
            itself takes more memory while it is made than the activations that it is for (of small images).
    """

    planned: int
    persistent: int
    total: int


@contextmanager
def _reasons_of_micro() -> Iterator[None]:
    """Puts what TFLite Micro writes to stderr into the exception: there it says only that it failed."""
    with native_stderr() as said:
        try:
            yield
        except RuntimeError as error:
            raise RuntimeError("; ".join(said().splitlines()) or str(error)) from error


class _MicroSession:
    def __init__(self, interpreter: Any, outputs: int) -> None:
        self._interpreter, self._outputs = interpreter, outputs

    def invoke(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        for place, array in enumerate(inputs):
            self._interpreter.set_input(array, place)
        with _reasons_of_micro():
            self._interpreter.invoke()
        return [np.array(self._interpreter.get_output(place)) for place in range(self._outputs)]

    def tensor(self, number: int) -> np.ndarray:
        return np.array(self._interpreter.GetTensor(number, 0)["tensor_data"])


class Micro(Runtime):
    """TFLite Micro with its reference kernels, as a microcontroller runs it."""

    title = "TFLite Micro"
    package = "tflite_micro"
    equals = "reference"

    @cached_property
    def arena(self) -> Arena:
        """What the model takes of an arena: measured."""
        with native_stderr() as said:
            self._interpreter(self._data, self._ample).print_allocations()
            sizes = dict(re.findall(r"Arena allocation (\w+) (\d+) bytes", said()))
        planned, persistent = int(sizes["head"]), int(sizes["tail"])
        return Arena(planned, persistent, self._smallest_arena(planned + persistent))

    def _smallest_arena(self, least: int) -> int:
        step = _ALIGNMENT
        while not self._starts_in(least + step):
            step *= 2
        places = range(least, least + step, _ALIGNMENT)
        return least + _ALIGNMENT * bisect.bisect_left(places, True, key=self._starts_in)

    def _starts_in(self, arena: int) -> bool:
        """Tries it in a process of its own: in some arenas that are too small, TFLite Micro crashes."""
        child = os.fork()
        if not child:
            try:
                self._interpreter(self._data, arena)
                os._exit(0)
            finally:
                os._exit(1)
        return os.waitpid(child, 0)[1] == 0

    def _open(self, data: bytes, keep: bool) -> Session:
        if keep:  # then no tensor may be where the model places it
            model = flatbuffer.loads(data)
            if model.metadata.pop(OFFSETS, None):
                data = flatbuffer.dumps(model)
        return _MicroSession(self._interpreter(data, self._ample, keep), len(self.model.main.outputs))

    @property
    def _ample(self) -> int:
        """An arena beyond any need: what is not touched of it takes no memory, and plans do not depend on it."""
        activations = sum(tensor.nbytes for tensor in self.model.main.producers())
        return min(4 * activations + _SPARE, _LARGEST_ARENA)  # for scratch buffers may be in int32

    def _interpreter(self, data: bytes, arena: int, keep: bool = False) -> Any:
        try:
            from tflite_micro import runtime
        except ImportError as error:
            raise ImportError(f"{self.title} is not installed: pip install 'seesaw_keras[micro]'") from error
        config = runtime.InterpreterConfig
        with _reasons_of_micro():
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
        self._values = self._interpreter.tensors(*(array[None] for array in inputs))  # it takes many at once
        return [self._values[tensor][0].copy() for tensor in self._graph.outputs]

    def tensor(self, number: int) -> np.ndarray:
        return self._values[self._graph.tensors[number]][0]


class NumPy(Runtime):
    """Our own kernels, by which those of LiteRT can be read (`seesaw_keras.tflite.reference`)."""

    title = "NumPy"
    package = "numpy"
    equals = "reference"
    flavor: ClassVar[Flavor] = "litert"

    @cached_property
    def _interpreter(self) -> Interpreter:
        return Interpreter(self.model, self.flavor)

    def _open(self, data: bytes, keep: bool) -> Session:
        return _NumPySession(self._interpreter)  # which keeps every tensor apart anyway


class NumPyMicro(NumPy):
    """The same, with the integers of TFLite Micro where they are others."""

    title = "NumPy as TFLite Micro"
    equals = "micro"
    flavor = "micro"


RUNTIMES: dict[str, type[Runtime]] = {
    "reference": LiteRTReference,
    "xnnpack": LiteRTXnnpack,
    "micro": Micro,
    "numpy": NumPy,
    "numpy-micro": NumPyMicro,
}


def available_runtimes() -> list[str]:
    """Returns the names of the runtimes that are installed."""
    return [name for name, runtime in RUNTIMES.items() if runtime.is_available()]


def open_runtime(name: str, model: str | Path | bytes | Model, *, threads: int = 1) -> Runtime:
    """Loads a model into a runtime.

    Args:
        name: "reference", LiteRT's reference kernels, which define what operators compute; "xnnpack", LiteRT as
            applications run it; "micro", TFLite Micro; "numpy", our own kernels; "numpy-micro", ours with the integers
            of TFLite Micro.
        model: a file's path or bytes, or the model itself.
        threads: of XNNPACK; the others use one.

    Raises:
        FlatbufferError: the file is damaged.
        ImportError: the runtime is not installed; the message names the extra.
        OSError: the file cannot be read.
        ValueError: there is no such runtime, or it cannot run this model.
    """
    if name not in RUNTIMES:
        raise ValueError(f"unknown runtime {name!r}: choose one of {', '.join(RUNTIMES)}")
    if isinstance(model, Model):
        return RUNTIMES[name](flatbuffer.dumps(model), threads=threads)
    if isinstance(model, bytes):
        return RUNTIMES[name](model, threads=threads)
    return RUNTIMES[name](Path(model).read_bytes(), name=str(model), threads=threads)
