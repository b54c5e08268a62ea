import functools

import pytest

from seesaw_keras.models.configs import list_models


@pytest.fixture(scope="module")
def run(seesaw):
    """Function: flags -> the finished command."""
    return functools.partial(seesaw, "list_models")


@pytest.mark.slow
def test_all_variants_are_listed_with_their_sources(run):
    done = run()
    assert done.returncode == 0
    assert all(f"\n{variant} " in f"\n{done.stdout}" for variant in list_models())
    assert "arXiv 1908.09124, table 5" in done.stdout


def test_one_variant_is_taken_apart_and_an_unknown_one_explained(run):
    done = run("mobilefacenet")
    assert (done.returncode, done.stderr) == (0, "")
    assert "221,161,984" in done.stdout
    done = run("mobile")
    assert done.returncode == 1
    assert done.stderr.startswith("list_models: unknown variant 'mobile': did you mean 'mobilefacenet'?")
