import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.data.formats.plain_pickle import load

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**62), 2**62) | st.binary(max_size=300) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple),
    max_leaves=20,
)


@settings(max_examples=300)
@given(plain, st.integers(0, 5))
def test_plain_data_of_every_protocol(value, protocol):
    assert load(pickle.dumps(value, protocol), name="x") == value


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["u1", "?", "<i8", ">i4", ">u2"])
@pytest.mark.parametrize("old", [True, False])
def test_numpy_arrays_and_scalars(protocol, dtype, old):
    array = np.arange(6).reshape(2, 3).astype(dtype)
    data = pickle.dumps([array, np.asfortranarray(array), array, array[1, 2], array[:0]], protocol)
    if old and protocol < 4:  # NumPy 1 named the same functions in another place
        assert b"numpy._core" in data
        data = data.replace(b"numpy._core", b"numpy.core")
    read = load(data, name="x")
    for found, expected in zip(read, [array, array, array, array[1, 2], array[:0]], strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


def test_what_python_2_wrote():
    # Protocol 2 of cPickle: str is SHORT_BINSTRING or BINSTRING, and NumPy's state is str.
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04(K\x01K\x05\x85"
        b"cnumpy\ndtype\nq\x05U\x02u1K\x00K\x01\x87Rq\x06(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x05\xff\xd8\xff\xe0.tb"
    )
    long = bytes(range(256)) * 2
    data = (
        b"\x80\x02]q\x00(U\x03\xff\xd8\xffT" + struct.pack("<i", len(long)) + long + array + b"h\x04e]q\x07\x88a\x86."
    )
    images, same = load(data, name="x")
    assert images[:2] == [b"\xff\xd8\xff", long]
    assert [image.tobytes() for image in images[2:]] == [b"\xff\xd8\xff\xe0."] * 2
    assert same == [True]
    # Protocol 0: lines of text, bytes as Python writes them down.
    data = b"((lp0\nS'\\xff\\xd8 it\\'s\\n'\np1\naS\"\"\nag1\na(lp2\nI01\naI00\naI7\naL8L\natp3\n."
    assert load(data, name="x") == ([b"\xff\xd8 it's\n", b"", b"\xff\xd8 it's\n"], [True, False, 7, 8])


class Evil:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", range(6))
def test_no_function_is_called(tmp_path, protocol):
    import os

    mark = tmp_path / "executed"
    for evil in (Evil(os.system, f"touch {mark}"), Evil(eval, f"open({str(mark)!r}, 'w')"), Evil(open, str(mark), "w")):
        pickled = pickle.dumps(([b"jpeg"], [True], evil), protocol)
        with pytest.raises(ValueError, match=r"^lfw\.bin: the pickle imports .*do not trust"):
            load(pickled, name="lfw.bin")
        assert not mark.exists()
    pickle.loads(pickled)
    assert mark.exists()  # the pickles are what they claim to be


BUILT = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85C\x01b\x87R"
BYTE = b"cnumpy\ndtype\nC\x02u1\x85R"


@pytest.mark.parametrize(
    "data",
    [
        b"(S'touch x'\niposix\nsystem\n.",  # INST
        b"(cposix\nsystem\nS'touch x'\no.",  # OBJ
        b"\x80\x02cposix\nsystem\n)\x81.",  # NEWOBJ
        b"\x80\x02\x82\x01.",  # EXT1
        b"Pfile\n.",  # PERSID
        b"}.",  # a dictionary
        b"cnumpy\nload\n(S'x'\ntR.",
        b"c__builtin__\nbytes\nJ\xff\xff\xff\x7f\x85R.",  # two gigabytes of zeros
        b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x04\x00\x00\x00rot3tR.",
        b"cnumpy\ndtype\n(S'O'\ntR.",  # objects
        b"cnumpy\ndtype\n(S'u1'\nK\x00K\x01tR(K\x03C\x01|C\x01aNNtb.",  # a structure
        b"cnumpy\nndarray\n(K\x05tR.",
        BUILT + b"(K\x01J\xff\xff\xff\xff\x85" + BYTE + b"\x89C\x01atb.",  # -1 elements
        BUILT + b"(K\x01K\x09\x85" + BYTE + b"\x89C\x01atb.",  # more elements than bytes
        BUILT + b"(K\x01K\x01\x85K\x07\x89C\x01atb.",  # no dtype
        BUILT + b"(K\x01(" + b"K\x01" * 70 + b"t" + BYTE + b"\x89C\x01atb.",  # seventy dimensions
        b"(K\x01K\x02tK\x03b.",  # the state of a tuple
        b"K\x01K\x02R.",
        b"K\x01\x85K\x02a.",
        b"h\x05.",
        b"g-1\n.",
        b"gx\n.",
        b"\x86.",
        b"t.",
        b"K\x01K\x02.",
        b".",
        b"",
        b"]",
        b"I\xd9\xa1\n.",
        b"I" + b"9" * 5000 + b"\n.",
        b"S'x\n.",
        b"S'\\x1'\n.",
        b"B\xff\xff\xff\xffabc.",
        b"T\xff\xff\xff\xffabc.",  # length -1
        b"\x8e" + b"\xff" * 8 + b"abc.",
        b"\x96" + struct.pack("<Q", 1 << 40) + b"abc.",  # a terabyte, which `pickle` takes before it reads
        b"X\x02\x00\x00\x00\xff\xff.",
    ],
)
def test_what_plain_data_does_not_need_is_refused(data):
    with pytest.raises(ValueError, match=r"^lfw\.bin: the pickle "):
        load(data, name="lfw.bin")


def test_memory_stays_within_the_data():
    tracemalloc.start()
    try:
        assert load(b"Nr\xff\xff\xff\x7f.", name="x") is None  # position 2 ** 31 - 1 of the memo
        text = b"X" + struct.pack("<I", 1 << 16) + b"a" * (1 << 16) + b"q\x000"
        again = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R" * 5000
        with pytest.raises(ValueError, match="encodes more bytes than it contains"):
            load(text + again + b".", name="x")
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize("use", [b"\x8c\x01a\x93", b"\x85R", b"b", b"a", b"K\x01\x86c_codecs\nencode\nK\x00R", b""])
def test_deep_nesting_overflows_nothing(use):
    nested = b"\x8c\x01a" + b")" + b"\x85" * 300_000
    with pytest.raises(ValueError, match=r"^x: the pickle "):
        load(nested + use + b".", name="x")


@settings(max_examples=500)
@given(st.data())
def test_damage_ends_in_plain_data_or_a_named_error(damaged, data):
    content = ([b"image" * 60, np.arange(5, dtype=np.uint8)], [True, np.bool_(False)])
    good = pickle.dumps(content, data.draw(st.integers(0, 5)))
    try:
        load(data.draw(damaged(good)), name="lfw.bin")
    except ValueError as error:
        assert str(error).startswith("lfw.bin: the pickle ")


@settings(max_examples=500)
@given(st.binary(max_size=60))
def test_noise_ends_in_plain_data_or_a_named_error(data):
    try:
        load(data, name="x")
    except ValueError as error:
        assert str(error).startswith("x: the pickle ")
