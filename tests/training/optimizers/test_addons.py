import importlib.util

import pytest

from seesaw_keras.training.optimizers.optimizer import Optimizer
from seesaw_keras.training.optimizers.schedules import make_schedule


@pytest.mark.parametrize("name", ["lamb", "radam", "lookahead", "swa"])
def test_without_addons_the_message_says_what_to_install(monkeypatch, name):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda module: None if "addons" in module else find(module))
    with pytest.raises(ValueError, match=r"pip install 'seesaw_keras\[addons\]' on Python 3\.10 or 3\.11"):
        Optimizer(name, make_schedule("constant", peak=0.1, total_steps=4))
