import hashlib
import json

import numpy as np
import pytest
from sklearn.metrics import roc_curve

from seesaw_keras.verification.threshold_calibration import (
    calibrate,
    choose_threshold,
    load_calibration,
    pairs_sha256,
    store_calibration,
)


def random_scores(seed, count=60_000):
    generator = np.random.default_rng(seed)
    same = generator.random(count) < 0.3
    return np.clip(generator.normal(0.5 * same, 0.15), -1, 1), same


@pytest.mark.parametrize("far", [1e-1, 1e-2, 1e-3, 1e-4])
def test_threshold_is_the_lowest_of_scikit_learns_curve_that_keeps_the_far(far):
    scores, same = random_scores(0)
    fars, tars, thresholds = roc_curve(same, scores, drop_intermediate=False)
    at = np.flatnonzero(fars <= far)[-1]
    assert choose_threshold(scores, same, far=far) == thresholds[at]
    section = calibrate(scores, same, far=far, data_set="made")
    assert section == {
        "metric": "cosine",
        "threshold": thresholds[at],
        "far": far,
        "measured_far": fars[at],
        "tar": tars[at],
        "genuine_pairs": int(same.sum()),
        "impostor_pairs": int((~same).sum()),
        "data_set": "made",
    }
    json.dumps(section)


def test_default_far_is_1e_4():
    scores, same = random_scores(1)
    assert choose_threshold(scores, same) == choose_threshold(scores, same, far=1e-4)


def test_too_few_impostors_are_said_to_be():
    with pytest.raises(ValueError, match=r"FAR 0\.0001 is not measurable: only 3000 impostor pairs; use 0\.00034"):
        choose_threshold(np.linspace(-1, 1, 6000), np.arange(6000) >= 3000, far=1e-4)


def test_suggested_far_is_measurable():
    for impostors in (3, 7, 2999, 3000, 3001, 12_345):
        same = np.arange(impostors + 1) == 0
        with pytest.raises(ValueError, match=r"use .* or more") as error:
            choose_threshold(np.linspace(1, -1, impostors + 1), same, far=1e-9)
        advised = float(str(error.value).split("use ")[1].split()[0])
        assert choose_threshold(np.linspace(1, -1, impostors + 1), same, far=advised) <= 1


def test_impostors_that_share_the_highest_score():
    with pytest.raises(ValueError, match=r"no threshold reaches FAR 0\.1"):
        choose_threshold([0.5] * 20, [True, False] * 10, far=0.1)


def test_pairs_sha256_recomputed():
    lines = "al/1.jpg\tal/2.jpg\t1\nal/1.jpg\tbo/1.jpg\t0\n"
    got = pairs_sha256(["al/1.jpg", "al/2.jpg", "bo/1.jpg"], np.array([[0, 1], [0, 2]]), np.array([True, False]))
    assert got == hashlib.sha256(lines.encode()).hexdigest()


def test_card_keeps_all_else(tmp_path):
    card = tmp_path / "model.json"
    store_calibration({"threshold": 0.3}, card)
    card.write_text(json.dumps({"name": "naïve", **json.loads(card.read_text())}), "utf-8")
    store_calibration({"threshold": 0.4}, card)
    assert json.loads(card.read_text("utf-8")) == {"name": "naïve", "calibration": {"threshold": 0.4}}


@pytest.mark.parametrize("content", ["[1]", "{", "\x80"])
def test_a_file_that_is_no_card_stays_as_it_is(tmp_path, content):
    card = tmp_path / "model.json"
    card.write_bytes(content.encode("latin-1"))
    with pytest.raises(ValueError, match=r"model\.json: not a model card"):
        store_calibration({}, card)
    assert card.read_bytes() == content.encode("latin-1")


def test_what_was_stored_is_loaded(tmp_path):
    card = tmp_path / "card.json"
    card.write_text('{"name": "x"}')
    with pytest.raises(ValueError, match=r"card\.json: contains no calibration; `seesaw evaluate --card`"):
        load_calibration(card)
    section = calibrate([0.9, 0.4, 0.3], [True, False, False], far=0.5, data_set="made")
    store_calibration(section, card)
    assert load_calibration(card) == section


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("[]", "not a JSON object"),
        ("{", "not JSON"),
        ('{"calibration": 0.3}', "contains no calibration"),
        ('{"calibration": {"metric": "distance", "threshold": 0.3}}', "got 'distance' and 0.3"),
        ('{"calibration": {"metric": "cosine"}}', "got 'cosine' and None"),
        ('{"calibration": {"metric": "cosine", "threshold": true}}', "got 'cosine' and True"),
        ('{"calibration": {"metric": "cosine", "threshold": NaN}}', "got 'cosine' and nan"),
        ('{"calibration": {"metric": "cosine", "threshold": 1.5}}', "got 'cosine' and 1.5"),
    ],
)
def test_cards_without_a_threshold_that_can_be_used(tmp_path, section, message):
    card = tmp_path / "card.json"
    card.write_text(section)
    with pytest.raises(ValueError, match=message):
        load_calibration(card)
