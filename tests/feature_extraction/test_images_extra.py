"""What only pictures need is missed by them alone, and then by its name."""

import subprocess
import sys
from pathlib import Path

import pytest

import zslearn
from zslearn.feature_extraction._images_extra import import_for_images

WITHOUT = """
import sys
for name in ("timm", "torchvision", "PIL"):
    sys.modules[name] = None  # importing it raises ImportError
import numpy as np
import zslearn
from zslearn.feature_extraction import TimmRegionExtractor
from zslearn.feature_extraction._picture_sources import as_pictures

rng = np.random.default_rng(0)
table = zslearn.ClassAttributes(rng.random((4, 5)))
X, y = rng.random((12, 4, 6), dtype=np.float32), np.arange(12) % 3
for clf, data in (
    (zslearn.CVsCClassifier(head="own", max_epochs=1, random_state=0), X),
    (zslearn.PrototypeRegressionClassifier(), X.mean(axis=1)),
):
    clf.fit(data, y, class_attributes=table)
    zslearn.save(clf, sys.argv[1], overwrite=True)
    print((clf.predict(data) == zslearn.load(sys.argv[1]).predict(data)).all())
for ask in (
    lambda: TimmRegionExtractor("resnet18", pretrained=False).fit(),
    lambda: as_pictures(["a.jpg"]),
):
    try:
        ask()
    except ImportError as error:
        print(error)
"""


def test_features_need_none_of_them(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(tmp_path / "model.zsl")],
        capture_output=True,
        text=True,
        cwd=Path(zslearn.__file__).parents[1],
    )
    assert done.returncode == 0, done.stderr
    *same, network, picture = done.stdout.splitlines()
    assert same == ["True", "True"]
    for line in (network, picture):
        assert line.startswith("Pictures need timm, torchvision and Pillow (")
        assert line.endswith('Install them with `pip install "zslearn[images]"`.')


def test_the_missing_module_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ImportError, match=r"\(import of torchvision halted") as caught:
        import_for_images("torchvision")
    assert caught.value.name == "torchvision"
