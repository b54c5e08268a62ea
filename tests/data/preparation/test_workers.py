import operator
import signal
import subprocess
import sys

import pytest

from seesaw_keras.data.preparation.workers import Workers


def test_results_carry_the_index_of_their_task():
    with Workers("abcdefgh", 2) as workers:
        assert dict(workers.run(operator.getitem, [(i,) for i in range(8)])) == dict(enumerate("abcdefgh"))
        assert list(workers.run(operator.getitem, [])) == []


def test_what_a_function_raises_arrives():
    with Workers("abc", 1) as workers, pytest.raises(IndexError):
        list(workers.run(operator.getitem, [(5,)]))


def test_a_killed_worker_is_an_error_and_no_hang():
    with Workers(signal.SIGKILL, 2) as workers, pytest.raises(ChildProcessError, match="fewer processes"):
        list(workers.run(signal.raise_signal, [()]))


PARENT = """
import operator, time
from seesaw_keras.data.preparation.workers import Workers
if __name__ == "__main__":
    with Workers("abc", 2) as workers:
        print(sorted(workers.run(operator.getitem, [(0,), (1,)])), flush=True)
        time.sleep(600)
"""


def test_workers_end_with_a_killed_parent(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout.readline() == "[(0, 'a'), (1, 'b')]\n"
    parent.kill()
    assert parent.communicate(timeout=60)[0] == ""  # end of file: no process has the pipe open any more
