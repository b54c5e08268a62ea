"""The recipe of a compression."""

import pytest

from seesaw_keras.api import keras
from seesaw_keras.compression.fine_tuning import fine_tuning
from seesaw_keras.training.recipe import get_recipe, list_recipes


@pytest.fixture(scope="module")
def network():
    image = keras.Input((48, 48, 3))
    return keras.Model(image, keras.layers.Flatten()(keras.layers.Conv2D(24, 48)(image)))


@pytest.mark.parametrize("name", list_recipes())
def test_batches_are_the_recipes_and_the_teacher_is_the_network(name, network):
    recipe = get_recipe(name)
    tuned = fine_tuning(recipe, network, images=10_000, steps=3000)
    assert (tuned.batch_size, tuned.flip, tuned.seed) == (recipe.batch_size, recipe.flip, recipe.seed)
    assert tuned.teacher_views == tuned.degrade == tuned.dropout == tuned.contrast_weight == 0
    assert (tuned.image_size, tuned.embedding_size) == (48, 24)
    assert tuned.distills and tuned.margin is None
    assert tuned.ema == 0 and tuned.weight_decay == tuned.last_weight_decay == 0  # zeros must stay zeros


@pytest.mark.parametrize(("images", "steps", "epochs"), [(640, 100, 10), (640, 96, 10), (10_000, 100, 1), (64, 7, 7)])
def test_whole_epochs_come_near_the_steps(images, steps, epochs, network):
    recipe = get_recipe("synthetic").override(["batch_size=64"])
    assert fine_tuning(recipe, network, images=images, steps=steps).epochs == epochs


def test_fields_can_be_overridden_to_learn_from_labels(network):
    tuned = fine_tuning(get_recipe("paper"), network, images=1000, steps=10)
    assert not tuned.override(["margin=arcface", "cosine_weight=0"]).distills
