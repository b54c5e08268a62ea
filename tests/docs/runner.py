"""Runs scripts one after the other in one process, so that TensorFlow starts once.

It reads a line of JSON for each, {"arguments": [...], "folder": "...", "whole": false}, and answers with
{"code": 0, "output": "..."}; what a tool and the libraries under it print goes to that output.

    python tests/docs/runner.py

Only slow parts of the tools, and parts that need data unavailable to tests, are replaced:

- Networks have one residual block per stage instead of two to twelve, unless `whole`; a variant named on the command
  line has a quarter of its width, for 32x32 images, and embeddings of length 16.
- Every picture shows one face, in its middle. No picture of a real one is in this repository.
- Commands that start others (`seesaw pipeline`) start them here.
"""

import functools
import json
import os
import runpy
import sys
import tempfile
import traceback
from pathlib import Path

import numpy as np

from seesaw_keras.cli import pipeline
from seesaw_keras.cli.support.startup import quiet_tensorflow
from seesaw_keras.faces import detection

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from shallow_variants import one_block_per_stage

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SMALL = {"width": 0.25, "input_shape": (32, 32, 3), "embedding_size": 16}
LANDMARKS = np.array([[0.35, 0.4], [0.65, 0.4], [0.5, 0.6], [0.38, 0.75], [0.62, 0.75]], np.float32)


class Middle:
    """A face detector that always finds one."""

    description = "the middle of the picture"

    def detect(self, image):
        size = np.array(image.shape[1::-1], np.float32)
        return [detection.Face(np.concatenate([size / 4, size / 2]), 1.0, LANDMARKS * size)]


def open_detector(yunet=None):
    if yunet is not None and not Path(yunet).is_file():
        raise FileNotFoundError(yunet)
    return Middle()


class Runner:
    """Runs a script as if in a separate process."""

    def __init__(self):
        quiet_tensorflow()
        from seesaw_keras.compression import loading
        from seesaw_keras.models import configs

        self._registry = configs._REGISTRY
        self._variants = {False: one_block_per_stage(configs._REGISTRY), True: dict(configs._REGISTRY)}
        loading.build = functools.partial(loading.build, **SMALL)
        detection.open_detector = open_detector
        pipeline.run_subcommand = lambda name, words: self.run([str(TOOLS / f"{name}.py"), *words])

    def run(self, arguments, *, whole=False):
        """Returns the exit code of `python arguments`."""
        from seesaw_keras.api import keras

        self._registry.update(self._variants[whole])
        keras.backend.clear_session()
        outer, sys.argv = sys.argv, list(arguments)
        try:
            runpy.run_path(arguments[0], run_name="__main__")
            return 0
        except SystemExit as end:
            if isinstance(end.code, str):
                print(end.code, file=sys.stderr)
            return end.code if isinstance(end.code, int) else int(end.code is not None)
        except Exception:
            traceback.print_exc()
            return 1
        finally:
            sys.argv = outer


def main():
    answers = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        os.dup2(printed.fileno(), 2)
        runner = Runner()
        for line in sys.stdin:
            request = json.loads(line)
            printed.seek(0)
            printed.truncate()
            os.chdir(request["folder"])
            code = runner.run(request["arguments"], whole=request["whole"])
            sys.stdout.flush()
            sys.stderr.flush()
            printed.seek(0)
            output = printed.read().decode("utf-8", "replace")
            print(json.dumps({"code": code, "output": output}), file=answers, flush=True)


if __name__ == "__main__":
    main()
