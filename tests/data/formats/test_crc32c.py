import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.data.formats.crc32c import crc32c


def bitwise(data):
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ (0x82F63B78 if state & 1 else 0)
    return state ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "expected"),
    [  # RFC 3720, appendix B.4, and the check value of the catalog of CRCs
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_published_values(data, expected):
    assert crc32c(data) == expected


@given(st.binary(max_size=40))
def test_short_data(data):
    assert crc32c(data) == bitwise(data)


@pytest.mark.parametrize("size", [1023, 1024, 1025, 1027, 1028, 2048, 3001])
def test_data_of_several_blocks(size):
    data = bytes(i * i % 251 for i in range(size))
    assert crc32c(data) == bitwise(data)
