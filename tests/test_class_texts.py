"""Classes described in words, by encoders of all kinds, and cosines with them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from zslearn import ALEClassifier, ClassAttributes, CosineClassifier, CVsCClassifier

WORDS = ["red", "blue", "striped", "spotted", "long", "short", "bill", "tail"]


def embed(texts):
    """Sum a fixed vector of 512 numbers for each word, as wide as those of CLIP."""
    vectors = np.random.default_rng(0).normal(size=(len(WORDS), 512))
    return [sum(vectors[i] for i, word in enumerate(WORDS) if word in text) for text in texts]


class Encoder:
    def __init__(self, name):
        setattr(self, name, embed)


def test_any_encoder():
    import pandas as pd
    import torch
    from scipy.sparse import csr_array

    texts = {"a": "red bill", "b": "blue tail", "c": "spotted"}
    raw = np.array(embed(texts.values()))
    expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    encoders = [
        embed,
        Encoder("encode"),
        Encoder("transform"),
        lambda texts: csr_array(embed(texts)),
        lambda texts: torch.tensor(np.array(embed(texts)), requires_grad=True),
    ]
    for encoder in encoders:
        table = ClassAttributes.from_text(texts, encoder)
        assert table.labels.tolist() == ["a", "b", "c"]
        assert_allclose(table.values, expected, rtol=1e-6)
    assert ClassAttributes.from_text(pd.Series(texts), embed) == ClassAttributes.from_text(
        texts, embed
    )


def test_several_texts_are_a_mean_of_directions():
    asked = []

    def encoder(texts):
        asked.append(list(texts))
        return np.array([[3.0, 0], [0, 0.5], [0, 2]])

    table = ClassAttributes.from_text(
        {7: ["one", "two"], 9: "three"}, encoder, attribute_names=["x", "y"]
    )
    assert asked == [["one", "two", "three"]]
    assert_array_equal(table.values, [[0.5, 0.5], [0, 1]])
    assert table.labels.tolist() == [7, 9]
    assert table.attribute_names == ("x", "y")


@pytest.mark.parametrize(
    ("texts", "encoder", "error", "message"),
    [
        (["a"], embed, TypeError, "must map class labels to texts"),
        ({}, embed, ValueError, "empty"),
        ({"a": 3}, embed, TypeError, "descriptions\\['a'\\] must be a text"),
        ({"a": ["x", " "]}, embed, ValueError, "descriptions\\['a'\\] is empty"),
        ({"a": "red"}, "clip", TypeError, "found a str"),
        ({"a": "red"}, lambda t: np.ones(4), ValueError, "found shape \\(4,\\)"),
        ({"a": "red"}, lambda t: [[np.nan]], ValueError, "NaN or infinite values for 'red'"),
        ({"a": "red"}, lambda t: [[0.0, 0.0]], ValueError, "zeros for 'red'"),
    ],
)
def test_refused(texts, encoder, error, message):
    with pytest.raises(error, match=message):
        ClassAttributes.from_text(texts, encoder)


def made_up_pair(n_classes=40, n_dims=512, noise=1.5):
    """Vectors of a made-up pair of encoders: pictures lie about the texts of their class."""
    rng = np.random.default_rng(1)
    shared, texts = rng.normal(size=n_dims), rng.normal(size=(n_classes, n_dims))
    texts += 2 * shared  # as in CLIP, all cosines are large
    y = np.repeat(np.arange(n_classes), 10)
    X = texts[y] + noise * rng.normal(size=(len(y), n_dims)) - 3 * shared
    return X.astype(np.float32), y, ClassAttributes(texts)


def test_a_start_from_the_identity_keeps_an_alignment():
    X, y, texts = made_up_pair()
    seen = y < 20
    given = {"candidates": "unseen"}
    cosine = CosineClassifier().fit(X[seen], y[seen], texts).score(X[~seen], y[~seen], **given)
    scores = {
        start: ALEClassifier(identity_start=start, random_state=0)
        .fit(X[seen], y[seen], texts)
        .score(X[~seen], y[~seen], **given)
        for start in (0.0, 100.0)
    }
    assert cosine > 0.9
    assert scores[100.0] >= cosine
    assert scores[0.0] < cosine - 0.2


def test_attention_keeps_an_alignment_too():
    X, y, texts = made_up_pair(n_dims=128, noise=1.2)
    seen = y < 20
    given = {"candidates": "unseen"}
    cosine = CosineClassifier().fit(X[seen], y[seen], texts).score(X[~seen], y[~seen], **given)
    scores = []
    for start, rate in ((100.0, 1e-9), (100.0, 3e-3), (0.0, 3e-3)):
        clf = CVsCClassifier(identity_start=start, head="own", learning_rate=rate)
        clf.set_params(max_epochs=5, precision="float32", random_state=0)
        clf.fit(X[seen], y[seen], class_attributes=texts)
        scores.append(clf.score(X[~seen], y[~seen], **given))
    untrained, trained, from_random = scores
    assert untrained == pytest.approx(cosine, abs=0.005)
    assert trained >= cosine - 0.03
    assert from_random < cosine - 0.3


def test_attention_starts_from_words_in_the_space_of_regions():
    rng = np.random.default_rng(0)
    common = rng.normal(size=512)
    words = rng.normal(size=(30, 512)) + 2 * common
    values = np.array([rng.permutation([1.0] * 6 + [0.0] * 24) for _ in range(40)])
    y = np.repeat(np.arange(40), 5)
    shown = np.array([rng.choice(np.flatnonzero(values[c]), 9) for c in y])
    X = words[shown] - 3 * common + 3 * rng.normal(size=(200, 9, 512))
    table, seen = ClassAttributes(values, word_vectors=words), y < 20
    scores = []
    for start in (0.0, 100.0):
        clf = CVsCClassifier(identity_start=start, head="own", learning_rate=1e-9)
        clf.set_params(max_epochs=1, precision="float32", random_state=0)
        clf.fit(X[seen], y[seen], class_attributes=table)
        scores.append(clf.score(X[~seen], y[~seen], candidates="unseen"))
    assert scores[0] < 0.2
    assert scores[1] > 0.8


def test_without_a_step_it_is_the_cosines():
    X, y, texts = made_up_pair()
    clf = ALEClassifier(1e-12, identity_start=50.0, score_scale=1.0, random_state=0)
    clf.fit(X, y, texts)
    cosines = CosineClassifier(50.0).fit(X, y, texts).uncalibrated_scores(X)
    assert_allclose(clf.uncalibrated_scores(X), cosines, rtol=0, atol=1e-6)


def test_identity_start_needs_one_space():
    X, y, texts = made_up_pair()
    with pytest.raises(ValueError, match="identity_start=1.0 needs classes described in the space"):
        ALEClassifier(identity_start=1.0).fit(X[:, :9], y, texts)
    with pytest.raises(ValueError, match="identity_start must be a number"):
        ALEClassifier(identity_start=-1.0).fit(X, y, texts)
    clf = CVsCClassifier(identity_start=1.0, max_epochs=1)
    with pytest.raises(ValueError, match="no word vectors, and class_attributes has 512 values"):
        clf.fit(X[:, :9], y, class_attributes=texts)
    table = ClassAttributes(texts.values[:, :3], word_vectors=np.ones((3, 7)))
    with pytest.raises(ValueError, match="identity_start=1.0 .* have 7 numbers and X has 9"):
        clf.fit(X[:, :9], y, class_attributes=table)
    assert not hasattr(clf, "net_")


def test_html():
    table = ClassAttributes(
        [[1, -1] + [0] * 8, [0.25, 1] + [0] * 8],
        labels=["<b>", "c"],
        attribute_names=["a&b", *map(str, range(9))],
        missing_values=-1,
    )
    html = table._repr_html_()
    assert "2 classes × 10 attributes, no word vectors, 1 unknown values" in html
    assert "<th>&lt;b&gt;</th><td>1</td><td><i>unknown</i></td>" in html
    assert "<th>a&amp;b</th>" in html
    assert html.count("<tr>") == 3
    assert html.count("…") == 3
