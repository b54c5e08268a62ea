"""The road as one command: which stages run when, with stand-ins for the tools, and once with the tools themselves."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

# Stands in for each tool: writes what its flags name, with its own name in it, and notes that it ran.
STAND_IN = """
import json, pathlib, sys, time
tool, flags = pathlib.Path(__file__), dict(zip(sys.argv[1::2], sys.argv[2::2]))
folder = tool.parent
with (folder / "calls").open("a") as calls:
    calls.write(f"{tool.stem} {len(sys.argv)}\\n")
if (folder / f"{tool.stem}.fails").exists():
    sys.exit("no luck")
if (folder / f"{tool.stem}.waits").exists():
    time.sleep(60)
out = pathlib.Path(flags["--out"]) if "--out" in flags else None
if tool.stem == "train":
    out.mkdir(parents=True, exist_ok=True)
    (out / "model.keras").write_text("network")
    (out / "curves.png").write_text("curves")
elif tool.stem == "evaluate":
    for flag in ("--json", "--report"):
        if flag in flags:
            figures = {"accuracy": 91.25, "data": {"name": "pairs"}, "comparison": {"figures": {"accuracy": 90.5}}}
            pathlib.Path(flags[flag]).write_text(json.dumps(figures))
elif tool.stem == "compress":
    out.mkdir(parents=True, exist_ok=True)
    (out / "after.tflite").write_text("smaller")
    (out / "report.json").write_text("{}")
else:
    out.write_text("flatbuffer")
"""
ROAD = ["train", "evaluate", "convert_tflite", "evaluate"]


@pytest.fixture
def road(repository, tmp_path):
    """The pipeline in a folder where stand-ins are the tools."""
    tools = tmp_path / "tools"
    tools.mkdir()
    shutil.copy(repository / "tools" / "pipeline.py", tools)
    for tool in {*ROAD, "compress"}:
        (tools / f"{tool}.py").write_text(STAND_IN)
    return Road(tools, tmp_path / "out")


class Road:
    def __init__(self, tools, out):
        self.tools, self.out = tools, out
        self.command = [sys.executable, str(tools / "pipeline.py"), "--out", str(out)]

    def run(self, *arguments):
        return subprocess.run([*self.command, *arguments], capture_output=True, text=True)

    def calls(self):
        """The tools that ran since the last look."""
        path = self.tools / "calls"
        names = [line.split()[0] for line in path.read_text().splitlines()] if path.exists() else []
        path.unlink(missing_ok=True)
        return names


def test_runs_all_stages_and_says_where_things_are(road):
    done = road.run()
    assert done.returncode == 0, done.stderr
    assert road.calls() == ROAD
    assert "[1/4] train: python tools/train.py --recipe synthetic" in done.stdout
    assert "accuracy on pairs: float 91.25%, int8 90.50%" in done.stdout
    for name in ("train/model.keras", "train/curves.png", "int8.tflite", "report.html"):
        assert str(road.out / name) in done.stdout


def test_finished_stages_are_left_alone(road):
    assert road.run().returncode == 0
    road.calls()
    again = road.run()
    assert again.returncode == 0 and road.calls() == []
    assert again.stdout.count("done before") == 4


@pytest.mark.parametrize(
    ("name", "stages"),
    [("train/model.keras", ROAD), ("float.json", ROAD[1:]), ("int8.tflite", ROAD[2:]), ("report.html", ROAD[3:])],
)
@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_what_is_gone_or_changed_is_made_again_with_what_follows(road, name, stages, harm):
    assert road.run().returncode == 0
    road.calls()
    (road.out / name).write_text("other") if harm == "changed" else (road.out / name).unlink()
    assert road.run().returncode == 0
    assert road.calls() == stages


def test_compression_takes_the_place_of_the_conversion(road):
    done = road.run("--compress", "prune+quantize", "--sparsity", "0.9")
    assert done.returncode == 0, done.stderr
    assert road.calls() == ["train", "evaluate", "compress", "evaluate"]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("[3/4] compress: "))
    for part in ("--stage prune+quantize", "--recipe synthetic", "--verify synthetic:2000@32", "--sparsity 0.9"):
        assert part in line
    assert f"--compare {road.out / 'compress' / 'after.tflite'}" in done.stdout
    assert f"flatbuffer {road.out / 'compress' / 'after.tflite'}" in done.stdout


def test_another_setting_starts_anew(road):
    assert road.run().returncode == 0
    road.calls()
    assert road.run("--set", "epochs=3").returncode == 0
    assert road.calls() == ROAD


def test_a_stage_that_fails_is_where_the_same_command_goes_on(road):
    mark = road.tools / "convert_tflite.fails"
    mark.touch()
    failed = road.run()
    assert failed.returncode == 1
    assert "stage 'convert' failed, see above; the same command goes on from here" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr
    assert road.calls() == ROAD[:3]
    mark.unlink()
    assert road.run().returncode == 0
    assert road.calls() == ROAD[2:]


def test_killed_it_goes_on(road):
    mark = road.tools / "convert_tflite.waits"
    mark.touch()
    process = subprocess.Popen(road.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    start = time.monotonic()
    calls = road.tools / "calls"
    while not calls.exists() or "convert_tflite" not in calls.read_text():
        assert time.monotonic() - start < 120
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    road.calls()
    mark.unlink()
    assert road.run().returncode == 0
    assert road.calls() == ROAD[2:]


def test_real_data_want_real_pairs(road, tmp_path):
    done = road.run("--data", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("pipeline: --verify: name pairs")
    done = road.run("--data", str(tmp_path), "--verify", "lfw.zip", "--pairs", "pairs.txt")
    assert done.returncode == 0
    record = json.loads((road.out / "pipeline.json").read_text())["stages"]
    assert record["verify"]["command"][4:8] == ["--data", "lfw.zip", "--pairs", "pairs.txt"]
    assert "--verify" in record["train"]["command"]


def test_a_damaged_state_is_named(road):
    road.out.mkdir()
    (road.out / "pipeline.json").write_text("{")
    done = road.run()
    assert done.returncode == 1
    assert "pipeline.json: damaged" in done.stderr.splitlines()[-1]


def test_the_real_tools(repository, tmp_path):
    """The smallest training; what the device computes agrees with what was trained."""
    settings = ["epochs=2", "batch_size=16", "width=0.125", "embedding_size=16"]
    command = [sys.executable, str(repository / "tools" / "pipeline.py"), "--out", str(tmp_path)]
    command += ["--data", "synthetic:24x4@32", "--verify", "synthetic:40@32"]
    done = subprocess.run(
        [*command, *(part for setting in settings for part in ("--set", setting))], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "int8.json").read_text("utf-8"))
    assert "accuracy on " in done.stdout
    assert record["comparison"]["figures"]["accuracy"] >= 50
    assert (tmp_path / "report.html").stat().st_size > 10_000
