import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections import Counter

import pytest

import seesaw_keras
from seesaw_keras.data import Record, TFRecordSource, open_pairs, open_source, write_recordio
from seesaw_keras.data.preparation.prepare import Settings, prepare_faces

PEOPLE = 30
SETTINGS = Settings(images_per_shard=10, min_images=3, holdout_identities=5)


def name_of(person):
    return f"人{person}"


@pytest.fixture(scope="module")
def faces(tmp_path_factory, jpeg):
    """A folder of 30 people with 1 to 6 images, of which some are equal, broken or not images at all."""
    folder = tmp_path_factory.mktemp("faces")
    for person in range(PEOPLE):
        (folder / name_of(person)).mkdir()
        for number in range(1 + person % 6):
            (folder / name_of(person) / f"{number}.jpg").write_bytes(jpeg(100 * person + number))
    (folder / name_of(5) / "1.jpg").write_bytes(jpeg(500))  # equal to 0.jpg beside it
    (folder / name_of(11) / "2.jpg").write_bytes(jpeg(1000))  # equal to 0.jpg of another
    (folder / name_of(3) / "0.jpg").write_bytes(jpeg(300)[:-20])
    (folder / name_of(4) / "4.jpg").write_bytes(b"no image")
    (folder / name_of(4) / "3.jpg").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def expected(faces):
    """Images by person after what has to go is gone, from first principles."""
    kept, seen = {}, set()
    for person in range(PEOPLE):
        for number in range(1 + person % 6):
            image = (faces / name_of(person) / f"{number}.jpg").read_bytes()
            if image in seen or not image.endswith(b"\xff\xd9"):
                continue
            seen.add(image)
            kept.setdefault(person, []).append(image)
    return {person: images for person, images in kept.items() if len(images) >= 3}


@pytest.fixture(scope="module")
def prepared(faces, tmp_path_factory):
    output = tmp_path_factory.mktemp("prepared") / "out"
    stages = []
    manifest = prepare_faces(faces, output, SETTINGS, processes=2, progress=lambda *told: stages.append(told))
    return output, manifest, stages


def test_every_image_that_should_be_there_is_there_once(prepared, expected, table):
    output, manifest, _ = prepared
    found = {}
    for name in ("train", "holdout"):
        source = open_source(output / name)
        rows = table(output / name / "identities.csv")
        assert [int(row["label"]) for row in rows] == list(range(len(rows)))
        assert Counter(source.labels().tolist()) == {int(row["label"]): int(row["images"]) for row in rows}
        assert manifest["sets"][name] == {"images": len(source), "identities": len(rows)}
        people = [int(row["identity"].removeprefix("人")) for row in rows]
        assert people == sorted(people)
        images = {}
        for record in source:
            images.setdefault(people[record.label], []).append(record.image)
            assert record.name.startswith(f"人{people[record.label]}/")
        assert not images.keys() & found.keys()
        found |= images
    assert found == expected
    assert manifest["sets"]["holdout"]["identities"] == 5


def test_nobody_who_shares_an_image_is_held_out(prepared, table):
    held = {row["identity"] for row in table(prepared[0] / "holdout" / "identities.csv")}
    assert not held & {name_of(10), name_of(11)}


def test_shards_have_the_size_that_was_asked_for(prepared):
    output, manifest, _ = prepared
    shards = TFRecordSource(output / "train").paths
    sizes = [len(TFRecordSource(shard)) for shard in shards]
    assert sizes[:-1] == [10] * (len(shards) - 1)
    assert sum(sizes) == manifest["sets"]["train"]["images"]


def test_what_is_left_out_is_listed(prepared, faces, expected, table):
    output, manifest, _ = prepared
    rows = table(output / "left_out.csv")
    by_reason = {}
    for row in rows:
        by_reason.setdefault(row["reason"], []).append(row)
    source = open_source(faces)
    for row in by_reason["undecodable"] + by_reason["duplicate"]:
        assert source[int(row["position"])].name == row["name"]
        assert row["name"].startswith(row["identity"] + "/")
    assert [(row["name"], row["detail"]) for row in by_reason["undecodable"]] == [
        ("人3/0.jpg", "人3/0.jpg: a truncated JPEG: its end marker is missing"),
        ("人4/3.jpg", "人4/3.jpg: not a JPEG, PNG, WebP or BMP: it is empty; convert it to one of them"),
        (
            "人4/4.jpg",
            "人4/4.jpg: not a JPEG, PNG, WebP or BMP: it starts with 6e 6f 20 69 6d 61 67 65; "
            "convert it to one of them",
        ),
    ]
    assert [(row["name"], row["detail"]) for row in by_reason["duplicate"]] == [
        ("人5/1.jpg", "equal to 人5/0.jpg of identity 人5"),
        ("人11/2.jpg", "equal to 人10/0.jpg of identity 人10"),
    ]
    few = {person for person in range(PEOPLE) if person not in expected}
    assert {row["identity"] for row in by_reason["few images"]} == {name_of(person) for person in few}
    assert {row["detail"] for row in by_reason["few images"]} == {"1 images, fewer than 3", "2 images, fewer than 3"}
    images = sum(1 + person % 6 for person in range(PEOPLE))
    few_images = images - 3 - 2 - sum(map(len, expected.values()))
    assert manifest["left_out"] == {"undecodable": 3, "duplicate": 2, "few_images": few_images, "near": 0}
    assert (manifest["found"]["images"], manifest["found"]["identities"]) == (images, PEOPLE)


def test_the_manifest_describes_every_file(prepared, tree):
    output, manifest, _ = prepared
    files = tree(output)
    assert manifest == json.loads(files.pop("manifest.json"))
    assert manifest["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    assert manifest["seesaw_keras"] == seesaw_keras.__version__
    assert manifest["settings"]["min_images"] == 3
    assert manifest["input"]["name"].startswith("faces")


def test_progress_reaches_the_end_of_every_stage(prepared):
    output, _, stages = prepared
    written = sum(len(open_source(output / name)) for name in ("train", "holdout"))
    for stage, total in (("scan", 105), ("write", written)):
        told = [(done, of) for name, done, of in stages if name == stage]
        assert told == sorted(told) and told[-1] == (total, total)


def test_a_finished_run_is_checked_and_left_alone(prepared, faces, tmp_path, tree):
    output, manifest, _ = prepared
    before = tree(output)
    assert prepare_faces(faces, output, SETTINGS) == manifest
    assert tree(output) == before
    copy = tmp_path / "copy"
    shutil.copytree(output, copy)
    shard = copy / "train" / TFRecordSource(copy / "train").paths[1].name
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"faces-00001-of-.*: missing or different from manifest\.json"):
        prepare_faces(faces, copy, SETTINGS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"min_images": 2}, "settings.min_images = 3, not 2"),
        ({"seed": 1}, "settings.seed = 0, not 1"),
        ({"format": "rec"}, "settings.format = 'tfrecord', not 'rec'"),
    ],
)
def test_another_run_in_the_same_folder_is_refused(prepared, faces, change, message, tree):
    output, _, _ = prepared
    before = tree(output)
    with pytest.raises(ValueError, match=message):
        prepare_faces(faces, output, Settings(**{**vars(SETTINGS), **change}))
    assert tree(output) == before


def test_another_input_in_the_same_folder_is_refused(prepared, faces, tmp_path, jpeg):
    shutil.copytree(faces, tmp_path / faces.name)
    (tmp_path / faces.name / name_of(2) / "9.jpg").write_bytes(jpeg(9))
    with pytest.raises(ValueError, match=r"input\.files = 105, not 106"):
        prepare_faces(tmp_path / faces.name, prepared[0], SETTINGS)


def test_a_folder_of_something_else_is_refused(faces, tmp_path, tree):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(ValueError, match="not empty, and not from an interrupted run"):
        prepare_faces(faces, tmp_path)
    assert tree(tmp_path) == {"thesis.tex": b"x"}
    with pytest.raises(ValueError, match="inside the input folder"):
        prepare_faces(faces, faces / "out")


def test_recordio_with_a_damaged_record_becomes_recordio_without(tmp_path, listed, jpeg, table):
    people = [Record(jpeg(i), i // 4, "") for i in range(40)]
    write_recordio(tmp_path / "in" / "train.rec", listed(people))
    rec = bytearray((tmp_path / "in" / "train.rec").read_bytes())
    at = rec.index(people[17].image)
    rec[at - 32 : at - 28] = b"????"  # where record 18 should start
    (tmp_path / "in" / "train.rec").write_bytes(rec)
    output = tmp_path / "out"
    manifest = prepare_faces(tmp_path / "in", output, Settings(format="rec", holdout_identities=2), processes=1)
    (row,) = table(output / "left_out.csv")
    assert (row["reason"], row["position"], row["name"], row["identity"]) == ("undecodable", "17", "", "")
    assert row["detail"].startswith("train.rec[18]: no record starts at byte")
    assert sorted(manifest["files"]) == sorted(
        [
            f"{name}/{file}"
            for name in ("train", "holdout")
            for file in ("identities.csv", "property", "train.idx", "train.rec")
        ]
        + ["left_out.csv"]
    )
    found = []
    for name, identities in (("train", 8), ("holdout", 2)):
        source = open_source(output / name)
        assert source.identities == identities
        old = [int(row["identity"]) for row in table(output / name / "identities.csv")]
        found += [(record.image, old[record.label]) for record in source]
    assert sorted(found) == sorted((record.image, record.label) for i, record in enumerate(people) if i != 17)


DYING = """
import os, signal, sys
from pathlib import Path
from seesaw_keras.data.preparation.prepare import Settings, prepare_faces

replace, left = Path.replace, int(sys.argv[3])

def replace_and_die(self, target):
    global left
    replace(self, target)
    left -= 1
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":  # workers import this file and live
    Path.replace = replace_and_die
    prepare_faces(sys.argv[1], sys.argv[2], Settings(format="rec"), processes=1)
"""


@pytest.mark.slow
def test_a_kill_after_any_file_took_its_place_does_no_harm(faces, tmp_path, tree):
    (tmp_path / "dying.py").write_text(DYING)
    prepare_faces(faces, tmp_path / "whole", Settings(format="rec"), processes=1)
    whole = tree(tmp_path / "whole")
    for files in range(1, 8):  # run.json, identities.csv, train.rec, train.idx, property, left_out.csv, manifest.json
        output = tmp_path / f"killed after {files}"
        died = subprocess.run([sys.executable, str(tmp_path / "dying.py"), str(faces), str(output), str(files)])
        assert died.returncode == -signal.SIGKILL
        assert tree(output) != whole
        prepare_faces(faces, output, Settings(format="rec"), processes=1)
        assert tree(output) == whole


def test_pairs_of_held_out_people(faces, tmp_path):
    settings = Settings(min_images=2, holdout_identities=20, holdout_pairs=10)
    manifest = prepare_faces(faces, tmp_path / "out", settings, processes=1)
    names = [f"holdout/{name}.zip" for name in ("degraded", "turned", "validation")]
    assert [name for name in manifest["files"] if name.endswith(".zip")] == names
    held = {record.image for record in open_source(tmp_path / "out" / "holdout")}
    pairs = open_pairs(tmp_path / "out" / "holdout" / "validation.zip")
    assert (len(pairs), pairs.same.sum()) == (20, 10)
    assert {pairs.read(number) for number in range(len(pairs.names))} <= held
    (tmp_path / "out" / "holdout" / "turned.zip").write_bytes(b"changed")
    with pytest.raises(ValueError, match=r"turned\.zip: missing or different from manifest\.json"):
        prepare_faces(faces, tmp_path / "out", settings, processes=1)


def test_nothing_to_train_on_is_an_error(tmp_path):
    (tmp_path / "in" / "a").mkdir(parents=True)
    (tmp_path / "in" / "a" / "1.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match="no images are left to train on: 1 undecodable"):
        prepare_faces(tmp_path / "in", tmp_path / "out", processes=1)


def test_settings_out_of_range_are_refused():
    for wrong in (
        {"format": "zip"},
        {"min_images": 0},
        {"images_per_shard": 0},
        {"holdout_identities": -1},
        {"holdout_pairs": 10},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            Settings(**wrong)
