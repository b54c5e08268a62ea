"""Our SGD and AdamW beside PyTorch's own, with its parameter groups and its clipping."""

import numpy as np
import pytest
import tensorflow as tf
import torch

from seesaw_keras.training.optimizers.optimizer import Optimizer
from seesaw_keras.training.optimizers.schedules import make_schedule

SHAPES = [(3, 2), (4,), (2, 5)]
DECAYS = {"trunk:0": 4e-2, "norm:0": 0.0, "last:0": 0.4}


@pytest.mark.parametrize("clip_norm", [None, 1.5])
@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_the_weights_are_those_of_pytorch(name, clip_norm):
    rng = np.random.default_rng(0)
    start = [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]
    ours = [tf.Variable(value, name=key[:-2]) for value, key in zip(start, DECAYS, strict=True)]
    schedule = make_schedule("step", peak=0.1, total_steps=30, milestones=[10, 20])
    optimizer = Optimizer(name, schedule, decays=lambda variable: DECAYS[variable.name], clip_norm=clip_norm)

    theirs = [torch.nn.Parameter(torch.tensor(value)) for value in start]
    groups = [{"params": [p], "weight_decay": decay} for p, decay in zip(theirs, DECAYS.values(), strict=True)]
    reference = torch.optim.SGD(groups, 0.1, 0.9) if name == "sgd" else torch.optim.AdamW(groups, 0.1)
    milestones = torch.optim.lr_scheduler.MultiStepLR(reference, [10, 20])

    for _ in range(30):
        gradients = [rng.normal(size=shape).astype(np.float32) for shape in SHAPES]
        optimizer.apply([tf.constant(gradient) for gradient in gradients], ours)
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = torch.tensor(gradient)
        if clip_norm:
            torch.nn.utils.clip_grad_norm_(theirs, clip_norm)
        reference.step()
        milestones.step()
    for variable, parameter in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(variable, parameter.detach().numpy(), rtol=2e-5, atol=2e-6)
