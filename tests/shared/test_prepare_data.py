"""tools/prepare_data.py on real faces: nothing is lost, and people of a test set are found in a training set."""

import csv
import subprocess
import sys
from itertools import takewhile

import pytest

from seesaw_keras.data import Record, open_pairs, open_source, write_bin, write_recordio
from seesaw_keras.data.records import Source


def prepare(repository, *flags):
    command = [sys.executable, str(repository / "tools" / "prepare_data.py"), *map(str, flags)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_all_real_faces_but_four_copies_are_prepared(repository, shared, tmp_path):
    source = open_source(shared / "faces")
    prepare(repository, "--data", shared / "faces", "--output", tmp_path / "tf")
    prepare(repository, "--data", tmp_path / "tf" / "train", "--output", tmp_path / "rec", "--format=rec")
    with (tmp_path / "tf" / "left_out.csv").open(newline="") as file:
        left_out = {int(row["position"]): row["detail"] for row in csv.DictReader(file)}
    assert len(left_out) == 4
    for position, detail in left_out.items():
        (first,) = (record for record in source if detail.startswith(f"equal to {record.name} of"))
        assert first.image == source[position].image
    kept = [(record.image, record.label) for position, record in enumerate(source) if position not in left_out]
    for folder in (tmp_path / "tf" / "train", tmp_path / "rec" / "train"):
        assert [(record.image, record.label) for record in open_source(folder)] == kept


class _Mixed(Source):
    """Thirty people of the training set, and after them ten of LFW."""

    def __init__(self, strangers, known):
        self.records = [Record(record.image, record.label, record.name) for record in strangers]
        people = len({record.label for record in strangers})
        self.records += [Record(image, people + person, "") for person, image in known]

    def __len__(self):
        return len(self.records)

    def _record(self, position):
        return self.records[position]


@pytest.mark.slow
def test_people_of_a_test_set_are_found_in_a_training_set(repository, shared, tmp_path):
    train = open_source(shared / "faces")
    strangers = list(takewhile(lambda record: record.label < 30, train))
    pairs = open_pairs(shared / "faces" / "lfw_view2_aligned112.zip", shared / "faces" / "pairs.txt")
    by_person = {}
    for position, name in enumerate(pairs.names):
        by_person.setdefault(name.split("/")[0], []).append(position)
    people = [positions for positions in by_person.values() if len(positions) >= 5][::8][:10]
    known = [(person, pairs.read(at)) for person, positions in enumerate(people) for at in positions[1:]]
    write_recordio(tmp_path / "in" / "train.rec", _Mixed(strangers, known))
    tested = [pairs.read(positions[0]) for positions in people]
    write_bin(tmp_path / "test.bin", tested, [False] * 5)
    flags = ["--data", tmp_path / "in", "--output", tmp_path / "out", "--exclude_near", tmp_path / "test.bin"]
    prepare(repository, *flags, "--embedder", shared / "peers" / "ltkhang_mfn.tflite", "--preprocess=raw")
    with (tmp_path / "out" / "left_out.csv").open(newline="") as file:
        gone = {int(row["identity"]) for row in csv.DictReader(file) if row["reason"] == "near"}
    assert gone == set(range(30, 40))
