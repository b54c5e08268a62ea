from dataclasses import asdict

import numpy as np
import pytest

from seesaw_keras.data.synthetic.drawing.conditions import sample_conditions
from seesaw_keras.data.synthetic.drawing.sketch import View
from seesaw_keras.data.synthetic.identity import sample_identity


def numbers(part):
    """All numbers of a person that every person has."""
    if isinstance(part, dict):
        return [n for key, value in part.items() if key not in ("moles", "freckles") for n in numbers(value)]
    if isinstance(part, tuple):
        return [n for value in part for n in numbers(value)]
    return [] if isinstance(part, str) else [float(part)]


def test_every_measure_varies_between_people():
    people = np.array([numbers(asdict(sample_identity(i))) for i in range(200)])
    assert np.isfinite(people).all()
    assert (people.std(0) > 0).all()
    assert len(np.unique(people, axis=0)) == 200


def test_a_seed_is_another_population():
    assert sample_identity(4, seed=1) != sample_identity(4)
    assert sample_identity(4, seed=1) == sample_identity(4, seed=1)


def test_pictures_of_one_person_differ_but_not_the_person():
    assert sample_conditions(4, 0) != sample_conditions(4, 1)
    assert sample_conditions(4, 0) != sample_conditions(5, 0)


def test_landmarks_differ_more_between_people_than_between_pictures():
    # Fisher's ratio of the five points alone; pose and jitter leave little of it.
    marks = np.array(
        [
            [View(sample_identity(i), sample_conditions(i, k), size=112).landmarks.ravel() for k in range(8)]
            for i in range(150)
        ]
    )
    within = marks.var(axis=1).mean(axis=0)
    between = marks.mean(axis=1).var(axis=0) - within / 8
    assert between.sum() > 0.25 * within.sum()


@pytest.mark.parametrize("call", [lambda: sample_identity(-1), lambda: sample_identity(0, seed=2**32)])
def test_numbers_out_of_range_are_refused(call):
    with pytest.raises(ValueError, match="must lie in"):
        call()


def test_conditions_stay_within_what_the_drawing_is_made_for():
    for i in range(300):
        conditions = sample_conditions(i, 0)
        assert abs(conditions.pose.yaw) < 45 and abs(conditions.pose.pitch) < 25
        assert np.isclose(np.linalg.norm(conditions.light.direction), 1.0)
        assert 0 < conditions.light.ambient < 1
        assert 0 <= conditions.camera.jpeg <= 100
        assert 0 <= conditions.camera.noise <= 16
