"""Even samples of sources."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.data.preparation.sample import EvenSample
from seesaw_keras.data.records import Record, Source


class Numbers(Source):
    def __init__(self, labels):
        self._all = labels

    def __len__(self):
        return len(self._all)

    def _record(self, position):
        return Record(bytes([position]), self._all[position], f"numbers[{position}]")


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 80))
def test_records_are_spread_evenly_and_identities_kept_apart(labels, count):
    sample = EvenSample(Numbers(labels), count)
    positions = [record.image[0] for record in sample]
    assert len(sample) == len(positions) == min(count, len(labels))
    assert positions == sorted(set(positions)) and positions[0] == 0
    steps = np.diff([*positions, len(labels)])
    assert steps.max() - steps.min() <= 1
    new = [record.label for record in sample]
    assert new == sample.labels().tolist()
    assert set(new) == set(range(len(set(new))))
    assert len({(labels[at], label) for at, label in zip(positions, new, strict=True)}) == len(set(new))
    assert [record.name for record in sample] == [f"numbers[{at}]" for at in positions]


def test_nothing_is_no_sample():
    for labels, count in ((), 1), ((1, 2), 0):
        with pytest.raises(ValueError, match=f"at least one record, got {count} of {len(labels)}"):
            EvenSample(Numbers(labels), count)
