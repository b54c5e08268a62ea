"""The recipe `faces` on real faces: a few hundred steps, a loss that falls, people told apart that it never saw."""

import numpy as np

from seesaw_keras.data import open_pairs, open_source
from seesaw_keras.data.records import Source
from seesaw_keras.training.monitor import Monitor
from seesaw_keras.training.recipe import get_recipe
from seesaw_keras.training.trainer import train
from seesaw_keras.training.validation import Validation

IMAGES = 4_000  # of about 800 people
# A small network on small images, and no margin, which takes more epochs than a test has.
SETTINGS = ["width=0.25", "image_size=32", "embedding_size=64", "batch_size=32", "epochs=4", "margin=normface", "s=16"]


class First(Source):
    """The first records of a source."""

    def __init__(self, source, count):
        self._source, self._count = source, count

    def __len__(self):
        return self._count

    def _record(self, position):
        return self._source[position]


class Recorder(Monitor):
    def __init__(self):
        self.losses = []

    def step(self, report):
        self.losses.append(report.loss)


def test_a_few_hundred_steps_tell_people_apart(shared, tmp_path):
    faces = shared / "faces"
    recipe = get_recipe("faces").override([*SETTINGS, "m=none", "validate_every=4"])
    lfw = open_pairs(faces / "lfw_view2_aligned112.zip", faces / "pairs.txt")
    recorder = Recorder()
    train(recipe, First(open_source(faces), IMAGES), tmp_path, monitors=[recorder, Validation({"lfw": lfw})])
    assert len(recorder.losses) == 4 * IMAGES // 32
    assert np.mean(recorder.losses[-50:]) < 0.8 * np.mean(recorder.losses[:50])
    best = (tmp_path / "best.json").read_text("utf-8")
    print(best)
