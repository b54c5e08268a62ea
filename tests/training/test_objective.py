import numpy as np
import pytest
import tensorflow as tf

from seesaw_keras.api import keras
from seesaw_keras.data.records import UNLABELED
from seesaw_keras.margins import list_margins, make_margin, triplet_loss
from seesaw_keras.training.distillation.losses import cosine_loss, relation_loss
from seesaw_keras.training.objective import Objective, make_objective
from seesaw_keras.training.recipe import get_recipe

COUNT, SIZE, TEACHER, CLASSES = 6, 8, 5, 9
RANDOM = np.random.default_rng(0)
EMBEDDINGS = RANDOM.normal(size=(COUNT, SIZE)).astype(np.float32)
TARGETS = RANDOM.normal(size=(COUNT, TEACHER)).astype(np.float32)
LABELS = np.array([0, 3, 3, 8, 1, 0])


def arcface(**arguments):
    return make_margin("arcface", CLASSES, s=16.0, m=0.4, **arguments)


def unit(array, axis=-1):
    return array / np.linalg.norm(array, axis=axis, keepdims=True)


def arcface_recomputed(centers):
    cosines = unit(EMBEDDINGS.astype(np.float64)) @ unit(centers.astype(np.float64), axis=0)
    rows = np.arange(COUNT)
    logits, own = 16 * cosines, cosines[rows, LABELS]
    # -cos(theta + m) grows with theta only up to pi - m; beyond that, the published fallback applies.
    logits[rows, LABELS] = 16 * np.where(
        np.arccos(own) < np.pi - 0.4, np.cos(np.arccos(own) + 0.4), own - 0.4 * np.sin(0.4)
    )
    losses = np.log(np.exp(logits).sum(axis=1)) - logits[rows, LABELS]
    cosines[rows, LABELS] = -1
    return losses, np.degrees(np.arccos(own)), np.degrees(np.arccos(cosines.max(axis=1)))


def compute(objective, embeddings=EMBEDDINGS, teacher=TARGETS, **arguments):
    loss, statistics = objective.losses_and_statistics(tf.constant(embeddings), LABELS, teacher, **arguments)
    return loss.numpy(), {name: values.numpy() for name, values in statistics.items()}


def test_the_sum_and_its_parts():
    objective = Objective(arcface(), label_weight=0.5, cosine_weight=20, relation_weight=3, teacher_size=TEACHER)
    objective.build((None, SIZE))
    loss, found = compute(objective)
    losses, target, other = arcface_recomputed(objective.margin.centers.numpy())
    np.testing.assert_allclose(found["loss_margin"], losses, rtol=1e-5)
    np.testing.assert_allclose(found["target_angle"], target, rtol=1e-5)
    np.testing.assert_allclose(found["other_angle"], other, rtol=1e-5)
    aims = TARGETS @ objective.lifting.numpy()
    np.testing.assert_allclose(
        found["loss_cosine"], 1 - np.sum(unit(EMBEDDINGS) * unit(aims), axis=1), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(found["loss_relation"], relation_loss(EMBEDDINGS, TARGETS))
    total = 0.5 * found["loss_margin"] + 20 * found["loss_cosine"] + 3 * found["loss_relation"]
    np.testing.assert_allclose(loss, total, rtol=1e-6)
    assert all(values.shape == (COUNT,) and values.dtype == np.float32 for values in (loss, *found.values()))


@pytest.mark.parametrize(
    ("margin", "arguments", "names"),
    [
        ("arcface", {}, {"loss_margin", "target_angle", "other_angle"}),
        (None, {"cosine_weight": 1.0}, {"loss_cosine"}),
        ("arcface", {"label_weight": 0.0, "relation_weight": 1.0}, {"loss_relation"}),
        (None, {"cosine_weight": 1.0, "relation_weight": 1.0}, {"loss_cosine", "loss_relation"}),
    ],
)
def test_only_what_has_weight_is_computed(margin, arguments, names):
    objective = Objective(arcface() if margin else None, teacher_size=TEACHER, **arguments)
    loss, found = compute(objective)
    assert set(found) == names
    np.testing.assert_allclose(loss, sum(found[name] for name in names if name.startswith("loss")), rtol=1e-6)


def test_lengths_that_are_equal_or_do_not_matter_need_nothing():
    for arguments in ({"cosine_weight": 1.0, "teacher_size": SIZE}, {"relation_weight": 1.0, "teacher_size": TEACHER}):
        objective = Objective(None, **arguments)
        objective.build((None, SIZE))
        assert objective.variables == []


def test_a_shorter_teacher_keeps_its_cosines_in_the_space_of_the_student():
    objective = Objective(None, cosine_weight=1.0, teacher_size=TEACHER)
    objective.build((None, SIZE))
    assert objective.trainable_variables == []
    aims = TARGETS @ objective.lifting.numpy()
    np.testing.assert_allclose(aims @ aims.T, TARGETS @ TARGETS.T, atol=1e-5)


@pytest.mark.parametrize("arguments", [{"cosine_weight": 1.0}, {"contrast_weight": 1.0, "bank": np.ones((4, 11))}])
def test_a_longer_teacher_is_refused(arguments):
    objective = Objective(None, teacher_size=11, **arguments)
    with pytest.raises(ValueError, match="11 numbers, the student's 8: project them"):
        objective.build((None, SIZE))


@pytest.mark.parametrize("length", [TEACHER, SIZE])
def test_contrast_recomputed(length):
    teacher, bank = RANDOM.normal(size=(COUNT, length)), RANDOM.normal(size=(7, length))
    objective = Objective(None, contrast_weight=2.0, bank=bank, temperature=0.3, teacher_size=length)
    objective.build((None, SIZE))
    loss, found = compute(objective, teacher=teacher.astype(np.float32))
    lift = np.eye(SIZE) if objective.lifting is None else objective.lifting.numpy()
    aims, others = unit(teacher @ lift), unit(bank @ lift)
    for row in range(COUNT):
        near = np.concatenate([aims[row : row + 1], others])
        wanted, seen = (np.exp(near @ one / 0.3) for one in (aims[row], unit(EMBEDDINGS[row])))
        wanted, seen = wanted / wanted.sum(), seen / seen.sum()
        np.testing.assert_allclose(found["loss_contrast"][row], np.sum(wanted * np.log(wanted / seen)), rtol=1e-4)
    np.testing.assert_allclose(loss, 2 * found["loss_contrast"], rtol=1e-6)


def test_contrast_is_least_where_the_student_is_the_teacher():
    objective = Objective(None, contrast_weight=1.0, bank=RANDOM.normal(size=(7, SIZE)), teacher_size=SIZE)
    objective.build((None, SIZE))
    np.testing.assert_allclose(compute(objective, teacher=3 * EMBEDDINGS)[0], 0, atol=1e-6)


@pytest.mark.parametrize("name", ["arcface", "curricularface", "adaface", "triplet_semi_hard"])
def test_images_without_a_label_have_no_part_in_the_loss_on_labels(name):
    def make(unlabeled):
        keras.utils.set_random_seed(0)
        margin = name if name.startswith("triplet") else make_margin(name, CLASSES)
        objective = Objective(margin, unlabeled=unlabeled)
        objective.build((None, SIZE))
        return objective

    known = np.array([True, False, True, True, False, True])
    mixed, alone = make(True), make(False)
    for _ in range(2):  # what a margin has adapted to shows in the second step
        loss, found = mixed.losses_and_statistics(tf.constant(EMBEDDINGS), np.where(known, LABELS, UNLABELED), None)
        expected, figures = alone.losses_and_statistics(tf.constant(EMBEDDINGS[known]), LABELS[known], None)
        np.testing.assert_allclose(loss[known], expected, rtol=1e-5)
        np.testing.assert_array_equal(loss[~known], 0)
        for key, values in figures.items():
            np.testing.assert_allclose(np.mean(found[key]), np.mean(values), rtol=1e-5)


def test_a_batch_without_any_label():
    objective = Objective(arcface(), unlabeled=True, cosine_weight=1.0, teacher_size=SIZE)
    objective.build((None, SIZE))
    embeddings = tf.Variable(EMBEDDINGS)
    with tf.GradientTape() as tape:
        loss, found = objective.losses_and_statistics(embeddings, np.full(COUNT, UNLABELED), EMBEDDINGS[::-1].copy())
    np.testing.assert_array_equal(found["loss_margin"], 0)
    assert np.isfinite(tape.gradient(loss, embeddings)).all()


@pytest.mark.parametrize(
    ("setting", "classes", "reason"), [("xla=true", CLASSES, "set xla=false"), ("xla=false", 0, "set margin=none")]
)
def test_what_cannot_train_without_labels(setting, classes, reason):
    with pytest.raises(ValueError, match=reason):
        make_objective(get_recipe("paper").override([setting]), classes, unlabeled=True)


def test_a_magnitude_regularizer_is_added():
    class Long(type(arcface())):
        def regularizer(self, norms):
            return 2 * norms

    plain, regularized = (Objective(kind) for kind in (arcface(), Long(CLASSES, s=16.0, m=0.4)))
    for objective in (plain, regularized):
        objective.build((None, SIZE))
    regularized.margin.centers.assign(plain.margin.centers)
    expected = compute(plain)[0] + 2 * np.linalg.norm(EMBEDDINGS, axis=1)
    np.testing.assert_allclose(compute(regularized)[0], expected, rtol=1e-5)


def test_partial_classes():
    objective = Objective(arcface(sample_rate=0.6))
    objective.build((None, SIZE))
    whole, found = compute(objective, training=False)
    part, others = compute(objective, training=True)
    np.testing.assert_allclose(found["target_angle"], others["target_angle"], rtol=1e-5)
    assert (part < whole).any()
    assert (others["other_angle"] >= found["other_angle"] - 1e-3).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_computes_in_float32(keras_policy, policy):
    keras_policy(policy)
    objective = Objective(arcface(), cosine_weight=1.0, relation_weight=1.0, teacher_size=TEACHER)
    objective.build((None, SIZE))
    half = tf.cast(EMBEDDINGS, keras.mixed_precision.global_policy().compute_dtype)
    got = compute(objective, half)
    expected = compute(objective, tf.cast(half, tf.float32))
    assert {variable.dtype for variable in objective.variables} == {tf.float32}
    np.testing.assert_array_equal(got[0], expected[0])


def test_embeddings_at_and_opposite_to_their_center_and_teacher():
    objective = Objective(arcface(), cosine_weight=1.0, relation_weight=1.0, teacher_size=SIZE)
    objective.build((None, SIZE))
    own = objective.margin.centers.numpy().T[LABELS]
    embeddings, teacher = tf.Variable(np.where(LABELS[:, None] > 2, own, -own)), tf.constant(own)
    with tf.GradientTape() as tape:
        loss, found = objective.losses_and_statistics(embeddings, LABELS, teacher, training=True)
    gradients = tape.gradient(loss, [embeddings, *objective.trainable_variables])
    np.testing.assert_allclose(found["target_angle"], np.where(LABELS > 2, 0, 180), atol=0.1)
    np.testing.assert_allclose(found["loss_cosine"], np.where(LABELS > 2, 0, 2), atol=1e-6)
    for array in (loss, *found.values(), *gradients):
        assert np.isfinite(array).all()


@pytest.mark.slow
def test_an_empty_batch():
    objective = Objective(arcface(), cosine_weight=1.0, relation_weight=1.0, teacher_size=TEACHER)

    @tf.function(input_signature=[tf.TensorSpec((None, SIZE)), tf.TensorSpec(None, tf.int32), tf.TensorSpec((None, 5))])
    def gradients(embeddings, labels, teacher):
        with tf.GradientTape() as tape:
            loss, _ = objective.losses_and_statistics(embeddings, labels, teacher, training=True)
        return loss, tape.gradient(loss, objective.trainable_variables)

    objective.build((None, SIZE))
    loss, found = gradients(EMBEDDINGS[:0], LABELS[:0], TARGETS[:0])
    assert loss.shape == (0,)
    assert all(not tf.reduce_any(gradient != 0) for gradient in found)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_student_learns_its_teacher(keras_policy, policy):
    keras_policy(policy)
    objective = Objective(None, cosine_weight=1.0, relation_weight=0.1, teacher_size=TEACHER)
    student = keras.Sequential([keras.layers.Dense(SIZE, input_shape=(4,))])
    objective.build(student.output_shape)
    inputs = RANDOM.normal(size=(64, 4)).astype(np.float32)
    teacher = np.tanh(inputs @ RANDOM.normal(size=(4, TEACHER))).astype(np.float32)
    optimizer = keras.optimizers.Adam(0.02)
    variables = [*student.trainable_variables, *objective.trainable_variables]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss, found = objective.losses_and_statistics(student(inputs), None, teacher, training=True)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return tf.reduce_mean(found["loss_cosine"])

    losses = [float(step()) for _ in range(150)]
    assert losses[0] > 0.4
    assert losses[-1] < 0.1


def test_the_objective_of_a_recipe():
    recipe = get_recipe("distill").override(["s=30", "m=0.3", "sample_rate=0.5", "seed=3"])
    objective = make_objective(recipe, CLASSES, TARGETS[None])
    margin = objective.margin
    assert (type(margin).__name__, margin.num_classes) == ("ArcFace", CLASSES)
    assert (margin.s, margin.m, margin.sample_rate, margin.seed) == (30, 0.3, 0.5, 3)
    loss, found = compute(objective, training=False)
    parts = found["loss_margin"] + 20 * found["loss_cosine"] + found["loss_relation"]
    np.testing.assert_allclose(loss, parts, rtol=1e-6)
    assert not make_objective(get_recipe("paper"), CLASSES).needs_teacher


def test_a_recipe_without_labels():
    recipe = get_recipe("distill").override(["margin=none", "relation_weight=0"])
    loss, _ = compute(make_objective(recipe, CLASSES, EMBEDDINGS[None]), teacher=EMBEDDINGS[::-1].copy())
    np.testing.assert_allclose(loss, 20 * cosine_loss(EMBEDDINGS, EMBEDDINGS[::-1].copy()), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"margin": None}, "no loss"),
        ({"margin": "triplet_hard", "label_weight": 0.0}, "no loss"),
        ({"margin": None, "contrast_weight": 1.0, "teacher_size": 4}, "requires bank"),
        ({"margin": "triplet"}, "unknown triplet loss 'triplet': choose one of triplet_semi_hard, triplet_hard"),
        ({"margin": None, "cosine_weight": 1.0}, "requires teacher_size"),
        ({"margin": None, "cosine_weight": -1.0}, "must be 0 or more"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Objective(**arguments)


def test_a_teacher_that_is_missing_or_another():
    objective = Objective(None, cosine_weight=1.0, teacher_size=TEACHER)
    with pytest.raises(ValueError, match="needs the teacher's embeddings"):
        compute(objective, teacher=None)
    with pytest.raises(ValueError, match="teacher_size is 5, but the embeddings have length 4"):
        compute(objective, teacher=TARGETS[:, :4])


@pytest.mark.parametrize("mining", ["semi_hard", "hard"])
def test_triplets(mining):
    recipe = get_recipe("distill").override([f"margin=triplet_{mining}", "m=0.3", "cosine_weight=0"])
    loss, found = compute(make_objective(recipe, CLASSES, TARGETS[None]))
    expected = triplet_loss(EMBEDDINGS, LABELS, margin=0.3, mining=mining)
    assert set(found) == {"loss_margin", "loss_relation"}
    np.testing.assert_array_equal(found["loss_margin"], expected)
    np.testing.assert_allclose(loss, expected + found["loss_relation"], rtol=1e-6)


@pytest.mark.parametrize("name", list_margins())
def test_every_margin_by_its_recipe(name):
    published = make_margin(name, CLASSES)
    settings = [f"margin={name}", f"m={published.m}"] + ([] if published.s is None else [f"s={published.s}"])
    objective = make_objective(get_recipe("paper").override(settings), CLASSES)
    with tf.GradientTape() as tape:
        loss, found = objective.losses_and_statistics(tf.constant(10 * EMBEDDINGS), LABELS, training=True)
    for array in (loss, *found.values(), *tape.gradient(loss, objective.trainable_variables)):
        assert np.isfinite(array).all()
    assert set(found) == {"loss_margin", "target_angle", "other_angle"}


def test_a_compiled_step_is_the_same():
    objective = Objective(arcface(), cosine_weight=1.0, relation_weight=1.0, teacher_size=TEACHER)
    objective.build((None, SIZE))

    def step(embeddings, labels, teacher):
        with tf.GradientTape() as tape:
            loss, found = objective.losses_and_statistics(embeddings, labels, teacher, training=True)
        return loss, found, tape.gradient(loss, objective.trainable_variables)

    batch = tf.constant(EMBEDDINGS), tf.constant(LABELS), tf.constant(TARGETS)
    for one, other in zip(
        tf.nest.flatten(step(*batch)), tf.nest.flatten(tf.function(step, jit_compile=True)(*batch)), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
