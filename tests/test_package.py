"""The package as a whole: what importing costs, what it names, where imports may point."""

import ast
import json
import subprocess
import sys

import pytest

import seesaw_keras

HOUSE = ["serving", "compression", "training", "verification", "faces", "data", "margins", "models", "api", "tflite"]


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def imported_modules(path):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_import_loads_neither_tensorflow_nor_numpy():
    code = "import sys, json, seesaw_keras; print(json.dumps(sorted(sys.modules)))"
    modules = set(json.loads(run_python(code)))
    assert not modules & {"tensorflow", "tf_keras", "keras", "numpy", "cv2", "absl"}


def test_public_names_are_there_and_listed():
    for name in seesaw_keras.__all__:
        assert getattr(seesaw_keras, name) is not None
        assert name in dir(seesaw_keras)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'bild'"):
        _ = seesaw_keras.bild


def test_version_is_the_installed_one():
    from importlib.metadata import version

    assert version("seesaw_keras") == seesaw_keras.__version__


def test_imports_point_down_the_house(repository):
    """A folder may import from those below it in HOUSE, never from those above or beside it."""
    wrong = []
    for path in (repository / "seesaw_keras").rglob("*.py"):
        room = path.relative_to(repository / "seesaw_keras").parts[0].removesuffix(".py")
        for module in imported_modules(path):
            _, _, other = module.partition("seesaw_keras.")
            other = other.partition(".")[0]
            if room in HOUSE and other in HOUSE and HOUSE.index(other) < HOUSE.index(room):
                wrong.append(f"{path}: {module}")
    assert not wrong


def test_every_module_says_what_it_exports(repository):
    silent = [
        str(path) for path in (repository / "seesaw_keras").rglob("*.py") if "__all__" not in path.read_text("utf-8")
    ]
    assert not silent
