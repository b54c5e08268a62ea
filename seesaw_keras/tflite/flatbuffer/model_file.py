"""A model together with its serialized form, so that code that needs both parses or writes only once.

>>> from seesaw_keras.tflite.flatbuffer import ModelFile
>>> file = ModelFile.of("shuffle.tflite")  # doctest: +SKIP
>>> file.name, file.data[4:8], file.model.main.inputs[0].shape  # doctest: +SKIP
('shuffle.tflite', b'TFL3', (1, 112, 112, 3))
"""

from pathlib import Path
from typing import NamedTuple, TypeAlias, Union

from seesaw_keras.tflite.flatbuffer.model import Model
from seesaw_keras.tflite.flatbuffer.reader import loads
from seesaw_keras.tflite.flatbuffer.writer import dumps

__all__ = ["ModelFile", "ModelSource"]

ModelSource: TypeAlias = Union[str, Path, bytes, Model, "ModelFile"]


class ModelFile(NamedTuple):
    """A verified model and its serialized form.

    Attributes:
        model: the model; it must not be modified, because `data` does not change with it.
        data: the flatbuffer's contents.
        name: file name used in error messages.
    """

    model: Model
    data: bytes
    name: str

    @classmethod
    def of(cls, source: ModelSource, name: str = "model") -> "ModelFile":
        """Parses or writes what is missing.

        Args:
            source: path or contents of a flatbuffer, or a `Model`; a `ModelFile` is returned unchanged.
            name: file name used in error messages, unless `source` has one.

        Raises:
            FlatbufferError: the file is damaged, or the model is inconsistent (see `verify`) or larger than 2 GB.
            OSError: the file cannot be read.
        """
        if isinstance(source, ModelFile):
            return source
        if isinstance(source, Model):
            return cls(source, dumps(source, name), name)
        if isinstance(source, bytes):
            return cls(loads(source, name), source, name)
        return cls.of(Path(source).read_bytes(), str(source))
