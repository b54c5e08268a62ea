"""The training loop in this process: learning, rejected arguments and bit-exact resumption."""

import os
import re
import signal
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from seesaw_keras.data.mixture import Mixture
from seesaw_keras.data.records import Record, Source
from seesaw_keras.training import trainer
from seesaw_keras.training.callbacks.callback import Callback

PEOPLE, PICTURES, SIDE = 10, 3, 32


class Faces(Source):
    """Each person a color, with noise."""

    def __init__(self, people=PEOPLE, damaged=None):
        self._people = people
        self._damaged = damaged

    def __len__(self):
        return self._people * PICTURES

    def labels(self):
        return np.arange(len(self)) // PICTURES

    def _record(self, position):
        label = position // PICTURES
        color = np.random.default_rng(label).integers(40, 215, 3)
        noise = np.random.default_rng(1000 + position).integers(-40, 40, (SIDE, SIDE, 3))
        data = cv2.imencode(".png", (color + noise).astype(np.uint8))[1].tobytes()
        return Record(data[:40] if position == self._damaged else data, label, f"faces[{position}]")


class Unlabeled(Source):
    """Gives every image a different label."""

    def __init__(self, source):
        self._source = source

    def __len__(self):
        return len(self._source)

    def _record(self, position):
        return replace(self._source[position], label=position)


class Recorder(Callback):
    """Records its calls; at one step it calls a given function."""

    def __init__(self, at=None, act=None):
        self.calls, self.reports, self._at, self._act = [], [], at, act

    def begin(self, run):
        self.run = run

    def step(self, report):
        self.reports.append(report)
        if report.step == self._at:
            self._act()

    def validate(self, step, model):
        self.calls.append(("validate", step))
        self.validated_model = [weight.copy() for weight in model.get_weights()]

    def checkpoint(self, step, path):
        self.calls.append(("checkpoint", step))
        assert path.name == f"step-{step:08d}" and (path / "state.json").exists()

    def end(self, run):
        self.calls.append(("end", run.total_steps))

    @property
    def losses(self):
        return [report.loss for report in self.reports]


@pytest.fixture
def train(tiny, tmp_path, monkeypatch):
    """Function: trains the tiny network in a folder of this test and returns weights and recorder."""
    monkeypatch.setattr(trainer, "build_network", tiny.small_network)

    def run(*settings, folder="out", source=None, recorder=None, **arguments):
        recorder = recorder or Recorder()
        faces = source or Faces()
        model = trainer.train(tiny.small_recipe(*settings), faces, tmp_path / folder, callbacks=[recorder], **arguments)
        return model.get_weights(), recorder

    return run


def equal(weights, others):
    return all(np.array_equal(a, b) for a, b in zip(weights, others, strict=True))


class StoppedError(Exception):
    pass


def stop():
    raise StoppedError


def test_learns_and_reports(train):
    weights, recorder = train("epochs=15", "learning_rate=0.05", "s=16", "m=0.2", "validate_every=5")
    assert [report.step for report in recorder.reports] == list(range(1, 61))
    assert np.mean(recorder.losses[-4:]) < 0.5 * np.mean(recorder.losses[:4])
    first, last = recorder.reports[0], recorder.reports[-1]
    assert last.statistics["target_angle"] < first.statistics["target_angle"]
    assert first.epoch == 0.25 and first.learning_rate == pytest.approx(0.05) and first.images_per_second > 0
    assert [step for kind, step in recorder.calls if kind == "validate"] == [20, 40, 60]
    assert [step for kind, step in recorder.calls if kind == "checkpoint"] == list(range(4, 61, 4))
    assert recorder.calls[-3:] == [("validate", 60), ("checkpoint", 60), ("end", 60)]
    assert equal(weights, recorder.validated_model)
    assert (recorder.run.steps_per_epoch, recorder.run.total_steps, recorder.run.first_step) == (4, 60, 0)
    assert recorder.run.first_batch().shape == (8, SIDE, SIDE, 3)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [("ema=0.9",), ("margin=curricularface", "sample_rate=0.5"), ("optimizer=adamw",)])
def test_goes_on_with_the_weights_of_a_training_that_was_not_stopped(train, settings):
    """StoppedError after steps within and at the end of an epoch, and once done."""
    whole, straight = train(*settings, folder="straight")
    for step in (3, 6):
        with pytest.raises(StoppedError):
            train(*settings, recorder=Recorder(step, stop), checkpoint_minutes=0)
    pieces, recorder = train(*settings)
    assert 0 < recorder.run.first_step < 6
    np.testing.assert_allclose(recorder.losses, straight.losses[recorder.run.first_step :], rtol=1e-5)
    for weight, other in zip(pieces, whole, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-6)
    again, recorder = train(*settings)
    assert recorder.reports == [] and equal(again, pieces)
    assert recorder.calls == [("end", 8)]


@pytest.mark.slow
def test_a_mixture_seen_in_views_goes_on_as_if_it_had_not_been_stopped(train):
    """The whole distillation: two sources, one without labels, jittered views, degradation, bank and dropout."""
    settings = ("teacher_views=3", "degrade=0.5", "cosine_weight=5", "contrast_weight=1", "bank_size=7", "dropout=0.2")
    arguments = {
        "source": Mixture([Faces(), Unlabeled(Faces(4))], [1.0, 0.5]),
        "teacher": np.random.default_rng(0).normal(size=(3, 42, 16)).astype(np.float16),
    }
    whole, straight = train(*settings, folder="straight", **arguments)
    assert {"loss_margin", "loss_cosine", "loss_contrast"} <= set(straight.reports[0].statistics)
    assert straight.run.steps_per_epoch == 5  # 36 images
    with pytest.raises(StoppedError):
        train(*settings, recorder=Recorder(7, stop), checkpoint_minutes=0, **arguments)
    pieces, recorder = train(*settings, **arguments)
    np.testing.assert_allclose(recorder.losses, straight.losses[recorder.run.first_step :], rtol=1e-5)
    for weight, other in zip(pieces, whole, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="sha256_of_weights"):
        train(*settings, **arguments | {"source": Mixture(arguments["source"].parts, [1.0, 0.51])})


@pytest.mark.slow
def test_dropout_is_another_every_step_and_the_same_again(train):
    """With a learning rate of next to nothing and frozen data, only dropout changes the loss."""
    settings = ("learning_rate=1e-12", "epochs=4", "batch_size=30", "degrade=0", "flip=false", "dropout=0.5")
    losses = [train(*settings, folder=folder)[1].losses for folder in ("one", "other")]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    assert np.ptp(losses[0]) > 1e-3
    plain = train(*settings[:-1], folder="plain")[1].losses
    assert np.ptp(plain) < 1e-3


def test_averages_are_what_is_handed_out(train):
    last, _ = train(folder="last")
    averaged, _ = train("ema=0.9", folder="averaged")
    assert not equal(last, averaged)


def test_another_recipe_or_source_in_the_same_folder_is_refused(train):
    train("epochs=1")
    with pytest.raises(ValueError, match=r"recipe\.epochs = 1, not 2"):
        train("epochs=2")
    with pytest.raises(ValueError, match=r"data\.images = 30, not 33"):
        train("epochs=1", source=Faces(11))


@pytest.mark.slow
def test_accumulation_changes_nothing_but_batch_statistics(train, tiny, monkeypatch):
    """With frozen statistics the parts of a batch add up, also in a last batch with fewer images than parts."""
    monkeypatch.setattr(
        trainer, "build_network", lambda *args, **how: tiny.freeze_statistics(tiny.small_network(*args, **how))
    )
    source = Faces(6)  # 18 images: the last batch has 2
    whole, at_once = train(folder="whole", source=source)
    cut, in_parts = train("accumulate=3", folder="cut", source=source)
    np.testing.assert_allclose(in_parts.losses, at_once.losses, rtol=1e-5)
    for weight, other in zip(cut, whole, strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_accumulation_with_batch_statistics_stays_finite(train):
    weights, recorder = train("accumulate=5", source=Faces(6))
    assert np.all(np.isfinite(recorder.losses)) and all(np.all(np.isfinite(weight)) for weight in weights)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_half_precision_is_near_and_returns_float32(train, precision):
    _, single = train(folder="single")
    weights, half = train(f"precision={precision}", folder="half")
    np.testing.assert_allclose(half.losses[0], single.losses[0], rtol=0.05)
    assert np.all(np.isfinite(half.losses)) and all(weight.dtype == np.float32 for weight in weights)
    assert trainer.keras.mixed_precision.global_policy().name == "float32"


@pytest.mark.slow
def test_xla_gives_the_same(train):
    _, plain = train("epochs=1", folder="plain")
    _, compiled = train("epochs=1", "xla=true", folder="compiled")
    np.testing.assert_allclose(compiled.losses, plain.losses, rtol=1e-3)


def test_traces_once_whatever_the_last_batch(train, monkeypatch):
    steps = []
    step = trainer.TrainingStep
    monkeypatch.setattr(trainer, "TrainingStep", lambda *args, **how: steps.append(step(*args, **how)) or steps[-1])
    train("epochs=3")
    assert steps[0].traces == 1


def test_a_loss_that_is_not_finite_names_step_images_and_checkpoint(train, tmp_path):
    with pytest.raises(trainer.NotFiniteError, match="Last good checkpoint") as error:
        train("learning_rate=1e38", "epochs=3", checkpoint_minutes=0)
    found = error.value
    assert isinstance(found, ValueError)
    assert str(found).startswith(f"step {found.step}: ")
    assert set(found.names) <= {f"faces[{position}]" for position in range(30)} and len(found.names) in (6, 8)
    assert all(name in str(found) for name in found.names)
    named = re.search(r"checkpoint: (\S+?)\. ", str(found))[1]
    assert named == "none" or Path(named).exists()


def test_a_damaged_image_is_named(train):
    with pytest.raises(ValueError, match=r"^faces\[7\]: "):
        train(source=Faces(damaged=7))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_a_signal_saves_and_ends(train, number, error):
    recorder = Recorder(5, lambda: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    with pytest.raises(error) as raised:
        train("epochs=3", recorder=recorder)
    if error is SystemExit:
        assert raised.value.code == 143
    assert signal.getsignal(number) == before
    saved = recorder.calls[-1][1]
    assert recorder.calls[-1] == ("checkpoint", saved) and 6 <= saved <= 8
    _, recorder = train("epochs=3")
    assert recorder.run.first_step == saved


def test_a_full_disk_warns_and_goes_on(train, monkeypatch, caplog, tmp_path):
    save = trainer.Checkpoints.save

    def full(self, step, epoch):
        if step == 8:
            raise OSError(28, "No space left on device")
        return save(self, step, epoch)

    monkeypatch.setattr(trainer.Checkpoints, "save", full)
    _, recorder = train("epochs=3")
    assert [call for call in recorder.calls if call[0] == "checkpoint"] == [("checkpoint", 4), ("checkpoint", 12)]
    assert "step 8" in caplog.text and "No space left on device" in caplog.text


def test_a_full_disk_at_the_end_is_an_error(train, monkeypatch):
    def full(self, step, epoch):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trainer.Checkpoints, "save", full)
    with pytest.raises(OSError, match="No space left"):
        train("epochs=1")


def test_a_teacher_is_learned_from(train):
    teacher = np.random.default_rng(0).normal(size=(2, 30, 12)).astype(np.float32)
    settings = ("cosine_weight=5", "relation_weight=1", "margin=none", "epochs=10")
    _, recorder = train(*settings, teacher=teacher)
    assert {"loss_cosine", "loss_relation"} <= set(recorder.reports[0].statistics)
    assert np.mean(recorder.losses[-4:]) < np.mean(recorder.losses[:4])
    with pytest.raises(ValueError, match="needs a teacher"):
        train(*settings, folder="other")
    with pytest.raises(ValueError, match="does not use a teacher"):
        train(folder="other", teacher=teacher)
    with pytest.raises(ValueError, match=r"teacher\."):
        train(*settings, teacher=teacher + 1)


def test_quality_adaptive_margins_receive_the_embedding_norm(train):
    """Unit embeddings would all have the same quality; the norm is taken before the last layer."""
    _, recorder = train("margin=magface", "epochs=1")
    assert np.all(np.isfinite(recorder.losses))


def test_starts_from_given_weights(tiny, train, tmp_path):
    before = tiny.small_network(tiny.small_recipe(), normalize=True)
    before.save_weights(str(tmp_path / "before.weights.h5"))
    weights, _ = train("learning_rate=1e-12", weights=tmp_path / "before.weights.h5")
    trainable = {variable.ref() for variable in before.trainable_variables}
    for weight, variable in zip(weights, before.weights, strict=True):
        assert variable.ref() not in trainable or np.allclose(weight, variable, atol=1e-6), variable.name
    with pytest.raises(ValueError, match="weights"):
        train("learning_rate=1e-12")
