"""Restricted reader of pickles of plain data: only an allowlist of instructions and globals is accepted.

>>> import pickle
>>> from seesaw_keras.data.formats.plain_pickle import load
>>> load(pickle.dumps(([b"image"], [True])), name="lfw.bin")
([b'image'], [True])

`pickle.Unpickler` with a strict `find_class` runs no foreign code, but is still vulnerable: thirteen bytes that put a
value at position 2 ** 31 of its memo allocate tens of gigabytes, and the state of a forged NumPy dtype can crash the
process. This reader implements the few instructions that plain data need on inert Python objects, with memory bounded
by the length of the data. Instructions and their arguments: CPython, `pickletools.py`.
"""

import codecs
import math
import operator
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["load"]

_MARK = object()
_DTYPES = frozenset({"b1", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8"})
_MAX_DIMENSIONS = 32


class _UnsupportedPickleError(ValueError):
    """Error whose message continues a sentence that starts with "the pickle"."""


class _PickledArray:
    """An array between its creation and the BUILD instruction that fills it."""

    array: Any = None

    def fill(self, state: Any) -> Any:
        """Applies the state (version, shape, dtype, Fortran order, bytes) of `ndarray.__reduce__`."""
        _, shape, dtype, fortran, data = state
        self.array = _array(data, dtype, shape, "F" if fortran else "C")
        return self.array


class _PickledDtype:
    """A dtype of integers or booleans; its byte order may be set later."""

    def __init__(self, code: Any, *_: Any) -> None:
        code = _text(code)
        if code not in _DTYPES:
            raise _UnsupportedPickleError(
                f"contains an array of dtype {code[:20]!r}; only booleans and integers are supported"
            )
        self.dtype = np.dtype(code)

    def fill(self, state: Any) -> Any:
        """Applies the state (version, byte order, three fields that are None for a plain dtype, ...)."""
        order = _text(state[1])
        if order not in ("<", ">", "|", "=") or any(field is not None for field in state[2:5]):
            raise _UnsupportedPickleError(
                "contains an array of a structured dtype; only booleans and integers are supported"
            )
        self.dtype = self.dtype.newbyteorder(order)
        return self


def _text(value: Any) -> str:
    """Returns str, or Python 2 bytes as str. Other types must not be hashed: nested tuples overflow the C stack."""
    if isinstance(value, bytes):
        return value.decode("ascii")
    if isinstance(value, str):
        return value
    raise TypeError


def _array(data: Any, dtype: Any, shape: Any, order: Any) -> Any:
    """Builds an array from bytes, whose length must match the shape."""
    sizes = [operator.index(size) for size in shape[:_MAX_DIMENSIONS]]
    if len(sizes) != len(shape) or min(sizes, default=0) < 0 or math.prod(sizes) * dtype.dtype.itemsize != len(data):
        raise _UnsupportedPickleError(f"contains an array whose shape does not match its {len(data)} bytes")
    return np.frombuffer(data, dtype.dtype).reshape(sizes, order="F" if order in ("F", b"F") else "C")


def _scalar(dtype: Any, data: Any) -> Any:
    return _array(data, dtype, (), "C")[()]


def _latin1(text: Any, encoding: Any) -> bytes:
    """Decodes bytes that protocols 0 to 2 of Python 3 store as text with a call to `_codecs.encode`."""
    if _text(encoding) not in ("latin1", "latin-1"):
        raise _UnsupportedPickleError(f"encodes bytes as {encoding[:20]!r}; only latin1 is supported")
    return _text(text).encode("latin-1")


def _globals() -> dict[tuple[str, str], Any]:
    """Returns the globals allowed in a pickle and their substitutes; NumPy 2 renamed `numpy.core` to `numpy._core`."""
    table: dict[tuple[str, str], Any] = {
        ("_codecs", "encode"): _latin1,
        ("__builtin__", "bytes"): bytes,
        ("builtins", "bytes"): bytes,
        ("numpy", "dtype"): _PickledDtype,
        ("numpy", "ndarray"): _PickledArray,
    }
    for core in ("numpy.core", "numpy._core"):
        table[f"{core}.multiarray", "_reconstruct"] = lambda *_: _PickledArray()
        table[f"{core}.multiarray", "scalar"] = _scalar
        table[f"{core}.numeric", "_frombuffer"] = _array
    return table


_GLOBALS = _globals()
_CALLABLE = tuple(value for key, value in _GLOBALS.items() if key != ("numpy", "ndarray"))


class _PickleMachine:
    """The stack machine; `_OPERATIONS` maps each instruction to its implementation."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.encoded = 0

    def take(self, count: int) -> bytes:
        """Returns the next `count` bytes."""
        if not 0 <= count <= len(self.data) - self.at:
            raise _UnsupportedPickleError(f"is truncated: {count} bytes expected at byte {self.at} of {len(self.data)}")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, form: str) -> int:
        """Reads a number in a `struct` format."""
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def line(self) -> bytes:
        """Reads up to the next line feed."""
        end = self.data.find(b"\n", self.at)
        if end < 0:
            raise _UnsupportedPickleError("is truncated: it ends within a line")
        return self.take(end + 1 - self.at)[:-1]

    def since_mark(self) -> list[Any]:
        """Pops everything above the last mark, and the mark."""
        start = len(self.stack) - 1
        while self.stack[start] is not _MARK:
            start -= 1
            if start < 0:
                raise IndexError
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def tuple_of(self, count: int) -> None:
        """Replaces the last `count` values with a tuple of them."""
        if len(self.stack) < count:
            raise IndexError
        self.stack[len(self.stack) - count :] = [tuple(self.stack[len(self.stack) - count :])]

    def name_global(self, module: Any, name: Any) -> None:
        """Pushes an allowed global."""
        key = _text(module), _text(name)
        if key not in _GLOBALS:
            raise _UnsupportedPickleError(
                f"imports {'.'.join(key)[:80]!r}, which plain data does not need: do not trust this file"
            )
        self.stack.append(_GLOBALS[key])

    def call(self) -> None:
        """Calls an allowed global with a tuple of arguments."""
        arguments, function = self.stack.pop(), self.stack.pop()
        if not any(function is allowed for allowed in _CALLABLE) or not isinstance(arguments, tuple):
            raise _UnsupportedPickleError("calls an object that is not a function: do not trust this file")
        if function is bytes and arguments:
            raise _UnsupportedPickleError("calls bytes() with arguments: do not trust this file")
        if function is _latin1:
            # A memoized string may be used repeatedly, but written data is encoded only once.
            self.encoded += len(arguments[0])
            if self.encoded > len(self.data):
                raise _UnsupportedPickleError("encodes more bytes than it contains: do not trust this file")
        self.stack.append(function(*arguments))

    def build(self) -> None:
        """Fills an array or a dtype with its state."""
        state, target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, _PickledArray | _PickledDtype):
            raise _UnsupportedPickleError("sets the state of an object that is not an array: do not trust this file")
        self.stack[-1] = target.fill(state)

    def extend(self, items: list[Any]) -> None:
        """Appends to the list on top of the stack."""
        if not isinstance(self.stack[-1], list):
            raise _UnsupportedPickleError("appends to an object that is not a list")
        self.stack[-1].extend(items)

    def integer(self) -> None:
        """Reads a decimal line; 00 and 01 are the booleans."""
        text = self.line()
        self.stack.append(text == b"01" if text in (b"00", b"01") else _decimal(text.removesuffix(b"L")))

    def recall(self, key: int) -> Any:
        """Returns a memo entry, for arrays in their filled form."""
        value = self.memo[key]
        return value.array if isinstance(value, _PickledArray) else value

    def quoted(self) -> None:
        """Reads a line with the `repr` of a Python 2 string (bytes)."""
        text = self.line()
        if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in (b"'", b'"'):
            raise _UnsupportedPickleError(f"contains {text[:20]!r} instead of a string")
        self.stack.append(codecs.escape_decode(text[1:-1])[0])

    def run(self) -> Any:
        """Executes the instructions up to STOP and returns the result."""
        while (code := self.take(1)) != b".":
            if code not in _OPERATIONS:
                raise _UnsupportedPickleError(
                    f"contains the opcode {code!r} at byte {self.at - 1}, which plain data does not need"
                )
            _OPERATIONS[code](self)
        (result,) = self.stack
        return result


def _decimal(text: bytes) -> int:
    if not text.removeprefix(b"-").isdigit() or len(text) > 20:
        raise _UnsupportedPickleError(f"contains {text[:20]!r} instead of an integer")
    return int(text)


def _push(value: Callable[[_PickleMachine], Any]) -> Callable[[_PickleMachine], None]:
    return lambda reader: reader.stack.append(value(reader))


def _remember(key: Callable[[_PickleMachine], int]) -> Callable[[_PickleMachine], None]:
    return lambda reader: reader.memo.__setitem__(key(reader), reader.stack[-1])


_OPERATIONS: dict[bytes, Callable[[_PickleMachine], Any]] = {
    b"\x80": lambda r: r.take(1),  # PROTO
    b"\x95": lambda r: r.take(8),  # FRAME: a read-ahead hint, ignored
    b"(": _push(lambda r: _MARK),
    b"0": lambda r: r.stack.pop(),
    b"N": _push(lambda r: None),
    b"\x88": _push(lambda r: True),
    b"\x89": _push(lambda r: False),
    b"I": _PickleMachine.integer,
    b"L": _PickleMachine.integer,
    b"J": _push(lambda r: r.number("<i")),
    b"K": _push(lambda r: r.number("<B")),
    b"M": _push(lambda r: r.number("<H")),
    b"\x8a": _push(lambda r: int.from_bytes(r.take(r.number("<B")), "little", signed=True)),
    b"S": _PickleMachine.quoted,
    b"T": _push(lambda r: r.take(r.number("<i"))),
    b"U": _push(lambda r: r.take(r.number("<B"))),
    b"B": _push(lambda r: r.take(r.number("<I"))),
    b"C": _push(lambda r: r.take(r.number("<B"))),
    b"\x8e": _push(lambda r: r.take(r.number("<Q"))),
    b"\x96": _push(lambda r: r.take(r.number("<Q"))),
    b"V": _push(lambda r: r.line().decode("raw-unicode-escape")),
    b"X": _push(lambda r: r.take(r.number("<I")).decode("utf-8", "surrogatepass")),
    b"\x8c": _push(lambda r: r.take(r.number("<B")).decode("utf-8", "surrogatepass")),
    b"]": _push(lambda r: []),
    b"l": _push(_PickleMachine.since_mark),
    b"a": lambda r: r.extend([r.stack.pop()]),
    b"e": lambda r: r.extend(r.since_mark()),
    b")": _push(lambda r: ()),
    b"t": _push(lambda r: tuple(r.since_mark())),
    b"\x85": lambda r: r.tuple_of(1),
    b"\x86": lambda r: r.tuple_of(2),
    b"\x87": lambda r: r.tuple_of(3),
    b"p": _remember(lambda r: _decimal(r.line())),
    b"q": _remember(lambda r: r.number("<B")),
    b"r": _remember(lambda r: r.number("<I")),
    b"\x94": _remember(lambda r: len(r.memo)),
    b"g": _push(lambda r: r.recall(_decimal(r.line()))),
    b"h": _push(lambda r: r.recall(r.number("<B"))),
    b"j": _push(lambda r: r.recall(r.number("<I"))),
    b"c": lambda r: r.name_global(r.line().decode(), r.line().decode()),
    b"\x93": lambda r: r.name_global(*[r.stack.pop() for _ in range(2)][::-1]),
    b"R": _PickleMachine.call,
    b"b": _PickleMachine.build,
}


def load(data: bytes, *, name: str) -> Any:
    """Reads a pickle of tuples, lists, bytes, text, booleans, integers and NumPy arrays of booleans or integers.

    Args:
        data: a pickle of any protocol, written by Python 2 or 3 and any NumPy. Strings of Python 2 become bytes.
        name: the file, for error messages.

    Returns:
        The data.

    Raises:
        ValueError: if the pickle contains anything else, or is damaged; the message starts with `name`.
    """
    try:
        return _PickleMachine(data).run()
    except _UnsupportedPickleError as error:
        raise ValueError(f"{name}: the pickle {error}") from None
    except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{name}: the pickle is damaged ({type(error).__name__}); copy the file again") from error
