import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.data.preparation.selection import (
    Assignment,
    mark_duplicates,
    mark_few_images,
    mark_holdout,
    mark_identities,
    renumbered,
)

records = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 12), st.booleans()), min_size=1, max_size=40)


def arrays(rows):
    labels = np.array([label for label, _, _ in rows], np.int64)
    digests = np.array([bytes([content]) * 31 + b"\0" for _, content, _ in rows], "S32")
    assignments = np.where([decodes for _, _, decodes in rows], Assignment.TRAIN, Assignment.UNDECODABLE).astype(
        np.int64
    )
    return labels, digests, assignments


@settings(deadline=None)
@given(records)
def test_the_first_of_equal_images_stays(rows):
    _, digests, assignments = arrays(rows)
    firsts = mark_duplicates(assignments, digests)
    seen = {}
    for position, (_, content, decodes) in enumerate(rows):
        first = seen.setdefault(content, position) if decodes else position
        assert firsts[position] == first
        expected = Assignment.DUPLICATE if first != position else Assignment.TRAIN
        assert assignments[position] == (expected if decodes else Assignment.UNDECODABLE)


@settings(deadline=None)
@given(records, st.integers(1, 6))
def test_identities_with_few_usable_images_go(rows, min_images):
    labels, digests, assignments = arrays(rows)
    mark_duplicates(assignments, digests)
    before = assignments.copy()
    usable = Counter(labels[assignments == Assignment.TRAIN].tolist())
    mark_few_images(assignments, labels, min_images)
    for label, old, new in zip(labels.tolist(), before, assignments, strict=True):
        gone = old == Assignment.TRAIN and usable[label] < min_images
        assert new == (Assignment.FEW_IMAGES if gone else old)


@settings(deadline=None)
@given(records, st.integers(0, 4), st.integers(0, 3))
def test_held_out_identities_are_whole_and_share_no_image(rows, count, seed):
    labels, digests, assignments = arrays(rows)
    firsts = mark_duplicates(assignments, digests)
    before = assignments.copy()
    try:
        mark_holdout(assignments, labels, firsts, count, seed)
    except ValueError as error:
        assert "hold out fewer" in str(error)
        np.testing.assert_array_equal(assignments, before)
        return
    held, trained = set(labels[assignments == Assignment.HOLDOUT]), set(labels[assignments == Assignment.TRAIN])
    assert len(held) == count and not held & trained
    owners = {}
    for label, content, decodes in rows:
        if decodes:
            owners.setdefault(content, set()).add(label)
    assert not any(owner & held for owner in owners.values() if len(owner) > 1)


def test_the_choice_depends_on_the_seed_alone():
    def chosen(labels, seed):
        labels = np.asarray(labels)
        assignments = np.zeros(len(labels), np.int64)
        mark_holdout(assignments, labels, np.arange(len(labels)), 5, seed)
        return sorted(set(labels[assignments == Assignment.HOLDOUT].tolist()))

    assert chosen(range(100), 0) == chosen(np.repeat(np.arange(100)[::-1], 3), 0)
    assert len({tuple(chosen(range(100), seed)) for seed in range(20)}) == 20
    # SHA-256 of "0/LABEL", sorted: a choice of another NumPy or machine would not be this one.
    ranks = sorted(range(100), key=lambda label: hashlib.sha256(b"0/%d" % label).hexdigest())
    assert chosen(range(100), 0) == sorted(ranks[:5])


def test_every_identity_cannot_be_held_out():
    assignments = np.zeros(4, np.int64)
    with pytest.raises(ValueError, match="cannot hold out 2 identities: 2 are left, 2 of which share no"):
        mark_holdout(assignments, np.array([0, 0, 1, 1]), np.arange(4), 2, 0)


def test_identities_get_a_fate_where_they_were_to_be_trained_on():
    assignments = np.array([Assignment.TRAIN, Assignment.DUPLICATE, Assignment.TRAIN, Assignment.TRAIN], np.int64)
    mark_identities(assignments, np.array([7, 7, 7, 8]), np.array([7]), Assignment.NEAR)
    assert assignments.tolist() == [Assignment.NEAR, Assignment.DUPLICATE, Assignment.NEAR, Assignment.TRAIN]


def test_labels_are_renumbered_in_their_order():
    old, new = renumbered(np.array([9, 2**62, 9, 4]))
    assert old.tolist() == [4, 9, 2**62]
    assert new.tolist() == [1, 2, 1, 0]
