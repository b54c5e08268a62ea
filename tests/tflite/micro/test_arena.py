"""What is set aside, of what was measured."""

from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.tflite.micro.arena import MARGIN, arena_size
from seesaw_keras.tflite.runtimes import Arena


@given(st.integers(0, 1 << 22), st.integers(0, 1 << 20), st.integers(0, 1 << 12))
def test_whole_kibibytes_above_the_margin(planned, persistent, more):
    total = planned + persistent + more
    size = arena_size(Arena(planned, persistent, total))
    assert size % 1024 == 0
    assert 0 <= size - total - MARGIN < 1024
