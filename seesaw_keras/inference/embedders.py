"""One embedder interface for Keras models, SavedModels, .tflite, .onnx and stored embeddings.

>>> from seesaw_keras.inference.embedders import load_embedder
>>> embedder = load_embedder("model.tflite", preprocess="raw")  # doctest: +SKIP
>>> embedder.embed(images).shape  # images: uint8 (n, h, w, 3) RGB  # doctest: +SKIP
(2, 128)

Each runtime is imported when a model for it is loaded: a .tflite does not import TensorFlow, an .onnx needs the extra
`onnx`.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seesaw_keras.files import sha256_of
from seesaw_keras.inference.preprocessing import DEFAULT_PREPROCESS, InputLayout, fitted, to_input
from seesaw_keras.tflite.conversion.interface import pixel_table, read_facts, sole_input_and_output
from seesaw_keras.tflite.flatbuffer import Quantization
from seesaw_keras.tflite.runtimes import open_runtime

__all__ = [
    "Embedder",
    "FlatbufferEmbedder",
    "NetworkEmbedder",
    "StoredEmbeddings",
    "load_embedder",
    "load_embedder_or_stored",
]

KERAS_BATCH = 64
ONNX_BATCH = 8
STORED = (".npy", ".npz")


class Embedder(ABC):
    """Base class of models that compute embeddings of images.

    Attributes:
        name: name in reports.
        layout: layout of the input.
        preprocess: name of the input preprocessing.
        runtime: name of the runtime.
    """

    runtime: str

    def __init__(self, name: str, layout: InputLayout, preprocess: str, path: Path | None) -> None:
        self.name, self.layout, self.preprocess, self._path = name, layout, preprocess, path

    @property
    def input_size(self) -> tuple[int, int]:
        """(height, width) of the input in pixels."""
        return self.layout.height, self.layout.width

    @cached_property
    def embedding_size(self) -> int:
        """Length of an embedding; embeds a black image if the model does not declare it."""
        return self.embed(np.zeros((1, *self.input_size, 3), np.uint8)).shape[1]

    @abstractmethod
    def embed(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 (n, d), not normalized, for uint8 RGB images (n, h, w, 3).

        Raises:
            ValueError: the images do not fit the model's input.
        """

    def embed_named(self, images: Sequence[np.ndarray], names: Sequence[str]) -> np.ndarray:
        """Returns float32 (n, d), not normalized, for uint8 RGB images (h, w, 3), each of any size that fits the model.

        Raises:
            ValueError: an image does not fit the model's input; the message starts with its name.
        """
        shown = []
        for image, name in zip(images, names, strict=True):
            try:
                shown.append(fitted(image, self.layout))
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        return self.embed(np.stack(shown))

    def describe(self) -> dict[str, Any]:
        """Returns the model's entry in a report: name, runtime, preprocess, input size; for files bytes and SHA-256."""
        facts = {
            "name": self.name,
            "runtime": self.runtime,
            "preprocess": self.preprocess,
            "input_size": list(self.input_size),
        }
        if self._path is not None:
            facts |= _size_and_hash(self._path)
        return facts


class NetworkEmbedder(Embedder):
    """An embedder that preprocesses pixels with a lookup table."""

    def __init__(self, name: str, layout: InputLayout, preprocess: str, table: np.ndarray, path: Path | None) -> None:
        super().__init__(name, layout, preprocess, path)
        self._table = table

    def inputs(self, images: np.ndarray) -> np.ndarray:
        """Returns the network's input for uint8 RGB images (n, h, w, 3): (n, ...) of the input's type.

        Raises:
            ValueError: the images do not fit the network's input.
        """
        return np.stack([to_input(image, self._table, self.layout) for image in images])

    def embed(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 (n, d); see `Embedder.embed`."""
        return self._embed(self.inputs(images))

    @abstractmethod
    def _embed(self, inputs: np.ndarray) -> np.ndarray:
        """Returns the embeddings (n, d) for inputs (n, ...)."""


class StoredEmbeddings:
    """Precomputed embeddings from a .npy or .npz file.

    Attributes:
        name: name in reports.
    """

    def __init__(self, path: Path) -> None:
        self.name, self._path = path.name, path
        try:
            content = np.load(path, allow_pickle=False)
            if isinstance(content, np.ndarray):
                self._rows, self._names = content, None
            else:
                with content:
                    self._rows = content["embeddings"]
                    self._names = [str(name) for name in content["names"]] if "names" in content else None
        except (ValueError, KeyError, EOFError, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ValueError(
                f"{path}: not an embeddings file: expected a .npy array of shape (images, length), or a .npz with "
                f"`embeddings` and optionally `names` ({error})"
            ) from error
        if self._rows.ndim != 2 or self._rows.dtype.kind not in "fiu":
            raise ValueError(
                f"{path}: embeddings must be a numeric array of shape (images, length), got {self._rows.dtype} "
                f"{self._rows.shape}"
            )
        if self._names is not None and len(self._names) != len(self._rows):
            raise ValueError(f"{path}: {len(self._rows)} embeddings but {len(self._names)} names")

    def lookup(self, names: Sequence[str]) -> np.ndarray:
        """Returns the embeddings (n, d) of images: by name if the file has names, else by row.

        Raises:
            ValueError: an image has no embedding, or the file has no names and a different number of rows.
        """
        if self._names is not None:
            rows = {name: row for row, name in enumerate(self._names)}
            missing = [name for name in names if name not in rows]
            if missing:
                raise ValueError(f"{self._path}: {len(missing)} images have no embedding, the first is {missing[0]}")
            return self._rows[[rows[name] for name in names]]
        if len(names) != len(self._rows):
            raise ValueError(
                f"{self._path}: {len(self._rows)} embeddings for {len(names)} images: store one embedding per image "
                "in the order of the data set, or add the array `names`"
            )
        return self._rows

    def describe(self) -> dict[str, Any]:
        """Returns the embeddings' entry in a report."""
        return {"name": self.name, "runtime": "stored embeddings"} | _size_and_hash(self._path)


class FlatbufferEmbedder(NetworkEmbedder):
    """A .tflite model in one of the runtimes, one image at a time.

    Attributes:
        model: the flatbuffer.
        facts: its metadata, see `read_facts`; empty if this package did not convert it.

    Larger batches are not faster: on one thread a batch of 16 took 11% to 40% longer per image than a batch of 1 with
    three published MobileFaceNets, because the activations no longer fit in the cache.
    """

    def __init__(self, path: Path, preprocess: str, threads: int = 1, runtime: str = "xnnpack") -> None:
        """Loads a flatbuffer; see `load_embedder` for the arguments and errors."""
        self._program = open_runtime(runtime, path, threads=threads)
        self.runtime, self.model = self._program.title, self._program.model
        given, self._output = sole_input_and_output(path, self.model.main.inputs, self.model.main.outputs)
        self.embedding_size = self._output.size
        try:
            self.facts = read_facts(self.model)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        layout = InputLayout.of_shape(given.shape, path.name)
        super().__init__(path.name, layout, preprocess, self._input_table(path.name, layout, preprocess), path)

    def _input_table(self, name: str, layout: InputLayout, preprocess: str) -> np.ndarray:
        """Returns the exact table if this package converted the model, else one from scale and zero point."""
        exact = pixel_table(self.model)
        if exact is None:
            given = self.model.main.inputs[0]
            quantization = given.quantization or Quantization(0.0)
            return layout.table(preprocess, given.dtype, quantization.scale, quantization.zero_point)
        if preprocess != DEFAULT_PREPROCESS:
            raise ValueError(
                f"{name}: preprocess {preprocess!r} is not what it was converted for, {DEFAULT_PREPROCESS!r}"
            )
        return np.repeat(exact[None, :, None], 3, axis=2)

    def _embed(self, inputs: np.ndarray) -> np.ndarray:
        rows = self._program.run(inputs)
        return self._output.real(rows).reshape(len(rows), -1)


class _OnnxEmbedder(NetworkEmbedder):
    """An .onnx model run by ONNX Runtime on the CPU.

    Each thread runs its own batch: with two published networks on two cores this took 0.4 to 0.7 of the time of
    single images with two intra-op threads.
    """

    runtime = "ONNX Runtime"

    def __init__(self, path: Path, preprocess: str, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ValueError(f"{path}: .onnx models need ONNX Runtime: pip install 'seesaw_keras[onnx]'") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's exceptions share no narrower base class
            raise ValueError(f"{path}: ONNX Runtime cannot run it: {error}") from error
        given, _ = sole_input_and_output(path, self._session.get_inputs(), self._session.get_outputs())
        layout = InputLayout.of_shape(given.shape, path.name)
        kind = given.type.removeprefix("tensor(").removesuffix(")")
        table = layout.table(preprocess, np.dtype({"float": "float32"}.get(kind, kind)))
        super().__init__(path.name, layout, preprocess, table, path)
        self._input = given.name
        self._batch = 1 if isinstance(given.shape[0], int) else ONNX_BATCH
        self._threads = threads

    def _embed(self, inputs: np.ndarray) -> np.ndarray:
        def run(start: int) -> np.ndarray:
            batch = inputs[start : start + self._batch]
            return np.asarray(self._session.run(None, {self._input: batch})[0], np.float32).reshape(len(batch), -1)

        with ThreadPoolExecutor(self._threads, "onnx") as pool:
            return np.concatenate(list(pool.map(run, range(0, len(inputs), self._batch))))


class _CallableEmbedder(NetworkEmbedder):
    """A Keras model or a SavedModel signature, called on batches."""

    def __init__(
        self,
        name: str,
        runtime: str,
        call: Callable[[np.ndarray], Any],
        shape: Sequence[object],
        dtype: np.dtype,
        preprocess: str,
        path: Path | None,
    ) -> None:
        layout = InputLayout.of_shape([-1, *shape[1:]], name)
        super().__init__(name, layout, preprocess, layout.table(preprocess, dtype), path)
        self.runtime, self._call = runtime, call

    def _embed(self, inputs: np.ndarray) -> np.ndarray:
        rows = []
        for start in range(0, len(inputs), KERAS_BATCH):
            batch = inputs[start : start + KERAS_BATCH]
            rows.append(np.asarray(self._call(batch), dtype=np.float32).reshape(len(batch), -1))
        return np.concatenate(rows)


def _from_keras(model: Any, name: str, preprocess: str, path: Path | None) -> NetworkEmbedder:
    import tensorflow as tf

    given, _ = sole_input_and_output(name, model.inputs, model.outputs)
    dtype = np.dtype(given.dtype if isinstance(given.dtype, str) else "float32")
    # The input signature avoids retracing for the last, smaller batch.
    signature = [tf.TensorSpec([None, *model.input_shape[1:]], dtype)]
    call = tf.function(lambda batch: model(batch, training=False), input_signature=signature)
    return _CallableEmbedder(name, "Keras", call, model.input_shape, dtype, preprocess, path)


def _load_keras(path: Path, preprocess: str) -> NetworkEmbedder:
    import seesaw_keras.models.layers  # noqa: F401  (registers this package's layers for loading)
    from seesaw_keras.api import keras

    try:
        model = keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, OSError) as error:
        raise ValueError(f"{path}: {keras.__name__} cannot load it: {error}") from error
    return _from_keras(model, path.name, preprocess, path)


def _load_saved_model(path: Path, preprocess: str) -> NetworkEmbedder:
    import tensorflow as tf

    model = tf.saved_model.load(str(path))
    if "serving_default" not in model.signatures:
        raise ValueError(f"{path}: no signature serving_default; available: {', '.join(model.signatures) or 'none'}")
    signature = model.signatures["serving_default"]
    given = signature.structured_input_signature[1]
    key, _ = sole_input_and_output(path, list(given), list(signature.structured_outputs))

    def call(batch: np.ndarray, _keep: Any = model) -> Any:
        (rows,) = signature(**{key: tf.constant(batch)}).values()
        return rows

    shape, dtype = given[key].shape.as_list(), np.dtype(given[key].dtype.as_numpy_dtype)
    return _CallableEmbedder(path.name, "SavedModel", call, shape, dtype, preprocess, path)


def _size_and_hash(path: Path) -> dict[str, Any]:
    """Returns bytes on disk and SHA-256 of a file; for a folder, of the lines that `sha256sum` prints for its files."""
    if path.is_file():
        return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}
    files = sorted(file for file in path.rglob("*") if file.is_file())
    lines = "".join(f"{sha256_of(file)}  {file.relative_to(path).as_posix()}\n" for file in files)
    return {
        "bytes": sum(file.stat().st_size for file in files),
        "sha256": hashlib.sha256(lines.encode()).hexdigest(),
    }


def load_embedder(
    source: Any, *, preprocess: str | None = None, threads: int = 1, runtime: str = "xnnpack"
) -> NetworkEmbedder:
    """Loads a model that computes embeddings.

    Args:
        source: a Keras model, or the path of a .keras or .h5 file, a SavedModel folder, a .tflite or an .onnx. A .h5
            can hold Python code (Lambda layers) that runs when it is loaded.
        preprocess: input preprocessing of the model: "pm1", (x - 127.5) / 127.5, used by this package's own models, if
            None; "127.5/128", (x - 127.5) / 128; "raw", 0 to 255; "imagenet", x / 255 minus the mean of each channel,
            divided by its standard deviation. Models converted by `seesaw_keras.tflite.conversion` accept only the
            first, which is exact to the integer.
        threads: number of threads of LiteRT or ONNX Runtime; TensorFlow has its own setting.
        runtime: runtime of a .tflite; see `seesaw_keras.tflite.runtimes.open_runtime`.

    Raises:
        FileNotFoundError: there is no such file.
        ImportError: the runtime is not installed.
        ValueError: the format is unknown, the model does not load or does not take single RGB images, or its quantized
            input cannot represent the values of `preprocess`.
    """
    chosen = preprocess or DEFAULT_PREPROCESS
    if hasattr(source, "input_shape") and callable(source):
        return _from_keras(source, getattr(source, "name", "Keras model"), chosen, None)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such model")
    if path.is_dir():
        if not (path / "saved_model.pb").is_file():
            raise ValueError(f"{path}: a folder without saved_model.pb is not a SavedModel")
        return _load_saved_model(path, chosen)
    suffix = path.suffix.lower()
    if suffix in STORED:
        raise ValueError(f"{path}: contains embeddings already; give a model")
    loaders: dict[str, Callable[[], NetworkEmbedder]] = {
        ".tflite": lambda: FlatbufferEmbedder(path, chosen, threads, runtime),
        ".onnx": lambda: _OnnxEmbedder(path, chosen, threads),
        ".keras": lambda: _load_keras(path, chosen),
        ".h5": lambda: _load_keras(path, chosen),
    }
    if suffix not in loaders:
        raise ValueError(
            f"{path}: unsupported file type: expected a model ({', '.join(loaders)}) or embeddings (.npy, .npz)"
        )
    return loaders[suffix]()


def load_embedder_or_stored(
    source: Any, *, preprocess: str | None = None, threads: int = 1, runtime: str = "xnnpack"
) -> NetworkEmbedder | StoredEmbeddings:
    """Loads a model as `load_embedder` does, or a .npy or .npz of embeddings.

    Raises:
        FileNotFoundError, ImportError, ValueError: as `load_embedder`; also if a file of embeddings is damaged, or
            `preprocess` is given for it.
    """
    if not isinstance(source, str | Path) or Path(source).suffix.lower() not in STORED:
        return load_embedder(source, preprocess=preprocess, threads=threads, runtime=runtime)
    if preprocess is not None:
        raise ValueError(f"{source}: preprocess does not apply to stored embeddings")
    return StoredEmbeddings(Path(source))
