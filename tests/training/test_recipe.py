import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesaw_keras.models import list_models
from seesaw_keras.training.recipe import Recipe, get_recipe, list_recipes


def test_the_paper_is_what_the_paper_says():
    recipe = get_recipe("paper")
    assert (recipe.variant, recipe.epochs, recipe.batch_size, recipe.learning_rate) == ("shuffle", 16, 192, 0.1)
    assert (recipe.schedule, recipe.milestones) == ("step", (8, 12, 14))
    assert (recipe.margin, recipe.s, recipe.m) == ("arcface", 64, 0.5)
    assert (recipe.weight_decay, recipe.last_weight_decay) == (4e-5, 4e-4)


@pytest.mark.parametrize("name", list_recipes())
def test_every_recipe_is_named_by_its_file_and_survives_json(name):
    recipe = get_recipe(name)
    assert recipe.name == name
    assert recipe.summary
    assert recipe.variant in list_models()
    assert Recipe.from_json(json.loads(json.dumps(recipe.to_json()))) == recipe


def test_the_issues_recipes_are_there():
    assert {"paper", "arcface_mbf", "shuffle_hard", "distill", "synthetic", "faces"} <= set(list_recipes())
    hard = get_recipe("shuffle_hard")
    assert (hard.variant, hard.margin, hard.m) == ("shuffle_hard", "li_arcface", 0.45)
    assert get_recipe("distill").distills


def test_fields_are_read_as_their_type():
    assignments = ["batch-size=64", "learning_rate=1e-2", "milestones=1,2.5", "clip_norm=5", "xla=true", "margin=none"]
    recipe = get_recipe("paper").override(
        [*assignments, "cosine_weight=1", "precision=mixed_bfloat16", "activation=relu"]
    )
    assert (recipe.batch_size, recipe.learning_rate, recipe.milestones) == (64, 0.01, (1.0, 2.5))
    assert (recipe.clip_norm, recipe.xla, recipe.margin) == (5.0, True, None)
    assert (recipe.precision, recipe.activation) == ("mixed_bfloat16", "relu")
    assert recipe.override(["clip_norm=none", "milestones="]).milestones == ()


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("lerning_rate=1", "did you mean 'learning_rate'"),
        ("name=x", "unknown field 'name'"),
        ("epochs", "expected key=value"),
        ("epochs=ten", "must be a whole number"),
        ("epochs=1.5", "must be a whole number"),
        ("epochs=0", "epochs must be 1 or more"),
        ("xla=maybe", "must be true or false"),
        ("precision=float16", "must be one of float32, mixed_bfloat16, mixed_float16"),
        ("optimizer=adam", "must be one of sgd, adamw"),
        ("milestones=a,b", "numbers such as 8,12,14"),
        ("sample_rate=0", "sample_rate must be above 0, at most 1"),
        ("ema=1", "ema must be 0 or more, below 1"),
        ("clip_norm=0", "clip_norm must be above 0"),
        ("learning_rate=nan", "learning_rate must be above 0"),
        ("weight_decay=-1", "weight_decay must be 0 or more"),
        ("margin=none", "no loss"),
        ("label_weight=0", "no loss"),
        ("teacher_views=-1", "teacher_views must be 0 or more"),
        ("degrade=1.5", "degrade must be 0 to 1"),
        ("dropout=1", "dropout must be 0 or more, below 1"),
        ("bank_size=0", "bank_size must be 1 or more"),
        ("temperature=0", "temperature must be above 0"),
    ],
)
def test_what_does_not_fit_is_refused(assignment, said):
    with pytest.raises(ValueError, match=said):
        get_recipe("paper").override([assignment])


def test_unknown_recipes_and_fields_are_named():
    with pytest.raises(ValueError, match="did you mean 'paper'"):
        get_recipe("papers")
    record = get_recipe("paper").to_json()
    with pytest.raises(ValueError, match="missing or unknown: seed"):
        Recipe.from_json({key: value for key, value in record.items() if key != "seed"})
    with pytest.raises(ValueError, match="epochs must be a whole number"):
        Recipe.from_json(record | {"epochs": "16"})


_NUMBERS = st.floats(1e-6, 1e6)


@given(
    epochs=st.integers(1, 1000),
    learning_rate=_NUMBERS,
    clip_norm=st.none() | _NUMBERS,
    milestones=st.lists(_NUMBERS, max_size=4),
    flip=st.booleans(),
)
def test_what_is_written_as_text_is_read_back(epochs, learning_rate, clip_norm, milestones, flip):
    recipe = get_recipe("paper").override(
        [
            f"{epochs=}",
            f"{learning_rate=}",
            f"{clip_norm=}",
            f"{flip=}",
            f"milestones={','.join(map(repr, milestones))}",
        ]
    )
    assert (recipe.epochs, recipe.learning_rate, recipe.clip_norm) == (epochs, learning_rate, clip_norm)
    assert (recipe.milestones, recipe.flip) == (tuple(milestones), flip)
    assert Recipe.from_json(recipe.to_json()) == recipe


def test_a_recipe_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        get_recipe("paper").epochs = 3
