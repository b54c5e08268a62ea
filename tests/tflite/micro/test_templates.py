"""The C++ itself: compiled without a warning, run, and its integers compared with Python's."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from seesaw_keras.tflite import flatbuffer
from seesaw_keras.tflite.conversion.interface import pixel_table
from seesaw_keras.tflite.micro.cosine import LONGEST_EMBEDDING, ONE_Q15, cosine_q15
from seesaw_keras.tflite.micro.golden import golden_images

# Undefined behavior, an overflow above all, ends the program; no library is needed for that.
CHECKED = ("-O1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error")
FIRMWARE = ("-Os", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics")
PARTS = ("cosine.cc", "golden.cc", "model.cc", "self_test_parts.cc")
WHOLE = (*PARTS, "face_embedder.cc", "self_test_embedder.cc")
HEADERS = ("c/common.h", "micro/micro_mutable_op_resolver.h", "micro/micro_interpreter.h", "schema/schema_generated.h")

# Reads: int32 length of embeddings, zero point; then pairs: int32 threshold, int8 a, int8 b. Writes one line per pair.
COSINES = """
#include <cstdio>
#include <vector>
#include "cosine.h"
int main() {
  std::int32_t head[2], threshold;
  if (std::fread(head, 4, 2, stdin) != 2) return 1;
  const std::size_t size = head[0];
  std::vector<std::int8_t> a(size), b(size);
  while (std::fread(&threshold, 4, 1, stdin) == 1 && std::fread(a.data(), 1, size, stdin) == size &&
         std::fread(b.data(), 1, size, stdin) == size) {
    std::printf("%d %d\\n", seesaw::CosineQ15(a.data(), b.data(), size, head[1]),
                seesaw::CosineReaches(threshold, a.data(), b.data(), size, head[1]));
  }
}
"""
# Writes the model, the golden images, then the bytes 0 to 255 as the network takes them.
BYTES = """
#include <cstdio>
#include "golden.h"
#include "pixels.h"
int main() {
  std::uint8_t bytes[256], image[seesaw::kImageSize];
  for (int i = 0; i < 256; ++i) bytes[i] = static_cast<std::uint8_t>(i);
  seesaw::PixelsToInput(bytes, bytes, sizeof(bytes));
  std::fwrite(seesaw::kModel, 1, seesaw::kModelSize, stdout);
  for (std::size_t i = 0; i < seesaw::kGoldenCount; ++i) {
    seesaw::DrawGolden(i, image);
    std::fwrite(image, 1, sizeof(image), stdout);
  }
  std::fwrite(bytes, 1, sizeof(bytes), stdout);
  return reinterpret_cast<std::uintptr_t>(seesaw::kModel) % 16 != 0;
}
"""


@pytest.fixture(scope="module")
def cosines(exported, compiled, tmp_path_factory):
    """Function: int8 a, b (n, length), zero point, thresholds (n,) -> the cosines, and which thresholds are reached."""
    folder = tmp_path_factory.mktemp("cosines")
    (folder / "main.cc").write_text(COSINES)
    sources = exported()
    program = compiled([folder / "main.cc", sources / "cosine.cc"], folder / "cosines", *CHECKED, f"-I{sources}")

    def run(a, b, zero_point, thresholds):
        head = np.array([a.shape[1], zero_point], np.int32).tobytes()
        pairs = np.concatenate([thresholds.astype("<i4")[:, None].view(np.int8), a, b], axis=1).tobytes()
        done = subprocess.run([program], input=head + pairs, capture_output=True, check=True)
        lines = np.array([line.split() for line in done.stdout.splitlines()], np.int64)
        assert len(lines) == len(a)
        return lines[:, 0], lines[:, 1] == 1

    return run


@pytest.mark.parametrize("zero_point", [0, -128, 127, -7])
def test_ten_thousand_random_pairs(cosines, zero_point):
    """Q15 is NumPy's cosine rounded down, and the decision NumPy's at thresholds close by; both in every pair."""
    r = np.random.default_rng(zero_point + 128)
    a = r.normal(0, 40, (10000, 512))
    b = a * r.uniform(-1, 1, (10000, 1)) + r.normal(0, 40, a.shape) * r.uniform(0, 1, (10000, 1))
    a, b = (np.clip(np.rint(rows + zero_point), -128, 127).astype(np.int8) for rows in (a, b))
    left, right = (rows.astype(np.float64) - zero_point for rows in (a, b))
    expected = (left * right).sum(1) / np.sqrt((left**2).sum(1) * (right**2).sum(1))
    thresholds = np.rint(expected * ONE_Q15).astype(np.int64) + r.integers(-1000, 1001, len(a))
    thresholds = thresholds.clip(-ONE_Q15, ONE_Q15)
    found, reached = cosines(a, b, zero_point, thresholds)
    np.testing.assert_array_equal(found, np.floor(expected * ONE_Q15))
    np.testing.assert_array_equal(reached, expected >= thresholds / ONE_Q15)
    assert 0.3 < reached.mean() < 0.7
    assert np.ptp(found) > ONE_Q15 / 4


@pytest.mark.parametrize("size", [1, 2, 3, 64])
def test_equal_to_exact_integers_and_tight(cosines, size):
    """Extreme entries make ties and zeros frequent; the threshold of a pair is its cosine, or a step more."""
    r = np.random.default_rng(size)
    values = np.array([-128, -127, -1, 0, 1, 126, 127], np.int8)
    for zero_point in (-128, -1, 0, 127):
        a, b = r.choice(values, (2, 1000, size))
        b[:100], b[100:200] = a[:100], np.clip(2.0 * zero_point - a[100:200], -128, 127)
        expected = np.array([cosine_q15(x, y, zero_point) for x, y in zip(a, b, strict=True)])
        for more in (0, 1):
            found, reached = cosines(a, b, zero_point, expected + more)
            np.testing.assert_array_equal(found, expected)
            assert (reached == (more == 0)).all()


@pytest.mark.parametrize(
    ("zero_point", "others"), [(127, [-128, 126, 127]), (-128, [-128, -127, 127]), (0, [127, -128])]
)
def test_the_longest_embedding_stays_in_int32(cosines, zero_point, others):
    a = np.full((len(others), LONGEST_EMBEDDING), 127 if zero_point < 0 else -128, np.int8)
    b = np.repeat(np.array(others, np.int8)[:, None], LONGEST_EMBEDDING, 1)
    expected = [cosine_q15(x, y, zero_point) for x, y in zip(a, b, strict=True)]
    found, reached = cosines(a, b, zero_point, np.array(expected))
    assert found.tolist() == expected
    assert reached.all()


@pytest.mark.parametrize("input_type", ["INT8", "UINT8"])
def test_model_images_and_pixels(exported, compiled, flat, tmp_path, input_type):
    data = flat(input_type)
    sources = exported(input_type)
    (tmp_path / "main.cc").write_text(BYTES)
    files = [tmp_path / "main.cc", sources / "model.cc", sources / "golden.cc"]
    program = compiled(files, tmp_path / "bytes", *CHECKED, f"-I{sources}")
    made = subprocess.run([program], capture_output=True, check=True).stdout
    table = pixel_table(flatbuffer.loads(data))
    assert made == data + golden_images(4, 5).tobytes() + table.tobytes()


@pytest.fixture(scope="session")
def fake(tmp_path_factory):
    """The flag for a TFLite Micro that copies the input to the output."""
    folder = tmp_path_factory.mktemp("fake")
    for name in HEADERS:
        header = folder / "tensorflow" / "lite" / name
        header.parent.mkdir(parents=True, exist_ok=True)
        header.write_text(f'#include "{Path(__file__).parent / "fake_tflite_micro.h"}"\n')
    return f"-I{folder}"


@pytest.fixture
def self_test(compiled, fake, tmp_path):
    """Function: folder, flags -> exit code and lines of the self-test of the whole."""

    def run(sources, *flags):
        files = [sources / name for name in (*WHOLE, "host_main.cc")]
        program = compiled(files, tmp_path / "self_test", *CHECKED, *FIRMWARE, "-DWITH_TFLITE_MICRO", fake, *flags)
        done = subprocess.run([program], capture_output=True, text=True)
        return done.returncode, done.stdout.splitlines()

    return run


@pytest.mark.parametrize("zero_point", [0, 5])
def test_the_self_test_passes(exported, self_test, zero_point):
    code, lines = self_test(exported("INT8", zero_point))
    assert lines[0] == "parts: ok"
    assert re.fullmatch(r"arena: 60 of \d+ bytes", lines[1])
    assert lines[2:] == ["network: ok"]
    assert code == 0


@pytest.mark.parametrize(
    ("flag", "line"),
    [
        ("-DFAKE_ADD=kTfLiteError", "network: initialization failed"),
        ("-DFAKE_OUTPUT=59", "network: initialization failed"),
        ("-DFAKE_INVOKE=kTfLiteError", "network: inference failed"),
        ("-DFAKE_FLIP=1", "network: an embedding differs from the golden one"),
    ],
)
def test_the_self_test_sees_a_network_that_fails(exported, self_test, flag, line):
    code, lines = self_test(exported(), flag)
    assert (code, lines[0], lines[-1]) == (1, "parts: ok", line)


@pytest.mark.parametrize(
    ("file", "old", "new", "line"),
    [
        (
            "model.cc",
            "[kModelSize] = {\n",
            "[kModelSize] = {\n1+",
            "parts: the model's CRC-32 differs from the exported one",
        ),
        ("golden.cc", "1664525u", "1664527u", "parts: a golden image differs"),
        ("cosine.cc", "- zero_point, right", "- zero_point + 1, right", "parts: a golden cosine differs"),
        (
            "cosine.cc",
            "return Reaches(threshold, S",
            "return !Reaches(threshold, S",
            "parts: a cosine comparison is wrong",
        ),
        ("pixels.h", "^ kPixelFlip", "^ 0x81", "network: an embedding differs from the golden one"),
        ("operators.h", "Resolver<1>", "Resolver<2>", "network: initialization failed"),
        ("model.h", "kArenaSize = ", "kArenaSize = 59; // ", "network: initialization failed"),
    ],
)
def test_the_self_test_sees_files_that_are_damaged(exported, self_test, tmp_path, file, old, new, line):
    sources = Path(shutil.copytree(exported(), tmp_path / "damaged"))
    text = (sources / file).read_text("utf-8")
    assert old in text
    (sources / file).write_text(text.replace(old, new, 1))
    code, lines = self_test(sources)
    assert code > 0
    assert any(found.startswith(line) for found in lines)


def test_no_heap_no_exceptions_no_floats(exported, compiled, fake, tmp_path):
    """Floats do not compile without their registers; the rest would show as symbols that are looked for elsewhere."""
    sources = exported()
    for name in WHOLE:
        built = compiled([sources / name], tmp_path / "object.o", "-c", *FIRMWARE, "-mgeneral-regs-only", fake)
        listed = subprocess.run(["nm", "--undefined-only", built], capture_output=True, text=True, check=True).stdout
        wanted = {line.split()[1] for line in listed.splitlines()}
        assert {symbol for symbol in wanted if not symbol.startswith("_ZN6seesaw")} <= {
            *("memcpy", "memset", "memcmp", "__stack_chk_fail", "_GLOBAL_OFFSET_TABLE_")
        }


@pytest.mark.skipif(shutil.which("cmake") is None, reason="there is no cmake")
def test_cmake_builds_the_parts_and_refuses_a_folder_without_tflite_micro(exported, tmp_path):
    sources, build = exported(), tmp_path / "build"
    warnings = "-DCMAKE_CXX_FLAGS=-Werror"
    configure = ["cmake", "-S", sources, "-B", build, warnings]
    for command in (configure, ["cmake", "--build", build], ["ctest", "--test-dir", build]):
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "CTEST_OUTPUT_ON_FAILURE": "1"}
        )
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run([*configure, f"-DTFLITE_MICRO_DIR={tmp_path}"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "no libtensorflow-microlite in gen/*/lib" in " ".join(done.stderr.split())
