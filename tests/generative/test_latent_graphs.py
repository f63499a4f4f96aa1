"""Weights that rise with the epochs, where steps do not wait: equal to the bit to ordinary ones."""

import numpy as np
import pytest
import torch

from zslearn import CADAVAEClassifier, CEGZSLClassifier, ClassAttributes, HSVAClassifier
from zslearn._data._rows import RegionRows
from zslearn._training import _graphs

METHODS = [CADAVAEClassifier, HSVAClassifier, CEGZSLClassifier]
SMALL = {"latent": 5, "hidden": 9, "structure": 8, "encoder": 7, "classifier": 6}
SMALL |= {"embedding": 7, "projection": 6, "comparator": 5}


def small(method):
    clf = method(max_epochs=4, batch_size=16, random_state=0, device="cpu")
    known = clf.get_params()
    for name, width in SMALL.items():
        if f"{name}_dim" in known:
            clf.set_params(**{f"{name}_dim": width})
    if "encoder_dims" in known:
        clf.set_params(encoder_dims=(9, 9), decoder_dims=(9, 9))
    return clf


@pytest.mark.parametrize("method", METHODS)
def test_epochs_without_waiting(method, monkeypatch):
    rng = np.random.default_rng(0)
    table, y = ClassAttributes(rng.uniform(0.1, 1, (6, 4))), rng.integers(4, size=50)
    X = ((table.values @ rng.normal(size=(4, 8)))[y]).astype(np.float32)
    plain = small(method).fit(X, y, class_attributes=table)
    steps = []
    real = _graphs.GraphEngine._step
    monkeypatch.setattr(RegionRows, "_should_keep", lambda self: True)
    monkeypatch.setattr(
        _graphs.GraphEngine, "_step", lambda self, key: (steps.append(key), real(self, key))
    )
    monkeypatch.setattr(_graphs, "_DEVICES", {"cpu"})
    quick = small(method).fit(X, y, class_attributes=table)
    assert len(steps) == 4 * 4
    for ours, theirs in zip(
        quick.net_.module_.state_dict().values(),
        plain.net_.module_.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(ours, theirs)
    assert quick.net_.term_names_ == plain.net_.term_names_
    np.testing.assert_array_equal(quick.predict(X), plain.predict(X))
