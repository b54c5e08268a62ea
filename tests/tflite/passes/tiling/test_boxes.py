"""Parts of images, cut out and put together."""

import numpy as np
import pytest

from seesaw_keras.tflite.flatbuffer import Tensor, build
from seesaw_keras.tflite.passes.tiling.boxes import Box, Cuts, concatenate, grid, is_image, shape_of, slice_box, whole
from seesaw_keras.tflite.runtimes import open_runtime


def image(*shape):
    return Tensor("image", shape, "INT8")


def test_what_is_an_image():
    assert is_image(image(1, 2, 3, 4))
    assert not any(is_image(image(*shape)) for shape in ((2, 2, 3, 4), (1, 4), (1, 2, 3, 4, 5), (1, 0, 3, 4)))
    assert not is_image(Tensor("image", (1, 2, 3, 4), "INT8", shape_signature=(1, -1, 3, 4)))


def test_a_grid_covers_every_entry_once():
    tensor = image(1, 7, 3, 10)
    seen = np.zeros(tensor.shape, int)
    columns = grid(tensor, Cuts((2, 5), (4,)))
    assert [len(column) for column in columns] == [3, 3]
    for box in (box for column in columns for box in column):
        part = seen[:, box.top : box.bottom, :, box.first : box.last]
        part += 1
        assert part.shape == shape_of(tensor, box)
        assert box & whole(tensor) == box
    assert (seen == 1).all()
    assert (columns[0][0] & columns[1][0]).is_empty and (columns[0][0] & columns[0][1]).is_empty


@pytest.mark.parametrize("count", [2, 10, 11, 23])
@pytest.mark.parametrize("name", ["reference", "tflm"])
def test_rows_cut_out_and_put_together_are_the_image(count, name):
    if name == "tflm":
        pytest.importorskip("tflite_micro")
    given, made = image(1, count, 2, 3), image(1, count, 2, 3)
    rows = [Tensor(f"row{n}", (1, 1, 2, 3), "INT8") for n in range(count)]
    cuts = [slice_box(given, Box(n, n + 1, 0, 3), row) for n, row in enumerate(rows)]
    joins = concatenate(rows, 1, made)
    assert max(len(join.inputs) for join in joins) <= 10
    pixels = np.random.RandomState(0).randint(-128, 128, given.shape).astype(np.int8)
    np.testing.assert_array_equal(open_runtime(name, build(*cuts, *joins)).invoke(pixels)[0], pixels)
