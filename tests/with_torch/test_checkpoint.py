"""PyTorch files; collected only where PyTorch is installed (the extra `torch`)."""

import os
import zipfile

import numpy as np
import pytest
import torch

import seesaw_keras
from seesaw_keras.models.pytorch_checkpoint import read_checkpoint


class Doubler(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.arange(3.0))

    def forward(self, x):
        return x * self.weight


class Evil:
    def __init__(self, flag):
        self.flag = flag

    def __reduce__(self):
        return os.system, (f"touch {self.flag}",)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("nested", [True, False], ids=["nested", "bare"])
def test_pth_files_give_their_arrays(tmp_path, zipped, nested):
    state = {"a": torch.ones(2, 3), "b": torch.nn.Parameter(torch.zeros(1))}
    saved = {"epoch": 3, "state_dict": state} if nested else state
    torch.save(saved, tmp_path / "w.pth", _use_new_zipfile_serialization=zipped)
    arrays = read_checkpoint(tmp_path / "w.pth")
    np.testing.assert_array_equal(arrays["a"], np.ones((2, 3)))
    np.testing.assert_array_equal(arrays["b"], [0])


def test_a_reference_checkpoint_loads_into_the_network(tmp_path, reference_arrays):
    arrays = reference_arrays("MobileFaceNet")
    torch.save({f"module.{name}": torch.from_numpy(a) for name, a in arrays.items()}, tmp_path / "m.pth")
    model = seesaw_keras.build("mobilefacenet")
    seesaw_keras.load_reference_weights(model, tmp_path / "m.pth")
    np.testing.assert_array_equal(model.get_layer("embedding_bn").beta, arrays["bn.bias"])


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_code_in_a_pickle_does_not_run(tmp_path, zipped):
    flag = tmp_path / "ran"
    torch.save({"a": Evil(flag)}, tmp_path / "evil.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r"evil\.pth.*plain tensors"):
        read_checkpoint(tmp_path / "evil.pth")
    assert not flag.exists()


def test_what_is_no_state_dict_is_refused(tmp_path):
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    (tmp_path / "noise.pth").write_bytes(b"noise")
    for name in ("list.pth", "noise.pth"):
        with pytest.raises(ValueError, match=name):
            read_checkpoint(tmp_path / name)


def test_torchscript_gives_its_arrays(tmp_path):
    torch.jit.script(Doubler()).save(str(tmp_path / "m.pt"))
    np.testing.assert_array_equal(read_checkpoint(tmp_path / "m.pt")["weight"], [0, 1, 2])


def test_torchscript_that_would_run_code_is_refused(tmp_path):
    torch.jit.script(Doubler()).save(str(tmp_path / "m.pt"))
    with zipfile.ZipFile(tmp_path / "m.pt", "a") as archive:
        archive.writestr("m/code/__torch__/evil.py", "class E(Module):\n  def __setstate__(self) -> None:\n    pass\n")
    with pytest.raises(ValueError, match=r"m\.pt.*__setstate__"):
        read_checkpoint(tmp_path / "m.pt")
