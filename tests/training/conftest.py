"""Fixtures for training runs and their callbacks."""

import importlib.util
from pathlib import Path

import pytest

from seesaw_keras.training.callbacks.callback import Run, StepLog
from seesaw_keras.training.recipe import get_recipe

STEPS_PER_EPOCH = 10


@pytest.fixture
def make_run(tmp_path):
    """Function: a `Run` of four epochs in `tmp_path`, some fields changed."""

    def make(**changes):
        fields = {
            "recipe": get_recipe("paper").override(["epochs=4", "milestones=2"]),
            "out": tmp_path,
            "steps_per_epoch": STEPS_PER_EPOCH,
            "total_steps": 4 * STEPS_PER_EPOCH,
            "first_step": 0,
            "batch_size": 8,
            "model": None,
        }
        return Run(**{**fields, **changes})

    return make


@pytest.fixture
def report():
    """Function: the report of a step, whose loss is 100 - step."""

    def make(step, **statistics):
        return StepLog(step, step / STEPS_PER_EPOCH, 100.0 - step, 0.1, 50.0, statistics)

    return make


@pytest.fixture(scope="session")
def tiny():
    """The module `tiny.py`: a recipe and network small enough to train within seconds."""
    path = Path(__file__).with_name("tiny.py")
    module = importlib.util.module_from_spec(importlib.util.spec_from_file_location("tiny", path))
    module.__spec__.loader.exec_module(module)
    return module
