"""Explanation of one image: small graphs computed by hand, and a whole network compared with its float version."""

import base64
import html.parser
import re

import cv2
import numpy as np
import pytest

from seesaw_keras.reports.explain_page import write_page
from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.analysis.explain import explain
from seesaw_keras.tflite.flatbuffer import Operator, Quantization, Tensor, build


def _tensor(name, scale, shape=(1, 4), zero_point=0, type="INT8"):
    return Tensor(name, shape, type, Quantization(scale, zero_point))


def test_saturation_is_what_was_clamped():
    """Sums of up to 10 in a range up to 6.35, the least of which is reached without being clamped."""
    x, y = _tensor("x", 0.05), _tensor("y", 0.05, zero_point=-128)
    (step,) = explain(
        build(Operator("ADD", [x, x], [y], {"fused_activation_function": "NONE"})),
        np.array([[0, 100, 127, -1]], np.int8),
    )
    np.testing.assert_allclose(step.float_output, [[0, 10, 12.7, -0.1]], rtol=1e-6)
    assert step.representable == pytest.approx((0, 12.75))
    assert step.saturated == (1, 0)
    assert step.clipped.tolist() == [[0, 0, 0, -1]]
    assert step.values.tolist() == [[-128, 72, 126, -128]]
    assert step.own_error == pytest.approx(0.1 / np.sqrt(100 + 12.7**2 + 0.01))
    assert step.error is None


def test_a_clamp_that_was_asked_for_is_no_saturation():
    x, y = _tensor("x", 0.1), _tensor("y", 0.1, zero_point=-128)
    (step,) = explain(build(Operator("RELU", [x], [y])), np.array([[-128, -1, 0, 127]], np.int8))
    assert step.values.tolist() == [[-128, -128, -128, -1]]
    assert step.saturated == (0, 0)
    assert step.own_error < 1e-6


def test_a_bias_counts_in_the_scale_of_the_sums():
    """Whatever the file says of it; here that is nothing."""
    x, y = _tensor("x", 0.5, (1, 2)), _tensor("y", 1.0, (1, 1))
    weights = Tensor.constant("w", np.array([[3, -4]], np.int8), Quantization(0.25))
    bias = Tensor.constant("b", np.array([8], np.int32))
    model = build(Operator("FULLY_CONNECTED", [x, weights, bias], [y]))
    (step,) = explain(model, np.array([[10, 2]], np.int8))
    assert step.float_output.tolist() == [[0.125 * (30 - 8 + 8)]]
    assert step.values.tolist() == [[4]]


def test_movers_and_float_operators_lose_nothing_that_is_known():
    x, y, z = _tensor("x", 0.5), _tensor("y", 0.5, (4,)), Tensor("z", (4,), "FLOAT32")
    model = build(
        Operator("RESHAPE", [x, Tensor.constant("shape", np.array([4], np.int32))], [y]),
        Operator("DEQUANTIZE", [y], [z]),
    )
    steps = explain(model, np.array([[-128, 1, 2, 127]], np.int8))
    assert [step.float_output for step in steps] == [None, None]
    assert [step.saturated for step in steps] == [(0, 0), (0, 0)]
    assert steps[1].representable is None
    assert steps[1].real.tolist() == [-64, 0.5, 1, 63.5]


def test_zeros_have_no_relative_error():
    x, y = _tensor("x", 0.5), _tensor("y", 0.5)
    (step,) = explain(build(Operator("RELU", [x], [y])), np.full((1, 4), -3, np.int8))
    assert step.own_error is None


@pytest.fixture(scope="module")
def networks(converted):
    return [flatbuffer.loads(converted("shuffle", type=type)) for type in ("int8", "float32")]


@pytest.fixture(scope="module")
def steps(networks, faces):
    integer, plain = networks
    image = (faces[:1].astype(np.int16) - 128).astype(np.int8)
    return explain(integer, image, (plain, ((faces[:1] - 127.5) / 127.5).astype(np.float32)))


@pytest.mark.slow
def test_every_tensor_of_a_network_has_its_counterpart(networks, steps):
    assert [step.output for step in steps] == [t for op in networks[0].main.operators for t in op.outputs]
    assert all(step.expected is not None and step.error < 1.5 for step in steps)
    assert steps[1].operator.code == "CONV_2D"
    assert 0 < steps[1].own_error < 0.05
    assert steps[1].error < 0.1


def test_what_an_operator_loses_is_its_own_rounding(steps):
    for step in steps:
        if step.float_output is not None and step.output.quantization is not None:
            inside = step.clipped == 0
            steps_off = np.abs(step.real - step.float_output)[inside] / step.output.quantization.scale
            # HARD_SWISH apart, of which there is none, kernels are half a step off, and a bit for their factors.
            assert steps_off.max(initial=0) < 1.02, step.output.name


def test_flavors(networks, faces):
    image = (faces[:1].astype(np.int16) - 128).astype(np.int8)
    desktop, device = (explain(networks[0], image, flavor=flavor) for flavor in ("litert", "tflm"))
    for left, right in zip(desktop, device, strict=True):
        np.testing.assert_array_equal(left.values, right.values)


class Page(html.parser.HTMLParser):
    """Counts elements, and notes what they name."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.links, self.pictures, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag not in ("img", "meta", "rect", "polyline", "br"):
            self.open.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes["href"]] if tag == "a" else []
        self.pictures += [attributes["src"]] if tag == "img" else []

    def handle_endtag(self, tag):
        if tag not in ("rect", "polyline"):
            assert self.open.pop() == tag


@pytest.fixture
def written(tmp_path):
    """Function: steps, arguments of `write_page` -> the page's text, and the page."""

    def write(steps, **arguments):
        write_page(tmp_path / "page.html", steps, **arguments)
        text = (tmp_path / "page.html").read_text("utf-8")
        return text, Page(text)

    return write


def test_page_of_a_network(steps, networks, faces, written):
    text, page = written(steps, model=networks[0], name="a<b.tflite", pixels=faces[0], real="float.tflite")
    assert page.open == []
    assert page.ids == [f"op{step.number}" for step in steps]
    assert set(page.links) <= {f"#{name}" for name in page.ids}
    assert "a&lt;b.tflite" in text
    assert f"{len(steps)} of {len(steps)} tensors have a counterpart" in text
    assert "http" not in text.replace("http://www.w3.org", "")
    for picture in page.pictures:
        kind, data = picture.split(",", 1)
        assert kind == "data:image/png;base64"
        assert cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR) is not None
    assert len(page.pictures) > len(steps) / 2
    # Each number is that of its step.
    article = re.search(r'id="op1".*?</article>', text, re.S)[0]
    low, high = steps[1].representable
    assert f"{low:.4g} to {high:.4g}" in article
    assert f"{100 * steps[1].own_error:.2f}%" in article
    assert f"{steps[1].output.quantization.scale:.6g}, {steps[1].output.quantization.zero_point} (INT8)" in article


def test_page_without_a_float_network(written):
    x, y = _tensor("x", 0.05, (1, 2, 2, 1)), _tensor("y", 0.05, (1, 2, 2, 1))
    model = build(Operator("ADD", [x, x], [y]))
    steps = explain(model, np.array([127, 1, -128, 0], np.int8).reshape(1, 2, 2, 1))
    text, page = written(steps, model=model, name="sum", pixels=np.zeros((2, 2, 3), np.uint8))
    assert "No float network was given" in text
    assert "1 low, 1 high of 4" in text
    (_, picture) = page.pictures
    pixels = cv2.imdecode(np.frombuffer(base64.b64decode(picture.split(",")[1]), np.uint8), cv2.IMREAD_COLOR)
    yellow, white = [0, 215, 255], [255, 255, 255]
    assert (pixels[0, 0].tolist(), pixels[1, 0].tolist(), pixels[1, 1].tolist()) == (yellow, yellow, white)
    assert pixels[0, 1, 2] > pixels[0, 1, 0]  # red above 0
