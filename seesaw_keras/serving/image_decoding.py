"""Input checks and image decoding of a served network, as operations of its graph.

>>> import tensorflow as tf
>>> from seesaw_keras.serving.image_decoding import decode
>>> jpeg = tf.io.encode_jpeg(tf.zeros((112, 112, 3), tf.uint8))
>>> decode(tf.stack([jpeg, jpeg]), (112, 112)).shape.as_list()
[2, 112, 112, 3]

An invalid request raises InvalidArgumentError, which TensorFlow Serving returns to the client as INVALID_ARGUMENT
(gRPC) or 400 (REST), with a message that names the image, the problem and what is expected.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

__all__ = ["check_pixels", "check_range", "check_same_count", "decode"]

Size = tuple[int, int]  # height, width

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_SLACK = 1e-3  # beyond [-1, 1], for clients that round in float16


def check_pixels(images: Any, size: Size) -> Any:
    """Returns images (n, height, width, 3) of any type; fails for another shape or an empty batch.

    The signature declares the shape, but a server does not enforce it, and an image of another size would fail
    somewhere inside the network, if at all.
    """
    return _check_shape(images, (*size, 3))


def check_range(images: Any) -> Any:
    """Returns float images (n, height, width, 3); fails for values outside [-1, 1], such as raw pixels, and for NaN."""
    inside = tf.reduce_all(tf.abs(images) <= 1 + _SLACK, axis=(1, 2, 3))
    remedy = "send (pixel - 127.5) / 127.5, or pixels to the signature `pixels`"
    with _require(inside, lambda index: _image_message(index, f"is not within [-1, 1]: {remedy}")):
        return tf.identity(images)


def check_same_count(left: Any, right: Any) -> tuple[Any, Any]:
    """Returns two batches; fails if they differ in length."""
    counts = tf.shape(left)[0], tf.shape(right)[0]
    message = "left has {} images, right has {}; expected the same number"
    with _require((counts[0] == counts[1])[None], lambda _: tf.strings.format(message, counts)):
        return tf.identity(left), tf.identity(right)


def decode(data: Any, size: Size) -> Any:
    """Decodes JPEG and PNG files; fails for other formats, damaged files, other sizes and empty batches.

    An image's size is read from its header first, so a small file that declares a huge image is not decoded.

    Args:
        data: strings (n,).
        size: required size of every image; images are not resized, because that would undo the alignment.

    Returns:
        uint8 RGB (n, height, width, 3). Grayscale images become RGB, alpha channels are dropped.
    """
    data = _check_shape(data, ())
    starts = tf.strings.substr(data, 0, len(_PNG))
    known = (starts == _PNG) | (tf.strings.substr(starts, 0, len(_JPEG)) == _JPEG)
    with _require(known, lambda index: _image_message(index, "is neither JPEG nor PNG")):
        data = tf.identity(data)
    readable, sizes, images = _decode_readable(data, size)
    with _require(readable, lambda index: _image_message(index, "is damaged: its JPEG or PNG data do not decode")):
        sizes = tf.identity(sizes)
    message = f"is {{}} pixels high and {{}} wide, expected {size[0]} and {size[1]}"
    with _require(
        tf.reduce_all(sizes == size, axis=1),
        lambda index: _image_message(index, message, sizes[index, 0], sizes[index, 1]),
    ):
        return tf.identity(images)


def _decode_readable(data: Any, size: Size) -> tuple[Any, Any, Any]:
    """Returns which images decode, bool (n,), and the size, (n, 2), and the pixels of each, zeros if of another size.

    A graph has no `try`, but a tf.data dataset can skip elements that fail.
    """
    count = tf.size(data)
    tried = tf.data.Dataset.from_tensor_slices((tf.range(count), data)).map(
        lambda index, one: (index, *_decode_one(one, size)), num_parallel_calls=tf.data.AUTOTUNE
    )
    # A last element that always succeeds, because an empty dataset yields no batch.
    nothing = tf.data.Dataset.from_tensors((count, tf.zeros(2, tf.int32), tf.zeros((*size, 3), tf.uint8)))
    readable = tried.ignore_errors().concatenate(nothing).batch(tf.cast(count + 1, tf.int64))
    indices, sizes, images = (each[:-1] for each in readable.get_single_element())
    return tf.scatter_nd(indices[:, None], tf.ones_like(indices), [count]) > 0, sizes, images


def _decode_one(data: Any, size: Size) -> tuple[Any, Any]:
    """Returns an image's size, int32 (2,), and its pixels, zeros if the size is not `size`."""
    found = tf.cond(
        tf.strings.substr(data, 0, len(_PNG)) == _PNG,
        lambda: _png_size(data),
        lambda: tf.image.extract_jpeg_shape(data)[:2],
    )
    image = tf.cond(
        tf.reduce_all(found == size),
        lambda: tf.io.decode_image(data, channels=3, expand_animations=False),
        lambda: tf.zeros((*size, 3), tf.uint8),
    )
    return found, tf.ensure_shape(image, (*size, 3))


def _png_size(data: Any) -> Any:
    """Returns height and width of a PNG: two big-endian numbers at byte 16 (PNG specification, 11.2.2)."""
    width_height = tf.io.decode_raw(tf.strings.substr(data, 16, 8), tf.int32, little_endian=False)
    return tf.reverse(tf.reshape(width_height, (2,)), axis=[0])


def _check_shape(batch: Any, one: tuple[int, ...]) -> Any:
    # Hides the static shape: an optimizer that relied on the signature's shape could drop the check.
    batch = tf.raw_ops.PlaceholderWithDefault(input=batch, shape=tf.TensorShape(None))
    shape = tf.shape(batch)
    valid = (tf.size(shape) == 1 + len(one)) & tf.reduce_all(shape > 0)
    valid &= tf.reduce_all(shape[1:] == tf.constant(one, tf.int32))
    expected = f"({', '.join(['n', *map(str, one)])}{'' if one else ','}) with n of 1 or more"
    with _require(valid[None], lambda _: tf.strings.format(f"the batch has shape {{}}, expected {expected}", (shape,))):
        return tf.ensure_shape(tf.identity(batch), (None, *one))


def _image_message(index: Any, message: str, *values: Any) -> Any:
    return tf.strings.format(f"image {{}} (from 0) of the batch {message}", (index, *values))


def _require(valid: Any, message: Callable[[Any], Any]) -> Any:
    """Context in which operations fail unless all entries of `valid`, bool (n,), are true.

    Args:
        valid: one entry per image, or one for all.
        message: returns the error message for the index of the first false entry.
    """

    def fail() -> Any:
        first = tf.argmin(tf.cast(valid, tf.int32), output_type=tf.int32)
        return tf.debugging.Assert(False, [message(first)])

    return tf.control_dependencies([tf.cond(tf.reduce_all(valid), tf.no_op, fail)])
