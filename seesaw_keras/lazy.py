"""Lazy loading of public names on first use (PEP 562), so that importing a package does not import TensorFlow.

__getattr__, __dir__ = lazy.attach(__name__, {"build": "seesaw_keras.models.builder"})
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["attach"]


def attach(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns a package's `__getattr__` and `__dir__`.

    Args:
        package: the package's `__name__`.
        modules: maps each public name to the module that defines it.
    """

    def load(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(importlib.import_module(modules[name]), name)

    return load, lambda: sorted({*vars(sys.modules[package]), *modules})
