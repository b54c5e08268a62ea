"""The package as a whole: import cost, public names and the direction of imports."""

import ast
import json
import subprocess
import sys

import pytest

import seesaw_keras

# From the top down: a folder may import from lower levels, not from the same level or higher ones.
LEVELS = [
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
MOST_MODULES = 12  # per folder, not counting __init__.py; seesaw_keras/cli may have more


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
    """Returns name -> path of every module of the package, except `__init__` files and examples for users."""
    root = repository / "seesaw_keras"
    paths = [path for path in root.rglob("*.py") if path.name != "__init__.py" and "examples" not in path.parts]
    return {".".join(path.relative_to(root.parent).with_suffix("").parts): path for path in paths}


def test_imports_point_to_lower_levels(repository):
    level_of = {folder: level for level, folders in enumerate(LEVELS) for folder in folders}
    wrong = []
    for name, path in modules(repository).items():
        folder = name.split(".")[1]
        for module in imported_modules(path):
            package, _, other = module.partition(".")
            other = other.partition(".")[0]
            if package == "seesaw_keras" and other and other != folder and level_of[other] <= level_of[folder]:
                wrong.append(f"{name}: {module}")
    assert not wrong


def test_there_are_no_import_cycles(repository):
    """Imports inside functions count as well."""
    paths = modules(repository)
    imports = {name: set(imported_modules(path)) & set(paths) for name, path in paths.items()}
    while free := [name for name, others in imports.items() if not others & set(imports)]:
        for name in free:
            del imports[name]
    assert not imports


def test_module_names_are_unique(repository):
    names = [name.rpartition(".")[2] for name in modules(repository)]
    assert not {name for name in names if names.count(name) > 1}


def test_no_folder_has_too_many_modules(repository):
    folders = [name.rpartition(".")[0] for name in modules(repository)]
    folders = [folder for folder in folders if folder != "seesaw_keras.cli"]
    assert not {folder: folders.count(folder) for folder in folders if folders.count(folder) > MOST_MODULES}


def test_every_module_defines_all(repository):
    without = [
        str(path) for path in (repository / "seesaw_keras").rglob("*.py") if "__all__" not in path.read_text("utf-8")
    ]
    assert not without
