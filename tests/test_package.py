"""The package as a whole: what importing costs, what it names, where imports may point."""

import ast
import json
import subprocess
import sys

import pytest

import seesaw_keras

# Floors from the top down: a room may import from those on lower floors, not from those above or beside it.
FLOORS = [
    {"cli"},
    {"reports"},
    {"compression"},
    {"training"},
    {"serving", "faces", "verification"},
    {"data"},
    {"inference"},
    {"margins", "models"},
    {"tflite"},
    {"api", "choices", "files", "lazy", "native", "_version"},
]
MOST_MODULES = 12  # of a room, besides its __init__; the list of commands is longer


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


def modules(repository):
    """Name -> path of every module of the package that is no `__init__` and no example for users."""
    root = repository / "seesaw_keras"
    paths = [path for path in root.rglob("*.py") if path.name != "__init__.py" and "examples" not in path.parts]
    return {".".join(path.relative_to(root.parent).with_suffix("").parts): path for path in paths}


def test_imports_point_down_the_house(repository):
    floor_of = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
    wrong = []
    for name, path in modules(repository).items():
        room = name.split(".")[1]
        for module in imported_modules(path):
            package, _, other = module.partition(".")
            other = other.partition(".")[0]
            if package == "seesaw_keras" and other and other != room and floor_of[other] <= floor_of[room]:
                wrong.append(f"{name}: {module}")
    assert not wrong


def test_no_modules_import_each_other_in_a_circle(repository):
    """Imports inside of functions count as well."""
    paths = modules(repository)
    imports = {name: set(imported_modules(path)) & set(paths) for name, path in paths.items()}
    while free := [name for name, others in imports.items() if not others & set(imports)]:
        for name in free:
            del imports[name]
    assert not imports


def test_module_names_are_unique(repository):
    names = [name.rpartition(".")[2] for name in modules(repository)]
    assert not {name for name in names if names.count(name) > 1}


def test_no_room_is_too_full(repository):
    rooms = [name.rpartition(".")[0] for name in modules(repository)]
    rooms = [room for room in rooms if room != "seesaw_keras.cli"]
    assert not {room: rooms.count(room) for room in rooms if rooms.count(room) > MOST_MODULES}


def test_every_module_says_what_it_exports(repository):
    silent = [
        str(path) for path in (repository / "seesaw_keras").rglob("*.py") if "__all__" not in path.read_text("utf-8")
    ]
    assert not silent
