import cv2
import numpy as np

from seesaw_keras.reports import quantization_error_plot
from seesaw_keras.reports.quantization_error_plot import plot_errors
from seesaw_keras.tflite.analysis.quantization_error import TensorError

ERRORS = [TensorError(f"layer{n}", "CONV_2D", 40.0 - 3 * (n % 7), 45.0) for n in range(20)]


def test_the_picture_holds_all_and_names_the_worst(monkeypatch, tmp_path):
    drawn = []
    original = quantization_error_plot.FigureCanvasAgg
    monkeypatch.setattr(
        quantization_error_plot, "FigureCanvasAgg", lambda figure: drawn.append(figure) or original(figure)
    )
    plot_errors(ERRORS, tmp_path / "errors.png", 3)
    (axes,) = drawn[0].axes
    own, total, *marks = axes.lines
    np.testing.assert_array_equal(total.get_ydata(), [error.total for error in ERRORS])
    np.testing.assert_array_equal(own.get_ydata(), [45.0] * 20)
    assert [(mark.get_xdata()[0], mark.get_label()) for mark in marks] == [
        (7, "1  layer6"),
        (14, "2  layer13"),
        (6, "3  layer5"),
    ]
    assert cv2.imread(str(tmp_path / "errors.png")).std() > 5
