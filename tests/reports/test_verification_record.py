import hashlib
import html.parser
import json
import re

import cv2
import numpy as np
import pytest

from seesaw_keras.data.records import Pairs
from seesaw_keras.reports.verification_page import write_page
from seesaw_keras.reports.verification_record import (
    comparison_record,
    data_record,
    metric_rows,
    provenance,
    scientific,
    to_markdown,
)
from seesaw_keras.verification.comparison import compare
from seesaw_keras.verification.evaluation import measure

PEOPLE, EACH = 40, 3
HOSTILE = '<script src="//evil">|'


def made(noise):
    """Pairs of random images under hostile names, and what a poor embedder measures on them."""
    generator = np.random.default_rng(1)
    rows = np.repeat(generator.normal(size=(PEOPLE, 12)), EACH, axis=0)
    rows = rows + noise * generator.normal(size=rows.shape)
    first = np.arange(PEOPLE) * EACH
    genuine = np.concatenate([np.stack([first, first + 1], 1), np.stack([first, first + 2], 1)])
    index = np.concatenate([genuine, np.stack([genuine[:, 0], (genuine[:, 1] + EACH) % len(rows)], 1)])
    names = [f"{i // EACH}/{HOSTILE}{i}.png" for i in range(len(rows))]
    image = cv2.imencode(".png", generator.integers(0, 256, (20, 30, 3)).astype(np.uint8))[1].tobytes()
    pairs = Pairs(names, index, np.arange(len(index)) < len(genuine), np.arange(len(index)) % 10, lambda _: image)
    return pairs, measure(rows, index, pairs.same, folds=pairs.folds, names=names, far=0.05, replicates=30)


def made_record(tmp_path, compared):
    pairs, result = made(1.0)
    _, other = made(1.6)
    (tmp_path / "faces.zip").write_bytes(b"zip")
    comparison = compare(result.ten_fold, other.ten_fold, pairs.same, result.embeddings, other.embeddings)
    described = {
        "name": f"net{HOSTILE}.tflite",
        "runtime": "LiteRT",
        "preprocess": "raw",
        "input_size": [112, 96],
        "bytes": 12345,
        "sha256": "ab" * 32,
        "latency_ms": {"min": 1.25, "median": 2.5},
    }
    record = {
        **result.to_json(),
        "embedder": described,
        "data": data_record(tmp_path / "faces.zip", None, pairs),
        "flip": False,
        "comparison": comparison_record(other, described, comparison, pairs) if compared else None,
        "provenance": provenance(f"seesaw evaluate --data {HOSTILE}.zip"),
    }
    return pairs, result, other, comparison, record


class Page(html.parser.HTMLParser):
    """Collects tags and text, and checks that every tag is closed in its turn."""

    VOID = ("meta", "img", "br", "link")

    def __init__(self, text):
        super().__init__()
        self.tags, self.sources, self.open, self.words = [], [], [], ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [value for name, value in attributes if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += data


@pytest.mark.parametrize("compared", [False, True])
def test_page_is_whole_escaped_and_needs_nothing_beside_it(tmp_path, compared):
    pairs, result, other, comparison, record = made_record(tmp_path, compared)
    path = tmp_path / "report.html"
    write_page(path, record, pairs, result, *((other, comparison) if compared else ()))
    text = path.read_text("utf-8")
    page = Page(text)
    assert "script" not in page.tags and "link" not in page.tags
    assert all(re.match(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+$", source) for source in page.sources)
    assert not re.search(r"https?:|url\(|@import", text)
    assert "$" not in page.words
    wrong = np.sum((result.scores >= result.decision[0]) != result.same)
    assert wrong
    charts = 5 if compared else 3
    assert sum(source.startswith("data:image/png") for source in page.sources) == charts
    for name, value, interval in metric_rows(record):
        assert {name, value, interval} <= set(re.findall(r"<t[dh]>([^<]*)</t[dh]>", text))
    for told in ("ab" * 32, record["data"]["pairs_sha256"], "12,345 bytes", "1.25 ms", HOSTILE):
        assert told in page.words


@pytest.mark.slow
def test_worst_pairs_are_the_farthest_wrong_ones(tmp_path):
    pairs, result, _, _, record = made_record(tmp_path, False)
    threshold = result.decision[0]
    write_page(tmp_path / "report.html", record, pairs, result)
    told = [float(score) for score in re.findall(r"<b>cosine (-?[\d.]+)</b>", (tmp_path / "report.html").read_text())]
    accepts = sorted((s for s, same in zip(result.scores, result.same, strict=True) if not same and s >= threshold))
    rejects = sorted(s for s, same in zip(result.scores, result.same, strict=True) if same and s < threshold)
    assert told == [round(score, 3) for score in [*accepts[::-1][:12], *rejects[:12]]]
    assert accepts and len(rejects) > 12


def test_markdown_has_every_figure_and_whole_rows(tmp_path):
    *_, record = made_record(tmp_path, True)
    text = to_markdown(record)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {6, 3}
    for name, value, interval in [*metric_rows(record), *metric_rows(record["comparison"]["figures"])]:
        assert any(name in row and value in row and interval in row for row in rows)
    assert f"{record['accuracy']:.2f} ± {record['accuracy_std']:.2f} %" in text
    assert "30 draws of 40 identities" in text


def test_record_is_json(tmp_path):
    *_, record = made_record(tmp_path, True)
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_data_record_of_files_and_folders(tmp_path):
    pairs, _ = made(1.0)
    for name in ("faces.zip", "pairs.txt"):
        (tmp_path / name).write_bytes(name.encode())
    told = data_record(tmp_path / "faces.zip", tmp_path / "pairs.txt", pairs)["sha256"]
    assert told == {name: hashlib.sha256(name.encode()).hexdigest() for name in ("faces.zip", "pairs.txt")}
    told = data_record(tmp_path, None, pairs)["sha256"]
    assert list(told.values()) == [hashlib.sha256(pairs.read(0) * len(pairs.names)).hexdigest()]


@pytest.mark.parametrize(("rate", "text"), [(0.1, "1e-1"), (1e-6, "1e-6"), (0.00034, "3.4e-4"), (1.0, "1e0")])
def test_rates_are_written_short(rate, text):
    assert scientific(rate) == text
