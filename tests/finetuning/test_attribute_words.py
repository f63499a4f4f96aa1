"""What DUET draws by: tables, candidates, shares and texts equal the authors' code."""

from pathlib import Path

import numpy as np
import pytest

from zslearn.finetuning._attribute_words import MASK, AttributeWords

PARITY = Path(__file__).resolve().parents[1] / "data" / "parity"


@pytest.fixture(scope="module")
def case():
    with np.load(PARITY / "duet_sampling_case1.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def words(case):
    return AttributeWords(
        case["class_attributes_seen"],
        case["binary_seen"].astype(bool),
        case["attribute_names"].tolist(),
        case["attribute_group"].tolist(),
    )


def flat(pieces, place=None):
    """The authors' way to write a text."""
    pieces = [MASK if i == place else piece for i, piece in enumerate(pieces)]
    text = " ".join(pieces)
    return text.replace(" , ", ",").replace(" .", ".")


def test_tables(words, case):
    np.testing.assert_allclose(words.rarity, case["frequency"], rtol=1e-12)
    np.testing.assert_allclose(words.share, case["minmax"], rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(words.distance, case["squared_distance"], rtol=1e-12)


@pytest.mark.parametrize("c", range(9))
def test_candidates_and_shares(words, case, c):
    of_class = {k.partition(".")[2]: v for k, v in case.items() if k.startswith(f"class{c}.")}
    k = int(of_class["masked"])
    absent, present = words.parts_of_group(c, k)
    if "no_negative" in of_class:
        assert len(words.negative_shares(c, k)[0]) == 0
    else:
        np.testing.assert_array_equal(absent, of_class["group_absent"])
        np.testing.assert_array_equal(present, of_class["group_present"])
    for name, (candidates, shares) in {
        "mask": words.mask_shares(c),
        "positive": words.positive_shares(c, k),
        "negative": words.negative_shares(c, k),
    }.items():
        if f"{name}_candidates" in of_class:
            np.testing.assert_array_equal(candidates, of_class[f"{name}_candidates"])
            np.testing.assert_allclose(shares, of_class[f"{name}_probabilities"], rtol=1e-12)


@pytest.mark.parametrize("c", range(9))
def test_texts(words, case, c):
    k = int(case[f"class{c}.masked"])
    pieces, place = words.text(np.flatnonzero(words.has[c]), k)
    assert flat(pieces) == case[f"class{c}.text"]
    assert flat(pieces, place) == case[f"class{c}.masked_text"]
    positive = int(case[f"class{c}.positive"][0])
    text = flat(*words.text(np.flatnonzero(words.has[positive]), k))
    assert text == case[f"class{c}.positive_text"]
    if f"class{c}.negatives" not in case:
        return
    drawn = case[f"class{c}.negatives"]
    negatives = np.repeat(drawn, 4 // len(drawn))
    texts = zip(negatives, case[f"class{c}.negative_words"], strict=True)
    for (other, word), expected in zip(texts, case[f"class{c}.negative_texts"], strict=True):
        attribute = words.names.index(word)
        assert words.has[other, attribute]
        assert not words.has[c, attribute]
        assert flat(*words.text(np.flatnonzero(words.has[other]), attribute)) == expected


def test_draws_are_what_the_tables_allow(words):
    rng = np.random.default_rng(0)
    for c in range(9):
        attributes, shares = words.mask_shares(c)
        counts = np.zeros(8)
        for _ in range(300):
            drawn = words.draw(c, rng)
            assert words.has[drawn.positive, drawn.attribute]
            assert not words.has[drawn.negatives, drawn.attribute].any()
            assert words.has[drawn.negatives, drawn.negative_attributes].all()
            assert not words.has[c, drawn.negative_attributes].any()
            assert len(drawn.negatives) in (0, 4)
            counts[drawn.attribute] += 1
        assert not counts[np.setdiff1d(np.arange(8), attributes[shares > 0])].any()


def test_a_class_without_attributes_has_none_to_mask():
    words = AttributeWords(np.eye(2), np.array([[True, False], [False, False]]), ["a", "b"], "gg")
    assert words.draw(1, np.random.default_rng(0)) is None
    assert words.draw(0, np.random.default_rng(0)).attribute == 0


def test_dropped_attributes_and_the_prompt(words):
    rng = np.random.default_rng(0)
    kept = [words.kept(0, 0.5, rng, keep=5) for _ in range(200)]
    assert all(5 in attributes for attributes in kept)
    assert np.mean([len(attributes) for attributes in kept]) == pytest.approx(3.0, abs=0.2)
    assert flat(words.prompt()) == "color : | pattern : | shape :."
