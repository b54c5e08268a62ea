"""The recipe `faces` on real faces: a few hundred steps reduce the loss and separate unseen people."""

import json
import math

import numpy as np
import pytest

from seesaw_keras.data import Views, open_pairs, open_source
from seesaw_keras.data.records import Source
from seesaw_keras.training.callbacks.callback import Callback
from seesaw_keras.training.callbacks.validation import Validation
from seesaw_keras.training.distillation.teacher import load_teachers, teacher_targets
from seesaw_keras.training.recipe import get_recipe
from seesaw_keras.training.trainer import train

IMAGES = 5_000  # of about 1,000 people
SMALLER = [
    "teacher_views=0",
    "flip=false",
    "degrade=0",
    "cosine_weight=20",
    "contrast_weight=0",
    "batch_size=32",
    "width=0.25",
    "image_size=32",
    "embedding_size=128",
    "epochs=3",
    "validate_every=3",
    "ema=0.98",
]


class First(Source):
    """The first records of a source."""

    def __init__(self, source, count):
        self._source, self._count = source, count

    def __len__(self):
        return self._count

    def _record(self, position):
        return self._source[position]


class Recorder(Callback):
    def __init__(self):
        self.losses = []

    def step(self, report):
        self.losses.append(report.loss)


@pytest.mark.slow
def test_a_few_hundred_steps_separate_people(shared, tmp_path, one_block_per_stage):
    faces, recipe = shared / "faces", get_recipe("faces").override(SMALLER)
    source = First(open_source(faces), IMAGES)
    teachers = load_teachers([shared / "peers" / "edgeface_xs.onnx"])
    size = recipe.embedding_size
    targets = teacher_targets(teachers, source, tmp_path / "teacher", size=size, views=Views(flip=False))
    lfw = open_pairs(faces / "lfw_view2_aligned112.zip", faces / "pairs.txt")
    recorder = Recorder()
    train(recipe, source, tmp_path, teacher=targets, callbacks=[recorder, Validation({"lfw": lfw})])
    assert len(recorder.losses) == 3 * math.ceil(IMAGES / recipe.batch_size)
    assert np.mean(recorder.losses[-50:]) < 0.9 * np.mean(recorder.losses[:50])
    best = json.loads((tmp_path / "best.json").read_text("utf-8"))
    assert best["accuracy"] > 60  # of 6,000 pairs: chance is 50 +- 0.6
