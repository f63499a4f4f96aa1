"""DUET with a small language model: batches, masked words, and what is trained."""

import numpy as np
import pytest
import torch
from torch import nn

import zslearn
from zslearn import ClassAttributes
from zslearn.exceptions import ModelFileError
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.finetuning import DUETClassifier, FineTuning
from zslearn.finetuning._duet_batches import DUETBatches
from zslearn.nn.losses import MaskedWordLoss, WordContrastLoss

NAMES = ["red wings", "blue wings", "long bill", "short bill", "spotted"]
GROUPS = ["wings", "wings", "bill", "bill", "pattern"]
TABLE = np.array(
    [[1, 0, 1, 0, 1], [0, 1, 0, 1, 0], [1, 0, 0, 1, 0], [0, 1, 1, 0, 0.2], [1, 0, 1, 0, 0]]
)
SMALL = {"width": 16, "n_heads": 2, "inner_dim": 32, "dropout": 0.0, "random_state": 0}


class Words(nn.Module):
    """Embeddings of words, and one layer in which they see each other."""

    width, mask_id = 12, 1

    def __init__(self):
        super().__init__()
        words = {word for name in NAMES + GROUPS for word in name.split()} | set(":,|.")
        self.ids = {word: number for number, word in enumerate(sorted(words), 2)}
        self.vocab_size = len(self.ids) + 2
        self.embedding = nn.Embedding(self.vocab_size, self.width)
        self.layer = nn.TransformerEncoderLayer(self.width, 2, 16, 0.0, batch_first=True)

    def pieces(self, word):
        return [self.ids[part] for part in word.split()]

    def forward(self, ids, padding):
        return self.layer(self.embedding(ids), src_key_padding_mask=padding)


def network():
    return TimmRegionExtractor("test_vit", pretrained=False, image_size=32, precision="float32")


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, size=(24, 32, 32, 3), dtype=np.uint8), np.arange(24) % 4


@pytest.fixture(scope="module")
def table():
    return ClassAttributes(TABLE, attribute_names=NAMES)


def reading(**params):
    torch.manual_seed(0)
    given = {"text_encoder": Words(), "attribute_groups": GROUPS, "mask_probability": 1.0}
    return DUETClassifier(network(), **(SMALL | given | params))


@pytest.fixture(scope="module")
def read(pictures, table):
    return reading(max_epochs=2, batch_size=8, learning_rate=1e-3).fit(*pictures, table)


def test_masked_words_train_the_language_model(read):
    history = read.net_.history
    assert read.net_.term_names_ == ["ce", "attribute", "cal", "words", "contrast"]
    assert history[-1, "words"] < history[0, "words"]
    given, learned = read.text_encoder.state_dict(), read.net_.module_.text_encoder.state_dict()
    assert not torch.equal(given["embedding.weight"], learned["embedding.weight"])
    torch.manual_seed(0)
    assert torch.equal(given["embedding.weight"], Words().embedding.weight)


def test_predictions_read_the_prompt_once(read, pictures, monkeypatch):
    encoder, calls = read.net_.module_.text_encoder, []
    forward = encoder.forward
    monkeypatch.setattr(encoder, "forward", lambda *args: calls.append(1) or forward(*args))
    scores = read.uncalibrated_scores(pictures[0])
    assert scores.shape == (24, 5)
    assert len(calls) == 1
    products = read.predict_attributes(pictures[0]) @ read.class_embeddings().T
    np.testing.assert_allclose(products, scores, rtol=1e-4, atol=1e-5)


def batches_of(clf, pictures, table, **changed):
    """The batches of a fitted estimator, anew."""
    source, y, _ = clf._readable(*pictures, None, anew=False)
    rows = clf._rows(source, table, torch.device("cpu"))
    learner = clf.net_.module_
    options = {
        "learner": learner,
        "pairs": True,
        "words": learner.words,
        "mask_probability": 1.0,
        "attribute_drop": 0.5,
    }
    return DUETBatches(rows, y, 8, 3, **(options | changed))


def test_a_masked_batch_row_by_row(read, pictures, table):
    """Padding, batching and the order of the pictures change nothing."""
    learner = read.net_.module_.eval()
    X, y = next(iter(batches_of(read, pictures, table)))
    drawn, learner.drawn = learner.drawn, None
    compared = [word for word in drawn.words if len(word.negatives)]
    assert len(X) == len(y) + 5 * len(compared)
    assert len(drawn.others) == 5 * len(compared)
    head, encoder = learner.head, learner.text_encoder
    share = (TABLE[:4] - TABLE[:4].min()) / np.ptp(TABLE[:4])
    masked, contrast, after = 0.0, 0.0, len(y)

    def read_one(text, picture, hide):
        ids, marks = map(torch.tensor, learner._ids(text))
        shown = ids.masked_fill(marks.bool(), encoder.mask_id) if hide else ids
        states = encoder(shown[None], torch.zeros(1, len(ids), dtype=torch.bool))
        words, image = head(learner.vectors(picture[None]), states)
        return words, image, ids[None], head.contrast_of(words, marks.bool()[None])

    with torch.no_grad():
        images, terms = learner._masked(learner.vectors(X), y, drawn)
        for row, word, text in zip(drawn.rows, drawn.words, drawn.texts, strict=True):
            words, image, ids, anchor = read_one(text, X[row], True)
            torch.testing.assert_close(images[row], image[0], rtol=1e-4, atol=1e-5)
            has = share[y[row], word.attribute]
            masked += MaskedWordLoss()(head.words(words), ids, torch.tensor([3 * has]))
            if not len(word.negatives):
                continue
            first = after - len(y)
            others = [read_one(drawn.others[first + i], X[after + i], False)[3] for i in range(5)]
            after += 5
            both = torch.tensor([min(has, share[word.positive, word.attribute])])
            contrast += WordContrastLoss()(anchor, others[0], torch.cat(others[1:])[None], both)
    torch.testing.assert_close(terms["words"], masked, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(terms["contrast"], contrast, rtol=1e-4, atol=1e-5)


def test_the_pictures_of_a_masked_batch_are_of_the_classes_drawn(read, pictures, table):
    batches = batches_of(read, pictures, table)
    for rows, drawn in zip(batches.rows_of_epoch(), batches._plans, strict=True):
        n = len(rows) - len(drawn.others)
        expected = [
            c for w in drawn.words if len(w.negatives) for c in (w.positive, *w.negatives.tolist())
        ]
        assert pictures[1][rows[n:]].tolist() == expected
        for row, word in zip(drawn.rows, drawn.words, strict=True):
            assert TABLE[pictures[1][rows[row]], word.attribute] == 1


def test_pairs_are_other_pictures_of_the_class(read, pictures, table):
    batches = batches_of(read, pictures, table, mask_probability=0.0)
    epochs = []
    for epoch in (0, 1, 0):
        batches.epoch = epoch
        epochs.append(batches.rows_of_epoch())
        for rows in epochs[-1]:
            first, second = np.split(rows, 2)
            assert (pictures[1][first] == pictures[1][second]).all()
            assert (first != second).all()
    assert not np.array_equal(epochs[0][0], epochs[1][0])
    for one, again in zip(epochs[0], epochs[2], strict=True):
        np.testing.assert_array_equal(one, again)


def test_a_class_of_one_picture_stands_beside_itself(read, pictures, table):
    X, y = pictures[0][:5], np.array([0, 0, 1, 1, 2])
    batches = batches_of(read, (X, y), table, mask_probability=0.0)
    for rows in batches.rows_of_epoch():
        first, second = np.split(rows, 2)
        assert (y[first] == y[second]).all()


def test_without_layers_there_is_no_text(pictures, table):
    clf = DUETClassifier(network(), n_layers=0, lambda_class_contrast=0.0, max_epochs=1, **SMALL)
    clf.fit(*pictures, table)
    learner = clf.net_.module_
    assert clf.net_.term_names_ == ["ce", "attribute", "cal"]
    assert learner.stores
    assert {name.partition(".")[0] for name, _ in learner.head.named_parameters()} == {
        "image_projection",
        "attribute_head",
    }


def test_word_vectors_of_groups_are_the_prompt(pictures):
    vectors = np.random.default_rng(1).normal(size=(5, 7))
    table = ClassAttributes(TABLE, attribute_names=NAMES, word_vectors=vectors)
    clf = DUETClassifier(network(), attribute_groups=GROUPS, max_epochs=1, **SMALL)
    clf.fit(*pictures, table)
    prompt = clf.net_.module_.prompt.numpy()
    expected = [vectors[:2].mean(0), vectors[2:4].mean(0), vectors[4]]
    np.testing.assert_allclose(prompt, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"attribute_groups": ["a", "b"]}, "attribute_groups names 2 groups.*5 attributes"),
        ({"prompt": np.zeros(3)}, r"prompt must be finite.*\(3,\)"),
        ({"prompt": np.full((2, 3), np.nan)}, "prompt must be finite"),
        ({"n_heads": 3}, "width=16 must be a multiple of n_heads=3"),
    ],
)
def test_refused(pictures, table, params, message):
    clf = DUETClassifier(network(), max_epochs=1, **(SMALL | params))
    with pytest.raises(ValueError, match=message):
        clf.fit(*pictures, table)
    assert not hasattr(clf, "net_")


def test_presets_are_the_authors():
    clf = DUETClassifier.from_preset("cub")
    assert (clf.lambda_mask, clf.lambda_contrast, clf.delta, clf.batch_size) == (5.0, 0.001, 0.7, 7)
    assert clf._settings.accumulate == 10
    other = DUETClassifier.from_preset("sun", finetuning=FineTuning(accumulate=2))
    assert other.extractor.startswith("swin_base")
    assert other._settings.accumulate == 2


def test_saved_without_its_language_model(read, pictures, tmp_path):
    path = tmp_path / "model.safetensors"
    with pytest.warns(UserWarning, match="text_encoder is a network of yours"):
        zslearn.save(read, path)
    with pytest.raises(ModelFileError, match=r"text_encoder is a network.*Words.*given="):
        zslearn.load(path)
    torch.manual_seed(1)
    other = Words()
    loaded = zslearn.load(path, given={"text_encoder": other})
    np.testing.assert_array_equal(
        loaded.predict_proba(pictures[0]), read.predict_proba(pictures[0])
    )
    assert loaded.text_encoder is other
    torch.manual_seed(1)
    assert torch.equal(other.embedding.weight, Words().embedding.weight)
    other.ids = dict(zip(other.ids, reversed(other.ids.values()), strict=True))
    with pytest.raises(ModelFileError, match="other pieces for the words"):
        zslearn.load(path, given={"text_encoder": other})
    with pytest.raises(ValueError, match=r"given has \['encoder'\]"):
        zslearn.load(path, given={"text_encoder": Words(), "encoder": Words()})
    unfitted = reading()
    with pytest.warns(UserWarning, match="text_encoder"):
        zslearn.save(unfitted, path, overwrite=True)
    assert zslearn.load(path, given={"text_encoder": other}).text_encoder is other
