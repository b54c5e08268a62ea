import numpy as np
import pytest

from seesaw_keras.faces import VerifyResult
from seesaw_keras.reports.pictures.verify_picture import GRAY, GREEN, INK, MARGIN, RED, verify_picture

LEFT, RIGHT = np.full((112, 112, 3), (200, 10, 10), np.uint8), np.full((8, 8, 3), (10, 10, 200), np.uint8)


def center(picture, color):
    """Returns x of the middle of a color on the scale's line."""
    row = picture[256 + 14]
    return float(np.flatnonzero((np.abs(row.astype(int) - color) < 4).all(axis=1)).mean())


@pytest.mark.parametrize(("same", "color"), [(True, GREEN), (False, RED)])
def test_both_faces_and_the_place_of_similarity_and_threshold(same, color):
    similarity, threshold = (0.8, 0.4) if same else (0.2, 0.4)
    picture = verify_picture(LEFT, RIGHT, VerifyResult(same, similarity, threshold))
    assert picture.shape == (348, 496, 3) and picture.dtype == np.uint8
    assert (picture[20:230, 20:230] == LEFT[0, 0]).all() and (picture[20:230, 260:470] == RIGHT[0, 0]).all()
    length = 496 - 2 * MARGIN
    assert center(picture, color) == pytest.approx(MARGIN + length * (similarity + 0.2) / 1.2, abs=1)
    assert center(picture, INK) == pytest.approx(MARGIN + length * 0.6 / 1.2, abs=1)
    assert (picture[256 + 14] == GRAY).all(axis=1).sum() > 300


@pytest.mark.parametrize(("similarity", "index"), [(-1.0, MARGIN), (1.0, 496 - MARGIN)])
def test_similarities_beyond_the_scale_lie_at_its_end(similarity, index):
    picture = verify_picture(LEFT, RIGHT, VerifyResult(similarity > 0, similarity, 0.4))
    assert center(picture, GREEN if similarity > 0 else RED) == pytest.approx(index, abs=6)
