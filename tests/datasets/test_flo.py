"""The FLO loader in the official format: numbered pictures and classes, no names."""

import pytest

from zslearn.datasets import load_flo


def test_everything_in_miniature(tmp_path, layouts):
    flo = load_flo(layouts.write_flo(tmp_path))
    assert flo.image_files.tolist() == [f"image_{k:05d}.jpg" for k in (2, 3, 1, 5, 4)]
    assert flo.image_paths[0] == str(tmp_path / "102flowers/jpg/image_00002.jpg")
    assert flo.target.tolist() == ["class_001", "class_001", "class_002", "class_002", "class_003"]
    assert flo.trainval.tolist() == [2, 4]
    assert flo.test_seen.tolist() == [3]
    assert flo.test_unseen.tolist() == [0, 1]
    assert flo.unseen_classes.tolist() == ["class_001"]
    assert flo.class_attributes.has_default_names
    assert flo.class_attributes.values[0] == pytest.approx([0.6, 0.8])


def test_class_names(tmp_path, layouts):
    layouts.write_flo(tmp_path)
    names = ["pink primrose", "pocket orchid", "canterbury bells"]
    layouts.write_text(tmp_path / "names.txt", names)
    for given in (names, tmp_path / "names.txt"):
        flo = load_flo(tmp_path, class_names=given)
        assert flo.class_attributes.labels.tolist() == names
        assert flo.seen_classes.tolist() == ["canterbury bells", "pocket orchid"]
    with pytest.raises(ValueError, match="class_names has 2 entries, 3 are needed"):
        load_flo(tmp_path, class_names=names[:2])


def test_the_list_is_needed(tmp_path, layouts):
    layouts.write_flo(tmp_path)
    (tmp_path / "FLO/res101.mat").unlink()
    with pytest.raises(
        ValueError, match="order of the pictures of FLO is in no file .*image_index"
    ):
        load_flo(tmp_path)


def test_labels_are_compared(tmp_path, layouts):
    layouts.write_flo(tmp_path, labels=(2, 1, 3, 3, 2))
    with pytest.raises(ValueError, match="disagree on the class of 1 .*'image_00003.jpg'"):
        load_flo(tmp_path)


def test_a_class_number_beyond_the_table(tmp_path, layouts):
    layouts.write_flo(tmp_path, labels=(2, 1, 1, 3, 4))
    with pytest.raises(ValueError, match="labels of .*imagelabels.mat holds 4, but .* only 3"):
        load_flo(tmp_path)


def test_the_archive_of_the_split_is_found(tmp_path, layouts):
    layouts.write_flo(tmp_path)
    (tmp_path / "cvpr18xian").mkdir()
    (tmp_path / "FLO").rename(tmp_path / "cvpr18xian/data")
    with pytest.raises(FileNotFoundError, match="cvpr18xian.zip: unpack it and pass splits="):
        load_flo(tmp_path)
    (tmp_path / "cvpr18xian/data").rename(tmp_path / "FLO")
    (tmp_path / "cvpr18xian/data").mkdir()
    (tmp_path / "FLO").rename(tmp_path / "cvpr18xian/data/FLO")
    assert load_flo(tmp_path).rows.tolist() == [0, 1, 2, 3, 4]
    assert load_flo(tmp_path, splits=tmp_path / "cvpr18xian").rows.tolist() == [0, 1, 2, 3, 4]
