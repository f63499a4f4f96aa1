"""Random tables, labels, names and files: the right result or a refusal of the project's own.

Each trial knows the truth. It fails on a result that differs from it, on an error that was raised
outside of the package (in the words of numpy, pandas or the interpreter), and on one that should
have been refused and was not.
"""

import datetime
import fractions
import gzip
import struct
import traceback
import unicodedata
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import zslearn
from zslearn import ClassAttributes
from zslearn._input_checks import check_attribute_indices, check_labels_of
from zslearn.base import check_class_attributes
from zslearn.feature_extraction import WordVectors
from zslearn.metrics import per_class_accuracy_score

PACKAGE = str(Path(zslearn.__file__).parent)
STEMS = ["owl", "Häher", "großer Specht", "crème", "लाल", "สีแดง", "emu", "barn owl", "x2", "7up"]
STRING = np.dtypes.StringDType()


class Wrong(AssertionError):
    """A result that is not the truth."""


def expect(condition, *seen):
    if not condition:
        raise Wrong(seen)


def pick(rng, items):
    return items[rng.integers(len(items))]


def labels_of(rng, n):
    """Distinct labels of one kind."""
    kind = rng.integers(5)
    if kind == 0:
        return [int(x) for x in rng.permutation(n) + 1]
    if kind == 1:
        return [int(x) for x in rng.choice(1000, n, replace=False)]
    if kind == 2:
        return [2**53 + int(x) for x in rng.permutation(n)]
    if kind == 3:
        return [float(x) + 0.0 for x in rng.permutation(n)]
    return [f"{pick(rng, STEMS)} {i}" for i in rng.permutation(n)]


def table_of(rng):
    n, k = rng.integers(2, 7), rng.integers(2, 6)
    values = np.round(rng.random((n, k)) + 0.05, 4)
    return values, labels_of(rng, n), [f"{pick(rng, STEMS)}_{i}" for i in range(k)]


def as_container(rng, items):
    text = isinstance(items[0], str)
    makers = [list, tuple, np.array, lambda x: np.array(x, dtype=object), pd.Index, pd.Series]
    makers += [lambda x: np.array(x, dtype=STRING)] if text else [lambda x: np.ma.array(x)]
    return pick(rng, makers)(items)


def check_rows(table, values, labels, names=None):
    expect(table.n_classes == len(labels), table.labels, labels)
    for row, label in zip(values, labels, strict=True):
        [at] = table.index_of([label])
        expect(np.array_equal(table.values[at], row), label, table.values[at], row)
    expect(names is None or table.attribute_names == tuple(names), table.attribute_names, names)


def arrays(rng, _):
    """Values and labels in any container."""
    values, labels, names = table_of(rng)
    given = pick(rng, [np.array, np.ndarray.tolist, lambda v: v.astype(object), np.asfortranarray])
    table = ClassAttributes(
        given(values), labels=as_container(rng, labels), attribute_names=as_container(rng, names)
    )
    check_rows(table, values, labels, names)
    y = [labels[i] for i in rng.integers(len(labels), size=9)]
    sorted_table = check_class_attributes(table, np.array(y))
    check_rows(sorted_table, values, labels, names)


def masked(rng, _):
    """A mask says what is unknown."""
    values, labels, names = table_of(rng)
    mask = rng.random(values.shape) < 0.3
    known = [column[~hidden] for column, hidden in zip(values.T, mask.T, strict=True)]
    given = np.ma.masked_array(np.where(mask, -999, values), mask)
    table = ClassAttributes(given, labels=labels, attribute_names=names)
    means = np.array([column.mean() if len(column) else np.nan for column in known])
    expect(np.allclose(table.values, np.where(mask, means, values), rtol=1e-12), table.values)
    expect(np.array_equal(table.missing_mask, mask), mask)


def frames(rng, _):
    """Labels in the index, in a column, or nowhere."""
    values, labels, names = table_of(rng)
    frame = pd.DataFrame(values, index=labels, columns=names)
    place = rng.integers(5)
    y = np.array([labels[0], labels[-1], labels[0]])
    if place == 0:
        check_rows(ClassAttributes(frame), values, labels, names)
    elif place == 1:
        table = check_class_attributes(frame, np.repeat(y, 4))
        check_rows(table, values, labels, names)
    elif place == 2:
        column = pick(rng, ["class", "name of it"])
        frame = frame.reset_index(drop=True)
        frame.insert(int(rng.integers(len(names) + 1)), column, labels)
        check_rows(ClassAttributes.from_frame(frame, label_column=column), values, labels, names)
    elif place == 3:  # an index that was not set
        frame = frame.reset_index(drop=True)
        whole = not isinstance(labels[0], str)
        frame.insert(int(rng.integers(len(names) + 1)), pick(rng, ["class", "class_id"]), labels)
        check_class_attributes(frame, np.repeat(y, 4))
        raise Wrong("labels in a column became an attribute", whole)
    else:  # a numbering beside the labels
        numbering = rng.permutation(len(labels)) + rng.integers(3)
        frame.insert(int(rng.integers(len(names) + 1)), pick(rng, ["id", "Nr", "idx"]), numbering)
        ClassAttributes(frame)
        raise Wrong("a numbering became an attribute")


ODD = ["1_0", "50%", "yes", "NA", "0,5", "١", "2020-01-01", "--1", "1e", "x", "１", "1 0", "0x1"]


def csv_files(rng, folder):
    """Harmless changes of a file are read, harmful ones refused."""
    values, labels, names = table_of(rng)
    if isinstance(labels[0], float):
        labels = [int(label) for label in labels]
    header, harmful = ["class", *names], False
    rows = [[str(x), *map(repr, row)] for x, row in zip(labels, values.tolist(), strict=True)]
    lines = [header, *rows]
    change = rng.integers(12)
    if change == 0:
        lines.insert(int(rng.integers(1, len(lines) + 1)), [""] * len(header))
    elif change == 1:
        lines = [[*line, "", ""] for line in lines]
    elif change == 2:
        lines = [[f" {field} " for field in line] for line in lines]
    elif change == 3:
        harmful = bool(lines.pop(0))
    elif change == 4:
        harmful = True
        lines[rng.integers(1, len(lines))][rng.integers(1, len(header))] = pick(rng, ODD)
    elif change == 5:
        harmful = True
        first = lines[rng.integers(1, len(lines))]
        lines.append([first[0] + pick(rng, [" ", "\u200b", "\ufeff"]), *first[1:]])
    elif change == 6:
        harmful = True
        numbers = [pick(rng, ["id", "", "index"]), *map(str, rng.permutation(len(rows)))]
        lines = [[line[0], number, *line[1:]] for line, number in zip(lines, numbers, strict=True)]
    elif change == 7:
        harmful = True
        line = lines[rng.integers(1, len(lines))]
        line[rng.integers(1, len(header))] = ""
    elif change == 8:
        harmful = True
        lines[rng.integers(1, len(lines))].pop()
    path = folder / "classes.csv"
    mark = pick(rng, ["", "\ufeff"])
    separator = pick(rng, [",", ";", "\t"])
    quote = '"' if change == 4 else pick(rng, ["", '"'])
    text = "\n".join(separator.join(f"{quote}{field}{quote}" for field in line) for line in lines)
    path.write_text(mark + text + pick(rng, ["", "\n", "\n\n"]), encoding="utf-8")
    table = ClassAttributes.from_csv(path, delimiter=separator)
    expect(not harmful, text, table)
    check_rows(table, values, labels, names)


def damaged_csv_files(rng, folder):
    """Bytes that were flipped, cut off or doubled: numbers that change are still numbers."""
    values, labels, names = table_of(rng)
    frame = pd.DataFrame(values, index=labels, columns=names)
    content = bytearray(frame.to_csv(index_label="class").encode())
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(content)))
        what = rng.integers(3)
        if what == 0:
            content[at] = int(rng.integers(256))
        elif what == 1:
            del content[at : at + int(rng.integers(1, 9))]
        else:
            content[at:at] = content[at : at + int(rng.integers(1, 9))]
    path = folder / "classes.csv"
    path.write_bytes(bytes(content))
    table = ClassAttributes.from_csv(path)
    expect(np.isfinite(table.values).all(), content)
    expect(
        table.n_classes <= bytes(content).count(b"\n") + bytes(content).count(b"\r") + 1, content
    )


def lookalikes(rng, _):
    """A label that only looks like a described one is never taken for it."""
    stem = pick(rng, [stem for stem in STEMS if stem != unicodedata.normalize("NFD", stem)] + STEMS)
    changes = [
        lambda x: unicodedata.normalize("NFD", x),
        lambda x: x + " ",
        lambda x: x[0] + "\u200d" + x[1:],
        lambda x: x.replace(" ", "\u00a0") + "\t",
        str.swapcase,
    ]
    other = pick(rng, changes)(stem)
    if other == stem:
        return
    table = ClassAttributes(np.eye(3), labels=[stem, "kiwi", "yak"])
    if rng.random() < 0.5:
        score = per_class_accuracy_score([stem, "kiwi"], [other, "kiwi"])
        expect(score == 0.5 and stem.casefold() == other.casefold(), stem, other)
        return
    check_class_attributes(table, np.array([other, "kiwi"] * 2))
    raise Wrong(stem, other)


def named_vectors(rng, _):
    """Word vectors that have names are matched by them."""
    values, labels, names = table_of(rng)
    vectors = {name: rng.normal(size=3).astype(np.float32) for name in names}
    order = [names[i] for i in rng.permutation(len(names))]
    keys = [pick(rng, [str, lambda x: unicodedata.normalize("NFD", x)])(name) for name in order]
    shuffled = dict(zip(keys, (vectors[name] for name in order), strict=True))
    as_rows = np.array([vectors[name] for name in names])
    given = pick(
        rng,
        [
            shuffled,
            pd.DataFrame(shuffled.values(), index=shuffled.keys()),
            pd.Series(shuffled),
            as_rows,
            as_rows.tolist(),
            pd.DataFrame(as_rows),
        ],
    )
    table = ClassAttributes(values, labels=labels, attribute_names=names, word_vectors=given)
    expect(np.array_equal(table.word_vectors, as_rows), table.word_vectors, as_rows)


def words_of_files(rng, folder):
    """Files of word vectors in known forms are read; damaged ones never give other vectors."""
    words = [f"{unicodedata.normalize('NFC', stem.split()[0])}" for stem in STEMS]
    vectors = {w: np.round(rng.normal(size=4), 3).astype(np.float32) for w in words}
    form = rng.integers(8)
    dims = f"{len(vectors)} 4\n" if form in (2, 3, 4) else ""
    between = {1: "\t", 3: "\t"}.get(int(form), " ")
    after = "\t" if form == 5 else between
    prefix = "/c/en/" if form == 6 else ""
    lines = [prefix + w + after + between.join(map(repr, v.tolist())) for w, v in vectors.items()]
    content = (dims + "\n".join(lines) + "\n").encode()
    if form == 4:
        content = dims.encode()
        for word, vector in vectors.items():
            content += word.encode() + b" " + struct.pack("<4f", *vector) + b"\n"
    damaged = rng.random() < 0.3
    if damaged and form != 4:
        content = content[: int(rng.integers(len(content)))]
    if form == 7:
        content = gzip.compress(content)
    path = folder / "vectors"
    path.write_bytes(content)
    name = pick(rng, words)
    asked = pick(rng, [str, lambda x: unicodedata.normalize("NFD", x)])(f"has_{name}")
    found = WordVectors(path, out_of_vocabulary="raise").fit_transform([asked])
    expect(form != 6, content)
    if not damaged:
        expect(np.array_equal(found[0], vectors[name]), name, found, vectors[name])


NUMBERS = [0, 1.5, True, np.float16(2), np.int8(3), fractions.Fraction(1, 2), 2**80, 7]
OTHERS = [
    "1", "", "1_0", "a\x00", b"1", 1j, np.complex64(1), None, np.nan, np.inf, float("-inf"),
    10**400, datetime.date(2020, 1, 1), datetime.timedelta(1), np.datetime64("2020"),
    np.timedelta64(1, "D"), pd.Timestamp("2020"), pd.Period("2020"), pd.Interval(0, 1), pd.NA,
    pd.NaT, np.ma.masked, np.array([1, 2]), [1], (), {}, {1}, range(2), object(), type, len,
    slice(3), np.void(b"ab"), Path("x"),
]  # fmt: skip


def zoo(rng, _):
    """Anything at all in place of one number, label, name, vector or attribute."""
    values, labels, names = table_of(rng)
    thing = pick(rng, NUMBERS + OTHERS)
    real = any(thing is number for number in NUMBERS)
    place = rng.integers(10)
    rows = values.tolist()
    i, j = rng.integers(len(labels)), rng.integers(len(names))
    if place == 0:
        rows[i][j] = thing
        table = ClassAttributes(rows, labels=labels)
        expect(real and table.values[i, j] == float(thing), thing, table.values)
    elif place == 1:
        array = values.astype(object)
        array[i, j] = thing if not hasattr(thing, "__len__") else [thing]
        table = ClassAttributes(array, labels=labels)
        expect(real and table.values[i, j] == float(thing), thing, table.values)
    elif place == 2:
        given = [*labels[:i], thing, *labels[i + 1 :]]
        table = ClassAttributes(values, labels=given)
        expect(isinstance(thing, str) or real or thing == np.inf or thing == -np.inf, thing)
        expect(table.index_of([thing]).tolist() == [i], thing, table.labels)
    elif place == 3:
        given = [*names[:j], thing, *names[j + 1 :]]
        expect(ClassAttributes(values, attribute_names=given).attribute_names[j] == str(thing))
    elif place == 4:
        vectors = rng.random((len(names), 2)).tolist()
        vectors[j][1] = thing
        found = ClassAttributes(values, word_vectors=vectors).word_vectors[j, 1]
        expect(real and found == np.float32(float(thing)), thing, found)
    elif place == 5:
        ClassAttributes(values, missing_values=thing)
        expect((real and thing is not True) or thing is None or isinstance(thing, float), thing)
    elif place == 6:
        name = pick(rng, ["values", "labels", "attribute_names", "word_vectors"])
        table = ClassAttributes(**{"values": values, name: thing})
        numbers = name == "labels" and len(labels) == 2 and isinstance(thing, range | np.ndarray)
        expect(thing is None or name == "attribute_names" or numbers, name, thing)
    elif place == 7:
        y = [labels[0], labels[1], thing]
        found = check_labels_of("Estimator", np.zeros((3, 2)), y)
        expect(real or isinstance(thing, str | bytes), thing, found)
    elif place == 8:
        found = check_attribute_indices(thing, tuple(names))
        whole = int | np.integer | np.ndarray | range | list | set
        expect(thing is None or isinstance(thing, whole), thing, found)
    else:
        y = np.array([0, 1, 0])
        check_class_attributes(thing, y)
        expect(thing is None, thing)


def bare_tables(rng, _):
    """Labels that are not row numbers never meet the rows of a bare array."""
    n = int(rng.integers(4, 9))
    values = rng.random((n, 3)) + 0.1
    start = int(rng.integers(2))
    seen = np.sort(rng.choice(n, int(rng.integers(2, n)), replace=False)) + start
    if start and 1 not in seen:
        return  # row numbers as good as any
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = check_class_attributes(values, np.repeat(seen, 5))
    told = any("without a 0" in str(w.message) for w in caught)
    expect(start == 0 or told, seen)
    check_rows(table, values, range(n))


SCENES = [
    arrays, masked, frames, csv_files, damaged_csv_files, lookalikes, named_vectors, words_of_files,
    zoo, bare_tables, zoo,
]  # fmt: skip


# Of scikit-learn, whose own checks ask for these words; they name the argument.
LISTED = ("Input y contains ", "Unknown label type: continuous")


def is_foreign(error):
    """Whether an error was raised outside of the package and of this file."""
    if str(error).startswith(LISTED):
        return False
    last = traceback.extract_tb(error.__traceback__)[-1].filename
    return not last.startswith(PACKAGE) or not isinstance(error, ValueError | TypeError | OSError)


def run(seeds, folder):
    """Run trials; the number of refusals, and what went wrong."""
    faults, refused = [], 0
    for seed in seeds:
        rng = np.random.default_rng([20, seed])
        scene = SCENES[seed % len(SCENES)]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                scene(rng, folder)
        except Wrong as wrong:
            faults.append(f"{scene.__name__}, seed {seed}: {wrong}")
        except Exception as error:
            refused += 1
            if is_foreign(error):
                faults.append(f"{scene.__name__}, seed {seed}: {type(error).__name__}: {error}")
    return refused, faults


def test_a_few_hundred_tables(tmp_path):
    refused, faults = run(range(600), tmp_path)
    assert not faults, "\n".join(faults)
    assert 100 < refused < 500


@pytest.mark.slow
@pytest.mark.parametrize("block", range(8))
def test_twenty_thousand_tables(tmp_path, block):
    _, faults = run(range(2500 * block, 2500 * (block + 1)), tmp_path)
    assert not faults, "\n".join(faults[:20])


def test_what_is_wrong_is_found(tmp_path, monkeypatch):
    def unmatched(rng, _):
        expect([1] == [2], "values of another row")

    def foreign(rng, _):
        np.array([[1], [2, 3]])

    for scene, what in ((unmatched, "another row"), (foreign, "inhomogeneous")):
        monkeypatch.setitem(globals(), "SCENES", [scene])
        _, [fault] = run([0], tmp_path)
        assert what in fault
