"""`Recipe`: all hyperparameters of a training run, and the registry of recipes by name.

>>> from seesaw_keras.training.recipe import get_recipe
>>> recipe = get_recipe("paper").override(["batch_size=64", "learning_rate=0.033"])
>>> recipe.margin, recipe.m, recipe.batch_size
('arcface', 0.5, 64)
"""

import importlib
import json
import pkgutil
import types
import typing
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from seesaw_keras.choices import unknown_name
from seesaw_keras.data.views import Views

__all__ = ["Recipe", "get_recipe", "list_recipes"]

Optimizer = Literal["sgd", "adamw", "lamb", "radam", "lookahead", "swa"]
Schedule = Literal["step", "cosine", "polynomial", "constant"]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters of a training run. With the data and any teacher embeddings, they determine its result.

    Attributes:
        name: name of the recipe it is derived from.
        summary: one-line description for `--help`.
        variant: network variant, see `seesaw_keras.list_models()`.
        width: channel multiplier.
        image_size: side of the square input in pixels, a multiple of 16.
        embedding_size: dimension of the embeddings.
        activation: activation function of the trunk; None for the variant's default.
        batch_size: global batch size, over all replicas.
        accumulate: number of gradient accumulation steps that a replica's share of a batch is split into.
        epochs: number of epochs.
        flip: whether every other image or view is mirrored.
        teacher_views: number of geometric views per image shared by teacher and student, see
            `seesaw_keras.data.views`; 0 for the unchanged image and, with `flip`, its mirror image. The views do not
            depend on `seed`, so stored teacher embeddings can be reused with any seed.
        degrade: probability that the student's view is degraded, see `seesaw_keras.data.degradation`.
        images_per_identity: K for batches of K images of each of batch_size / K identities; None for random order.
        margin: margin of the label loss, see `seesaw_keras.margins.list_margins()`; "triplet_semi_hard" or
            "triplet_hard" for triplet losses; None for no label loss.
        s: scale of the margin loss; None for its default.
        m: margin; None for the margin loss's default.
        sample_rate: fraction of the classes that Partial FC keeps per step; 1 for all.
        label_weight: weight of the label loss.
        cosine_weight: weight of the cosine distillation loss.
        relation_weight: weight of the relational distillation loss.
        contrast_weight: weight of the contrastive distillation loss against a bank of teacher embeddings.
        bank_size: number of embeddings in the bank.
        temperature: temperature of the contrastive loss; cosines are divided by it.
        dropout: dropout rate on the embedding during training, before the losses.
        optimizer: name of the optimizer; all but "sgd" and "adamw" require the extra `addons`.
        learning_rate: peak learning rate.
        momentum: momentum of SGD.
        schedule: learning-rate schedule.
        milestones: epochs after which the "step" schedule divides the learning rate by 10.
        warmup_epochs: length of the linear warm-up from 0, in epochs.
        final_learning_rate: final learning rate of "cosine" and "polynomial".
        weight_decay: weight decay of all weights other than those below.
        last_weight_decay: weight decay of the embedding layer and the class centers. Batch normalization has none.
        clip_norm: maximum global norm of the gradient; None for no clipping.
        ema: decay per step of the exponential moving average of the weights; 0 for no averaging.
        precision: Keras mixed-precision policy.
        xla: whether to compile the training step with XLA.
        seed: seed of weight initialization, image order and all augmentation.
        validate_every: epochs between validations.
    """

    name: str
    summary: str
    variant: str = "shuffle"
    width: float = 1.0
    image_size: int = 112
    embedding_size: int = 512
    activation: str | None = None
    batch_size: int = 192
    accumulate: int = 1
    epochs: int = 16
    flip: bool = True
    teacher_views: int = 0
    degrade: float = 0.0
    images_per_identity: int | None = None
    margin: str | None = "arcface"
    s: float | None = None
    m: float | None = None
    sample_rate: float = 1.0
    label_weight: float = 1.0
    cosine_weight: float = 0.0
    relation_weight: float = 0.0
    contrast_weight: float = 0.0
    bank_size: int = 4096
    temperature: float = 0.07
    dropout: float = 0.0
    optimizer: Optimizer = "sgd"
    learning_rate: float = 0.1
    momentum: float = 0.9
    schedule: Schedule = "step"
    milestones: tuple[float, ...] = (8, 12, 14)
    warmup_epochs: float = 0.0
    final_learning_rate: float = 0.0
    weight_decay: float = 4e-5
    last_weight_decay: float = 4e-4
    clip_norm: float | None = None
    ema: float = 0.0
    precision: Precision = "float32"
    xla: bool = False
    seed: int = 0
    validate_every: float = 1.0

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        for field in fields(self):
            _check_type(field.name, getattr(self, field.name), hints[field.name])
        for name in ("batch_size", "accumulate", "epochs", "embedding_size", "bank_size"):
            _check(getattr(self, name) >= 1, name, "1 or more", getattr(self, name))
        for name in ("width", "learning_rate", "validate_every", "temperature"):
            _check(getattr(self, name) > 0, name, "above 0", getattr(self, name))
        weights = ("label_weight", "cosine_weight", "relation_weight", "contrast_weight")
        others = ("weight_decay", "last_weight_decay", "warmup_epochs", "final_learning_rate", "momentum")
        for name in (*weights, *others, "teacher_views"):
            _check(getattr(self, name) >= 0, name, "0 or more", getattr(self, name))
        _check(0 < self.sample_rate <= 1, "sample_rate", "above 0, at most 1", self.sample_rate)
        for name in ("ema", "dropout"):
            _check(0 <= getattr(self, name) < 1, name, "0 or more, below 1", getattr(self, name))
        _check(0 <= self.degrade <= 1, "degrade", "0 to 1", self.degrade)
        _check(self.clip_norm is None or self.clip_norm > 0, "clip_norm", "above 0, or none", self.clip_norm)
        if not self.distills and (self.margin is None or not self.label_weight):
            raise ValueError("recipe: no loss: set margin, cosine_weight, relation_weight or contrast_weight")

    @property
    def distills(self) -> bool:
        """Whether the recipe needs a teacher."""
        return bool(self.cosine_weight or self.relation_weight or self.contrast_weight)

    @property
    def views(self) -> Views:
        """The views of each image that the student is trained on and the teacher embeds."""
        return Views(self.teacher_views, self.flip)

    def override(self, assignments: typing.Iterable[str]) -> "Recipe":
        """Returns a copy of the recipe with some fields changed.

        Args:
            assignments: strings `key=value`; `none` stands for None, and a tuple is written as `8,12,14`.

        Raises:
            ValueError: if a field is unknown or a value is invalid; the message lists what is valid.
        """
        hints = get_type_hints(type(self))
        changes = {}
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            key = key.strip().replace("-", "_")
            if not equals:
                raise ValueError(f"--set {assignment!r}: expected key=value")
            if key not in hints or key in ("name", "summary"):
                known = [name for name in hints if name not in ("name", "summary")]
                raise ValueError(f"--set {assignment!r}: {unknown_name('field', key, known)}")
            changes[key] = _parse(key, text.strip(), hints[key])
        return replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Returns the fields as a JSON-serializable dictionary."""
        return json.loads(json.dumps(asdict(self)))

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Recipe":
        """Creates a recipe from the output of `to_json`.

        Raises:
            ValueError: if fields are missing, unknown or of the wrong type.
        """
        names = {field.name for field in fields(cls)}
        if set(record) != names:
            raise ValueError(f"recipe: fields missing or unknown: {', '.join(sorted(names ^ set(record)))}")
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in record.items()
        }
        return cls(**values)


def _check(valid: bool, name: str, expected: str, value: object) -> None:
    if not valid:
        raise ValueError(f"recipe: {name} must be {expected}, got {value}")


def _choices(hint: Any) -> tuple[Any, ...]:
    """Returns the alternatives of a field's annotation: types, literals or None."""
    return get_args(hint) if get_origin(hint) in (typing.Union, types.UnionType) else (hint,)


def _matches_type(value: object, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if get_origin(kind) is tuple:
        return isinstance(value, tuple) and all(_matches_type(entry, float) for entry in value)
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _describe_type(hint: Any) -> str:
    names = []
    for kind in _choices(hint):
        if get_origin(kind) is Literal:
            names.append("one of " + ", ".join(map(str, get_args(kind))))
        elif get_origin(kind) is tuple:
            names.append("numbers such as 8,12,14")
        else:
            names.append(
                {int: "a whole number", float: "a number", bool: "true or false", str: "a name"}.get(kind, "none")
            )
    return " or ".join(names)


def _check_type(name: str, value: object, hint: Any) -> None:
    _check(any(_matches_type(value, kind) for kind in _choices(hint)), name, _describe_type(hint), repr(value))


def _parse(name: str, text: str, hint: Any) -> Any:
    """Parses a field's value; `Recipe` itself checks the range."""
    if type(None) in _choices(hint) and text.lower() == "none":
        return None
    for kind in _choices(hint):
        try:
            if get_origin(kind) is tuple:
                return tuple(float(part) for part in text.split(",") if part)
            if kind is bool:
                return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
            if kind in (int, float):
                return kind(text)
        except (ValueError, KeyError):
            raise ValueError(f"--set {name}={text}: must be {_describe_type(hint)}") from None
    return text


def list_recipes() -> list[str]:
    """Returns the names of all recipes."""
    from seesaw_keras.training import recipes

    return sorted(module.name for module in pkgutil.iter_modules(recipes.__path__))


def get_recipe(name: str) -> Recipe:
    """Returns a recipe by name.

    Args:
        name: one of `list_recipes()`.

    Raises:
        ValueError: if the name is unknown; the message suggests the closest match and lists all recipes.
    """
    names = list_recipes()
    if name not in names:
        raise ValueError(unknown_name("recipe", name, names))
    return importlib.import_module(f"seesaw_keras.training.recipes.{name}").RECIPE
