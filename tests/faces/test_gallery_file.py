"""The gallery file: storage, deletion and rejected files."""

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seesaw_keras.faces.gallery_file import GalleryError, GalleryFile, GalleryModel

MODEL = GalleryModel("ab" * 32, 16)


def vector(number):
    row = np.random.default_rng(number).standard_normal(MODEL.embedding_size).astype(np.float32)
    return row / np.linalg.norm(row)


def image(number):
    return b"%032d" % number


def fill(file, people=4, each=3):
    for person in range(people):
        numbers = range(person * each, (person + 1) * each)
        file.add(f"Person {person}", {image(n): vector(n) for n in numbers})


def on_disk(path):
    return b"".join(part.read_bytes() for part in path.parent.glob(f"{path.name}*"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "people.gallery"


def test_what_is_added_is_there_in_order(path):
    with GalleryFile(path, MODEL) as file:
        assert file.add("Ada", {image(0): vector(0), image(1): vector(1)}) == 2
        assert file.add("Bob", {image(0): vector(2)}) == 1
        assert file.add("Ada", {image(1): vector(3), image(4): vector(4)}) == 1, "image 1 is there already"
    with GalleryFile(path) as file:
        changes = file.changes(None)
        assert (changes.everything, changes.names) == (True, ["Ada", "Ada", "Bob", "Ada"])
        np.testing.assert_array_equal(changes.vectors, [vector(0), vector(1), vector(2), vector(4)])
        assert file.people() == {"Ada": 3, "Bob": 1}
        assert file.images_of("Ada") == {image(0), image(1), image(4)}
        assert file.model == MODEL


def test_changes_are_what_others_did_since(path):
    with GalleryFile(path, MODEL) as reader, GalleryFile(path, MODEL) as writer:
        fill(writer)
        first = reader.changes(None)
        assert len(first.names) == 12
        assert reader.changes(first.state)[1:3] == (False, [])
        writer.add("New", {image(99): vector(99)})
        second = reader.changes(first.state)
        assert (second.everything, second.names) == (False, ["New"])
        np.testing.assert_array_equal(second.vectors, [vector(99)])
        writer.remove("Person 1")
        third = reader.changes(second.state)
        assert third.everything and "Person 1" not in third.names and len(third.names) == 10
        writer.add("Person 1", {image(3): vector(3)})
        assert reader.changes(third.state)[1:3] == (False, ["Person 1"])


def test_an_error_stores_nothing(path):
    with GalleryFile(path, MODEL) as file:
        with pytest.raises(ValueError, match=r"an embedding must be float32 \(16,\), got float64"):
            file.add("Ada", {image(0): vector(0), image(1): vector(1).astype(float)})
        with pytest.raises(ValueError, match=r"an embedding must be float32 \(16,\), got float32 \(15,\)"):
            file.add("Ada", {image(0): vector(0)[1:]})
        with pytest.raises(ValueError, match="no person named 'Ada'"):
            file.remove("Ada")
        assert file.people() == {}


@pytest.mark.parametrize("size", [16, 512])
def test_no_byte_of_a_deleted_person_stays(path, size):
    r = random.Random(0)
    people = {f"{r.randbytes(8).hex()}": [r.randbytes(4 * size) for _ in range(r.randint(1, 4))] for _ in range(60)}
    with GalleryFile(path, GalleryModel("ab" * 32, size)) as file:
        for name, rows in people.items():
            file.add(name, {row[:32][::-1]: np.frombuffer(row, np.float32) for row in rows})
        gone = r.sample(sorted(people), 30)
        assert all(name.encode() in on_disk(path) for name in gone)
        assert sum(file.remove(name) for name in gone) == sum(len(people[name]) for name in gone)
        left = on_disk(path)
        for name, rows in people.items():
            traces = [name.encode(), *(part for row in rows for part in (row[:16], row[-16:], row[:32][::-1][:16]))]
            assert [trace in left for trace in traces] == [name not in gone] * len(traces)
        assert set(file.people()) == set(people) - set(gone)


def test_what_sqlite_left_behind_goes_with_the_next_deletion(path):
    """Rows that move from page to page leave copies, among hundreds of people; here somebody deletes carelessly."""
    with GalleryFile(path, MODEL) as file:
        fill(file)
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA secure_delete = OFF")
            other.execute("DELETE FROM embedding WHERE person = 1")
            other.execute("DELETE FROM person WHERE id = 1")
        other.close()
        assert b"Person 0" in on_disk(path) and vector(0).tobytes() in on_disk(path)
        before = file.changes(None)
        file.remove("Person 3")
        assert b"Person 0" not in on_disk(path) and vector(0).tobytes() not in on_disk(path)
        file.add("Person 3", {image(9): vector(9)})
        after = file.changes(None)
        assert after.names == [*before.names[:6], "Person 3"]
        assert after.state.last == before.state.last + 1, "numbers stay and are not used again"


def test_a_reader_in_the_way_of_a_deletion_is_reported(path, monkeypatch):
    monkeypatch.setattr("seesaw_keras.faces.gallery_file.BUSY_SECONDS", 0.2)
    with GalleryFile(path, MODEL) as file:
        fill(file)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM person").fetchall()
        with pytest.raises(TimeoutError, match="remove again when it has ended"):
            file.remove("Person 0")
        other.close()
        with pytest.raises(ValueError, match="no person named"):
            file.remove("Person 0")  # it is gone, and now its traces are
        assert b"Person 0" not in on_disk(path) and vector(0).tobytes() not in on_disk(path)


def test_a_closed_file_is_not_called_damaged(path):
    file = GalleryFile(path, MODEL)
    file.close()
    with pytest.raises(ValueError, match="closed database") as caught:
        file.people()
    assert not isinstance(caught.value, GalleryError)


def test_the_file_is_its_owners_alone(path):
    with GalleryFile(path, MODEL) as file:
        fill(file)
        assert {stat.S_IMODE(part.stat().st_mode) for part in path.parent.iterdir()} == {0o600}


class TestRefuses:
    def test_what_is_not_there(self, path):
        with pytest.raises(FileNotFoundError, match="no such gallery"):
            GalleryFile(path)
        assert not path.exists()

    def test_what_is_no_database(self, path):
        path.write_text("a letter to Ada")
        with pytest.raises(GalleryError, match=r"people\.gallery: not a gallery: not an SQLite file"):
            GalleryFile(path, MODEL)
        assert path.read_text() == "a letter to Ada"

    def test_a_database_of_another_program(self, path):
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE person (id, name)")
        other.close()
        before = path.read_bytes()
        with pytest.raises(GalleryError, match="an SQLite file of another program"):
            GalleryFile(path, MODEL)
        assert path.read_bytes() == before

    def test_an_empty_file_where_nothing_is_to_be_made(self, path):
        path.touch()
        with pytest.raises(GalleryError, match="not a gallery: an empty file"):
            GalleryFile(path)
        GalleryFile(path, MODEL).close()

    @pytest.mark.parametrize(
        ("statement", "message"),
        [
            ("PRAGMA user_version = 2", "gallery format version 2, expected 1"),
            ("CREATE TRIGGER t AFTER INSERT ON person BEGIN DELETE FROM embedding; END", "the tables are not those"),
            ("DROP TABLE embedding", "the tables are not those"),
            ("DELETE FROM model", "its model is not recorded"),
            ("UPDATE model SET embedding_size = 1 << 40", "its model is not recorded"),
            ("UPDATE model SET sha256 = 7", "its model is not recorded"),
            ("UPDATE model SET sha256 = x'ff'", "instead of text"),
            ("UPDATE person SET name = 'Eve' WHERE id = 2", "the checksum of embedding 4 is wrong"),
            ("UPDATE embedding SET person = 2 WHERE id = 1", "the checksum of embedding 1 is wrong"),
            ("UPDATE embedding SET vector = zeroblob(64) WHERE id = 5", "the checksum of embedding 5 is wrong"),
            ("UPDATE embedding SET vector = zeroblob(65) WHERE id = 5", "the checksum of embedding 5 is wrong"),
            ("UPDATE embedding SET vector = 1.5 WHERE id = 5", "the checksum of embedding 5 is wrong"),
            ("DELETE FROM person WHERE id = 1", "the checksum of embedding 1 is wrong"),
        ],
    )
    def test_what_somebody_changed(self, path, statement, message):
        with GalleryFile(path, MODEL) as file:
            fill(file)
        with sqlite3.connect(path) as other:
            other.execute(statement)
        other.close()
        with pytest.raises(GalleryError, match=message), GalleryFile(path) as file:
            file.changes(None)

    def test_embeddings_of_another_model(self, path):
        GalleryFile(path, MODEL).close()
        for other in (GalleryModel("cd" * 32, 16), GalleryModel("ab" * 32, 17)):
            with pytest.raises(GalleryError, match="contains embeddings of another model"):
                GalleryFile(path, other)

    def test_half_a_file(self, path):
        with GalleryFile(path, MODEL) as file:
            fill(file, 40)
        whole = path.read_bytes()
        for share in (0.3, 0.6, 0.99):
            path.write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(GalleryError, match="damaged"), GalleryFile(path, MODEL) as file:
                file.changes(None)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "people.gallery"
    with GalleryFile(path, MODEL) as file:
        fill(file, 20)
    return path


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_flipped_bit_is_refused_or_changes_nothing(whole, data):
    """At any position: a failing disk must not cause a false match."""
    content = bytearray(whole.read_bytes())
    used = [position for position, byte in enumerate(content) if byte]  # zeros are mostly between what is stored
    index = data.draw(st.one_of(st.sampled_from(used), st.integers(0, len(content) - 1)))
    content[index] ^= 1 << data.draw(st.integers(0, 7))
    damaged = whole.with_name("damaged.gallery")
    damaged.write_bytes(content)
    try:
        with GalleryFile(damaged, MODEL) as file:
            changes = file.changes(None)
    except (GalleryError, OSError):
        return
    finally:
        for part in whole.parent.glob("damaged*"):
            part.unlink()
    # Rows may be lost where their numbers are hit, but what is there is as it was written.
    rows = {(f"Person {n // 3}", vector(n).tobytes()) for n in range(60)}
    assert {(name, row.tobytes()) for name, row in zip(changes.names, changes.vectors, strict=True)} <= rows


WRITE = """
import os, sys, time
import numpy as np
from seesaw_keras.faces.gallery_file import GalleryFile, GalleryModel

def write(path, first, pause=0.0):
    file = GalleryFile(path, GalleryModel("ab" * 32, 16))
    for number in range(first, first + 100_000):
        row = np.random.default_rng(number).standard_normal(16).astype(np.float32)
        file.add(f"Person {number % 50}", {b"%032d" % number: row / np.linalg.norm(row)})
        os.write(1, b"%d\\n" % number)  # in one piece, or not at all when it is killed
        time.sleep(pause)
"""
WRITER = f"{WRITE}\nwrite(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))"
# For each number on stdin a writer from there on, which says its own number first; "dead" when it was killed. Forked
# from a process that has imported everything, it starts in no time.
WRITERS = f"""{WRITE}
for first in sys.stdin:
    if not (child := os.fork()):
        print(os.getpid(), flush=True)
        write(sys.argv[1], int(first))
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


def writer(path, first, pause=0.0):
    command = [sys.executable, "-c", WRITER, str(path), str(first), str(pause)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def writers(path):
    """The process of `WRITERS`."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    command = [sys.executable, "-c", WRITERS, str(path)]
    with subprocess.Popen(command, start_new_session=True, **pipes) as process:
        yield process
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.slow
def test_fifty_kills_in_mid_write_lose_nothing_acknowledged(path, writers):
    r = random.Random(0)
    acknowledged, first = set(), 0
    for _ in range(50):
        writers.stdin.write(f"{first}\n")
        process = int(writers.stdout.readline())
        acknowledged |= {int(writers.stdout.readline()) for _ in range(r.randint(1, 15))}
        time.sleep(r.uniform(0, 0.004))
        os.kill(process, signal.SIGKILL)
        acknowledged |= {int(line) for line in iter(writers.stdout.readline, "dead\n")}
        first = max(acknowledged) + 1000
        with GalleryFile(path, MODEL) as file:
            changes = file.changes(None)
        found = {(name, row.tobytes()) for name, row in zip(changes.names, changes.vectors, strict=True)}
        assert {(f"Person {n % 50}", vector(n).tobytes()) for n in acknowledged} <= found
    assert len(acknowledged) >= 50 * 4


def test_a_kill_while_the_file_is_made_leaves_none_or_a_whole_one(tmp_path):
    r = random.Random(1)
    for number in range(6):
        path = tmp_path / f"{number}.gallery"
        process = writer(path, 0)
        until = time.monotonic() + 20
        while not path.exists() and time.monotonic() < until:
            pass
        time.sleep(r.uniform(0, 0.01))
        process.kill()
        process.wait()
        process.stdout.close()
        with GalleryFile(path, MODEL) as file:
            file.add("Ada", {image(10**6): vector(0)})
            assert "Ada" in file.people()


def test_a_reader_sees_whole_transactions_while_another_process_writes(path):
    with GalleryFile(path, MODEL) as reader:
        process = writer(path, 0)
        state, seen = None, []
        for _ in range(200):
            changes = reader.changes(state)
            state, names = changes.state, changes.names
            seen += [(name, row.tobytes()) for name, row in zip(names, changes.vectors, strict=True)]
            if len(seen) > 100:
                break
            time.sleep(0.02)
        process.kill()
        process.wait()
        process.stdout.close()
    assert len(seen) > 100
    assert seen == [(f"Person {n % 50}", vector(n).tobytes()) for n in range(len(seen))]


def test_processes_that_make_and_write_one_file_at_once_wait_for_each_other(path):
    processes = [writer(path, first * 1000, pause=0.01) for first in range(3)]
    for process in processes:
        for _ in range(8):
            assert process.stdout.readline().strip().isdigit()
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
    with GalleryFile(path, MODEL) as file:
        names = len(file.changes(None).names)
    assert names >= 24
