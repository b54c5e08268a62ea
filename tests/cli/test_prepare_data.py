import functools
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from seesaw_keras.data import Record, open_source, read_bin, write_bin, write_recordio
from seesaw_keras.data.records import Source


def command(*flags):
    return [sys.executable, "-m", "seesaw_keras.cli", "prepare_data", *map(str, flags)]


@pytest.fixture(scope="module")
def prepare(seesaw):
    """Function: flags -> the finished command."""
    return functools.partial(seesaw, "prepare_data")


class Noise(Source):
    """5,000 records of 1,000 identities, a few of them broken or equal; BMP, which takes no time to encode."""

    HEAD = bytes.fromhex("424d 0000 0000 0000 0000 3600 0000 2800 0000 1000 0000 1000 0000 0100 1800") + bytes(24)

    def __len__(self):
        return 5000

    def _record(self, position):
        seed = position - 1 if position % 500 == 7 else position
        pixels = np.random.default_rng(seed).integers(0, 256, 768, np.uint8).tobytes()
        return Record(b"broken" if position % 700 == 3 else self.HEAD + pixels, position // 5, "")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    path = tmp_path_factory.mktemp("faces") / "train.rec"
    write_recordio(path, Noise())
    return path


@pytest.fixture(scope="module")
def flags(faces):
    return ["--data", faces, "--images_per_shard=20", "--holdout_identities=100", "--min_images=2"]


@pytest.fixture(scope="module")
def undisturbed(prepare, flags, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / "out"
    done = prepare(*flags, "--output", output, "--processes=1")
    return output, done


@pytest.mark.slow
def test_it_says_what_it_did(undisturbed):
    output, done = undisturbed
    assert done.returncode == 0, done.stderr
    train, holdout = open_source(output / "train"), open_source(output / "holdout")
    assert len(train) + len(holdout) == 5000 - 8 - 10
    assert done.stdout.splitlines() == [
        f"{output / 'train'}: {len(train):,} images of 900 identities",
        f"{output / 'holdout'}: {len(holdout):,} images of 100 identities",
        "images left out: 8 undecodable, 10 duplicate; see left_out.csv",
    ]
    assert done.stderr == ""


# Seen in the folder before the kill: at the start, between the parts of the scan, early and late among the shards.
MOMENTS = [("*", 0), (".progress/run.json", 1), (".progress/scan-*", 1), ("train/*.tfrecord", 2), ("*/*.tfrecord", 150)]


@pytest.mark.slow
def test_a_killed_run_started_again_leaves_the_same_bytes(prepare, undisturbed, flags, tmp_path, tree):
    chance = random.Random()
    output, kills = tmp_path / "out", 0
    for pattern, count in MOMENTS:
        run = subprocess.Popen(command(*flags, "--processes=2", "--output", output), stdout=subprocess.DEVNULL)
        while run.poll() is None and len(list(output.glob(pattern))) < count:
            time.sleep(0.001)
        time.sleep(chance.uniform(0, 0.03))
        run.kill()
        kills += run.wait() == -signal.SIGKILL
    assert kills >= 4  # the last run may have ended by itself
    done = prepare(*flags, "--output", output)
    assert done.returncode == 0, done.stderr
    assert tree(output) == tree(undisturbed[0])


@pytest.mark.slow
def test_an_interrupted_run_says_so_in_one_line_and_goes_on(prepare, undisturbed, flags, tmp_path, tree):
    output = tmp_path / "out"
    for pattern, count in MOMENTS[1:4:2]:
        run = subprocess.Popen(
            command(*flags, "--processes=2", "--output", output),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
        )
        while run.poll() is None and len(list(output.glob(pattern))) < count:
            time.sleep(0.001)
        os.killpg(run.pid, signal.SIGINT)  # as a terminal does: to the workers as well
        assert run.communicate() == (None, "prepare_data: interrupted\n")
        assert run.returncode == 1
    assert prepare(*flags, "--output", output).returncode == 0
    assert tree(output) == tree(undisturbed[0])


@pytest.mark.slow
def test_recordio_that_is_killed_while_it_is_written(prepare, faces, tmp_path, tree):
    flags = ["--data", faces, "--format=rec", "--processes=2", "--output"]
    assert prepare(*flags, tmp_path / "whole").returncode == 0
    run = subprocess.Popen(command(*flags, tmp_path / "out"), stdout=subprocess.DEVNULL)
    while run.poll() is None and not list(tmp_path.glob("out/train/.*.rec")):
        time.sleep(0.0005)
    run.kill()
    assert run.wait() == -signal.SIGKILL
    assert list(tmp_path.glob("out/train/.*.partial.*"))
    assert prepare(*flags, tmp_path / "out").returncode == 0
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")


def test_pairs_become_a_bin(prepare, tmp_path, undisturbed):
    images = [record.image for record, _ in zip(open_source(undisturbed[0] / "holdout"), range(40), strict=False)]
    write_bin(tmp_path / "a.bin", [b"broken", *images[:39]], [True] * 20)
    done = prepare("--data", tmp_path / "a.bin", "--output", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{tmp_path / 'out' / 'a.bin'}: 19 pairs, 19 of one person",
        "left out: 1 pairs, see left_out.csv",
        "a .bin stores no folds: its readers use ten equal ones, which differ from those of the protocol",
    ]
    assert read_bin(tmp_path / "out" / "a.bin")[0] == images[1:39]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--data=nowhere"], "nowhere: there is no such file"),
        (["--exclude_near=lfw.bin"], "--exclude_near and --embedder require each other"),
        (["--exclude_near=lfw.bin", "--embedder=none.tflite"], "none.tflite: no such model"),
        (["--seed=1"], "settings.seed = 0, not 1"),
        (["--data=pairs.bin", "--min_images=2"], "applies to training sets"),
        (["more"], "unexpected argument 'more'"),
    ],
)
def test_user_errors_print_one_line(prepare, undisturbed, flags, wrong, message, tree):
    before = tree(undisturbed[0])
    done = prepare(*flags, "--output", undisturbed[0], *wrong)
    assert done.returncode == 1
    assert done.stderr.startswith("prepare_data: ") and message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert tree(undisturbed[0]) == before
