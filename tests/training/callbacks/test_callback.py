import pytest

from seesaw_keras.training.callbacks.callback import Callback, CallbackList, ValidationReport


class Recorder(Callback):
    def __init__(self, name, calls, finds=None):
        self._name, self._calls, self._finds = name, calls, finds

    def begin(self, run):
        self._calls.append((self._name, "begin", run))

    def step(self, report):
        self._calls.append((self._name, "step", report))

    def validate(self, step, model):
        self._calls.append((self._name, "validate", step, model))
        return self._finds

    def validated(self, report):
        self._calls.append((self._name, "validated", report))

    def checkpoint(self, step, path):
        self._calls.append((self._name, "checkpoint", step, path))

    def end(self, run):
        self._calls.append((self._name, "end", run))


@pytest.mark.parametrize(
    ("hook", "arguments"), [("begin", ["run"]), ("step", ["report"]), ("checkpoint", [3, "path"]), ("end", ["run"])]
)
def test_every_callback_is_called(hook, arguments):
    calls = []
    getattr(CallbackList([Recorder("a", calls), Recorder("b", calls)]), hook)(*arguments)
    assert calls == [("a", hook, *arguments), ("b", hook, *arguments)]


def test_validation_reports_reach_every_callback():
    calls, found = [], ValidationReport(5, {"lfw_accuracy": 99.0})
    CallbackList([Recorder("a", calls), Recorder("b", calls, found)]).validate(5, "model")
    assert calls == [
        ("a", "validate", 5, "model"),
        ("b", "validate", 5, "model"),
        ("a", "validated", found),
        ("b", "validated", found),
    ]
