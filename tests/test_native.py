import os
import tempfile
import threading

import pytest

from seesaw_keras.native import native_stderr, quiet_native_stderr


def test_native_stderr_is_collected_and_then_comes_through_again(capfd):
    with native_stderr() as captured:
        os.write(2, b"one ")
        assert captured() == "one "
        os.write(2, b"two")
        assert captured() == "one two"
    os.write(2, b"three")
    with quiet_native_stderr():
        os.write(2, b"four")
    assert capfd.readouterr().err == "three"


@pytest.mark.parametrize("silence", [native_stderr, quiet_native_stderr])
def test_threads_take_turns(capfd, silence):
    """The first to come would give back what the second has put in its place."""
    inside, both = threading.Event(), []

    def second():
        inside.wait()
        with silence():
            both.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with silence(), silence():
        inside.set()
        thread.join(0.05)
        both.append("first")
    thread.join()
    os.write(2, b"heard")
    assert both == ["first", "second"]
    assert capfd.readouterr().err == "heard"


def test_silence_needs_no_folder_to_write_to(monkeypatch):
    monkeypatch.setattr(tempfile, "TemporaryFile", None)
    with quiet_native_stderr():
        os.write(2, b"nothing")
