import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zslearn.metrics import _localization as localization
from zslearn.metrics import attribute_localization_score

# Two pictures, three attributes, four regions; attribute 2 names no part.
ATTENTION = np.array(
    [
        [[0.7, 0.1, 0.1, 0.1], [0.4, 0.3, 0.2, 0.1], [1, 0, 0, 0]],
        [[0.25, 0.25, 0.25, 0.25], [0.0, 0.0, 0.5, 0.5], [1, 0, 0, 0]],
    ]
)
REGIONS = np.array([[[1, 0, 0, 0], [0, 0, 1, 1]], [[1, 1, 0, 0], [0, 0, 0, 0]]], dtype=bool)
PARTS = [0, 1, -1]


def test_by_hand():
    # Pairs: (0, 0) 0.7 of 1/4, (0, 1) 0.3 of 1/2, (1, 0) 0.5 of 1/2; part 1 is hidden in picture 1.
    result = attribute_localization_score(ATTENTION, REGIONS, PARTS)
    np.testing.assert_allclose(result.attribute_scores, [0.6, 0.3, np.nan])
    np.testing.assert_allclose(result.attribute_chances, [0.375, 0.5, np.nan])
    assert result.attribute_pairs.tolist() == [2, 1, 0]
    assert result.n_pairs == 3
    assert result.score == pytest.approx(0.45)
    assert result.chance == pytest.approx(0.4375)
    assert result.gain == pytest.approx(0.45 / 0.4375)
    pairs = attribute_localization_score(ATTENTION, REGIONS, PARTS, average="pair")
    assert pairs.score == pytest.approx(0.5)
    assert pairs.chance == pytest.approx(1.25 / 3)


def test_peaks():
    # Right, wrong, and two of four tied maxima right.
    result = attribute_localization_score(ATTENTION, REGIONS, PARTS, method="peak")
    np.testing.assert_allclose(result.attribute_scores, [0.75, 0.0, np.nan])
    assert result.chance == pytest.approx(0.4375)


def test_only_what_is_shown():
    shown = np.array([[False, True, True], [True, True, True]])
    result = attribute_localization_score(ATTENTION, REGIONS, PARTS, shown=shown)
    np.testing.assert_allclose(result.attribute_scores, [0.5, 0.3, np.nan])
    assert result.n_pairs == 2


def test_several_parts_are_all_right():
    parts = np.array([[True, True], [False, True], [False, False]])
    result = attribute_localization_score(ATTENTION, REGIONS, parts)
    # Both parts of picture 0 are regions 0, 2 and 3; of picture 1, 0 and 1.
    np.testing.assert_allclose(result.attribute_scores, [(0.9 + 0.5) / 2, 0.3, np.nan])
    np.testing.assert_allclose(result.attribute_chances, [(0.75 + 0.5) / 2, 0.5, np.nan])


def test_batches_are_the_whole(monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    attention, regions = rng.random((7, 5, 9)), rng.random((7, 3, 9)) < 0.3
    parts = np.array([2, 0, -1, 1, 2])
    whole = attribute_localization_score(attention, regions, parts)
    np.save(tmp_path / "maps.npy", attention)
    mapped = np.load(tmp_path / "maps.npy", mmap_mode="r")
    batches = (attention[i : i + 3] for i in range(0, 7, 3))
    monkeypatch.setattr(localization, "_CHUNK_VALUES", 60)
    for other in (mapped, attention.tolist(), batches):
        result = attribute_localization_score(other, regions, parts)
        for found, expected in zip(result, whole, strict=True):
            np.testing.assert_array_equal(found, expected)


def cases():
    shape = st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(2, 6))
    return st.tuples(shape, st.integers(0, 2**32 - 1), st.sampled_from(["mass", "peak"]))


def make(shape, seed):
    n, k, p, r = shape
    rng = np.random.default_rng(seed)
    attention = rng.integers(0, 4, size=(n, k, r)) + 0.0
    attention[..., 0] += attention.sum(axis=2) == 0
    regions = rng.random((n, p, r)) < 0.5
    regions[0, 0, 0] = True
    parts = rng.integers(-1, p, size=k)
    parts[0] = 0
    return attention, regions, parts, rng


@given(cases())
@settings(max_examples=100, deadline=None)
def test_invariances(case):
    shape, seed, method = case
    attention, regions, parts, rng = make(shape, seed)
    result = attribute_localization_score(attention, regions, parts, method=method)
    assert 0 <= result.score <= 1 + 1e-12
    n, k, _, r = shape
    order, cells = rng.permutation(n), rng.permutation(r)
    scaled = attention * 2.0 ** rng.integers(-900, 900, size=(n, k, 1))
    for other in (
        (attention[order], regions[order]),
        (attention[..., cells], regions[..., cells]),
        (scaled, regions),
    ):
        same = attribute_localization_score(*other, parts, method=method)
        assert same.score == pytest.approx(result.score)
        assert same.chance == pytest.approx(result.chance)
        assert same.n_pairs == result.n_pairs
    even = attribute_localization_score(np.ones((n, k, r)), regions, parts, method=method)
    assert even.score == pytest.approx(result.chance)
    everywhere = attribute_localization_score(
        attention, np.ones_like(regions), parts, method=method
    )
    assert everywhere.score == pytest.approx(1)
    opposite = (
        attribute_localization_score(attention, ~regions, parts, method=method)
        if ((~regions).any(axis=2).all() and regions.any(axis=2).all())
        else None
    )
    if opposite is not None:
        assert opposite.score == pytest.approx(1 - result.score)


def test_errors():
    def score(attention=ATTENTION, regions=REGIONS, parts=PARTS, **options):
        return attribute_localization_score(attention, regions, parts, **options)

    with pytest.raises(ValueError, match="part_regions must have shape .* found shape .2, 4."):
        score(regions=REGIONS[:, 0])
    with pytest.raises(TypeError, match="must be boolean.*float64.*part_regions > 0"):
        score(regions=REGIONS * 1.0)
    with pytest.raises(ValueError, match="numbers from -1 to 2, but part_regions has 2 parts"):
        score(parts=[0, 2, -1])
    with pytest.raises(ValueError, match="3 columns but part_regions has 2 parts"):
        score(parts=np.ones((3, 3), dtype=bool))
    with pytest.raises(ValueError, match="number of a part for each attribute.*float64"):
        score(parts=[0.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="3 attributes .* and 4 regions .*; found shape .2, 3, 3."):
        score(ATTENTION[..., :3])
    with pytest.raises(ValueError, match="attention has 1 samples but part_regions has 2"):
        score(ATTENTION[:1])
    with pytest.raises(ValueError, match="attention has at least 3 samples but part_regions has 2"):
        score(iter([ATTENTION, ATTENTION[:1]]))
    for bad in (np.nan, np.inf, -0.1):
        wrong = ATTENTION.copy()
        wrong[1, 1, 2] = bad
        with pytest.raises(ValueError, match="holds 1 NaN.* first in sample 1, attribute 1"):
            score(wrong)
    empty = ATTENTION.copy()
    empty[0, 1] = 0
    with pytest.raises(ValueError, match="0 in every region for sample 0, attribute 1"):
        score(empty)
    assert score(empty, shown=np.array([[True, False, True]] * 2)).n_pairs == 2
    with pytest.raises(ValueError, match="no pair to judge"):
        score(parts=[-1, -1, -1])
    with pytest.raises(ValueError, match=r"shown must be boolean of shape \(2, 3\)"):
        score(shown=np.ones((2, 2), dtype=bool))
    with pytest.raises(ValueError, match="'method' parameter"):
        score(method="area")
