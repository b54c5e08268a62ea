"""The clients that are exported beside a model."""

import subprocess
import sys

import cv2
import numpy as np
import pytest


@pytest.fixture(scope="module")
def images(faces, tmp_path_factory):
    """PNG files of the faces."""
    folder = tmp_path_factory.mktemp("images")
    for number, face in enumerate(faces):
        cv2.imwrite(str(folder / f"{number}.png"), face[..., ::-1])
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def cosines(embeddings, faces):
    rows = embeddings(faces).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows @ rows.T


def require_right(line, cosine, threshold):
    word, _, said = line.split()
    assert word == ("same," if cosine >= threshold else "different,")
    assert float(said) == pytest.approx(cosine, abs=1e-4)


@pytest.mark.slow
def test_rest_client(exported, server, images, cosines, threshold):
    client = exported.parent.parent / "examples" / "rest_client.py"
    for other in (0, 1):
        command = [sys.executable, client, server.rest, images[0], images[other], "--threshold", str(threshold)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        require_right(done.stdout, cosines[0, other], threshold)


@pytest.fixture
def run_grpc(server, example, monkeypatch, capsys):
    """Function: two images -> what the client prints, run in this process, which has TensorFlow already."""

    def run(*files):
        monkeypatch.setattr(sys, "argv", ["grpc_client.py", server.grpc, "face", *map(str, files)])
        example("grpc_client").main()
        return capsys.readouterr().out

    return run


def test_grpc_client(run_grpc, images, cosines, threshold):
    for other in (0, 1):
        require_right(run_grpc(images[0], images[other]), cosines[0, other], threshold)


def test_clients_show_what_the_server_refuses(server, example, run_grpc, images, tmp_path, monkeypatch):
    client, text = example("rest_client"), tmp_path / "text.png"
    with pytest.raises(ValueError, match=r"image 1 .* is neither JPEG nor PNG"):
        client.embed(server.rest, [images[0].read_bytes(), b"no image"])
    text.write_bytes(b"no image")
    for url, message in ((server.rest, "^.*is neither JPEG nor PNG"), ("http://localhost:1/v1/models/face", "refused")):
        monkeypatch.setattr(sys, "argv", ["rest_client.py", url, str(text), str(text), "--threshold", "0.3"])
        with pytest.raises(SystemExit, match=message):
            client.main()
    # The client itself decodes: a 16x16 image is the server's to refuse.
    small = tmp_path / "small.png"
    cv2.imwrite(str(small), np.zeros((16, 16, 3), np.uint8))
    with pytest.raises(SystemExit, match=r"^INVALID_ARGUMENT: .*the batch has shape \[1 16 16 3\]"):
        run_grpc(small, small)
