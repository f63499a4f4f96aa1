"""A folder of pictures, a sub-folder a class, and how it meets a table of classes."""

import os
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from zslearn import ClassAttributes
from zslearn.datasets import load_image_folder
from zslearn.datasets._class_folders import match_folders
from zslearn.feature_extraction._picture_folders import natural_key


@pytest.fixture
def folder(tmp_path):
    return fill(
        tmp_path / "animals",
        "zebra/10.png",
        "zebra/9.PNG",
        "zebra/deep/er/1.jpg",
        "whale/a.jpeg",
        "red_fox/a.png",
    )


def fill(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in (".png", ".jpg", ".jpeg"):
            Image.new("RGB", (4, 3)).save(path)
        else:
            path.write_text("text")
    return folder


def table(*labels):
    values = np.ones((len(labels), 2))
    return ClassAttributes(values, labels=labels, attribute_names=["stripes", "swims"])


def test_everything(folder):
    A = table("zebra", "whale", "tigerfish", "red_fox", "ant")
    pictures = load_image_folder(folder, A)
    files = ["red_fox/a.png", "whale/a.jpeg", "zebra/9.PNG", "zebra/10.png", "zebra/deep/er/1.jpg"]
    assert pictures.image_files.tolist() == files
    assert pictures.image_paths.tolist() == [str(folder / name) for name in files]
    assert pictures.target.tolist() == ["red_fox", "whale", "zebra", "zebra", "zebra"]
    assert pictures.target.dtype == A.labels.dtype
    assert pictures.seen_classes.tolist() == ["red_fox", "whale", "zebra"]
    assert pictures.unseen_classes.tolist() == ["ant", "tigerfish"]
    assert pictures.counts == {"red_fox": 1, "whale": 1, "zebra": 3}
    assert pictures.ignored_files == pictures.skipped_folders == []
    assert pictures.class_attributes is A
    assert "5 pictures of 3 classes" in pictures.DESCR
    assert "'ant', 'tigerfish'" in pictures.DESCR
    for path in pictures.image_paths:
        assert Image.open(path).size == (4, 3)


def test_without_a_table(folder):
    (folder / "empty").mkdir()
    pictures = load_image_folder(str(folder))
    assert pictures.class_attributes is None
    assert pictures.seen_classes.tolist() == ["red_fox", "whale", "zebra"]
    assert pictures.unseen_classes.tolist() == ["empty"]
    assert pictures.counts["zebra"] == 3
    with pytest.raises(ValueError, match="give class_attributes too"):
        load_image_folder(folder, word_vectors={"stripes": [1.0]})


CSV = "stripes,name,swims\n1,zebra,0\n0,whale,1\n1,red_fox,1\n1,dodo,1\n"


def test_csv_in_the_folder_and_in_the_working_directory(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="looked for .*animals/t.csv and .*t.csv"):
        load_image_folder("animals", "t.csv", label_column="name")
    (tmp_path / "t.csv").write_text(CSV)
    pictures = load_image_folder("animals", "t.csv", label_column="name")
    assert pictures.unseen_classes.tolist() == ["dodo"]
    assert pictures.image_paths[0] == str(folder / "red_fox" / "a.png")
    (folder / "t.csv").write_text(CSV.replace("dodo", "auk").replace(",", ";"))
    pictures = load_image_folder("animals", "t.csv", label_column="name", delimiter=";")
    assert pictures.unseen_classes.tolist() == ["auk"]
    assert pictures.ignored_files == []
    absolute = load_image_folder(folder, tmp_path / "t.csv", label_column=1)
    assert absolute.unseen_classes.tolist() == ["dodo"]
    assert absolute.ignored_files == ["t.csv"]


def test_frame_and_word_vectors(folder):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"stripes": [1, 2, 1]}, index=["zebra", "whale", "red_fox"])
    pictures = load_image_folder(folder, frame, word_vectors={"stripes": [1.0, 2.0]})
    assert pictures.class_attributes.word_vectors.tolist() == [[1.0, 2.0]]
    with pytest.raises(TypeError, match="must be the path of a CSV file.*found list"):
        load_image_folder(folder, [[1, 2]])


def test_mismatch_is_listed_both_ways(folder):
    with pytest.raises(ValueError, match=r"2 sub-folder\(s\)") as error:
        load_image_folder(folder, table("zebra", "red fox", "Whales", "ant"))
    message = str(error.value)
    assert "with 2 picture(s) have no row" in message
    assert "'red_fox' (did you mean 'red fox'?), 'whale' (did you mean 'Whales'?)" in message
    assert "3 row(s) of class_attributes have no sub-folder" in message
    assert "'red fox' (did you mean 'red_fox'?)" in message
    assert "'ant'." in message
    assert "zebra" not in message


def test_mismatch_on_one_side_only(folder):
    with pytest.raises(ValueError, match="Every row of class_attributes has a sub-folder"):
        load_image_folder(folder, table("zebra"))


def test_long_lists_are_cut(tmp_path):
    fill(tmp_path, *[f"folder{i}/a.png" for i in range(30)])
    with pytest.raises(ValueError, match="'folder19' and 10 more"):
        load_image_folder(tmp_path, table("b"))


def test_undescribed_pictures_are_skipped_if_so_wanted(folder):
    with pytest.warns(UserWarning, match=r"1 sub-folder.*'red_fox'.*These sub-folders are skipped"):
        pictures = load_image_folder(folder, table("zebra", "whale"), on_undescribed="skip")
    assert pictures.skipped_folders == ["red_fox"]
    assert pictures.target.tolist() == ["whale"] + ["zebra"] * 3
    with (
        pytest.raises(ValueError, match="No picture is left"),
        pytest.warns(UserWarning, match="skipped"),
    ):
        load_image_folder(folder, table("ant"), on_undescribed="skip")
    with pytest.raises(ValueError, match="must be 'raise' or 'skip', found 'drop'"):
        load_image_folder(folder, on_undescribed="drop")


def test_undescribed_folders_without_pictures_are_told_of(folder):
    fill(folder, "antt/notes.txt")
    with pytest.warns(UserWarning, match=r"1 sub-folder.*'antt' \(did you mean 'ant'\?\)"):
        pictures = load_image_folder(folder, table("zebra", "whale", "red_fox", "ant"))
    assert pictures.skipped_folders == ["antt"]
    assert len(pictures.target) == 5


def test_numbers_as_labels(tmp_path):
    fill(tmp_path, "3/a.png", "07/a.png", "10/a.png")
    A = table(10, 3, 7, 1)
    pictures = load_image_folder(tmp_path, A)
    assert pictures.target.tolist() == [3, 7, 10]
    assert pictures.target.dtype == A.labels.dtype
    assert pictures.unseen_classes.tolist() == [1]
    pictures = load_image_folder(tmp_path, table(10.0, 3.0, 7.0))
    assert pictures.target.tolist() == [3.0, 7.0, 10.0]
    fill(tmp_path, "7/b.png")
    with pytest.raises(ValueError, match="Both '07' and '7' are folders of the class 7"):
        load_image_folder(tmp_path, A)
    with pytest.raises(ValueError, match=r"'07' \(did you mean '7'\?\)|have no row"):
        load_image_folder(tmp_path, table("3", "7", "10"))


def test_forms_of_unicode_are_the_same_class(tmp_path):
    name = unicodedata.normalize("NFD", "pingüino")
    fill(tmp_path, f"{name}/a.png")
    pictures = load_image_folder(tmp_path, table(unicodedata.normalize("NFC", name), "ant"))
    assert pictures.target.tolist() == [unicodedata.normalize("NFC", name)]


def test_other_files(folder):
    fill(
        folder,
        "zebra/notes.txt",
        "zebra/.hidden.png",
        "whale/Thumbs.db",
        "__MACOSX/zebra/a.png",
        ".git/a.png",
        "readme.md",
        "loose.png",
    )
    os.symlink(folder / "absent.png", folder / "whale" / "broken.png")
    with pytest.warns(UserWarning, match=r"1 picture\(s\) lie in no sub-folder.*'loose.png'"):
        pictures = load_image_folder(folder)
    # What a link leads to may come back; an extraction names it as missing.
    assert len(pictures.image_files) == 6
    assert "whale/broken.png" in pictures.image_files.tolist()
    assert pictures.ignored_files == ["readme.md", "loose.png", "zebra/notes.txt"]
    assert pictures.skipped_folders == []


def test_classes_whose_files_are_no_pictures_are_told_of(folder):
    fill(folder, "ant/1.psd", "ant/2.psd")
    with pytest.warns(UserWarning, match=r"1 class\(es\) have files but no picture.*'ant'.*'.psd'"):
        pictures = load_image_folder(folder)
    assert pictures.unseen_classes.tolist() == ["ant"]
    with pytest.warns(UserWarning, match="'whale'.*'.jpeg'"):
        pictures = load_image_folder(folder, extensions=["PSD", ".png"])
    assert pictures.counts == {"ant": 2, "red_fox": 1, "zebra": 2}
    assert pictures.unseen_classes.tolist() == ["whale"]
    with pytest.raises(TypeError, match="must be a sequence of extensions"):
        load_image_folder(folder, extensions=".png")
    with pytest.raises(ValueError, match="no extension"):
        load_image_folder(folder, extensions=[])


def test_links_are_followed_and_loops_are_not(folder, tmp_path):
    fill(tmp_path / "elsewhere", "more.png")
    os.symlink(tmp_path / "elsewhere", folder / "whale" / "linked")
    os.symlink(folder, folder / "whale" / "all")
    os.symlink(folder / "zebra", folder / "zebra" / "deep" / "back")
    pictures = load_image_folder(folder)
    assert pictures.counts == {"red_fox": 1, "whale": 2, "zebra": 3}
    assert "whale/linked/more.png" in pictures.image_files.tolist()


def test_nothing_to_load(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        load_image_folder(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="is a file, not a folder"):
        load_image_folder(fill(tmp_path, "a.txt") / "a.txt")
    with pytest.raises(ValueError, match="has no sub-folders"):
        load_image_folder(tmp_path)
    fill(tmp_path, "ant/a.psd")
    with pytest.raises(ValueError, match="None of the 1 sub-folder.*'ant/a.psd'"):
        load_image_folder(tmp_path)
    fill(tmp_path, "a.png")
    with pytest.raises(ValueError, match=r"1 picture\(s\) of .* lie in the folder itself"):
        load_image_folder(tmp_path)


@given(st.lists(st.integers(0, 10**6), unique=True, min_size=1))
def test_numbers_in_names_sort_as_numbers(numbers):
    names = [f"bird {number}.png" for number in numbers]
    assert sorted(names, key=natural_key) == [f"bird {number}.png" for number in sorted(numbers)]


@given(st.lists(st.text(min_size=1), unique_by=lambda s: unicodedata.normalize("NFC", s)))
def test_every_folder_meets_its_own_name(names):
    assert match_folders(names, names) == dict(zip(names, names, strict=True))


def test_paths_targets_and_table_make_a_classifier(folder):
    """What the loader returns is all that fitting takes, once pictures are features."""
    from zslearn import CVsCClassifier
    from zslearn.feature_extraction import PatchDictionaryExtractor

    rng = np.random.default_rng(0)
    for name in ("zebra", "whale"):
        for i in range(6):
            pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"more{i}.png")
    pictures = load_image_folder(folder, table("zebra", "whale", "red_fox", "ant"))
    images = np.stack(
        [np.asarray(Image.open(path).resize((12, 12))) for path in pictures.image_paths]
    )
    extractor = PatchDictionaryExtractor(4, grid_shape=(2, 2), max_patches=50, random_state=0)
    features = extractor.fit_transform(images)
    assert features.shape == (17, 4, 4)
    classifier = CVsCClassifier(max_epochs=1, random_state=0)
    classifier.fit(features, pictures.target, class_attributes=pictures.class_attributes)
    assert classifier.unseen_classes_.tolist() == ["ant"]
    assert set(classifier.predict(features)) <= {"zebra", "whale", "red_fox", "ant"}


def test_values_that_are_unknown(folder):
    (folder / "gaps.csv").write_text("class,a,b\nzebra,1,\nwhale,0,3\nred_fox,2,-1\nkiwi,3,1\n")
    with pytest.raises(ValueError, match="NaN|missing"):
        load_image_folder(folder, "gaps.csv")
    table = load_image_folder(folder, "gaps.csv", missing_values=np.nan).class_attributes
    assert table.values[0].tolist() == [1, 1]  # the mean of 3, -1 and 1
    assert table.missing_mask.tolist() == [[False, True], *[[False, False]] * 3]
    with pytest.raises(TypeError, match="where the table is made"):
        load_image_folder(folder, table, missing_values=np.nan)


def test_pictures_of_other_formats_are_counted(folder):
    fill(folder, "zebra/a.avif", "zebra/b.jp2", "zebra/c.jpe", "zebra/d.heic", "zebra/e.psd")
    with pytest.warns(UserWarning, match=r"1 file\(s\), which end in \.psd \(1\).*zebra/e.psd"):
        assert load_image_folder(folder).counts["zebra"] == 7
