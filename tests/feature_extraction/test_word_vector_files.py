"""Files of word vectors: their formats, told apart, read in part, and what is said of damage."""

import bz2
import gzip
import lzma
import pickle
import re
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zslearn.feature_extraction import _word_vector_files
from zslearn.feature_extraction._word_vector_files import read_word_vectors

WORDS = {"the": [0.5, 0, -1], "bill": [1, 2, 3], "hooked": [4, 5, 6], "red": [-1, 0.25, 0]}


def glove(words=WORDS, separator=" "):
    rows = [separator.join([word, *map(str, values)]) for word, values in words.items()]
    return ("\n".join(rows) + "\n").encode()


def word2vec(words=WORDS, n_words=None):
    dims = len(next(iter(words.values())))
    return f"{len(words) if n_words is None else n_words} {dims}\n".encode() + glove(words)


def binary(words=WORDS, n_words=None, newline=b"\n"):
    dims = len(next(iter(words.values())))
    out = f"{len(words) if n_words is None else n_words} {dims}\n".encode()
    for word, values in words.items():
        out += word.encode() + b" " + struct.pack(f"<{dims}f", *values) + newline
    return out


def write(tmp_path, contents, name="vectors"):
    path = tmp_path / name
    path.write_bytes(contents)
    return path


FILES = {
    "glove": glove(),
    "glove with tabs": glove(separator="\t"),
    "glove with trailing spaces": glove().replace(b"\n", b" \n"),
    "glove from windows": glove().replace(b"\n", b"\r\n"),
    "glove without last newline": glove().rstrip(b"\n"),
    "word2vec": word2vec(),
    "word2vec from windows": word2vec().replace(b"\n", b"\r\n"),
    "glove with a tab after the word": re.sub(rb"(?m)^(\w+) ", rb"\1\t", glove()),
    "word2vec with a tab after the word": re.sub(rb"(?m)^([a-z]+) ", rb"\1\t", word2vec()),
    "binary": binary(),
    "binary without newlines": binary(newline=b""),
    "glove.gz": gzip.compress(glove()),
    "binary.gz": gzip.compress(binary()),
}


@pytest.mark.parametrize("kind", FILES)
def test_formats_are_found_out(tmp_path, kind):
    path = write(tmp_path, FILES[kind])
    vectors, n_dims = read_word_vectors(path, {"red", "bill", "absent"})
    assert n_dims == 3
    assert set(vectors) == {"red", "bill"}
    np.testing.assert_array_equal(vectors["red"], np.float32([-1, 0.25, 0]))
    np.testing.assert_array_equal(vectors["bill"], np.float32([1, 2, 3]))
    assert vectors["bill"].dtype == np.float32


def test_the_format_can_be_named(tmp_path):
    path = write(tmp_path, word2vec())
    vectors, n_dims = read_word_vectors(path, {"red"}, file_format="word2vec")
    assert (n_dims, vectors["red"].tolist()) == (3, [-1, 0.25, 0])
    path = write(tmp_path, glove())
    with pytest.raises(ValueError, match="does not begin with the header of word2vec"):
        read_word_vectors(path, {"red"}, file_format="word2vec-binary")


def test_words_with_spaces_in_glove(tmp_path):
    spaced = {". . .": [9, 9, 9], "at name@domain.com": [8, 8, 8], **WORDS, "red at": [7, 7, 7]}
    vectors, n_dims = read_word_vectors(write(tmp_path, glove(spaced)), {".", "at", "red"})
    assert n_dims == 3
    assert {word: vector.tolist() for word, vector in vectors.items()} == {"red": [-1, 0.25, 0]}
    vectors, _ = read_word_vectors(write(tmp_path, glove(spaced)), {"red at"})
    assert vectors["red at"].tolist() == [7, 7, 7]


def test_numbers_that_look_like_a_header(tmp_path):
    path = write(tmp_path, b"5 3\n7 2\nred 4\n")
    vectors, n_dims = read_word_vectors(path, {"red", "5"})
    assert (n_dims, vectors["red"].tolist(), vectors["5"].tolist()) == (1, [4], [3])
    path = write(tmp_path, b"2 1\nred 4\nbill 5\n")
    vectors, n_dims = read_word_vectors(path, {"red", "2"})
    assert (n_dims, list(vectors)) == (1, ["red"])


def test_first_entry_counts(tmp_path):
    for contents in (b"red 1 2\nred 3 4\n", b"2 2\nred 1 2\nred 3 4\n"):
        vectors, _ = read_word_vectors(write(tmp_path, contents), {"red"})
        assert vectors["red"].tolist() == [1, 2]


def test_reading_stops_when_all_is_found(tmp_path):
    damaged = glove() + b"cut 1\n"
    path = write(tmp_path, damaged)
    vectors, _ = read_word_vectors(path, {"bill", "red"}, enough={"bill", "red"})
    assert set(vectors) == {"bill", "red"}
    with pytest.raises(ValueError, match=r"line 5 of .*vectors has 2 fields, a word and 3 numbers"):
        read_word_vectors(path, {"bill", "red"})


def test_blocks_smaller_than_a_word(tmp_path, monkeypatch):
    monkeypatch.setattr(_word_vector_files, "_BLOCK", 5)
    rng = np.random.default_rng(0)
    words = {f"word{i}": rng.normal(size=7).astype(np.float32).tolist() for i in range(40)}
    for newline in (b"\n", b""):
        path = write(tmp_path, binary(words, newline=newline))
        vectors, _ = read_word_vectors(path, {"word0", "word17", "word39"})
        assert {word: vector.tolist() for word, vector in vectors.items()} == {
            word: words[word] for word in ("word0", "word17", "word39")
        }


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (b"", "holds no word vectors"),
        (b"no\nnumbers\n", "has no numbers beside its words"),
        (glove() + b"blue 1 2 x\n", "line 5 of .*could not convert"),
        (glove() + b"blue 1 2 nan\n", "line 5 of .* holds numbers that are not finite"),
        (glove() + b"blue 1 2 3 4\n", "line 5 of .* has more than 3 numbers after the word 'blue'"),
        (glove() + b"blue 1.25 2.25", "line 5 of .* has 3 fields, a word and 3 numbers"),
        (glove() + b"other 1.25 2.25", "line 5 of .* has 3 fields, a word and 3 numbers"),
        (b"blue 1.25 2.25\n" + glove(), "line 1 of .* has 3 fields, a word and 3 numbers"),
        (word2vec(n_words=5), "holds 4 words in 5 lines, but its header says 5"),
        (word2vec(n_words=3), "holds 4 words in 5 lines, but its header says 3"),
        (binary(n_words=5), r"ends at byte \d+ within word 5 of the 5 its header says"),
        (binary()[:-3], r"ends at byte \d+ within word 4 of the 4 its header says"),
        (binary(n_words=3), r"goes on at byte \d+ after the 3 words"),
        (b"2 1\nx " + b"\x00" * 4 + b"y" * 20_000, r"has no word at byte 10 \(word 2 of 2\)"),
        (binary({"blue": [1, np.inf]}), "not finite for the word 'blue'"),
        (b"PK\x03\x04rest", "is a zip archive: unpack it"),
        (gzip.compress(glove() * 50, mtime=0)[:-20], "is compressed, and cut off"),
        (b"3 0\n", "vectors have 0 dimensions"),
        (lzma.compress(glove() * 50), "is compressed by xz: unpack it"),
        (bz2.compress(glove() * 50), "is compressed by bzip2: unpack it"),
        (pickle.dumps(WORDS), "is a pickle"),
        (b'{"red": [1, 2], "blue": [3, 4]}\n', "is in no known format: a line of"),
        (b"word a b\nred high low\nblue low high\n", "is in no known format: a line of 3 fields"),
        (glove() + b"blue 1 2 1_0\n", "line 5 of .*no underscores"),
    ],
)
def test_damage_is_named(tmp_path, contents, message):
    path = write(tmp_path, contents)
    with pytest.raises(ValueError, match=message):
        read_word_vectors(path, {"blue", "y"})


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=9),
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=4, max_size=4),
        min_size=2,
        max_size=12,
    ),
    st.integers(1, 40),
)
def test_text_and_binary_agree(tmp_path_factory, words, block):
    folder = tmp_path_factory.mktemp("agree")
    keep = list(words)[::2]
    text, _ = read_word_vectors(write(folder, word2vec(words), "t"), keep, file_format="word2vec")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_word_vector_files, "_BLOCK", block)
        path = write(folder, binary(words), "b")
        packed, _ = read_word_vectors(path, keep, file_format="word2vec-binary")
    assert list(text) == list(packed) == keep
    for word in keep:
        np.testing.assert_array_equal(text[word], np.float32(words[word]))
        np.testing.assert_array_equal(packed[word], np.float32(words[word]))


@pytest.mark.parametrize("contents", [glove(), word2vec()], ids=["glove", "word2vec"])
def test_a_byte_order_mark_is_no_part_of_the_first_word(tmp_path, contents):
    path = write(tmp_path, b"\xef\xbb\xbf" + contents)
    vectors, n_dims = read_word_vectors(path, ["the", "red"])
    assert n_dims == 3
    assert vectors["the"].tolist() == [0.5, 0, -1]


@pytest.mark.parametrize("beginning", [b"\n4 3\n", b"4\n3\n"])
def test_a_header_not_on_the_first_line(tmp_path, beginning):
    path = write(tmp_path, beginning + glove())
    with pytest.raises(ValueError, match="fields, a word and 3 numbers are expected"):
        read_word_vectors(path, ["red"])


def test_a_line_that_would_fill_the_memory_is_refused(tmp_path):
    path = write(tmp_path, gzip.compress(glove() + b"blue " + b"1" * 2**23))
    with pytest.raises(ValueError, match="has a line of more than 4194304 bytes"):
        read_word_vectors(path, {"blue"})
