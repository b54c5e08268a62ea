"""Checkpoints: whole or absent, the newest two, only of the same training."""

import json
import resource
import shutil

import pytest
import tensorflow as tf

from seesaw_keras.training.checkpoints import Checkpoints

IDENTITY = {"recipe": {"batch_size": 8, "milestones": (1, 2)}, "data": {"images": 30}}


@pytest.fixture
def value():
    return tf.Variable(tf.zeros(20_000))


@pytest.fixture
def checkpoints(tmp_path, value):
    return Checkpoints(tmp_path / "checkpoints", tf.train.Checkpoint(value=value), IDENTITY)


def save(checkpoints, value, *steps):
    for step in steps:
        value.assign(tf.fill(value.shape, float(step)))
        checkpoints.save(step, epoch=step // 10)


def names(checkpoints):
    return sorted(path.name for path in checkpoints._folder.iterdir())


def test_goes_on_from_the_newest_of_two(checkpoints, value):
    assert checkpoints.restore() == 0
    save(checkpoints, value, 1, 9, 10, 123_456_789)
    assert names(checkpoints) == ["step-00000010", "step-123456789"]
    value.assign(tf.zeros_like(value))
    assert checkpoints.restore() == 123_456_789
    assert value.numpy().max() == value.numpy().min() == 123_456_789.0


def test_says_what_it_is_of(checkpoints, value):
    path = checkpoints.save(12, epoch=1)
    state = json.loads((path / "state.json").read_text())
    assert state["step"] == 12 and state["epoch"] == 1
    assert state["recipe"] == {"batch_size": 8, "milestones": [1, 2]}
    assert state["versions"]["tensorflow"] == tf.__version__


def test_a_kill_while_writing_leaves_the_one_before(checkpoints, value, monkeypatch):
    """After any of the operations that write: nothing but whole checkpoints is seen, and the rest goes later."""
    save(checkpoints, value, 1)

    class Killed(BaseException):
        pass

    def kill(*_, **__):
        raise Killed

    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)  # a kill tidies nothing up
    for process, name in enumerate(("json.dumps", "os.fsync", "pathlib.Path.rename")):
        with monkeypatch.context() as patch:
            patch.setattr("os.getpid", lambda process=process: process)
            patch.setattr(name, kill)
            with pytest.raises(Killed):
                save(checkpoints, value, 2)
        assert checkpoints.restore() == 1
        assert value.numpy()[0] == 1.0
    assert len(names(checkpoints)) == 4
    monkeypatch.undo()
    save(checkpoints, value, 3)
    assert names(checkpoints) == ["step-00000001", "step-00000003"]


def test_a_full_disk_leaves_the_one_before(checkpoints, value):
    """The limit on a file's size stands in for the disk: TensorFlow's writer meets a failing write either way."""
    save(checkpoints, value, 1, 2)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(OSError, match="step-00000003"):
            save(checkpoints, value, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(checkpoints) == ["step-00000001", "step-00000002"]
    assert checkpoints.restore() == 2
    assert value.numpy()[0] == 2.0
    save(checkpoints, value, 3)
    assert checkpoints.restore() == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({**IDENTITY, "recipe": {"batch_size": 9, "milestones": (1, 2)}}, r"recipe\.batch_size = 8, not 9"),
        ({**IDENTITY, "data": {"images": 31}}, r"data\.images = 30, not 31"),
        ({**IDENTITY, "teacher": {"shape": [1]}}, r"teacher"),
        ({"recipe": {"batch_size": 8}, "data": {"images": 30}}, r"recipe\.milestones"),
    ],
)
def test_a_checkpoint_of_another_run_is_rejected(checkpoints, value, changed, message):
    save(checkpoints, value, 5)
    other = Checkpoints(checkpoints._folder, tf.train.Checkpoint(value=value), changed)
    with pytest.raises(ValueError, match=message) as error:
        other.restore()
    assert "step-00000005" in str(error.value) and "another output folder" in str(error.value)


def test_a_run_without_its_teacher_is_a_different_run(checkpoints, value):
    taught = Checkpoints(checkpoints._folder, tf.train.Checkpoint(value=value), {**IDENTITY, "teacher": {"rows": 3}})
    taught.save(1, epoch=0)
    with pytest.raises(ValueError, match=r"teacher\.rows = 3"):
        checkpoints.restore()


@pytest.mark.parametrize("file", ["state.json", "variables.index", "variables.data-00000-of-00001"])
@pytest.mark.parametrize("damage", ["gone", "empty", "flipped"])
def test_damage_is_named(checkpoints, value, file, damage):
    save(checkpoints, value, 1, 2)
    path = checkpoints.latest() / file
    data = path.read_bytes()
    path.unlink()
    if damage != "gone":
        in_the_middle = file == "variables.data-00000-of-00001"
        changed = data[:-9] + b"x" * 9 if in_the_middle else bytes([data[0] ^ 0x80]) + data[1:]
        path.write_bytes(changed if damage == "flipped" else b"")
    with pytest.raises(ValueError, match=r"step-00000002: damaged checkpoint .* delete this folder"):
        checkpoints.restore()
    shutil.rmtree(checkpoints.latest())
    assert checkpoints.restore() == 1


def test_of_a_network_that_lacks_or_has_more_weights(checkpoints, value):
    save(checkpoints, value, 1)
    more = tf.train.Checkpoint(value=value, more=tf.Variable(0.0))
    with pytest.raises(ValueError, match="damaged"):
        Checkpoints(checkpoints._folder, more, IDENTITY).restore()


def test_workers_that_are_not_the_chief_write_nothing(tmp_path, value):
    worker = Checkpoints(tmp_path / "checkpoints", tf.train.Checkpoint(value=value), IDENTITY, chief=False)
    worker.save(1, epoch=0)
    assert not list(tmp_path.iterdir())
