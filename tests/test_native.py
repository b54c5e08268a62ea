import os

from seesaw_keras.native import native_stderr, quiet_native_stderr


def test_native_stderr_is_collected_and_then_comes_through_again(capfd):
    with native_stderr() as said:
        os.write(2, b"one ")
        assert said() == "one "
        os.write(2, b"two")
        assert said() == "one two"
    os.write(2, b"three")
    with quiet_native_stderr():
        os.write(2, b"four")
    assert capfd.readouterr().err == "three"
