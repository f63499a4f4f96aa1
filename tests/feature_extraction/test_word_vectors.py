"""Word vectors of attribute names: words, spelling, sources and what is reported."""

import pickle
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from zslearn import ClassAttributes
from zslearn.feature_extraction import WordVectors
from zslearn.feature_extraction._attribute_names import (
    composed,
    name_to_words,
    split_attribute_name,
)

WORDS = {"the": [0.5, 0, -1], "bill": [1, 2, 3], "hooked": [4, 5, 6], "red": [-1, 0.25, 0]}


def glove(words=WORDS, separator=" "):
    rows = [separator.join([word, *map(str, values)]) for word, values in words.items()]
    return ("\n".join(rows) + "\n").encode()


def write(tmp_path, contents, name="vectors"):
    path = tmp_path / name
    path.write_bytes(contents)
    return path


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file of word vectors at .*absent.txt"):
        WordVectors(tmp_path / "absent.txt").fit(["red"])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("has_bill_shape::hooked_seabird", ["bill", "shape", "hooked", "seabird"]),
        ("has_bill_shape::curved_(up_or_down)", ["bill", "shape", "curved", "up", "or", "down"]),
        ("has_size::small_(5_-_9_in)", ["size", "small", "5", "9", "in"]),
        ("has_bill_shape::all-purpose", ["bill", "shape", "all-purpose"]),
        ("hasBillShape", ["Bill", "Shape"]),
        ("vinyl/ linoleum", ["vinyl", "linoleum"]),
        ("wood (not part of a tree)", ["wood", "not", "part", "of", "a", "tree"]),
        ("has", ["has"]),
        ("DNA 3.5", ["DNA", "3.5"]),
        ("größe_été", ["größe", "été"]),
        ("a bird's beak", ["a", "bird's", "beak"]),
        ("::_-", []),
        (unicodedata.normalize("NFD", "couleur_crème"), ["couleur", "crème"]),
        ("लाल पंख", ["लाल", "पंख"]),
        ("สีแดง", ["สีแดง"]),
        ("நீளமான_வால்", ["நீளமான", "வால்"]),
        ("שָׁלוֹם", ["שָׁלוֹם"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("soft\u00adhyphen", ["softhyphen"]),
        ("\u0301_\u200d", []),
    ],
)
def test_names_are_cut_into_words(name, words):
    assert split_attribute_name(name) == words


@given(st.text())
def test_one_name_in_two_forms_of_unicode_is_one_name(name):
    composed_words, other = (
        split_attribute_name(unicodedata.normalize(form, name)) for form in ("NFC", "NFD")
    )
    assert composed_words == other


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("stored", ["NFC", "NFD"])
@pytest.mark.parametrize("source", ["file", "mapping"])
def test_vectors_are_found_in_each_form_of_unicode(tmp_path, form, stored, source):
    words = {"crème": [1.0, 2.0], "cre": [5.0, 5.0], "me": [7.0, 7.0]}
    words = {unicodedata.normalize(stored, word): vector for word, vector in words.items()}
    given_source = write(tmp_path, glove(words)) if source == "file" else words
    name = unicodedata.normalize(form, "has_crème")
    vectors = WordVectors(given_source, out_of_vocabulary="raise").fit_transform([name])
    np.testing.assert_array_equal(vectors, [[1.0, 2.0]])


def test_corrections_are_found_in_each_form_of_unicode():
    corrections = {unicodedata.normalize("NFD", "größe"): "size"}
    vectors = WordVectors({"size": [3.0]}, corrections=corrections)
    assert vectors.fit_transform(["Größe"]).tolist() == [[3.0]]


def test_a_file_that_knows_no_word_is_refused(tmp_path):
    text = glove({f"/c/en/{word}": values for word, values in WORDS.items()})
    with pytest.raises(
        ValueError, match=r"no vector for any word.*'red'.*'/c/en/the'.*before each"
    ):
        WordVectors(write(tmp_path, text)).fit(["red"])


@given(st.text())
def test_words_come_from_the_name(name):
    words = split_attribute_name(name)
    name = composed(name)
    assert all(word in name and word.strip("_-: ") == word for word in words)


def test_corrections():
    corrections = {"upperparts": "upper parts", "like": "", "whole name": ["other"]}
    assert name_to_words("has_upperparts_color", None, corrections) == ["upper", "parts", "color"]
    assert name_to_words("Upperparts", None, corrections) == ["upper", "parts"]
    assert name_to_words("gull-like", None, corrections) == ["gull"]
    assert name_to_words("Whole Name", None, corrections) == ["other"]
    assert name_to_words("a|b", lambda name: name.split("|"), {}) == ["a", "b"]
    with pytest.raises(TypeError, match="tokenizer must return a list of words, found 'ab'"):
        name_to_words("ab", str, {})


def test_mean_and_sum(tmp_path):
    path = write(tmp_path, glove())
    names = ["has_bill_shape::hooked", "red_bill", "red_red"]
    mean = WordVectors(path, out_of_vocabulary="ignore").fit_transform(names)
    np.testing.assert_array_equal(mean, [[2.5, 3.5, 4.5], [0, 1.125, 1.5], [-1, 0.25, 0]])
    assert mean.dtype == np.float32
    total = WordVectors(path, aggregate="sum", out_of_vocabulary="ignore", dtype="float64")
    total = total.fit_transform(names)
    np.testing.assert_array_equal(total, [[5, 7, 9], [0, 2.25, 3], [-2, 0.5, 0]])
    assert total.dtype == np.float64


def test_reports(tmp_path):
    path = write(tmp_path, glove())
    vectors = WordVectors(path)
    names = ["shape::red", "shape_color", "bill"]
    with pytest.warns(UserWarning, match=r"2 word\(s\) of 2 name\(s\) have no vector") as caught:
        vectors.fit(names)
    assert "1 name(s) get a vector of zeros" in str(caught[0].message)
    assert vectors.words_ == {"shape::red": ("red",), "shape_color": (), "bill": ("bill",)}
    assert vectors.missing_words_ == {
        "shape": ["shape::red", "shape_color"],
        "color": ["shape_color"],
    }
    assert vectors.zero_names_ == ["shape_color"]
    assert vectors.n_features_out_ == 3
    assert set(vectors.vectors_) == {"red", "bill"}
    assert not vectors.transform(names)[1].any()
    assert vectors.get_feature_names_out().tolist() == [f"wordvectors{k}" for k in range(3)]
    with pytest.raises(ValueError, match="'shape', 'color'"):
        WordVectors(path, out_of_vocabulary="raise").fit(names)
    corrected = WordVectors(path, corrections={"shape": "bill", "color": "hooked"})
    np.testing.assert_array_equal(corrected.fit_transform(["shape_color"]), [[2.5, 3.5, 4.5]])


def test_only_the_words_needed_are_kept(tmp_path):
    words = {f"word{i}": [i, i] for i in range(2000)}
    vectors = WordVectors(write(tmp_path, glove(words))).fit(["word7 word1999"])
    assert set(vectors.vectors_) == {"word7", "word1999"}


def test_spellings():
    source = {"Pacific": [1.0], "TV": [2.0], "all_purpose": [3.0], "upland": [4.0], "like": [6.0]}
    source |= {"##": [7.0], "Red": [8.0], "red": [9.0], "well-known": [10.0], "well": [11.0]}
    names = ["pacific", "tv", "ALL-PURPOSE", "upland-like", "32", "Red", "well-known"]
    out = WordVectors(source).fit_transform(names)
    assert out.ravel().tolist() == [1, 2, 3, 5, 7, 9, 10]
    out = WordVectors(source, lowercase=False).fit_transform(["Red", "red"])
    assert out.ravel().tolist() == [8, 9]


def test_a_part_of_a_hyphenated_word_is_missing():
    vectors = WordVectors({"gull": [1.0]}, out_of_vocabulary="ignore")
    assert vectors.fit_transform(["gull-like"]).tolist() == [[1.0]]
    assert vectors.missing_words_ == {"like": ["gull-like"]}


def test_new_names_are_read_later(tmp_path):
    path = write(tmp_path, glove())
    vectors = WordVectors(path).fit(["bill"])
    np.testing.assert_array_equal(vectors.transform(["hooked"]), [[4, 5, 6]])
    assert vectors.words_ == {"bill": ("bill",)}
    path.unlink()
    np.testing.assert_array_equal(vectors.transform(["hooked", "bill"]), [[4, 5, 6], [1, 2, 3]])
    with pytest.raises(FileNotFoundError):
        vectors.transform(["red"])
    path.write_bytes(glove())
    with pytest.warns(UserWarning, match="'blue'"):
        assert not vectors.transform(["blue"]).any()


class Encoder:
    def __init__(self):
        self.asked = []

    def encode(self, phrases):
        self.asked.append(list(phrases))
        return np.array([[len(phrase), 1.0] for phrase in phrases])

    def __call__(self, phrases):
        raise AssertionError("encode comes first")


def test_sentence_encoders():
    names = ["has_bill_shape::Hooked_seabird", "red", "::"]
    encoder = Encoder()
    vectors = WordVectors(encoder)
    np.testing.assert_array_equal(vectors.fit_transform(names), [[25, 1], [3, 1], [2, 1]])
    assert encoder.asked == [["bill shape hooked seabird", "red", "::"]]
    vectors.transform(["red", "blue"])
    assert encoder.asked[1:] == [["blue"]]
    assert vectors.words_["red"] == ("red",)
    assert vectors.missing_words_ == {}
    raw = WordVectors(encoder.encode, tokenizer=lambda name: [name], lowercase=False)
    raw.fit(names)
    assert encoder.asked[-1] == names


def test_tensors_from_an_encoder():
    import torch

    def encode(phrases):
        return torch.ones(len(phrases), 2, dtype=torch.bfloat16, requires_grad=True)

    np.testing.assert_array_equal(WordVectors(encode).fit_transform(["a", "b"]), np.ones((2, 2)))


@pytest.mark.parametrize(
    ("encode", "message"),
    [
        (lambda phrases: np.ones(3), "returned shape"),
        (lambda phrases: np.ones((1, 3)), "returned 1 rows for 2 phrases"),
        (lambda phrases: np.array([[1.0], [np.nan]]), "NaN or infinite numbers for 1 phrase.*'b'"),
        (lambda phrases: [["x"], ["y"]], "returned shape"),
    ],
)
def test_bad_encoders(encode, message):
    with pytest.raises(ValueError, match=message):
        WordVectors(encode).fit(["a", "b"])


def test_zero_vectors_of_an_encoder_are_reported():
    vectors = WordVectors(lambda phrases: np.eye(2)[: len(phrases)] * [[1], [0]])
    with pytest.warns(UserWarning, match="1 name.*vector of zeros.*'b'"):
        vectors.fit(["a", "b"])
    assert vectors.zero_names_ == ["b"]


def test_mappings():
    class Keyed:
        def __contains__(self, word):
            return word == "red"

        def __getitem__(self, word):
            return np.float32([1, 2])

    np.testing.assert_array_equal(WordVectors(Keyed()).fit_transform(["Red"]), [[1, 2]])
    with pytest.raises(ValueError, match="no vector for any word of the names, such as 'blue'"):
        WordVectors({"red": [1.0]}).fit(["blue"])
    with pytest.raises(ValueError, match="dimensions, others have"):
        WordVectors({"red": [1.0], "blue": [1.0, 2.0]}).fit(["blue", "red"])
    with pytest.raises(ValueError, match=r"source\['red'\] must be a vector of finite numbers"):
        WordVectors({"red": [np.inf]}).fit(["red"])


@pytest.mark.parametrize("source", [None, 3, ["red"], np.ones(3), b"path"])
def test_other_sources_are_refused(source):
    with pytest.raises(TypeError, match="source must be the path of a file"):
        WordVectors(source).fit(["red"])


@pytest.mark.parametrize(
    ("names", "error", "message"),
    [
        ("red", TypeError, "must be a sequence of attribute names.*found str"),
        ([1, "red"], TypeError, "must hold strings, found 1"),
        ([], ValueError, "is empty"),
        (3, TypeError, "found int"),
    ],
)
def test_names_are_checked(names, error, message):
    with pytest.raises(error, match=message):
        WordVectors({"red": [1.0]}).fit(names)


def test_cloned_and_pickled(tmp_path):
    path = write(tmp_path, glove())
    vectors = WordVectors(path, aggregate="sum", corrections={"crimson": "red"}).fit(["bill"])
    again = clone(vectors)
    assert again.get_params() == vectors.get_params()
    assert not hasattr(again, "words_")
    path.unlink()
    loaded = pickle.loads(pickle.dumps(vectors))
    np.testing.assert_array_equal(loaded.transform(["bill"]), [[1, 2, 3]])


def test_order_and_repetition_of_names_do_not_matter():
    rng = np.random.default_rng(0)
    source = {word: rng.normal(size=5) for word in "abcdef"}
    names = ["a b", "c", "f e d", "a b", "b"]
    out = WordVectors(source).fit_transform(names)
    order = [4, 2, 0, 1, 3]
    np.testing.assert_array_equal(
        WordVectors(source).fit_transform([names[i] for i in order]), out[order]
    )


def cub_names(shared_data):
    lines = (shared_data / "cub_mini" / "attributes.txt").read_text().splitlines()
    return [line.split(" ", 1)[1] for line in lines]


def test_published_names_all_have_words(shared_data):
    predicates = (shared_data / "xlsa17" / "AWA2" / "predicates.txt").read_text().splitlines()
    names = cub_names(shared_data) + [line.split("\t")[1] for line in predicates]
    names += (shared_data / "xlsa17" / "SUN" / "attributes.txt").read_text().splitlines()
    assert len(names) == 312 + 85 + 102
    for name in names:
        words = split_attribute_name(name)
        assert words, name
        assert not {"has", "", "-"} & set(words), name


def test_published_vectors_are_sums_of_our_words(shared_data):
    """The published vectors of CUB are explained without rest by a vector for each of our words."""
    names = cub_names(shared_data)
    published = np.load(shared_data / "word_vectors" / "CUB_word2vec_300.npz")["vectors"]
    words = {name: name_to_words(name, None, {}) for name in names}
    vocabulary = sorted({word for used in words.values() for word in used})
    counts = np.array([[words[name].count(word) for word in vocabulary] for name in names])
    vectors, _, rank, _ = np.linalg.lstsq(counts.astype(float), published.astype(float))
    assert rank < 100 < len(names)
    source = dict(zip(vocabulary, vectors, strict=True))
    ours = WordVectors(source, aggregate="sum", dtype="float64").fit_transform(names)
    np.testing.assert_allclose(ours, published, atol=1e-6)


def test_class_attributes_with_word_vectors(tmp_path):
    table = ClassAttributes([[1, 0], [0, 1]], attribute_names=["red bill", "hooked"])
    vectors = WordVectors(write(tmp_path, glove()))
    with_vectors = table.with_word_vectors(vectors)
    np.testing.assert_array_equal(with_vectors.word_vectors, [[0, 1.125, 1.5], [4, 5, 6]])
    assert vectors.words_["red bill"] == ("red", "bill")
    assert table.word_vectors is None


def test_numbers_too_large_for_the_dtype_are_refused():
    words = {"red": np.float32([3e38, 1]), "wing": np.float32([3e38, 1])}
    with pytest.raises(ValueError, match="vector of 'red_wing' is too large for float32"):
        WordVectors(words, aggregate="sum").fit_transform(["red_wing"])
    double = WordVectors(words, aggregate="sum", dtype="float64").fit_transform(["red_wing"])
    assert np.isfinite(double).all()
