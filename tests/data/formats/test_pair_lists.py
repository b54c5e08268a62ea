import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.data import open_pairs, write_bin
from seesaw_keras.verification.protocols import ten_fold

LFW = ["Ada/Ada_0001.jpg", "Ada/Ada_0002.jpg", "Bo_B/Bo_B_0012.jpg", "Cy/Cy_0001.jpg", "Cy/Cy_0003.jpg"]
LINES = ["Ada\t1\t2", "Ada\t1\tBo_B\t12", "Cy\t3\t1", "Bo_B\t12\tCy\t3"]


def fill(root, names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def protocol(tmp_path, lines, head="2\t1"):
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join([head, *lines, ""]))
    return path


@pytest.mark.parametrize("form", ["folder", "deep folder", "zip", "png"])
def test_lfw(tmp_path, form):
    names = [name.replace(".jpg", ".png") for name in LFW] if form == "png" else LFW
    root = fill(tmp_path / "lfw" if form != "deep folder" else tmp_path / "x" / "lfw", names)
    if form == "deep folder":
        root = tmp_path / "x"
    if form == "zip":
        root = tmp_path / "lfw.zip"
        with zipfile.ZipFile(root, "w") as archive:
            for name in names:
                archive.writestr(f"lfw/{name}", name.encode())
    pairs = open_pairs(root, protocol(tmp_path, LINES))
    assert len(pairs) == 4
    assert [[pairs.read(i).decode().rpartition(".")[0] for i in pair] for pair in pairs.index] == [
        ["Ada/Ada_0001", "Ada/Ada_0002"],
        ["Ada/Ada_0001", "Bo_B/Bo_B_0012"],
        ["Cy/Cy_0003", "Cy/Cy_0001"],
        ["Bo_B/Bo_B_0012", "Cy/Cy_0003"],
    ]
    np.testing.assert_array_equal(pairs.same, [True, False, True, False])
    np.testing.assert_array_equal(pairs.folds, [0, 0, 1, 1])
    assert len(pairs.names) == len(set(pairs.names)) == 5
    assert (pairs.index.dtype, pairs.same.dtype, pairs.folds.dtype) == (np.int64, np.bool_, np.int64)


def test_an_archive_may_hold_its_protocol(tmp_path):
    root = tmp_path / "set.zip"
    with zipfile.ZipFile(root, "w") as archive:
        archive.writestr("pairs.txt", "\n".join(["2\t1", *LINES, ""]))
        for name in LFW:
            archive.writestr(name, name.encode())
    inside, beside = open_pairs(root), open_pairs(root, protocol(tmp_path, LINES))
    assert (inside.names, inside.folds.tolist()) == (beside.names, beside.folds.tolist())
    np.testing.assert_array_equal(inside.index, beside.index)
    (tmp_path / "broken.zip").write_bytes(root.read_bytes()[:-9])
    with pytest.raises(ValueError, match=r"broken\.zip: not a readable \.zip archive"):
        open_pairs(tmp_path / "broken.zip")


def test_a_line_of_a_protocol_in_an_archive_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("pairs.txt", "2\t1\nAda\t1\n" + "\n".join(LINES[1:]))
    with pytest.raises(ValueError, match=r"set\.zip: pairs\.txt, line 2: expected name, number, number"):
        open_pairs(tmp_path / "set.zip")


def test_view_1_and_spaces_in_place_of_tabs(tmp_path):
    lines = ["Ada 1 2", "Cy 1 3", "Ada 2 1", "Cy 3 1", "Ada 1 2"]
    lines += ["Ada 1 Cy 1", "Ada 2 Cy 3", "Cy 1 Ada 2", "Cy 3 Ada 1", "Ada 1 Bo_B 12"]
    root = fill(tmp_path, LFW)
    protocol(tmp_path, lines, head="5")
    pairs = open_pairs(root)  # the protocol lies with the images
    np.testing.assert_array_equal(pairs.same, [True] * 5 + [False] * 5)
    np.testing.assert_array_equal(pairs.folds, np.arange(10))


@given(each=st.integers(5, 70), head=st.sampled_from(["{}", "1\t{}"]))
@settings(max_examples=20, deadline=None)
def test_a_single_fold_is_dealt_into_ten(tmp_path_factory, each, head):
    tmp_path = tmp_path_factory.mktemp("lfw")
    root = fill(tmp_path, LFW)
    pairs = open_pairs(root, protocol(tmp_path, [LINES[0]] * each + [LINES[1]] * each, head.format(each)))
    assert set(pairs.folds) == set(range(10))
    for chosen in (pairs.same, ~pairs.same, np.ones(len(pairs), bool)):
        sizes = np.bincount(pairs.folds[chosen], minlength=10)
        assert sizes.sum() == chosen.sum() and np.ptp(sizes) <= 1
    # It is cross-validated like any other: a perfect score is perfect in each fold.
    assert ten_fold(np.where(pairs.same, 0.5, 1.5), pairs.same, pairs.folds).accuracies.tolist() == [1.0] * 10


@pytest.mark.parametrize(
    ("head", "lines", "message"),
    [
        ("", LINES, "line 1: expected the number of folds"),
        ("1 2 3", LINES, "line 1"),
        ("2 x", LINES, "line 1: expected a number, got 'x'"),
        ("2\t2", LINES, "line 1 declares 8 pairs, but the file has 4"),
        ("999999999\t999999999", LINES, "but the file has 4"),
        ("2\t1", [LINES[1], *LINES[1:]], "line 2: expected name, number, number, got"),
        ("2\t1", [*LINES[:3], LINES[0]], "line 5: expected name, number, name, number"),
        ("2\t1", ["Ada\t1\tx", *LINES[1:]], "line 2: expected a number, got 'x'"),
        ("2\t1", ["Ada\t1\t-2", *LINES[1:]], "line 2: expected a number, got '-2'"),
        ("2\t1", ["Ada\t1\t7", *LINES[1:]], r"line 2: image Ada/Ada_0007 is missing in .*lfw"),
        (
            "4",
            LINES * 2,
            "line 1: 8 pairs in a single fold are too few for 10-fold cross-validation: list 5 or more of each kind",
        ),
        ("2\t1", ["../../etc\t1\t2", *LINES[1:]], "line 2: image .*is missing"),
    ],
)
def test_a_protocol_that_does_not_fit_is_refused(tmp_path, head, lines, message):
    root = fill(tmp_path / "lfw", LFW)
    with pytest.raises(ValueError, match=rf"pairs\.txt.*{message}"):
        open_pairs(root, protocol(tmp_path, lines, head))


def test_an_image_with_two_suffixes_is_ambiguous(tmp_path):
    root = fill(tmp_path / "lfw", [*LFW, "Ada/Ada_0002.png"])
    with pytest.raises(
        ValueError, match=r"line 2: image Ada/Ada_0002 matches both Ada/Ada_0002\.jpg and Ada/Ada_0002\.png in"
    ):
        open_pairs(root, protocol(tmp_path, LINES))


def cfp(root, suffix="jpg"):
    """Three people of two frontal and two profile images, two folds."""
    for kind, letter in (("frontal", "F"), ("profile", "P")):
        names = [f"Data/Images/{person:03d}/{kind}/{image:02d}" for person in (1, 2, 3) for image in (1, 2)]
        fill(root, [f"{name}.{suffix}" for name in names])
        lines = "".join(f"{i} ../{name}.jpg\n" for i, name in enumerate(names, 1))
        (root / "Protocol").mkdir(exist_ok=True)
        (root / "Protocol" / f"Pair_list_{letter}.txt").write_text(lines)
    for kind in ("FP", "FF"):
        for fold, (same, different) in {"01": ("1,2\n3,4\n", "1,3\n"), "02": ("5,6\n", "6,1\n5,2\n")}.items():
            (root / "Protocol" / "Split" / kind / fold).mkdir(parents=True)
            (root / "Protocol" / "Split" / kind / fold / "same.txt").write_text(same)
            (root / "Protocol" / "Split" / kind / fold / "diff.txt").write_text(different)
    return root


@pytest.mark.parametrize(("kind", "second"), [("FP", "profile"), ("FF", "frontal")])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_cfp(tmp_path, kind, second, suffix):
    root = cfp(tmp_path, suffix)
    pairs = open_pairs(root, root / "Protocol" / "Split" / kind)
    read = [[pairs.read(i).decode() for i in pair] for pair in pairs.index]
    where = {1: "001/{}/01", 2: "001/{}/02", 3: "002/{}/01", 4: "002/{}/02", 5: "003/{}/01", 6: "003/{}/02"}
    expected = [(1, 2), (3, 4), (1, 3), (5, 6), (6, 1), (5, 2)]
    assert read == [
        [f"Data/Images/{where[a].format('frontal')}.{suffix}", f"Data/Images/{where[b].format(second)}.{suffix}"]
        for a, b in expected
    ]
    np.testing.assert_array_equal(pairs.same, [True, True, False, True, False, False])
    np.testing.assert_array_equal(pairs.folds, [0, 0, 0, 1, 1, 1])


def test_cfp_images_elsewhere(tmp_path):
    root = cfp(tmp_path / "cfp")
    (root / "Data" / "Images").rename(tmp_path / "aligned")
    pairs = open_pairs(tmp_path / "aligned", root / "Protocol" / "Split" / "FP")
    assert pairs.names[0] == "001/frontal/01.jpg"


@pytest.mark.parametrize("line", ["1", "1,7", "0,1", "a,b", "1,2,3", "1;2"])
def test_a_cfp_line_that_does_not_fit_is_refused(tmp_path, line):
    root = cfp(tmp_path)
    (root / "Protocol" / "Split" / "FP" / "02" / "diff.txt").write_text(f"1,2\n{line}\n")
    with pytest.raises(ValueError, match=r"diff\.txt, line 2: "):
        open_pairs(root, root / "Protocol" / "Split" / "FP")


def test_cfp_without_folds_or_lists_is_refused(tmp_path):
    root = cfp(tmp_path)
    with pytest.raises(ValueError, match="no folders 01, 02"):
        open_pairs(root, root / "Protocol" / "Split" / "FP" / "01")
    (root / "Protocol" / "Pair_list_P.txt").unlink()
    with pytest.raises(FileNotFoundError, match="Pair_list_P"):
        open_pairs(root, root / "Protocol" / "Split" / "FP")


@pytest.mark.parametrize(("count", "sizes"), [(20, [2] * 10), (23, [3, 3, 3, 2, 2, 2, 2, 2, 2, 2]), (3, [1, 1, 1])])
def test_bin_has_ten_contiguous_folds(tmp_path, count, sizes):
    images = [b"%d" % i for i in range(2 * count)]
    same = [i % 3 == 0 for i in range(count)]
    write_bin(tmp_path / "set.bin", images, same)
    pairs = open_pairs(tmp_path / "set.bin")
    assert [pairs.read(i) for i in pairs.index.ravel()] == images
    np.testing.assert_array_equal(pairs.same, same)
    np.testing.assert_array_equal(np.bincount(pairs.folds), sizes)
    assert (np.diff(pairs.folds) >= 0).all()
    assert pairs.names[3] == "set.bin[3]"


def test_images_without_pairs_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"give LFW's pairs\.txt or CFP's"):
        open_pairs(fill(tmp_path, LFW))
