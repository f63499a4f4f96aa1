"""`zslearn extract` from a folder to a store, again, with broken pictures and wrong settings."""

import re

import numpy as np
import pytest
from PIL import Image

from zslearn.feature_extraction import FeatureStore, TimmRegionExtractor

MODEL = ("--model", "test_vit", "--random-weights", "--quiet", "--device", "cpu")


@pytest.fixture
def pictures(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("emu/a.png", "emu/b.jpg", "yak/c.png", "yak/d.png", "yak/e.png"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(256, size=(20, 30, 3), dtype=np.uint8)).save(path)
    return tmp_path / "pictures"


def test_extract_and_again(zslearn, pictures, tmp_path):
    arguments = ("extract", pictures, "-o", tmp_path / "store", *MODEL, "--batch-size", 2)
    done = zslearn(*arguments)
    assert done.code == 0, done.err
    assert re.match(r"5 pictures in [\d.]+ s, [\d.]+ pictures/s\nFeatureStore\(", done.out)
    assert done.err == ""
    store = FeatureStore(tmp_path / "store")
    assert store.images.tolist() == [
        "emu/a.png",
        "emu/b.jpg",
        "yak/c.png",
        "yak/d.png",
        "yak/e.png",
    ]
    extractor = TimmRegionExtractor("test_vit", pretrained=False, batch_size=2, device="cpu").fit()
    assert np.array_equal(np.asarray(store), extractor.transform(pictures))
    again = zslearn(*arguments)
    assert again.out.startswith("nothing left to do\n")


def test_options_reach_the_extractor(zslearn, pictures, tmp_path):
    done = zslearn(
        *("extract", pictures, "-o", tmp_path / "store", "--model", "test_resnet"),
        *("--random-weights", "--layer", 1, "--grid", "2x3", "--image-size", 64),
        *("--data-option", "crop_mode=squash", "--data-option", "mean=(0.5,0.5,0.5)"),
        *("--precision", "float32", "--model-option", "drop_rate=0.1", "--quiet"),
    )
    assert done.code == 0, done.err
    extractor = TimmRegionExtractor(
        "test_resnet",
        pretrained=False,
        layer=1,
        grid_shape=(2, 3),
        image_size=64,
        data_config={"crop_mode": "squash", "mean": (0.5, 0.5, 0.5)},
        precision="float32",
        model_kwargs={"drop_rate": 0.1},
    ).fit()
    store = FeatureStore(tmp_path / "store")
    assert store.grid_shape == (2, 3)
    assert np.array_equal(np.asarray(store), extractor.transform(pictures))


def test_going_on(zslearn, pictures, tmp_path, monkeypatch):
    """A run that was interrupted says how to go on, and the next says from where it did."""
    arguments = ("extract", pictures, "-o", tmp_path / "store", *MODEL, "--batch-size", 2)
    from zslearn.feature_extraction import FeatureStoreWriter

    append = FeatureStoreWriter.append

    def stop(self, *args, **kwargs):
        append(self, *args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(FeatureStoreWriter, "append", stop)
        done = zslearn(*arguments)
    assert done.code == 130
    assert "Run the same command again to go on." in done.err
    done = zslearn(*arguments)
    assert done.code == 0, done.err
    assert done.out.startswith("went on after 2 of 5: 3 pictures in ")


def test_broken_pictures(zslearn, pictures, tmp_path):
    (pictures / "emu" / "broken.png").write_bytes(b"no picture")
    (pictures / "yak" / "empty.jpg").write_bytes(b"")
    done = zslearn("extract", pictures, "-o", tmp_path / "store", *MODEL)
    assert done.code == 1
    (line,) = done.err.splitlines()
    assert line.startswith("zslearn extract: error: ")
    assert "broken.png" in line
    assert "empty.jpg" in line
    done = zslearn("extract", pictures, "-o", tmp_path / "store", *MODEL, "--skip-broken")
    assert done.code == 0, done.err
    assert "skipped emu/broken.png: " in done.err
    assert len(FeatureStore(tmp_path / "store")) == 5


MISTAKES = {
    "no folder": (["/no/such/folder"], "'/no/such/folder' is not a folder of pictures"),
    "no pictures": (["EMPTY"], "EMPTY"),
    "unknown model": (["--model", "vit_bass_patch16_224"], "vit_base_patch16_224"),
    "two kinds of weights": (["--checkpoint", "w.pth"], "exclude each other"),
    "no such layer": (["--layer", "99"], "layer"),
    "too fine a grid": (["--grid", "99x99"], "grid"),
    "unknown option": (["--data-option", "colour=blue"], "--data-option holds 'colour'"),
    "wrong option": (["--data-option", "crop_pct=x"], "'crop_pct']='x' must be a share"),
    "no such weights": (["--checkpoint", "w.pth"], "--checkpoint"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_line(zslearn, pictures, tmp_path, mistake):
    arguments, message = MISTAKES[mistake]
    (tmp_path / "EMPTY").mkdir()
    folder = pictures
    given = [argument for argument in MODEL if argument != "--random-weights"]
    if mistake != "no such weights":
        given.append("--random-weights")
    if not arguments[0].startswith("--"):
        folder, arguments = arguments[0].replace("EMPTY", str(tmp_path / "EMPTY")), arguments[1:]
    done = zslearn("extract", folder, "-o", tmp_path / "store", *given, *arguments)
    assert done.code == 1
    assert done.out == ""
    (line,) = done.err.splitlines()
    assert line.startswith("zslearn extract: error: ")
    assert message in line
    assert not (tmp_path / "store").exists()


def test_other_settings_need_another_folder(zslearn, pictures, tmp_path):
    arguments = ("extract", pictures, "-o", tmp_path / "store", *MODEL)
    assert zslearn(*arguments).code == 0
    done = zslearn(*arguments, "--layer", 0)
    assert done.code == 1
    assert "layer" in done.err
    assert "--overwrite" in done.err
    done = zslearn(*arguments, "--layer", 0, "--overwrite")
    assert done.code == 0, done.err
    assert done.out.startswith("5 pictures in")


def test_pictures_to_accuracy(zslearn, pictures, tmp_path):
    """The whole way on the command line; labels are the names of the folders."""
    rng = np.random.default_rng(1)
    for name in ("owl", "cow", "elk"):
        for i in range(4):
            path = pictures / name / f"{i}.png"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(rng.integers(256, size=(20, 30, 3), dtype=np.uint8)).save(path)
    names = ["emu", "yak", "owl", "cow", "elk"]
    rows = [f"{name},{i & 1},{i >> 1 & 1},{i >> 2},0.5" for i, name in enumerate(names)]
    (tmp_path / "classes.csv").write_text("\n".join(["class,a,b,c,d", *rows]) + "\n")
    assert zslearn("extract", pictures, "-o", tmp_path / "store", *MODEL).code == 0
    done = zslearn(
        *("evaluate", tmp_path / "store", "--attributes", tmp_path / "classes.csv"),
        *("--split", "random", "--unseen", 0.4, "--epochs", 1, "--delta", 0),
    )
    assert done.code == 0, done.err
    assert "3 seen and 2 unseen classes" in done.out
