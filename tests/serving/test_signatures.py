"""The signatures as a server without this package answers them, beside what Keras computes."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.api import keras
from seesaw_keras.serving.signatures import make_signatures

TOLERANCE = 1e-4  # processors round differently, by 1.2e-5 on one of them; half a step of a pixel makes 0.02


def to_float(images):
    return ((images - 127.5) / 127.5).astype(np.float32)


def files(images, encode=tf.io.encode_png):
    return np.array([encode(image).numpy() for image in images], dtype=object)


def refusal(server, signature, **inputs):
    """What the server says of inputs that it refuses."""
    with pytest.raises(grpc.RpcError) as error:
        server.predict(signature, **inputs)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    return error.value.details()


@pytest.mark.parametrize("count", [1, 2, 6])
def test_three_signatures_embed_as_keras_does(server, embeddings, faces, count):
    images = faces[:count]
    wanted = embeddings(images)
    for signature, inputs in (("serving_default", to_float(images)), ("pixels", images), ("encoded", files(images))):
        answer = server.predict(signature, image=inputs)
        assert answer.keys() == {"embedding"}
        np.testing.assert_allclose(answer["embedding"], wanted, rtol=0, atol=TOLERANCE, err_msg=signature)


def test_jpegs_and_pngs_of_any_kind_are_what_tensorflow_decodes(server, embeddings, faces):
    gray = tf.reduce_mean(tf.cast(faces[:1], tf.float32), axis=3, keepdims=True)
    alpha = np.concatenate([faces[2], faces[3][..., :1]], axis=2)
    data = np.concatenate(
        [
            files(faces[:1], lambda image: tf.io.encode_jpeg(image, quality=90)),
            files(tf.cast(gray, tf.uint8), tf.io.encode_jpeg),
            files(tf.cast(gray, tf.uint16) * 257),
            files([alpha]),
            files(faces[:1], lambda image: tf.io.encode_jpeg(image, format="rgb", progressive=True)),
        ]
    )
    decoded = np.stack([tf.io.decode_image(one, channels=3).numpy() for one in data])
    assert not np.array_equal(decoded[0], faces[0])
    answer = server.predict("encoded", image=data)["embedding"]
    np.testing.assert_allclose(answer, embeddings(decoded), rtol=0, atol=TOLERANCE)


def test_compare_is_the_cosine_and_the_decision_at_the_threshold(server, embeddings, faces, threshold):
    left, right = faces, faces[[0, 2, 1, 4, 5, 3]]
    made = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (embeddings(left), embeddings(right))]
    cosines = np.sum(made[0] * made[1], axis=1)
    answer = server.predict("compare", left=left, right=right)
    assert answer.keys() == {"cosine", "same"}
    np.testing.assert_allclose(answer["cosine"], cosines, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(answer["same"], cosines >= threshold)
    assert set(answer["same"]) == {True, False}
    assert server.predict("compare", left=left[:1], right=right[1:2])["cosine"].shape == (1,)


@pytest.mark.slow
@pytest.mark.parametrize("signature", ["serving_default", "pixels", "compare"])
@pytest.mark.parametrize(
    "shape", [(2, 48, 32, 3), (2, 16, 64, 3), (2, 32, 32, 1), (32, 32, 3), (1, 2, 32, 32, 3), (0, 32, 32, 3)]
)
def test_a_wrong_shape_is_named_beside_the_right_one(server, signature, shape):
    image = np.zeros(shape, np.float32 if signature == "serving_default" else np.uint8)
    inputs = {"left": image, "right": image} if signature == "compare" else {"image": image}
    message = f"the batch has shape [{' '.join(map(str, shape))}], expected (n, 32, 32, 3) with n of 1 or more"
    assert message in refusal(server, signature, **inputs)


def test_floats_beyond_the_range_are_refused_by_image(server, faces):
    floats = to_float(faces[:3])
    wrong = floats.copy()
    for value in (1.1, -255, np.nan, np.inf):
        wrong[1, 2, 3, 0] = value
        said = refusal(server, "serving_default", image=wrong)
        assert "image 1 (from 0) of the batch is not within [-1, 1]" in said
        assert "signature `pixels`" in said
    wrong[1, 2, 3, 0] = np.float16(-1)
    assert server.predict("serving_default", image=wrong)["embedding"].shape == (3, 16)


def test_batches_to_compare_have_one_length(server, faces):
    said = refusal(server, "compare", left=faces[:3], right=faces[:1])
    assert "left has 3 images, right has 1" in said


def damaged(png):
    middle = len(png) // 2
    return png[:middle] + bytes(~byte & 255 for byte in png[middle : middle + 8]) + png[middle + 8 :]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda png: b"", "is neither JPEG nor PNG"),
        (lambda png: b"\xff\xd8", "is neither JPEG nor PNG"),
        (lambda png: b"GIF89a" + png, "is neither JPEG nor PNG"),
        (lambda png: png[:20], "is damaged"),
        (lambda png: png[: len(png) // 2], "is damaged"),
        (damaged, "is damaged"),
        (lambda png: b"\xff\xd8\xff" + png, "is damaged"),
        (lambda png: tf.io.encode_jpeg(tf.io.decode_png(png)).numpy()[:200], "is damaged"),
    ],
)
@pytest.mark.parametrize("index", [0, 3])
def test_the_bad_one_of_many_files_is_named(server, faces, spoil, message, index):
    data = files(faces[:4])
    data[index] = spoil(data[index])
    assert f"image {index} (from 0) of the batch {message}" in refusal(server, "encoded", image=data)


def decoded(data):
    """What TensorFlow makes of a file, if it is one that the signature takes."""
    if not data.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff")):
        return None
    try:
        image = tf.io.decode_image(data, channels=3, expand_animations=False).numpy()
    except tf.errors.InvalidArgumentError:
        return None
    return image if image.shape == (32, 32, 3) else None


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([tf.io.encode_png, tf.io.encode_jpeg]), st.data())
def test_whatever_happens_to_a_file_it_is_embedded_as_decoded_or_named(server, embeddings, faces, encode, data):
    spoiled = bytearray(encode(faces[0]).numpy())
    for _ in range(data.draw(st.integers(0, 3))):
        spoiled[data.draw(st.integers(0, len(spoiled) - 1))] = data.draw(st.integers(0, 255))
    spoiled = bytes(spoiled[: data.draw(st.none() | st.integers(0, len(spoiled)))])
    batch = np.array([*files(faces[1:2]), spoiled], dtype=object)
    image = decoded(spoiled)
    if image is None:
        assert "image 1 (from 0) of the batch is " in refusal(server, "encoded", image=batch)
    else:
        made = server.predict("encoded", image=batch)["embedding"]
        wanted = embeddings(np.stack([faces[1], image]))
        np.testing.assert_allclose(made, wanted, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("shape", [(0,), (1, 1), (1, 2), ()])
def test_files_come_in_one_row(server, faces, shape):
    data = np.resize(files(faces[:1]), shape)
    said = refusal(server, "encoded", image=data)
    assert f"the batch has shape [{' '.join(map(str, shape))}], expected (n,) with n of 1 or more" in said


@pytest.mark.parametrize("encode", [tf.io.encode_png, tf.io.encode_jpeg])
def test_files_of_another_size_are_named_with_it(server, faces, encode):
    data = files(faces[:3], encode)
    data[1] = encode(faces[0][:, :24]).numpy()
    said = refusal(server, "encoded", image=data)
    assert "image 1 (from 0) of the batch is 32 pixels high and 24 wide, expected 32 and 32" in said


def test_a_huge_image_in_a_small_file_is_refused_by_its_header(server, faces):
    """By what the header says alone: the data behind it would be found damaged if they were decoded."""
    png = bytearray(files(faces[:1])[0])
    png[16:24] = (1 << 30).to_bytes(4, "big") + (1 << 29).to_bytes(4, "big")
    said = refusal(server, "encoded", image=np.array([bytes(png)], dtype=object))
    assert "is 536870912 pixels high and 1073741824 wide" in said


def test_networks_of_another_interface_are_refused(exported):
    image = keras.Input((32, 32, 3))
    with pytest.raises(ValueError, match=r"must have shape \(n, length\), got \(None, 30, 30, 4\)"):
        make_signatures(keras.Model(image, keras.layers.Conv2D(4, 3)(image)), 0.3)
    image = keras.Input((None, None, 3))
    with pytest.raises(ValueError, match=r"3\) of fixed size"):
        make_signatures(keras.Model(image, keras.layers.GlobalAveragePooling2D()(image)), 0.3)
    with pytest.raises(ValueError, match="already a SavedModel"):
        make_signatures(tf.saved_model.load(str(exported)), 0.3)
