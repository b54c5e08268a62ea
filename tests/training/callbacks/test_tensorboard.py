import cv2
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from seesaw_keras.training.callbacks.callback import ValidationReport
from seesaw_keras.training.callbacks.tensorboard import FOLDER, TensorBoard


def read(tmp_path):
    events = EventAccumulator(str(tmp_path / FOLDER), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    return events


def scalars(events, tag):
    return [(event.step, event.value) for event in events.Scalars(tag)]


def pixels(event):
    return cv2.imdecode(np.frombuffer(event.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]


def train(callback, report, first, last):
    for step in range(first + 1, last + 1):
        callback.step(report(step, target_angle=float(step)))


def test_scalars_are_means_under_their_step(make_run, report, tmp_path):
    callback = TensorBoard(every=4)
    callback.begin(make_run())
    train(callback, report, 0, 10)
    callback.end(make_run())
    events = read(tmp_path)
    assert scalars(events, "train/target_angle") == [(4, 2.5), (8, 6.5), (10, 9.5)]
    assert scalars(events, "train/loss") == [(4, 97.5), (8, 93.5), (10, 90.5)]
    assert set(events.Tags()["scalars"]) == {
        "train/epoch",
        "train/loss",
        "train/learning_rate",
        "train/images_per_second",
        "train/target_angle",
    }


def test_a_resumed_run_logs_nothing_twice(make_run, report, tmp_path):
    killed = TensorBoard(every=2)
    killed.begin(make_run())
    train(killed, report, 0, 5)
    killed.checkpoint(5, None)
    killed.validated(ValidationReport(5, {"lfw_accuracy": 75.0}))
    train(killed, report, 5, 9)  # lost
    killed.validated(ValidationReport(9, {"lfw_accuracy": 10.0}))
    resumed = TensorBoard(every=2)
    resumed.begin(make_run(first_step=5))
    train(resumed, report, 5, 9)
    resumed.end(make_run())
    events = read(tmp_path)
    assert scalars(events, "train/target_angle") == [(2, 1.5), (4, 3.5), (5, 5.0), (7, 6.5), (9, 8.5)]
    assert scalars(events, "validation/lfw_accuracy") == [(5, 75.0)]


def test_the_first_batch_and_pictures_are_shown(make_run, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (11, 6, 5, 3)).astype(np.uint8)
    picture = np.random.default_rng(1).integers(0, 256, (7, 9, 3)).astype(np.uint8)
    png = cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()
    for first_step in (0, 10):
        callback = TensorBoard()
        callback.begin(make_run(first_step=first_step, first_batch=lambda: images))
        callback.validated(ValidationReport(10 + first_step, {}, {"lfw_scores": png}))
        callback.end(make_run())
    events = read(tmp_path)
    (batch,) = events.Images("input/first_batch")
    assert (batch.step, batch.width, batch.height) == (0, 8 * 5, 2 * 6)
    sheet = pixels(batch)
    np.testing.assert_array_equal(sheet[:6, 5:10], images[1])
    np.testing.assert_array_equal(sheet[6:, 10:15], images[10])
    assert not sheet[6:, 15:].any()
    scores = events.Images("validation/lfw_scores")
    assert [(event.step, event.width, event.height) for event in scores] == [(10, 9, 7), (20, 9, 7)]
    np.testing.assert_array_equal(pixels(scores[0]), picture)


def test_every_must_be_positive():
    with pytest.raises(ValueError, match="every must be 1 or more, got 0"):
        TensorBoard(every=0)
