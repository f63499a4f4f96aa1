"""Ready features: the official format in miniature, and every real att_splits.mat."""

import shutil

import numpy as np
import pytest
from scipy.io import savemat

from zslearn.datasets import load_awa2, load_cub, load_flo, load_sun, load_xlsa17
from zslearn.feature_extraction import WordVectors

CLASSES = ["ant", "bee", "cat"]
PARTS = {"trainval": [4, 1], "test_seen": [5], "test_unseen": [2, 3]}


def write(root, layouts, name="SUN", *, version=5, parts=PARTS, table=None, **options):
    folder = root / "xlsa17/data" / name
    table = [[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]] if table is None else table
    layouts.write_splits(folder, table, CLASSES, parts, version=version, **options)
    files = [f"/BS/x//images/{k}.jpg" for k in range(5)]
    features = np.arange(15.0).reshape(5, 3)
    layouts.write_res101(folder, files, [3, 2, 2, 1, 3], features, version=version)
    return root


@pytest.mark.parametrize("version", [5, 7], ids=["v5", "v7.3"])
def test_everything_in_miniature(tmp_path, layouts, version):
    sun = load_xlsa17(write(tmp_path, layouts, version=version), "sun")
    assert sun.data.dtype == np.float32
    assert sun.data.flags.c_contiguous
    assert sun.data.tolist() == np.arange(15.0).reshape(5, 3).tolist()
    assert sun.target.tolist() == ["cat", "bee", "bee", "ant", "cat"]
    assert sun.image_files[0] == "/BS/x/images/0.jpg"
    assert sun.trainval.tolist() == [3, 0]
    assert sun.test_seen.tolist() == [4]
    assert sun.test_unseen.tolist() == [1, 2]
    assert sun.seen_classes.tolist() == ["ant", "cat"]
    assert sun.unseen_classes.tolist() == ["bee"]
    assert sun.class_attributes.labels.tolist() == CLASSES
    assert sun.class_attributes.values.tolist() == [[1, 0], [0, 2], [3, 4]]
    l2 = load_xlsa17(tmp_path, "SUN", attributes="l2").class_attributes
    np.testing.assert_allclose(l2.values, [[1, 0], [0, 1], [0.6, 0.8]])


@pytest.mark.parametrize("inner", [".", "xlsa17", "xlsa17/data", "xlsa17/data/SUN"])
def test_root_may_be_any_folder_of_the_archive(tmp_path, layouts, inner):
    write(tmp_path, layouts)
    assert load_xlsa17(tmp_path / inner, "SUN").trainval.tolist() == [3, 0]
    with pytest.raises(FileNotFoundError, match="root=.*no att_splits.mat of CUB"):
        load_xlsa17(tmp_path / inner, "CUB")


@pytest.mark.parametrize("name", ["CUB", "AWA1", "AWA2"])
def test_percentages_are_divided(tmp_path, layouts, name):
    write(tmp_path, layouts, name, table=[[10.0, 0.0], [0.0, 20.0], [30.0, 40.0]])
    table = load_xlsa17(tmp_path, name).class_attributes
    np.testing.assert_allclose(table.values, [[0.1, 0], [0, 0.2], [0.3, 0.4]])


def test_minus_one_of_awa(tmp_path, layouts):
    write(tmp_path, layouts, "AWA1", table=[[-1.0, 10.0], [10.0, 20.0], [30.0, 40.0]])
    table = load_xlsa17(tmp_path, "AWA1").class_attributes
    np.testing.assert_allclose(table.values, [[0.2, 0.1], [0.1, 0.2], [0.3, 0.4]])
    assert np.argwhere(table.missing_mask).tolist() == [[0, 0]]


def test_flo_has_one_table_and_no_names(tmp_path, layouts):
    layouts.write_flo(tmp_path)
    for attributes in ("original", "l2"):
        flo = load_xlsa17(tmp_path, "FLO", attributes=attributes)
        np.testing.assert_allclose(flo.class_attributes.values[1], [1, 0])
        assert flo.class_attributes.labels.tolist() == ["class_001", "class_002", "class_003"]
    named = load_xlsa17(tmp_path, "FLO", class_names=CLASSES)
    assert named.target.tolist() == ["ant", "ant", "bee", "bee", "cat"]


def test_others_need_an_original_table(tmp_path, layouts):
    write(tmp_path, layouts, original=False)
    with pytest.raises(ValueError, match="has no original_att: pass attributes='l2'"):
        load_xlsa17(tmp_path, "SUN")
    assert load_xlsa17(tmp_path, "SUN", attributes="l2").class_attributes.n_attributes == 2


def test_tables_may_differ_in_width(tmp_path, layouts):
    """Some releases put embeddings of sentences in att, and attributes in original_att."""
    write(tmp_path, layouts)
    rows = {f"{part}_loc": layouts.column(numbers) for part, numbers in PARTS.items()}
    variables = {"att": np.eye(3), "original_att": np.ones((2, 3)), **rows}
    variables["allclasses_names"] = layouts.cell(CLASSES)
    layouts.write_mat(tmp_path / "xlsa17/data/SUN/att_splits.mat", variables)
    assert load_xlsa17(tmp_path, "SUN").class_attributes.n_attributes == 2
    assert load_xlsa17(tmp_path, "SUN", attributes="l2").class_attributes.n_attributes == 3


def test_names(tmp_path, layouts):
    write(tmp_path, layouts)
    layouts.write_text(tmp_path / "numbered.txt", ["1 tall", "2 has wings"])
    layouts.write_text(tmp_path / "plain.txt", ["tall", "has wings"])
    for given in (["tall", "has wings"], tmp_path / "numbered.txt", str(tmp_path / "plain.txt")):
        table = load_xlsa17(
            tmp_path, "SUN", attribute_names=given, word_vectors=lambda names: [[1], [len(names)]]
        ).class_attributes
        assert table.attribute_names == ("tall", "has wings")
        assert table.word_vectors.tolist() == [[1], [2]]
    assert load_xlsa17(tmp_path, "SUN").class_attributes.has_default_names
    with pytest.raises(ValueError, match="attribute_names has 1 entries, 2 are needed"):
        load_xlsa17(tmp_path, "SUN", attribute_names=["tall"])


def test_train_and_val(tmp_path, layouts):
    """Row 5 is a seen test row; without a sound rest, train and val are left out."""
    write(tmp_path, layouts, parts={**PARTS, "train": [4], "val": [1, 5]})
    sun = load_xlsa17(tmp_path, "SUN")
    assert (sun.train.tolist(), sun.val.tolist()) == ([3], [0])
    assert "hold 1 rows outside trainval" in sun.DESCR
    write(tmp_path, layouts, parts={**PARTS, "train": [4, 1], "val": [5]})
    sun = load_xlsa17(tmp_path, "SUN")
    assert "train" not in sun
    assert "val" not in sun
    assert "no sound split" in sun.DESCR


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"trainval": [4, 1, 0]}, "trainval_loc of .* holds 0: MATLAB counts from 1"),
        ({"trainval": [4, 1, 5]}, "att_splits.mat: trainval and test_seen share"),
        ({"test_unseen": [2, 3, 6]}, "numbers 6 rows, .*res101.mat has 5"),
        ({"trainval": [4], "test_unseen": [1, 2, 3]}, "test_seen and in test_unseen: 'cat'"),
        ({"trainval": [4]}, "in test_seen and not in trainval: 'cat'"),
        ({"trainval": [4, 1, 2], "test_unseen": [3]}, "in trainval and in test_unseen: 'bee'"),
    ],
)
def test_unsound_splits(tmp_path, layouts, parts, message):
    write(tmp_path, layouts, parts=PARTS | parts)
    with pytest.raises(ValueError, match=message):
        load_xlsa17(tmp_path, "SUN")


def test_labels_beyond_the_classes(tmp_path, layouts):
    write(tmp_path, layouts)
    layouts.write_res101(tmp_path / "xlsa17/data/SUN", None, [3, 2, 2, 1, 4])
    with pytest.raises(ValueError, match="labels of .* holds 4, but there are only 3"):
        load_xlsa17(tmp_path, "SUN")
    layouts.write_res101(tmp_path / "xlsa17/data/SUN", None, [2, 1, 1, 0, 2])
    with pytest.raises(ValueError, match="labels of .* holds 0: MATLAB counts from 1"):
        load_xlsa17(tmp_path, "SUN")


def test_features_of_another_shape(tmp_path, layouts):
    write(tmp_path, layouts)
    layouts.write_res101(tmp_path / "xlsa17/data/SUN", None, [3, 2, 2, 1, 3], np.ones((3, 5)))
    with pytest.raises(ValueError, match="5 labels and features of shape .5, 3."):
        load_xlsa17(tmp_path, "SUN")


@pytest.mark.parametrize("wrong", [np.nan, np.inf, 1e300])
def test_features_that_are_no_numbers_are_named_by_row(tmp_path, layouts, wrong):
    write(tmp_path, layouts)
    features = np.ones((5, 3))
    features[[1, 4], 2] = wrong
    layouts.write_res101(tmp_path / "xlsa17/data/SUN", None, [3, 2, 2, 1, 3], features)
    with pytest.raises(ValueError, match=r"res101.mat has NaN .* in 2 row\(s\).*: 1, 4\."):
        load_xlsa17(tmp_path, "SUN")


def test_text_where_numbers_belong(tmp_path, layouts):
    write(tmp_path, layouts)
    path = tmp_path / "xlsa17/data/SUN/res101.mat"
    text = np.array([["a"] * 5], dtype=object)
    savemat(path, {"features": text, "labels": [[3, 2, 2, 1, 3]]})
    with pytest.raises(ValueError, match=r"res101\.mat: features holds text"):
        load_xlsa17(tmp_path, "SUN")


def test_files_and_names_are_checked(tmp_path, layouts):
    write(tmp_path, layouts)
    with pytest.raises(ValueError, match="name must be one of 'CUB', .*found 'AWA'"):
        load_xlsa17(tmp_path, "awa")
    with pytest.raises(FileNotFoundError, match="is no folder"):
        load_xlsa17(tmp_path / "gone", "SUN")
    (tmp_path / "xlsa17/data/SUN/res101.mat").unlink()
    with pytest.raises(FileNotFoundError, match="no file .*res101.mat"):
        load_xlsa17(tmp_path, "SUN")


@pytest.mark.parametrize("version", [5, 7], ids=["v5", "v7.3"])
def test_the_loader_of_the_pictures_says_the_same(tmp_path, layouts, version):
    """Classes, table and rows of load_xlsa17 and of load_awa2 are one."""
    layouts.write_awa2(tmp_path)
    files = [
        f"/x/Animals_with_Attributes2//JPEGImages/{name}/{name}_1000{k}.jpg"
        for name in ("antelope", "grizzly+bear", "ox")
        for k in (1, 2)
    ]
    folder = tmp_path / "xlsa17/data/AWA2"
    layouts.write_res101(folder, files, [1, 1, 2, 2, 3, 3], version=version)
    predicates = tmp_path / "Animals_with_Attributes2/predicates.txt"
    ready = load_xlsa17(tmp_path, "AWA2", attribute_names=predicates)
    pictures = load_awa2(tmp_path)
    assert ready.class_attributes == pictures.class_attributes
    assert ready.target.tolist() == pictures.target.tolist()
    for part in ("trainval", "test_seen", "test_unseen", "train", "val"):
        assert ready[part].tolist() == pictures[part].tolist()


def test_flo_and_sun_too(tmp_path, layouts):
    layouts.write_flo(tmp_path)
    flo = load_flo(tmp_path)
    assert load_xlsa17(tmp_path, "FLO").target.tolist() == flo.target.tolist()
    sun = load_sun(layouts.write_sun(tmp_path))
    layouts.write_res101(tmp_path / "xlsa17/data/SUN", None, [1, 1, 2, 3, 3])
    assert load_xlsa17(tmp_path, "SUN").target.tolist() == sun.target.tolist()


# Real splits ----------------------------------------------------------------------------------

# seen and unseen classes, trainval, test_seen, test_unseen, attributes: as published.
PUBLISHED = {
    "CUB": (150, 50, 7057, 1764, 2967, 312),
    "SUN": (645, 72, 10320, 2580, 1440, 102),
    "AWA1": (40, 10, 19832, 4958, 5685, 85),
    "AWA2": (40, 10, 23527, 5882, 7913, 85),
    "APY": (20, 12, 5932, 1483, 7924, 64),
    "FLO": (82, 20, 5631, 1403, 1155, 1024),
}
AWA_UNSEEN = [
    "bat", "blue+whale", "bobcat", "dolphin", "giraffe", "horse", "rat", "seal", "sheep", "walrus",
]  # fmt: skip


def real_labels(shared_data, name, n_seen, n_unseen):
    """1-based labels and names: real ones where there are, else any that respect the parts."""
    folder = shared_data / "xlsa17" / name
    if (folder / "image_index.npz").is_file():
        index = np.load(folder / "image_index.npz")
        return index["labels"] + 1, index["image_files"].tolist()
    from scipy.io import loadmat

    mat = loadmat(folder / "att_splits.mat")
    labels = np.zeros(sum(PUBLISHED[name][2:5]), dtype=int)
    rows = {key[:-4]: mat[key].ravel().astype(int) - 1 for key in mat if key.endswith("_loc")}
    for part, first, count in (
        ("test_unseen", 1, n_unseen),
        ("trainval", n_unseen + 1, n_seen),
        ("train", n_unseen + 1, n_seen - 5),
        ("val", n_unseen + n_seen - 4, 5),
        ("test_seen", n_unseen + 1, n_seen),
    ):
        if part in rows:
            labels[rows[part]] = first + np.arange(len(rows[part])) % count
    return labels, None


@pytest.mark.parametrize("name", list(PUBLISHED))
def test_real_splits(shared_data, tmp_path, layouts, name):
    n_seen, n_unseen, *sizes, n_attributes = PUBLISHED[name]
    labels, files = real_labels(shared_data, name, n_seen, n_unseen)
    folder = tmp_path / name
    folder.mkdir()
    shutil.copy(shared_data / "xlsa17" / name / "att_splits.mat", folder)
    features = np.random.default_rng(0).random((len(labels), 8), dtype=np.float32)
    layouts.write_res101(folder, files, labels, features)
    bunch = load_xlsa17(tmp_path, name)
    np.testing.assert_array_equal(bunch.data, features)
    parts = [bunch[part] for part in ("trainval", "test_seen", "test_unseen")]
    assert [len(part) for part in parts] == sizes
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    assert (len(bunch.seen_classes), len(bunch.unseen_classes)) == (n_seen, n_unseen)
    table = bunch.class_attributes
    assert table.values.shape == (n_seen + n_unseen, n_attributes)
    assert not set(bunch.seen_classes) & set(bunch.unseen_classes)
    low = 0 if name != "FLO" else -0.2
    assert low <= table.values.min() < table.values.max() <= 1
    assert ("train" in bunch) == (name in ("AWA1", "FLO"))
    if "train" in bunch:
        assert set(bunch.train) | set(bunch.val) <= set(bunch.trainval)
    unit = load_xlsa17(tmp_path, name, attributes="l2").class_attributes.values
    np.testing.assert_allclose(np.linalg.norm(unit, axis=1), 1)
    if files is not None and name == "AWA2":
        assert bunch.unseen_classes.tolist() == AWA_UNSEEN
        assert "//" not in bunch.image_files[0]


@pytest.mark.parametrize(
    ("name", "file", "dropped"),
    [
        ("AWA2", "att_splits_with_train_val.mat", 5882),
        ("SUN", "att_splits_with_train_val.mat", 2580),
        ("FLO", "att_splits.mat", 1403),
        ("AWA1", "att_splits.mat", 0),
    ],
)
def test_the_real_train_val_trap(shared_data, name, file, dropped):
    """In the originals, every seen test row is in train or val; none is left."""
    from zslearn.datasets._proposed_split import read_splits

    split = read_splits(shared_data / "xlsa17" / name / file)
    assert split.n_dropped == dropped
    assert not set(split.test_seen) & (set(split.train) | set(split.val))
    assert len(split.train) + len(split.val) == len(split.trainval)


def test_real_class_names_are_those_of_the_pictures(shared_data, tmp_path, layouts):
    labels, files = real_labels(shared_data, "CUB", 150, 50)
    (tmp_path / "CUB").mkdir()
    shutil.copy(shared_data / "xlsa17/CUB/att_splits.mat", tmp_path / "CUB")
    layouts.write_res101(tmp_path / "CUB", files, labels)
    names = shared_data / "xlsa17/CUB/attributes.txt"
    ready = load_xlsa17(tmp_path, "CUB", attribute_names=names)
    pictures = load_cub(shared_data / "cub_mini", missing_images="skip")
    assert pictures.target.tolist() == ready.target[pictures.rows].tolist()
    kept = pictures.class_attributes.labels
    assert ready.class_attributes.subset(kept) == pictures.class_attributes
    for part in ("trainval", "test_seen", "test_unseen"):
        assert set(pictures.rows[pictures[part]]) <= set(ready[part])


def test_made_up_names_are_not_looked_up(tmp_path, layouts):
    """Vectors of "attribute" and of numbers would pass for those of the attributes."""
    root = write(tmp_path, layouts)
    words = WordVectors({"attribute": [1.0, 0.0], "0": [0.0, 1.0], "1": [1.0, 1.0]})
    with pytest.raises(ValueError, match="no names to make word vectors of: give attribute_names"):
        load_xlsa17(root, "SUN", word_vectors=words)
    words = WordVectors({"a": [1.0, 0.0], "b": [0.0, 1.0]})
    named = load_xlsa17(root, "SUN", word_vectors=words, attribute_names=["a", "b"])
    assert named.class_attributes.word_vectors.tolist() == [[1, 0], [0, 1]]
