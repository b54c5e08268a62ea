"""Files next to the served models: models.config, batching_parameters.txt, client examples.

>>> from seesaw_keras.serving.configuration import models_config
>>> print(models_config("absent/models.config", "face"))  # doctest: +SKIP
model_config_list {
  config {
    name: "face"
    base_path: "/models/face"
    model_platform: "tensorflow"
  }
}
"""

import shutil
from pathlib import Path

from seesaw_keras.files import replacing

__all__ = ["models_config", "write_configuration"]

_MOUNTED = "/models"  # where the Docker image tensorflow/serving expects models
_EXAMPLES = Path(__file__).with_name("examples")
_BATCHING = """\
# For tensorflow_model_server --enable_batching --batching_parameters_file=/models/batching_parameters.txt
# Requests for one signature that arrive together are computed as one batch. An invalid image fails all requests of
# its batch, so leave batching off if clients are not trusted.
# Maximum number of images per request; the server rejects larger requests.
max_batch_size { value: 1024 }
# Maximum number of images per computation; larger requests are split.
enable_large_batch_splitting { value: true }
max_execution_batch_size { value: 32 }
# Maximum time that a request waits for others.
batch_timeout_micros { value: 2000 }
# Maximum number of waiting batches; further requests are rejected (UNAVAILABLE).
max_enqueued_batches { value: 64 }
# The number of cores of the server; two with a GPU.
num_batch_threads { value: 4 }
"""


def models_config(path: str | Path, name: str) -> str | None:
    """Returns the text of a models.config with a model added; None if the existing file already lists it.

    Args:
        path: the file; other models in it are not changed.
        name: name of the model, whose folder the server finds under /models.

    Raises:
        ValueError: the file exists and is not a list of models.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    path = Path(path)
    config = ModelServerConfig()
    if path.exists():
        try:
            text_format.Parse(path.read_text("utf-8"), config)
        except (text_format.ParseError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: not a models.config of TensorFlow Serving: {error}") from error
        if config.WhichOneof("config") == "custom_model_config":
            raise ValueError(f"{path}: cannot add a model to a custom_model_config; export to another folder")
    models = config.model_config_list.config
    if any(model.name == name for model in models):
        return None
    models.add(name=name, base_path=f"{_MOUNTED}/{name}", model_platform="tensorflow")
    return text_format.MessageToString(config)


def write_configuration(folder: str | Path, name: str) -> None:
    """Writes the files that a server and its clients need next to the models; existing files are not overwritten.

    Args:
        folder: folder of the models.
        name: name of the model to add to models.config, if it is not listed there.

    Raises:
        ValueError: see `models_config`.
    """
    folder = Path(folder)
    config = models_config(folder / "models.config", name)
    if config is not None:
        with replacing(folder / "models.config") as beside:
            beside.write_text(config, "utf-8")
    batching = folder / "batching_parameters.txt"
    if not batching.exists():
        with replacing(batching) as beside:
            beside.write_text(_BATCHING, "utf-8")
    for example in sorted(path for path in _EXAMPLES.iterdir() if path.is_file()):
        copy = folder / "examples" / example.name
        if not copy.exists():
            with replacing(copy) as beside:
                shutil.copyfile(example, beside)
