import dataclasses

import pytest

from seesaw_keras.models.configs import get_config, list_models


def test_registry_holds_the_variants_by_their_own_names():
    assert list_models() == [
        "share",
        "shuffle",
        "dw_v1",
        "dw_v2",
        "mobilefacenet",
        "shuffle_hard",
        "phone",
        "micro",
    ]
    for variant in list_models():
        assert get_config(variant).name == variant


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        get_config("share").stem = 1


@pytest.mark.parametrize(("typed", "meant"), [("shufle", "shuffle"), ("MobileFaceNet", "mobilefacenet"), ("", "")])
def test_unknown_variant_names_the_nearest_and_lists_all(typed, meant):
    with pytest.raises(ValueError, match="unknown variant") as caught:
        get_config(typed)
    assert f"did you mean {meant!r}" in str(caught.value) or not meant
    assert all(variant in str(caught.value) for variant in list_models())


def test_every_published_accuracy_has_a_source():
    for variant in list_models():
        published = get_config(variant).published
        assert published is None or ("arXiv" in published.source or "github.com" in published.source)
        assert published is None or all(50 < accuracy < 100 for accuracy in published.accuracy.values())
