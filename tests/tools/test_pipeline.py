"""The road as one command: which stages run when, with stand-ins for the tools, and once with the tools themselves."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import read_facts

# Stands in for each tool: writes what its flags name, with its own name in it, and notes that it ran.
STAND_IN = """
import json, pathlib, sys, time
tool = pathlib.Path(__file__)
words = sys.argv[1:] if sys.argv[1].startswith("--") else sys.argv[2:]
flags, folder = dict(zip(words[::2], words[1::2])), tool.parent
with (folder / "calls").open("a") as calls:
    calls.write(f"{tool.stem}\\n")
if (folder / f"{tool.stem}.fails").exists():
    sys.exit("no luck")
if (folder / f"{tool.stem}.waits").exists():
    time.sleep(60)
def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
out = pathlib.Path(flags["--out"]) if "--out" in flags else None
if tool.stem == "train":
    write(out / "model.keras", "network")
    write(out / "curves.png", "curves")
elif tool.stem == "evaluate":
    for flag in ("--json", "--card", "--report"):
        if flag in flags:
            write(pathlib.Path(flags[flag]), flag)
elif tool.stem == "compress":
    write(out / "after.tflite", "smaller")
    networks = {"float": {"accuracy": 91.25}, "int8, compressed": {"accuracy": 90.5}}
    write(out / "report.json", json.dumps({"networks": networks}))
    write(out / "prune" / "model.keras", "pruned")
    for name in ("saved_model.pb", "variables/variables.data-00000-of-00001"):
        write(out / "quantize" / "saved_model" / name, "quantized")
elif tool.stem == "check_tflite":
    found = folder / "check_tflite.finds"
    found = json.loads(found.read_text()) if found.exists() else {"differences": [], "distances": []}
    write(pathlib.Path(flags["--json"]), json.dumps(found))
    sys.exit(bool(found["differences"] or found["distances"]))
elif tool.stem == "report_run":
    write(pathlib.Path(flags["--run"]) / "report.html", "page")
elif tool.stem == "align_faces":
    for name in ("faces.jsonl", "not_found.csv", "contact_sheet.png"):
        write(pathlib.Path(flags["--output"]) / name, name)
else:
    write(out, "written by " + tool.stem)
"""
COMPRESS = "prune+quantize"
PROOF = ["check_tflite", "check_tflite", "evaluate", "explain_tflite", "report_run"]
ROAD = ["train", "evaluate", "compress", "evaluate", "convert_tflite", "convert_tflite", *PROOF]


@pytest.fixture
def road(repository, tmp_path):
    """The pipeline in a folder where stand-ins are the tools."""
    tools = tmp_path / "tools"
    tools.mkdir()
    shutil.copy(repository / "tools" / "pipeline.py", tools)
    for tool in {*ROAD, "align_faces"}:
        (tools / f"{tool}.py").write_text(STAND_IN)
    return Road(tools, tmp_path / "out")


class Road:
    def __init__(self, tools, out):
        self.tools, self.out = tools, out
        self.command = [sys.executable, str(tools / "pipeline.py"), "--out", str(out)]

    def run(self, *arguments):
        return subprocess.run([*self.command, *arguments], capture_output=True, text=True)

    def stages(self):
        return json.loads((self.out / "pipeline.json").read_text())["stages"]

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
    assert "[1/11] train: python tools/train.py --recipe synthetic" in done.stdout
    assert "accuracy: float 91.25%, int8 90.50%" in done.stdout
    assert "check xnnpack: equal integers\n" in done.stdout and "check tflm: equal integers\n" in done.stdout
    for name in ("train/model.keras", "xnnpack.tflite", "tflm.tflite", "report.html"):
        assert str(road.out / name) in done.stdout


def test_what_one_stage_makes_the_next_one_takes(road):
    assert road.run("--far", "0.05").returncode == 0
    told = {name: shlex.join(stage["command"]) for name, stage in road.stages().items()}
    faces, out = f"--data {road.out}/train/faces/train", road.out
    assert f"--model {out}/train/model.keras --recipe synthetic {faces} --verify synthetic:2000@32" in told[COMPRESS]
    assert "--steps 300 --sparsity 0.5" in told[COMPRESS]
    assert f"--model {out}/compress/after.tflite --runtime reference" in told["verify int8"]
    assert f"--far 0.05 --card {out}/card.json" in told["verify int8"]
    for target in ("xnnpack", "tflm"):
        made = f"--model {out}/compress/quantize/saved_model --target {target} --card {out}/card.json"
        assert f"{made} --out {out}/{target}.tflite" in told[f"convert {target}"]
        assert f"--model {out}/{target}.tflite --float {out}/train/model.keras {faces}" in told[f"check {target}"]
    assert f"--model {out}/xnnpack.tflite --runtime xnnpack --data synthetic:2000@32" in told["verify xnnpack"]
    assert told["report"].endswith(f"--run {out} --data synthetic:2000@32")


def test_finished_stages_are_left_alone(road):
    assert road.run().returncode == 0
    road.calls()
    again = road.run()
    assert again.returncode == 0 and road.calls() == []
    assert again.stdout.count("done before") == len(ROAD)


def test_what_is_gone_or_changed_is_made_again_with_what_follows(road):
    assert road.run().returncode == 0
    road.calls()
    for name, stages in (
        ("report.html", ROAD[10:]),
        ("check_tflm.json", ROAD[7:]),
        ("xnnpack.tflite", ROAD[4:]),
        ("card.json", ROAD[3:]),
        ("compress/after.tflite", ROAD[2:]),
        ("float.json", ROAD[1:]),
        ("train/model.keras", ROAD),
    ):
        for harm in (Path.unlink, lambda path: path.write_text("other")):
            harm(road.out / name)
            assert road.run().returncode == 0
            assert road.calls() == stages


def test_the_compression_is_the_users_choice(road):
    done = road.run("--compress", "prune", "--sparsity", "0.9", "--steps", "7")
    assert done.returncode == 0, done.stderr
    told = {name: shlex.join(stage["command"]) for name, stage in road.stages().items()}
    assert "--steps 7 --sparsity 0.9" in told["prune"]
    made = f"--model {road.out}/compress/prune/model.keras --data {road.out}/train/faces/train --images 256"
    assert made in told["convert xnnpack"]


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ({"differences": [], "distances": ["XNNPACK: a cosine of 0.99"]}, 0),
        ({"differences": ["one integer"], "distances": ["XNNPACK: a cosine of 0.99"]}, 1),
        ({"differences": ["one integer"], "distances": []}, 1),
    ],
)
def test_that_xnnpack_is_far_is_said_and_that_others_differ_ends_the_road(road, found, code):
    (road.tools / "check_tflite.finds").write_text(json.dumps(found))
    done = road.run()
    assert done.returncode == code
    if code:
        assert "stage 'check xnnpack' failed" in done.stderr.splitlines()[-1]
        assert road.calls() == ROAD[:7]
    else:
        assert "check xnnpack: equal integers, XNNPACK farther than wished (see the report)" in done.stdout


def test_an_old_verdict_does_not_speak_for_a_check_that_crashed(road):
    (road.tools / "check_tflite.finds").write_text(json.dumps({"differences": [], "distances": ["far"]}))
    assert road.run().returncode == 0
    (road.out / "xnnpack.tflite").unlink()
    (road.tools / "check_tflite.fails").touch()
    assert road.run().returncode == 1


def test_another_setting_starts_anew(road):
    assert road.run().returncode == 0
    road.calls()
    assert road.run("--set", "epochs=3").returncode == 0
    assert road.calls() == ROAD


def test_what_another_road_left_is_no_stage_of_this_one(road):
    assert road.run("--photographs", "people", "--pairs", "pairs.txt").returncode == 0
    assert next(iter(road.stages())) == "align" and COMPRESS in road.stages()
    assert road.run("--compress", "prune").returncode == 0
    assert len(road.stages()) == len(ROAD) and not {"align", COMPRESS} & set(road.stages())


def test_the_last_screen_fits_the_faces(road):
    ours = "python tools/verify_faces.py --model"
    nobody, people = road.run().stdout, road.run("--photographs", "people", "--pairs", "pairs.txt").stdout
    assert "your own faces" in nobody and ours not in nobody
    assert "your own faces" not in people and f"{ours} {road.out}/xnnpack.tflite" in people


def test_a_stage_that_fails_is_where_the_same_command_goes_on(road):
    mark = road.tools / "convert_tflite.fails"
    mark.touch()
    failed = road.run()
    assert failed.returncode == 1
    assert (
        "stage 'convert xnnpack' failed, see above; the same command goes on from here"
        in failed.stderr.splitlines()[-1]
    )
    assert "Traceback" not in failed.stderr
    assert road.calls() == ROAD[:5]
    mark.unlink()
    assert road.run().returncode == 0
    assert road.calls() == ROAD[4:]


def test_killed_it_goes_on(road):
    mark = road.tools / "convert_tflite.waits"
    mark.touch()
    process = subprocess.Popen(road.command, stdout=subprocess.DEVNULL, start_new_session=True)
    start = time.monotonic()
    calls = road.tools / "calls"
    while not calls.exists() or "convert_tflite" not in calls.read_text():
        assert time.monotonic() - start < 120
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)  # the tool, too
    process.wait()
    road.calls()
    mark.unlink()
    assert road.run().returncode == 0
    assert road.calls() == ROAD[4:]


def test_real_data_want_real_pairs(road, tmp_path):
    done = road.run("--data", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("pipeline: --verify: name pairs")
    done = road.run("--data", str(tmp_path), "--verify", "lfw.zip", "--pairs", "pairs.txt")
    assert done.returncode == 0
    record = road.stages()
    assert record["verify"]["command"][4:8] == ["--data", "lfw.zip", "--pairs", "pairs.txt"]
    assert "--verify" in record["train"]["command"]
    assert "--steps" not in record[COMPRESS]["command"]


def test_photographs_are_aligned_first(road):
    done = road.run("--photographs", "people", "--yunet", "yunet.onnx", "--pairs", "pairs.txt")
    assert done.returncode == 0, done.stderr
    assert road.calls() == ["align_faces", *ROAD]
    told = {name: shlex.join(stage["command"]) for name, stage in road.stages().items()}
    aligned = road.out / "aligned"
    assert told["align"].endswith(f"--photographs people --output {aligned} --yunet yunet.onnx")
    assert f"--data {aligned} --verify {aligned} --pairs pairs.txt" in told["train"]
    assert f"--data {aligned}" in told["check tflm"]
    failed = road.run("--photographs", "people", "--data", "faces")
    assert failed.returncode == 1 and "take the place of --data" in failed.stderr.splitlines()[-1]


def test_a_damaged_state_is_named(road):
    road.out.mkdir()
    (road.out / "pipeline.json").write_text("{")
    done = road.run()
    assert done.returncode == 1
    assert "pipeline.json: damaged" in done.stderr.splitlines()[-1]


def test_the_real_tools(repository, tmp_path):
    """The smallest training; what the device computes agrees with what was trained."""
    settings = ["variant=mobilefacenet", "activation=relu6", "width=0.125", "embedding_size=16"]
    settings += ["epochs=1", "batch_size=16"]
    command = [sys.executable, str(repository / "tools" / "pipeline.py"), "--out", str(tmp_path)]
    command += ["--data", "synthetic:24x4@32", "--verify", "synthetic:40@32", "--steps", "2", "--far", "0.1"]
    done = subprocess.run(
        [*command, *(part for setting in settings for part in ("--set", setting))], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    networks = json.loads((tmp_path / "compress" / "report.json").read_text("utf-8"))["networks"]
    assert f"int8 {networks['int8, compressed']['accuracy']:.2f}%" in done.stdout
    threshold = json.loads((tmp_path / "card.json").read_text("utf-8"))["calibration"]["threshold"]
    page = (tmp_path / "report.html").read_text("utf-8")
    for form in ("xnnpack", "tflm"):
        model = flatbuffer.read(tmp_path / f"{form}.tflite")
        assert read_facts(model)["threshold"] == threshold
        assert json.loads((tmp_path / f"check_{form}.json").read_text("utf-8"))["differences"] == []
        assert f"{(tmp_path / f'{form}.tflite').stat().st_size:,}" in page
    assert f"threshold {threshold:.3f} (cosine)" in page
    assert page.count('<figure class="pair">') == 12
    for name in ("float", "pruned", "int8, compressed"):
        low, high = networks[name]["interval"]
        assert f"<td>{networks[name]['accuracy']:.2f} %</td><td>{low:.2f} to {high:.2f}</td>" in page
    assert "agree in" not in page and "are bit-exact in all" in page
    assert 'href="verification.html"' in page and 'href="explain.html"' in page
    assert "://" not in page  # nothing from outside
