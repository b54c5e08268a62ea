import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.training.distillation.block_cache import BLOCK, BlockCache

IMAGES, LENGTH = 2 * BLOCK + 3, 4
ROWS = np.random.default_rng(0).normal(size=(2, IMAGES, LENGTH)).astype(np.float16)


def open_cache(folder, **facts):
    return BlockCache(folder, {"teacher": "a", **facts}, views=2, images=IMAGES)


def fill(cache, blocks=None):
    """Writes the blocks that are missing, or those given; returns which."""
    blocks = cache.missing() if blocks is None else blocks
    for block in blocks:
        images = cache.images_of(block)
        cache.write(block, ROWS[:, images.start : images.stop])
    return blocks


@pytest.fixture
def folder(tmp_path):
    cache = open_cache(tmp_path)
    fill(cache)
    cache.finish()
    return tmp_path


def test_whole(folder):
    cache = open_cache(folder)
    assert cache.is_complete()
    rows = cache.rows()
    assert (type(rows), rows.dtype) == (np.memmap, np.float16)
    np.testing.assert_array_equal(rows, ROWS)
    assert not rows.flags.writeable
    np.testing.assert_array_equal(np.load(cache.path), ROWS)
    assert sorted(path.suffix for path in folder.iterdir()) == [".blocks", ".npy"]


def test_nothing_there(tmp_path):
    cache = open_cache(tmp_path / "new")
    assert not cache.is_complete()
    assert cache.missing() == [0, 1, 2]
    with pytest.raises(ValueError, match="missing or damaged"):
        cache.rows()


def test_other_facts_are_another_cache(folder):
    assert open_cache(folder, teacher="b").missing() == [0, 1, 2]
    assert open_cache(folder, more=1).path != open_cache(folder).path


def test_it_goes_on_where_it_stopped(tmp_path):
    fill(open_cache(tmp_path), [1])
    cache = open_cache(tmp_path)
    assert not cache.path.exists()
    assert fill(cache) == [0, 2]
    cache.finish()
    np.testing.assert_array_equal(np.load(cache.path), ROWS)


def test_all_written_but_not_named(tmp_path):
    fill(open_cache(tmp_path))
    cache = open_cache(tmp_path)
    assert not cache.is_complete()
    assert cache.missing() == []
    cache.finish()
    assert cache.is_complete()


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from seesaw_keras.training.distillation.block_cache import BlockCache

folder, stage, count, length = Path(sys.argv[1]), *map(int, sys.argv[2:])
rows = np.random.default_rng(0).normal(size=(2, count, length)).astype(np.float16)
cache = BlockCache(folder, {"teacher": "a"}, views=2, images=count)
flushed = 0

def kill(descriptor):
    global flushed
    flushed += 1
    if flushed == stage:
        if stage == 2:
            os.ftruncate(descriptor, os.fstat(descriptor).st_size - 3)
        os.kill(os.getpid(), signal.SIGKILL)

for block in cache.missing():
    if block == 1:
        os.fsync = kill
    images = cache.images_of(block)
    cache.write(block, rows[:, images.start : images.stop])
"""


@pytest.mark.parametrize("stage", [1, 2], ids=["before the log", "within its line"])
def test_a_kill_in_mid_write_loses_one_block(tmp_path, stage):
    command = [sys.executable, "-c", KILLED, tmp_path, str(stage), str(IMAGES), str(LENGTH)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    cache = open_cache(tmp_path)
    assert fill(cache) == [1, 2]
    cache.finish()
    assert open_cache(tmp_path).is_complete()
    np.testing.assert_array_equal(np.load(cache.path), ROWS)


@st.composite
def damaged(draw, good):
    """Cut short, lengthened, or with one bit flipped."""
    bad, at = bytearray(good), draw(st.integers(0, len(good) - 1))
    kind = draw(st.sampled_from(["cut", "flip", "append"]))
    if kind == "cut":
        del bad[at:]
    elif kind == "flip":
        bad[at] ^= 1 << draw(st.integers(0, 7))
    else:
        bad += draw(st.binary(min_size=1, max_size=16))
    return bytes(bad)


@pytest.mark.parametrize("suffix", [".npy", ".blocks"])
@pytest.mark.parametrize("partial", [False, True])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_damage_is_found_and_mended(tmp_path_factory, suffix, partial, data):
    folder = tmp_path_factory.mktemp("cache")
    cache = open_cache(folder)
    fill(cache)
    if not partial:
        cache.finish()
    (path,) = folder.glob(f"*{suffix}")
    path.write_bytes(data.draw(damaged(path.read_bytes())))
    cache = open_cache(folder)
    fill(cache)
    cache.finish()
    cache = open_cache(folder)
    assert cache.is_complete()
    np.testing.assert_array_equal(cache.rows(), ROWS)
    np.testing.assert_array_equal(np.load(cache.path), ROWS)


def test_one_damaged_block_is_one_missing_block(folder):
    cache = open_cache(folder)
    content = bytearray(cache.path.read_bytes())
    content[-1] ^= 1
    cache.path.write_bytes(content)
    assert not cache.is_complete()
    assert fill(cache) == [2]
    assert not cache.path.exists()
    cache.finish()
    assert cache.is_complete()


def test_a_full_disk(tmp_path, monkeypatch):
    cache = open_cache(tmp_path)
    fill(cache, [0])

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"No space left on device: '.*partial\.npy'"):
        fill(cache, [1])
    monkeypatch.undo()
    assert open_cache(tmp_path).missing() == [1, 2]


COUNTING = """
import sys
from pathlib import Path
from seesaw_keras.training.distillation.block_cache import BlockCache

for _ in range(300):
    with BlockCache(Path(sys.argv[1]), {}, views=1, images=1).locked():
        path = Path(sys.argv[1], "count")
        count = int(path.read_text())
        path.write_text(str(count + 1))
"""


def test_one_process_at_a_time(tmp_path):
    (tmp_path / "count").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", COUNTING, tmp_path]) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert (tmp_path / "count").read_text() == "600"


def test_a_header_is_that_of_numpy(folder):
    expected = io.BytesIO()
    np.save(expected, ROWS)
    assert open_cache(folder).path.read_bytes() == expected.getvalue()
