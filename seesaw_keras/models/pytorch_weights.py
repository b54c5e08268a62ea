"""Loads weights of public PyTorch implementations into the networks of this package.

Two implementations are supported and detected by their parameter names:

- github.com/cvtower/seesawfacenet_pytorch (`share`, `shuffle`, `dw_v1`, `dw_v2`, `mobilefacenet`);
- github.com/pshashk/seesaw-facenet (`shuffle_hard`), also with batch normalization folded into the convolutions, as in
  its released TorchScript.

>>> import seesaw_keras
>>> model = seesaw_keras.build("shuffle")
>>> dropped = seesaw_keras.load_reference_weights(model, "checkpoint.pth")  # doctest: +SKIP
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seesaw_keras.api import keras
from seesaw_keras.models.pytorch_checkpoint import read_checkpoint

__all__ = ["load_reference_weights"]


@dataclass(frozen=True)
class _Scheme:
    """Parameter naming scheme of one implementation.

    Attributes:
        anchor: a parameter name that identifies the implementation and any common prefix.
        blocks: block names, ours to theirs; `{}` is the index of the residual block, from 0.
        parts: names of the parts of a block, ours to theirs.
        suffixes: suffixes of the convolution, batch normalization and PReLU of a part.
        embedding: names of the embedding layer and its batch normalization.
        unused: pattern of parameters that the implementation creates but never uses.
    """

    anchor: str
    blocks: dict[str, str]
    parts: dict[str, str]
    suffixes: dict[str, str]
    embedding: dict[str, str]
    unused: str


_CVTOWER = _Scheme(
    anchor="conv1.conv.weight",
    blocks={
        "stem": "conv1",
        "stem_dw": "conv2_dw",
        "stage1_down": "conv_23",
        "stage1_block": "conv_3.model.{}",
        "stage2_down": "conv_34",
        "stage2_block": "conv_4.model.{}",
        "stage3_down": "conv_45",
        "stage3_block": "conv_5.model.{}",
        "head": "conv_6_sep",
        "head_dw": "conv_6_dw",
    },
    parts={
        "expand_narrow": "conv_1",
        "expand_wide": "conv_3",
        "expand": "conv",
        "dw": "conv_dw",
        "se_reduce": "se.0.fc.0",
        "se": "se.0.fc.1",
        "se_expand": "se.0.fc.2",
        "project_narrow": "project_1",
        "project_wide": "project_3",
        "project": "project",
        "mapping": "mapping",
    },
    suffixes={"conv": ".conv", "bn": ".bn", "act": ".unlinearity"},
    embedding={"conv": "linear", "bn": "bn"},
    unused=r"conv_[345]\.model\.\d+\.mapping\..*",
)
_PSHASHK = _Scheme(
    anchor="4.0.small.0.weight",
    blocks={
        "stem": "0",
        "stem_dw": "2",
        "stage1_down": "4",
        "stage1_block": "5.{}.layers",
        "stage2_down": "6",
        "stage2_block": "7.{}.layers",
        "stage3_down": "8",
        "stage3_block": "9.{}.layers",
        "head": "10",
        "head_dw": "12",
    },
    parts={
        "expand_narrow": "0.small",
        "expand_wide": "0.big",
        "dw": "3",
        "se_reduce": "5.layers.0",
        "se_expand": "5.layers.2",
        "project_narrow": "6.small",
        "project_wide": "6.big",
    },
    suffixes={"conv": ".0", "bn": ".1", "act": ".2"},
    embedding={"conv": "14", "bn": "15"},
    unused="(?!)",
)


def load_reference_weights(model: Any, source: Mapping[str, Any] | str | Path) -> list[str]:
    """Loads the weights of a public implementation into a network of the same variant.

    Nothing is loaded unless everything matches. `share` and `shuffle` have the same names and shapes, so a file of one
    cannot be distinguished from a file of the other.

    Args:
        model: a network from `build()`, at full width.
        source: a mapping from the implementation's parameter names to arrays (convolutions OIHW), or a file, see
            `seesaw_keras.models.pytorch_checkpoint.read_checkpoint`. A common prefix such as `module.` is removed.

    Returns:
        The names in `source` that were dropped because the implementation never uses them: the `mapping` of the
        residual blocks in checkpoints of the DW networks.

    Raises:
        ValueError: if parameters are missing, unexpected or of the wrong shape; the message names all of them.
        ImportError: if the file requires PyTorch and it is not installed.
    """
    arrays = dict(source) if isinstance(source, Mapping) else dict(read_checkpoint(source))
    scheme, arrays = _detect_scheme(arrays)
    dropped = [name for name in arrays if re.fullmatch(scheme.unused, name)]
    left = {name: np.asarray(array) for name, array in arrays.items() if name not in dropped}

    problems: list[str] = []
    assignments: list[tuple[Any, np.ndarray | None]] = []
    for layer in model.layers:
        if not layer.weights:
            continue
        try:
            module = _module(layer.name, model, scheme)
        except (KeyError, ValueError):
            problems.append(f"no counterpart in the PyTorch implementation: {layer.name}")
        else:
            assignments += zip(layer.weights, _values(layer, module, left, problems), strict=True)
    problems += [f"unexpected: {name} {array.shape}" for name, array in left.items()]
    if problems:
        raise ValueError(f"the weights do not fit {model.name}:\n  " + "\n  ".join(problems))
    for variable, value in assignments:
        variable.assign(value)
    return dropped


def _detect_scheme(arrays: dict[str, Any]) -> tuple[_Scheme, dict[str, Any]]:
    """Detects the implementation; returns it and the arrays by unprefixed name, without `num_batches_tracked`."""
    for scheme in (_CVTOWER, _PSHASHK):
        anchors = [name for name in arrays if name == scheme.anchor or name.endswith(f".{scheme.anchor}")]
        if anchors:
            prefix = min(anchors, key=len).removesuffix(scheme.anchor)
            named = {name.removeprefix(prefix): array for name, array in arrays.items()}
            return scheme, {name: a for name, a in named.items() if not name.endswith(".num_batches_tracked")}
    some = ", ".join(list(arrays)[:3]) or "no arrays"
    raise ValueError(
        f"unrecognized PyTorch implementation: neither {_CVTOWER.anchor!r} (cvtower/seesawfacenet_pytorch) nor "
        f"{_PSHASHK.anchor!r} (pshashk/seesaw-facenet) is among the {len(arrays)} parameter names ({some}, ...)"
    )


def _module(layer: str, model: Any, scheme: _Scheme) -> str:
    """Returns the implementation's module name for one of our layers."""
    block, kind = layer.rsplit("_", 1)
    if block == "embedding":
        return scheme.embedding[kind]
    if block in scheme.blocks:
        return scheme.blocks[block] + scheme.suffixes[kind]
    stage, unit, part = block.split("_", 2)  # such as stage1, block2, expand_narrow
    number = unit.removeprefix("block") if unit != "down" else ""
    path = scheme.blocks[f"{stage}_{unit.removesuffix(number)}"].format(int(number or 1) - 1) + "." + scheme.parts[part]
    if part.startswith("se"):
        return path
    if part == "mapping" and f"{block}_pool" in {other.name for other in model.layers}:
        path += ".1"  # the mapping of DW V2 is a sequence of pooling and convolution
    return path + scheme.suffixes[kind]


def _values(layer: Any, module: str, left: dict[str, np.ndarray], problems: list[str]) -> list[np.ndarray | None]:
    """Pops a layer's values from `left` in the order of its weights; records missing and misshapen ones."""

    def take(parameter: str, *shapes: tuple[int, ...]) -> np.ndarray | None:
        name = f"{module}.{parameter}"
        array = left.pop(name, None)
        if array is None:
            problems.append(f"missing: {name} {shapes[0]}, for {layer.name}")
        elif array.shape not in shapes:
            problems.append(f"wrong shape: {name} {array.shape}, expected {shapes[0]} for {layer.name}")
        else:
            return array
        return None

    if isinstance(layer, keras.layers.BatchNormalization):
        size = tuple(layer.gamma.shape)
        folded = left.pop(f"{_convolution(module)}.bias", None) if f"{module}.weight" not in left else None
        if folded is not None and folded.shape == size:
            # Folded into the convolution: this layer only adds the bias.
            return [np.ones(size), folded, np.zeros(size), np.full(size, 1.0 - layer.epsilon)]
        return [take(parameter, size) for parameter in ("weight", "bias", "running_mean", "running_var")]
    if isinstance(layer, keras.layers.PReLU):
        slopes = take("weight", (layer.alpha.shape[-1],))
        return [slopes if slopes is None else slopes.reshape(layer.alpha.shape)]
    height, width, inputs, outputs = layer.weights[0].shape
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        kernel = take("weight", (inputs, 1, height, width))
        return [kernel if kernel is None else kernel.transpose(2, 3, 0, 1)]
    dense = [(outputs, inputs)] if (height, width) == (1, 1) else []
    kernel = take("weight", (outputs, inputs, height, width), *dense)
    kernel = kernel if kernel is None else kernel.reshape(outputs, inputs, height, width).transpose(2, 3, 1, 0)
    return [kernel, take("bias", (outputs,))] if layer.use_bias else [kernel]


def _convolution(module: str) -> str:
    """Returns the module name of the convolution before a batch normalization, for folded weights."""
    return module.removesuffix(_PSHASHK.suffixes["bn"]) + _PSHASHK.suffixes["conv"]
