"""`seesaw pipeline`: which stages run when, with stubs for the other commands, and once with the real ones."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from seesaw_keras.cli import pipeline
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import read_facts

COMPRESS = "prune+quantize"
PROOF = ["check_tflite", "check_tflite", "evaluate", "explain_tflite", "report_run"]
SHARD = "variables/variables.data-00000-of-00001"
ROAD = ["train", "evaluate", "compress", "evaluate", "convert_tflite", "convert_tflite", *PROOF]


class StandIns:
    """Stub for the other commands: writes the files that their flags name, and records which commands ran.

    Attributes:
        failing: commands that fail.
        found: what `check_tflite` finds.
    """

    def __init__(self):
        self.called, self.failing = [], set()
        self.found = {"differences": [], "distances": []}

    def __call__(self, name, arguments):
        self.called.append(name)
        if name in self.failing:
            return 1
        words = arguments if arguments[0].startswith("--") else arguments[1:]
        given = dict(zip(words[::2], words[1::2], strict=True))
        for path, text in self._files(name, given):
            path = Path(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return int(name == "check_tflite" and any(self.found.values()))

    def _files(self, name, given):
        if name == "train":
            return [(f"{given['--out']}/model.keras", "network"), (f"{given['--out']}/curves.png", "curves")]
        if name == "evaluate":
            return [(given[flag], flag) for flag in ("--json", "--card", "--report") if flag in given]
        if name == "compress":
            networks = {"float": {"accuracy": 91.25}, "int8, compressed": {"accuracy": 90.5}}
            saved = [f"quantize/saved_model/{part}" for part in ("saved_model.pb", SHARD)]
            texts = {"after.tflite": "smaller", "report.json": json.dumps({"networks": networks})}
            texts |= {"prune/model.keras": "pruned", **dict.fromkeys(saved, "quantized")}
            return [(f"{given['--out']}/{path}", text) for path, text in texts.items()]
        if name == "check_tflite":
            return [(given["--json"], json.dumps(self.found))]
        if name == "report_run":
            return [(f"{given['--run']}/report.html", "page")]
        if name == "align_faces":
            left = ("faces.jsonl", "not_found.csv", "contact_sheet.png")
            return [(f"{given['--output']}/{file}", file) for file in left]
        return [(given["--out"], f"written by {name}")]


class Road:
    """The pipeline with stand-ins for the other commands."""

    def __init__(self, seesaw, commands, out):
        self._seesaw, self.commands, self.out = seesaw, commands, out

    def run(self, *arguments):
        return self._seesaw("pipeline", "--out", self.out, *arguments)

    def stages(self):
        return json.loads((self.out / "pipeline.json").read_text())["stages"]

    def calls(self):
        """Returns the commands that ran since the last call."""
        called, self.commands.called = self.commands.called, []
        return called


@pytest.fixture
def road(seesaw, monkeypatch, tmp_path):
    commands = StandIns()
    monkeypatch.setattr(pipeline, "run_subcommand", commands)
    return Road(seesaw, commands, tmp_path / "out")


def test_runs_all_stages_and_prints_the_output_paths(road):
    done = road.run()
    assert done.returncode == 0, done.stderr
    assert road.calls() == ROAD
    assert "[1/11] train: seesaw train --recipe synthetic" in done.stdout
    assert "accuracy: float 91.25%, int8 90.50%" in done.stdout
    assert "check xnnpack: equal integers\n" in done.stdout and "check tflm: equal integers\n" in done.stdout
    for name in ("train/model.keras", "xnnpack.tflite", "tflm.tflite", "report.html"):
        assert str(road.out / name) in done.stdout


def test_each_stage_reads_the_output_of_the_previous_one(road):
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


def test_missing_or_changed_outputs_rerun_their_stage_and_later_ones(road):
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
def test_xnnpack_deviation_is_reported_and_other_differences_fail(road, found, code):
    road.commands.found = found
    done = road.run()
    assert done.returncode == code
    if code:
        assert "stage 'check xnnpack' failed" in done.stderr.splitlines()[-1]
        assert road.calls() == ROAD[:7]
    else:
        assert "check xnnpack: equal integers, XNNPACK farther than wished (see the report)" in done.stdout


def test_a_stale_result_is_ignored_if_the_check_crashes(road):
    road.commands.found = {"differences": [], "distances": ["far"]}
    assert road.run().returncode == 0
    (road.out / "xnnpack.tflite").unlink()
    road.commands.failing.add("check_tflite")
    assert road.run().returncode == 1


def test_changed_settings_restart_the_pipeline(road):
    assert road.run().returncode == 0
    road.calls()
    assert road.run("--set", "epochs=3").returncode == 0
    assert road.calls() == ROAD


def test_outputs_of_another_pipeline_are_not_reused(road):
    assert road.run("--photographs", "people", "--pairs", "pairs.txt").returncode == 0
    assert next(iter(road.stages())) == "align" and COMPRESS in road.stages()
    assert road.run("--compress", "prune").returncode == 0
    assert len(road.stages()) == len(ROAD) and not {"align", COMPRESS} & set(road.stages())


def test_the_last_screen_fits_the_faces(road):
    ours = "seesaw verify_faces --model"
    nobody, people = road.run().stdout, road.run("--photographs", "people", "--pairs", "pairs.txt").stdout
    assert "your own faces" in nobody and ours not in nobody
    assert "your own faces" not in people and f"{ours} {road.out}/xnnpack.tflite" in people


def test_the_same_command_resumes_at_the_failed_stage(road):
    road.commands.failing.add("convert_tflite")
    failed = road.run()
    assert failed.returncode == 1
    assert (
        "stage 'convert xnnpack' failed, see above; run the same command again to resume"
        in failed.stderr.splitlines()[-1]
    )
    assert "Traceback" not in failed.stderr
    assert road.calls() == ROAD[:5]
    road.commands.failing.clear()
    assert road.run().returncode == 0
    assert road.calls() == ROAD[4:]


def test_resumes_after_sigkill(road):
    """SIGKILL for a process that waits for the second of its stages."""
    code = """
import sys, time
from seesaw_keras.cli import pipeline
def wait(name, arguments):
    print(name, flush=True)
    time.sleep(600)
pipeline.run_subcommand = wait
pipeline.run(sys.argv[1:])
"""
    assert road.run().returncode == 0
    (road.out / "float.json").unlink()
    command = [sys.executable, "-c", code, "--out", str(road.out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert any(line == "evaluate\n" for line in process.stdout)
        process.kill()
    road.calls()
    assert road.run().returncode == 0
    assert road.calls() == ROAD[1:]


def test_real_data_require_real_pairs(road, tmp_path):
    done = road.run("--data", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("pipeline: --verify: required, verification pairs")
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
    assert (
        failed.returncode == 1 and "--photographs and --data are mutually exclusive" in failed.stderr.splitlines()[-1]
    )


def test_a_damaged_state_is_named(road):
    road.out.mkdir()
    (road.out / "pipeline.json").write_text("{")
    done = road.run()
    assert done.returncode == 1
    assert "pipeline.json: damaged" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_the_real_commands(seesaw, tmp_path, monkeypatch, one_block_per_stage):
    """The smallest training run; the device's results agree with those of the trained network.

    The last stage runs in a process of its own, as all of them do outside of tests, the others in this one.
    """
    in_a_process = pipeline.run_subcommand

    def run(name, words):
        return in_a_process(name, words) if name == "report_run" else seesaw(name, *words).returncode

    monkeypatch.setattr(pipeline, "run_subcommand", run)
    settings = ["variant=mobilefacenet", "activation=relu6", "width=0.125", "embedding_size=16"]
    settings += ["epochs=1", "batch_size=16"]
    command = ["pipeline", "--out", tmp_path, "--data", "synthetic:24x4@32", "--verify", "synthetic:40@32"]
    command += ["--steps", "2", "--far", "0.1"]
    done = seesaw(*command, *(part for setting in settings for part in ("--set", setting)))
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
