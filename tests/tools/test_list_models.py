import subprocess
import sys

from seesaw_keras.models.configs import list_models


def run(repository, *arguments):
    command = [sys.executable, repository / "tools/list_models.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_all_variants_are_listed_with_their_sources(repository):
    done = run(repository)
    assert done.returncode == 0
    assert all(f"\n{variant} " in f"\n{done.stdout}" for variant in list_models())
    assert "arXiv 1908.09124, table 5" in done.stdout


def test_one_variant_is_taken_apart_and_an_unknown_one_explained(repository):
    done = run(repository, "mobilefacenet")
    assert (done.returncode, done.stderr) == (0, "")
    assert "221,161,984" in done.stdout
    done = run(repository, "mobile")
    assert done.returncode == 1
    assert done.stderr.startswith("list_models: unknown variant 'mobile': did you mean 'mobilefacenet'?")
