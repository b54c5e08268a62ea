import subprocess
import sys

import cv2


def test_the_demo_shows_faces_embeddings_and_variants(repository, tmp_path):
    command = [sys.executable, repository / "tools/demo.py", f"--out={tmp_path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "embeddings (2, 512)" in done.stdout
    assert "mobilefacenet" in done.stdout
    assert cv2.imread(str(tmp_path / "faces.png")).shape[0] > 224
