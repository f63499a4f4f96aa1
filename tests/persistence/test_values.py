"""Each kind of value comes back equal, of the same type; others are refused by name."""

import math
from pathlib import Path, PosixPath

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

import zslearn
from zslearn import ClassAttributes
from zslearn.attention import CVsCObjective
from zslearn.model_selection import PredefinedSeenUnseenSplit, SeenUnseenKFold


def assert_identical(found, expected):
    assert type(found) is type(expected)
    if isinstance(expected, np.ndarray | np.generic):
        assert found.dtype.str == expected.dtype.str
        assert found.shape == expected.shape
        assert found.flags.f_contiguous == expected.flags.f_contiguous
        if found.dtype == object:
            assert_identical(found.ravel().tolist(), expected.ravel().tolist())
        else:
            assert found.tobytes() == expected.tobytes()
    elif isinstance(expected, torch.Tensor):
        assert found.dtype == expected.dtype
        assert found.stride() == expected.stride()
        assert torch.equal(found, expected)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for pair in zip(found, expected, strict=True):
            assert_identical(*pair)
    elif isinstance(expected, dict):
        assert list(found) == list(expected)
        assert_identical([*found, *found.values()], [*expected, *expected.values()])
    elif isinstance(expected, float) and math.isnan(expected):
        assert math.isnan(found)
    elif isinstance(expected, float):
        assert found.hex() == expected.hex()
    else:
        assert found == expected


@pytest.fixture
def again(toy, tmp_path):
    """Saves a value as a parameter and as an attribute, and gives what is loaded."""

    def trip(value):
        holder = toy.Holder(value)
        holder.value_ = value
        zslearn.save(holder, tmp_path / "holder", overwrite=True)
        loaded = zslearn.load(tmp_path / "holder")
        assert type(loaded) is toy.Holder
        assert vars(loaded).keys() == {"value", "value_"}
        return loaded

    return trip


T = np.arange(24).reshape(2, 3, 4)
HISTORY = [{"loss": 0.5, "n": 3}, {"loss": math.inf, "n": -7}]


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, 0, -1, 2**63, -(10**40), 0.1, -0.0, 5e-324, math.inf, -math.inf),
        *(math.nan, "", 'é\0\n"\\☀\ud800', [], [[]], (), ((),), {}, {"a": 1, 2: [None, ("b",)]}),
        *(HISTORY, HISTORY[:1], [*HISTORY, {"n": 3, "loss": 0.5}], [{"n": 2**70}, {"n": 1}]),
        *([{"a": True}, {"a": False}], [{"a": 1.0}, {"a": 1}], [{}, {}], [{1: 2.0}, {1: 3.0}]),
        *(np.float32(0.1), np.float64("nan"), np.float16(2), np.int8(-3), np.bool_(True)),
        *(np.str_("x\0y"), np.complex64(1 + 2j), np.datetime64("2020-01-01"), np.bytes_(b"ab")),
        *(np.array(3.5), np.zeros(0), np.zeros((0, 3), dtype=np.int16), np.array([math.nan, -0.0])),
        *(T, T.T, np.asfortranarray(T), T[::2, 1], T.astype(">i2"), T.astype(np.float16), T > 4),
        *(T.astype(np.complex128).T, T.astype("m8[ms]"), T.astype("S3"), T.astype(">M8[D]")),
        *(np.zeros(0, complex), np.zeros((3, 0), "S2"), np.zeros((0, 4), "M8[s]").T),
        *(np.array(["a", "", "longer"]), np.array(["a"], dtype="U70"), np.array([], dtype="U3")),
        *(np.array([["é", "☀"]]).T, np.array(["b"], dtype=">U2"), np.array([1, "a", None], object)),
        *(np.array([[1.5, 2]], object).T, np.array([], object)),
        *(np.dtype("float32"), np.dtype(">U3"), np.float64, np.str_, np.bool_),
        *(torch.float32, torch.bfloat16, torch.device("cuda:1"), torch.device("cpu")),
        *(torch.arange(6.0), torch.arange(6).reshape(2, 3).T, torch.tensor(True), torch.zeros(0)),
        *(torch.randn(3, 4).bfloat16(), torch.randn(3).half(), torch.randn(2, 2) * 1j),
        *(torch.optim.AdamW, torch.optim.SGD, Path("a/b.bin")),
        *(CVsCObjective(alpha=0.25, counterfactual="permute").alpha,),
    ],
    # Numbers drawn at import differ between the processes of a parallel run: not in names.
    ids=lambda value: (
        "Tensor" if torch.is_tensor(value) else f"{type(value).__name__}-{str(value)[:20]!a}"
    ),
)
def test_kinds(value, again):
    loaded = again(value)
    assert_identical(loaded.value, value)
    assert_identical(loaded.value_, value)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
numbers = hnp.arrays(
    st.one_of(
        hnp.integer_dtypes(endianness="?"),
        hnp.floating_dtypes(sizes=(16, 32, 64), endianness="?"),
        hnp.complex_number_dtypes(sizes=(64, 128), endianness="?"),
        hnp.unicode_string_dtypes(endianness="?", min_len=1),
    ),
    hnp.array_shapes(min_dims=0, max_side=4),
)
values = st.recursive(
    plain | numbers,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text() | st.integers(), inner, max_size=4)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def any_trip(toy, tmp_path_factory):
    path = tmp_path_factory.mktemp("values") / "holder"

    def trip(value):
        zslearn.save(toy.Holder(value), path, overwrite=True)
        return zslearn.load(path).value

    return trip


@given(values)
@settings(max_examples=150, deadline=None)
def test_any_value(any_trip, value):
    assert_identical(any_trip(value), value)


def test_what_is_met_twice_is_one_thing_again(again):
    table = ClassAttributes([[1.0, 2.0]])
    array, entries = np.zeros(1000), {"a": 1}
    loaded = again([array, array, table, table, entries, {"b": entries}, (array, table)])
    found = loaded.value
    assert found[0] is found[1] is found[6][0]
    assert found[2] is found[3] is found[6][1]
    assert found[4] is found[5]["b"]
    assert loaded.value_[0] is found[0]
    assert (again(np.zeros(2)).value).flags.writeable


def test_size_is_that_of_the_arrays(toy, tmp_path):
    array = np.zeros(100_000)
    zslearn.save(toy.Holder([array, array, {"again": array}]), tmp_path / "holder")
    assert array.nbytes < (tmp_path / "holder").stat().st_size < array.nbytes + 2000


@pytest.mark.parametrize("labels", [None, ["b", "a", "c"], [3, 1, 2], [0.5, 1.5, 2.5]])
@pytest.mark.parametrize("words", [False, True])
def test_class_table(again, labels, words):
    table = ClassAttributes(
        np.asfortranarray([[1.0, -1.0], [0.3, 0.4], [5.0, -1.0]]),
        labels=labels,
        attribute_names=["flies", "ünder water"],
        word_vectors=[[0.1, 0.2, 0.3], [1.0, 2.0, 3.0]] if words else None,
        missing_values=-1.0,
    )
    loaded = again(table).value
    assert loaded == table
    assert loaded.missing_mask.sum() == 2
    for name in ("values", "labels", "missing_mask", "word_vectors"):
        expected = getattr(table, name)
        if expected is not None:
            assert_identical(getattr(loaded, name), expected)
            assert not getattr(loaded, name).flags.writeable


def test_a_table_with_a_zero_vector_warns_only_when_it_is_made(again, recwarn):
    with pytest.warns(UserWarning, match="all zero"):
        table = ClassAttributes([[1.0, 2.0]], word_vectors=[[0.0], [1.0]])
    recwarn.clear()
    assert again(table).value == table
    assert not recwarn.list


def test_random_states_go_on_where_they_were(again):
    state = np.random.RandomState(5)
    state.normal(size=3)  # leaves a Gaussian number over
    loaded = again(state)
    assert loaded.value is loaded.value_
    np.testing.assert_array_equal(loaded.value.normal(size=7), state.normal(size=7))


def test_objects(again, toy):
    settings = toy.Settings("fast", (0.5, [1]), cache=[3])
    loaded = again(settings).value
    assert loaded == settings
    assert loaded.cache == []
    plain = toy.Plain(3)
    plain.grown = True
    assert again(plain).value == plain
    assert again(toy.Stateful(8)).value.half_ == 4.0
    objective = CVsCObjective(alpha=0.25, counterfactual="permute")
    assert again(objective).value.get_params() == objective.get_params()


@pytest.mark.parametrize(
    "cv",
    [
        SeenUnseenKFold(2, random_state=3),
        SeenUnseenKFold(1, n_unseen=1, random_state=0),
        PredefinedSeenUnseenSplit(np.arange(8), np.arange(8, 10), np.arange(15, 20)),
        PredefinedSeenUnseenSplit([1, 2, 3], [4, 5], [16, 20], one_based=True),
    ],
    ids=repr,
)
def test_splitters(again, cv):
    y = np.repeat([0, 1, 2, 3], 5)
    X = np.zeros((20, 1))
    expected = list(cv.split(X, y))
    found = list(again(cv).value.split(X, y))
    for pair, other in zip(found, expected, strict=True):
        assert_identical(pair, other)


class Unknown:
    pass


DEEP = []
for _ in range(70):
    DEEP = [DEEP]
LOOP = {}
LOOP["self"] = (LOOP,)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Unknown(), r"Holder.value is of type .*Unknown, which is not saved.*register_saved_type"),
        ([1, {"a": Unknown()}], r"Holder.value\[1\]\['a'\] is of type"),
        (Unknown, r"Holder.value is the class .*Unknown"),
        (len, r"Holder.value is of type .*builtin.*Code is not saved: set it to None"),
        (lambda x: x, "Code is not saved"),
        (GridSearchCV, "Holder.value is the class sklearn"),
        (SVC(), "Holder.value is of type sklearn.svm.*SVC.*joblib saves anything, as a pickle"),
        ({1.5: 2}, r"Holder.value has the key 1.5 of type float; keys that are saved"),
        ({True: 2}, r"Holder.value has the key True of type bool"),
        ({1, 2}, "Holder.value is of type builtins.set"),
        (b"bytes", "builtins.bytes"),
        (1j, "builtins.complex"),
        (range(3), "builtins.range"),
        (np.zeros(2, dtype=[("a", int)]), "Holder.value is an array of dtype .*not saved"),
        (np.ma.zeros(3), "MaskedArray"),
        (np.array([Unknown()], dtype=object), r"Holder.value\[0\] is of type"),
        (np.zeros(1, dtype=np.longdouble), "is an array of dtype"),
        (np.zeros(2**19, dtype="U600"), "1.3 GB of text; shorten its longest entry"),
        (np.random.default_rng(0), "numpy.random.*Generator"),
        (np.random.RandomState(np.random.PCG64(0)), "draws from PCG64; only MT19937"),
        ([torch.nn.Linear(1, 1)], r"Holder.value\[0\] is of type torch.nn.modules.linear.Linear"),
        (torch.nn.Parameter(torch.zeros(1)), "Parameter"),
        (torch.eye(2).to_sparse(), "is a tensor of torch.float32, which is not saved"),
        (torch.optim.Adam([torch.zeros(1)]), "torch.optim.adam.Adam"),
        (DEEP, "nested deeper than 64 levels"),
        (LOOP, r"refers to something that it is part of"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_refused(value, message, toy, tmp_path):
    with pytest.raises(TypeError, match=message):
        zslearn.save(toy.Holder(value), tmp_path / "holder")
    assert list(tmp_path.iterdir()) == []


def test_searches_are_refused_with_what_to_save(toy, tmp_path):
    X, y, table = toy.problem(1)
    search = GridSearchCV(toy.LinearZeroShot(), {"gamma": [1.0]}, cv=2)
    search.fit(X, y, class_attributes=table)
    with pytest.raises(TypeError, match="GridSearchCV, .* Save its best_estimator_"):
        zslearn.save(search, tmp_path / "search")
    zslearn.save(search.best_estimator_, tmp_path / "search")


def test_too_much_text(toy, tmp_path):
    with pytest.raises(ValueError, match="101 MB of text, lists and names; a file holds about 100"):
        zslearn.save(toy.Holder("x" * 101_000_000), tmp_path / "holder")
    assert list(tmp_path.iterdir()) == []


def test_paths_of_other_systems_are_paths(again):
    assert type(again(PosixPath("x")).value) is type(Path())


def test_an_array_of_dicts_of_numbers(again):
    values = np.empty(2, dtype=object)
    values[:] = {"n": 1, "x": 0.5}, {"n": 2, "x": 1.5}
    assert_identical(again(values).value, values)
