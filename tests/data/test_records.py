import numpy as np
import pytest

from seesaw_keras.data import Record


def test_a_source_is_a_sequence_that_can_be_gone_through_again(people):
    assert [record.label for record in people] == [i // 5 for i in range(300)]
    assert list(people) == list(people)
    assert people[-1] == people[299] == people[np.int64(299)]
    assert people[0] == Record(people.records[0].image, 0, "person 0/0.jpg")
    np.testing.assert_array_equal(people.labels(), np.arange(300) // 5)
    assert people.labels().dtype == np.int64


@pytest.mark.parametrize("position", [300, -301])
def test_positions_outside_are_an_index_error(people, position):
    with pytest.raises(IndexError, match=f"position {position} is out of range for 300 records"):
        people[position]
