import warnings

import cv2
import numpy as np
import pytest

from seesaw_keras.reports import training_curves
from seesaw_keras.reports.training_curves import plot_history

HEAD = "step,epoch,loss,learning_rate,images_per_second"


@pytest.fixture
def axes(monkeypatch):
    """The axes that are drawn."""
    drawn = []
    original = training_curves.FigureCanvasAgg

    def canvas(figure):
        drawn.extend(figure.axes)
        return original(figure)

    monkeypatch.setattr(training_curves, "FigureCanvasAgg", canvas)
    return drawn


def written(tmp_path, text):
    path = tmp_path / "history.csv"
    path.write_text(text)
    return path


def test_panels_hold_the_table(axes, tmp_path):
    path = written(
        tmp_path,
        f"{HEAD},loss_margin,loss_cosine,target_angle,other_angle,lfw_accuracy,agedb_accuracy\n"
        "10,1,9,0.1,50,8,1,90,70,,\n20,2,7,0.01,50,6,1,60,75,80,70\n20,,,,,,,,,81,71\n30,3,6,0,50,5,1,50,76,,\n",
    )
    plot_history(path, tmp_path / "curves.png")
    assert [panel.get_ylabel() for panel in axes] == [
        "loss",
        "learning rate",
        "angle to class centers [degrees]",
        "verification accuracy [%]",
    ]
    lines = {line.get_label(): np.transpose(line.get_data()).tolist() for panel in axes for line in panel.get_lines()}
    assert lines["sum"] == [[1, 9], [2, 7], [3, 6]]
    assert lines["margin"] == [[1, 8], [2, 6], [3, 5]]
    assert lines["cosine"] == [[1, 1], [2, 1], [3, 1]]
    assert lines["own class"] == [[1, 90], [2, 60], [3, 50]]
    assert lines["nearest other class"] == [[1, 70], [2, 75], [3, 76]]
    assert lines["lfw"] == [[2, 80], [2, 81]]
    assert lines["agedb"] == [[2, 70], [2, 71]]
    assert axes[1].get_yscale() == "log"
    picture = cv2.imread(str(tmp_path / "curves.png"))
    assert picture is not None and picture.std() > 5


def test_one_row_without_angles_or_learning_rate_is_drawn(axes, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot_history(written(tmp_path, f"{HEAD}\n1,0.1,9,0,50\n"), tmp_path / "curves.png")
    assert [panel.get_ylabel() for panel in axes] == ["loss", "learning rate"]


def test_an_empty_history_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"history\.csv: no rows to plot"):
        plot_history(written(tmp_path, HEAD + "\n"), tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()
