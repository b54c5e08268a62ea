"""Training runs in separate processes: killed at any time, on several devices, on several workers."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

TINY = Path(__file__).with_name("tiny.py")
PATIENCE = 300  # seconds, for busy machines


def start(out, worker=None, ports=(), **options):
    """Starts `tiny.py`, as one of several workers if `ports` are given."""
    environment = dict(os.environ)
    if ports:
        cluster = {"worker": [f"localhost:{port}" for port in ports]}
        environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": worker}})
        options["strategy"] = "multi_worker"
    command = [sys.executable, str(TINY), str(out), json.dumps(options)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def start_workers(out, **options):
    sockets = [socket.create_server(("localhost", 0)) for _ in range(2)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return [start(out, worker, ports, **options) for worker in range(2)]


def finish(process):
    """Waits for a run that must succeed, and returns its output: losses, checkpoints and weights."""
    output, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    lines = [json.loads(line) for line in output.splitlines()]
    return {
        "losses": {line["step"]: line["loss"] for line in lines if "loss" in line},
        "checkpoints": [line["checkpoint"] for line in lines if "checkpoint" in line],
        "weights": lines[-1]["weights"],
    }


def read_until(process, wanted):
    """Reads a run's output up to the first line that contains the key."""
    for line in process.stdout:
        if wanted in json.loads(line):
            return
    raise AssertionError(process.stderr.read())


@pytest.fixture
def alone(tmp_path):
    """Function: an uninterrupted run on one device."""
    return lambda **options: finish(start(tmp_path / "alone", **options))


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_with_the_same_bits(alone, tmp_path):
    """Killed twice, at random moments after a checkpoint, then left to end."""
    distillation = [
        "teacher_views=3",
        "degrade=0.5",
        "cosine_weight=5",
        "contrast_weight=1",
        "bank_size=9",
        "dropout=0.1",
    ]
    options = {"deterministic": True, "views": 3, "set": ["ema=0.9", "sample_rate=0.5", "epochs=3", *distillation]}
    straight = alone(**options)
    dice = random.Random(0)
    for _ in range(2):
        process = start(tmp_path / "killed", minutes=0, pause=0.05, **options)
        read_until(process, "checkpoint")
        time.sleep(dice.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    rest = finish(start(tmp_path / "killed", **options))
    assert rest["weights"] == straight["weights"]
    assert rest["losses"] and set(rest["losses"]) < set(straight["losses"])
    assert rest["losses"] == {step: straight["losses"][step] for step in rest["losses"]}


@pytest.mark.slow
@pytest.mark.parametrize(("frozen", "tolerance"), [(True, 1e-5), (False, 1e-3)])
def test_two_devices_see_the_losses_of_one(alone, tmp_path, frozen, tolerance):
    """Over 21 steps; every third batch has 5 images, 2 for one device and 3 for the other."""
    # Small steps: larger ones amplify the roundings of sums in another order five times from step to step.
    options = {"frozen": frozen, "people": 7, "set": ["epochs=7", "learning_rate=0.0002"]}
    one = alone(**options)
    two = finish(start(tmp_path / "two", strategy="mirrored", devices=2, **options))
    assert list(two["losses"]) == list(range(1, 22))
    np.testing.assert_allclose(list(two["losses"].values()), list(one["losses"].values()), rtol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize(("frozen", "tolerance"), [(True, 1e-5), (False, 1e-3)])
def test_two_workers_see_the_losses_of_one(alone, tmp_path, frozen, tolerance):
    """Every second batch has 1 image, which both workers compute."""
    options = {"frozen": frozen, "people": 3, "set": ["epochs=10", "learning_rate=0.001"]}
    one = alone(**options)
    workers = [finish(process) for process in start_workers(tmp_path / "two", **options)]
    assert workers[0]["checkpoints"] == list(range(2, 21, 2)) and workers[1]["checkpoints"] == []
    assert workers[0]["weights"] == workers[1]["weights"]
    np.testing.assert_allclose(list(workers[0]["losses"].values()), list(one["losses"].values()), rtol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_ends_all_and_the_same_commands_go_on(alone, tmp_path, victim):
    options = {"set": ["epochs=4", "learning_rate=0.001"]}
    one = alone(**options)
    workers = start_workers(tmp_path / "two", minutes=0, pause=0.2, **options)
    read_until(workers[0], "checkpoint")
    workers[victim].send_signal(signal.SIGKILL)
    _, errors = workers[1 - victim].communicate(timeout=PATIENCE)
    workers[victim].communicate()
    assert workers[1 - victim].returncode == 1
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("tiny: lost another worker after the checkpoint of step ")
    chief, _ = [finish(process) for process in start_workers(tmp_path / "two", **options)]
    first = min(chief["losses"])
    assert first > 1
    wanted = [one["losses"][step] for step in range(first, 17)]
    np.testing.assert_allclose(list(chief["losses"].values()), wanted, rtol=1e-3)


@pytest.mark.slow
def test_a_signal_to_one_worker_saves_and_ends_all(tmp_path):
    workers = start_workers(tmp_path / "two", pause=0.2, set=["epochs=10"])
    read_until(workers[0], "step")
    workers[1].send_signal(signal.SIGTERM)
    output, errors = workers[0].communicate(timeout=PATIENCE)
    workers[1].communicate(timeout=PATIENCE)
    assert [worker.returncode for worker in workers] == [1, 143]
    assert errors.splitlines()[-1] == "tiny: interrupted"
    assert "checkpoint" in json.loads(output.splitlines()[-1])
