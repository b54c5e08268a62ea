"""InsightFace's arcface_torch recipe for MobileFaceNet on MS1MV2 (configs/ms1mv2_mbf.py): polynomial decay to zero."""

from seesaw_keras.training.recipe import Recipe

__all__ = ["RECIPE"]

RECIPE = Recipe(
    name="arcface_mbf",
    summary="MobileFaceNet as arcface_torch trains it: 40 epochs, batch 128, polynomial decay",
    variant="mobilefacenet",
    s=64.0,
    m=0.5,
    batch_size=128,
    epochs=40,
    schedule="polynomial",
    milestones=(),
    weight_decay=1e-4,
    last_weight_decay=1e-4,
)
