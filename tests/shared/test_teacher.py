"""A published network as the teacher of the real faces."""

import numpy as np
import pytest

from seesaw_keras.data import Record, Source, TrainingInput, open_source
from seesaw_keras.inference.embedders import load_embedder
from seesaw_keras.training.distillation.teacher import teacher_embeddings

COUNT = 120


class First(Source):
    """The first images of a source."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __len__(self) -> int:
        return COUNT

    def _record(self, position: int) -> Record:
        return self.source[position]


@pytest.mark.parametrize(
    ("name", "preprocess"), [("foamliu_MobileFaceNet.onnx", "imagenet"), ("zye1996_993_quant.tflite", "127.5/128")]
)
def test_it_separates_people(shared, tmp_path, name, preprocess):
    teacher = load_embedder(shared / "peers" / name, preprocess=preprocess, threads=2)
    faces = First(open_source(shared / "faces"))
    rows = teacher_embeddings(teacher, faces, tmp_path)
    assert rows.shape == (2, COUNT, 128)
    units = rows.astype(np.float32)
    # Its mirror image is the image nearest to every face, though not the same.
    cosines = units[0] @ units[1].T
    assert np.mean(cosines.argmax(axis=1) == np.arange(COUNT)) > 0.95
    assert cosines.diagonal().max() < 1 - 1e-4
    labels = faces.labels()
    same = (labels[:, None] == labels) & ~np.eye(COUNT, dtype=bool)
    between = units[0] @ units[0].T
    assert between[same].mean() > between[labels[:, None] != labels].mean() + 0.4
    images, _, targets = TrainingInput(faces, batch_size=32, targets=rows).load(0, 0)
    rows = teacher.embed(images)
    np.testing.assert_allclose(rows / np.linalg.norm(rows, axis=1, keepdims=True), targets, atol=2e-3)
