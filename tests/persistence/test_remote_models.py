"""Saved models read by URL."""

import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

import zslearn
from zslearn import ESZSLClassifier
from zslearn.exceptions import ModelFileError


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model, and the file it was saved in."""
    rng = np.random.default_rng(0)
    clf = ESZSLClassifier().fit(rng.normal(size=(20, 5)), np.arange(20) % 4, rng.random((5, 3)))
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    zslearn.save(clf, path)
    MemoryFileSystem().pipe_file("/models/model.safetensors", path.read_bytes())
    return clf, path


@pytest.mark.parametrize("protocol", ["file", "memory"])
def test_a_model_behind_a_url_predicts_as_the_saved_one(saved, protocol):
    clf, path = saved
    url = path.as_uri() if protocol == "file" else "memory://models/model.safetensors"
    X = np.random.default_rng(1).normal(size=(7, 5))
    loaded = zslearn.load(url)
    np.testing.assert_array_equal(loaded.decision_function(X), clf.decision_function(X))


def test_errors_name_the_url(saved):
    content = bytearray(saved[1].read_bytes())
    content[-1] ^= 1
    MemoryFileSystem().pipe_file("/models/damaged", bytes(content))
    with pytest.raises(ModelFileError, match="'memory://models/damaged' does not have the check"):
        zslearn.load("memory://models/damaged")
    with pytest.raises(ModelFileError, match="'memory://models' is a folder"):
        zslearn.load("memory://models")
    with pytest.raises(FileNotFoundError):
        zslearn.load("memory://models/none")


def test_nothing_is_saved_by_url(saved):
    with pytest.raises(ValueError, match="path='s3://b/m' is a URL, and a file on a file system"):
        zslearn.save(saved[0], "s3://b/m")
