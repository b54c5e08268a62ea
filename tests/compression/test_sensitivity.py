"""How sparse each layer becomes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesaw_keras.compression.sensitivity import LEVELS, Curve, allocate, scan

damages = st.lists(st.floats(0, 1), min_size=len(LEVELS), max_size=len(LEVELS)).map(tuple)
curves = st.dictionaries(st.text("abc", min_size=1), st.builds(Curve, st.integers(10, 10**6), damages), min_size=1)


def total(shares, curves):
    return sum(shares[name] * curve.entries for name, curve in curves.items()) / sum(
        curve.entries for curve in curves.values()
    )


def below(curve):
    """A layer's damage at hundredths of sparsity as the allocation sees it: rising, and convex."""
    x = np.linspace(0, 1, 101)
    y = np.interp(x, (0, *LEVELS, 1), np.maximum.accumulate([0, *curve.damage, 1]))
    return x, y


@settings(max_examples=100, deadline=None, derandomize=True)
@given(curves, st.floats(0, 0.99))
def test_the_total_is_what_was_wanted_and_no_layer_loses_nearly_all(curves, sparsity):
    shares = allocate(curves, sparsity)
    assert shares.keys() == curves.keys()
    assert total(shares, curves) == pytest.approx(sparsity, abs=1e-9)
    assert all(0 <= share <= 1 - (1 - sparsity) / 3 + 1e-9 for share in shares.values())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(curves, st.sampled_from([0.3, 0.6, 0.8, 0.9]), st.randoms(use_true_random=False))
def test_no_other_shares_do_less_damage_where_curves_are_convex(curves, sparsity, random):
    convex = {
        name: Curve(curve.entries, tuple(float(level**3 * curve.damage[0]) for level in LEVELS))
        for name, curve in curves.items()
    }

    def damage(shares):
        points = (0, *LEVELS, 1)
        return sum(np.interp(shares[name], points, (0, *curve.damage, 1)) for name, curve in convex.items())

    shares = allocate(convex, sparsity)
    for _ in range(20):
        first, second = random.choices(list(convex), k=2)
        entries = random.random() * min(convex[first].entries, convex[second].entries)
        other = dict(shares)
        other[first] -= entries / convex[first].entries
        other[second] += entries / convex[second].entries
        if other[first] >= 0 and other[second] <= 1 - (1 - sparsity) / 3 and first != second:
            assert damage(other) >= damage(shares) - 1e-9


def test_layers_that_bear_it_become_sparser():
    hardy, tender = (tuple(scale * level**2 for level in LEVELS) for scale in (0.01, 1.0))
    shares = allocate({"hardy": Curve(1000, hardy), "tender": Curve(1000, tender)}, 0.8)
    assert shares["hardy"] > 0.9 > 0.7 > shares["tender"]
    even = allocate({"large": Curve(100_000, hardy), "small": Curve(1000, hardy)}, 0.8)
    assert even["large"] > even["small"]


def test_damage_is_measured_layer_by_layer_and_leaves_no_trace(plain, teach):
    before = plain.get_weights()
    images = teach.images
    seen = []
    curves = scan(plain, images, ["stem"], progress=lambda done, all: seen.append((done, all)))
    assert list(curves) == ["stem_conv", "stage1_project_conv", "embedding_conv"]
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert all(np.array_equal(old, new) for old, new in zip(before, plain.get_weights(), strict=True))
    kernel = plain.get_layer("embedding_conv").kernel
    values = kernel.numpy()
    dense = plain(images).numpy()
    order = np.argsort(np.abs(values).ravel())
    pruned = values.ravel().copy()
    pruned[order[: int(0.7 * values.size)]] = 0
    kernel.assign(pruned.reshape(values.shape))
    expected = 1 - (dense * plain(images).numpy()).sum(1).mean()
    kernel.assign(values)
    assert curves["embedding_conv"].entries == values.size
    assert curves["embedding_conv"].damage[LEVELS.index(0.7)] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("sparsity", [1.5, 1.0, -0.1, float("nan")])
def test_impossible_shares_are_refused(sparsity):
    with pytest.raises(ValueError, match="sparsity must be 0 or more and below 1, got"):
        allocate({"one": Curve(10, LEVELS)}, sparsity)
