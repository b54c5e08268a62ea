import functools
import json

import h5py
import numpy as np
import pytest

import seesaw_keras
from seesaw_keras.files import sha256_of


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory, reference_arrays):
    path = tmp_path_factory.mktemp("checkpoint") / "mobilefacenet.npz"
    np.savez(path, **reference_arrays("MobileFaceNet"))
    return path


@pytest.fixture(scope="module")
def run(seesaw):
    """Function: flags -> the finished command."""
    return functools.partial(seesaw, "import_reference")


@pytest.mark.slow
def test_a_checkpoint_becomes_weights_that_build_loads(run, checkpoint, tmp_path, reference_images, reference_facts):
    out = tmp_path / "mobilefacenet.weights.h5"
    done = run("--variant=mobilefacenet", f"--checkpoint={checkpoint}", f"--out={out}")
    assert (done.returncode, done.stderr) == (0, "")
    assert sha256_of(out) in done.stdout
    model = seesaw_keras.build("mobilefacenet", weights=out)
    np.testing.assert_allclose(model(reference_images), reference_facts["MobileFaceNet"], atol=1e-5)
    with h5py.File(out) as file:
        made_by = json.loads(file.attrs["made_by"])
    assert made_by["checkpoint_sha256"] == sha256_of(checkpoint)
    with pytest.raises(ValueError, match="was made for variant 'mobilefacenet', not 'share'"):
        seesaw_keras.build("share", weights=out)


@pytest.mark.slow
def test_user_errors_print_one_line_and_write_nothing(run, checkpoint, tmp_path):
    done = run("--variant=share", f"--checkpoint={checkpoint}", f"--out={tmp_path / 'w.weights.h5'}")
    assert done.returncode == 1
    assert done.stderr.startswith("import_reference: the weights do not fit seesaw_share:\n  missing: conv_23.conv_1")
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
    done = run(f"--checkpoint={checkpoint}", "--out=weights.txt")
    assert done.stderr == "import_reference: --out 'weights.txt' must end in .weights.h5 or .keras\n"
