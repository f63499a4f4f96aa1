"""What is loaded says the same as what was saved, to the bit, in a process without pickle."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zslearn
from zslearn.registry import list_methods, method_info

ROOT = Path(zslearn.__file__).parents[1]

# Run in a fresh process; every way to unpickle raises in it.
CHILD = """
import json, pickle, sys
from pathlib import Path

class Blocked(pickle._Unpickler):
    def __init__(self, *args, **kwargs):
        raise AssertionError("unpickled")

def blocked(*args, **kwargs):
    raise AssertionError("unpickled")

def hook(event, args):
    if event == "pickle.find_class":
        raise AssertionError("unpickled")

sys.addaudithook(hook)
try:
    pickle.loads(pickle.dumps(Path()))
except AssertionError:
    pass
else:
    raise SystemExit("the hook is without effect")
pickle.load = pickle.loads = blocked
pickle.Unpickler = pickle._Unpickler = Blocked

import numpy as np
import torch
torch.load = blocked
sys.path.insert(0, sys.argv[2])
import toy, zslearn
toy.register()

for path in sorted(Path(sys.argv[1]).glob("*.safetensors")):
    X = np.load(path.with_suffix(".X.npy"))
    answers = toy.answers(zslearn.load(path), X)
    np.savez(path.with_suffix(".found.npz"), **answers)
"""


@pytest.fixture(scope="module")
def models(toy):
    return toy.light_models() | toy.deep_models()


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)


NAMES = ["linear", "patches", "frozen", "scaled"]
DEEP = [
    *("cvsc", "no table", "half", "vectors", "objective", "fixed", "prefit", "tuned", "seeds"),
    *("patches and cvsc", "timm and cvsc"),
]


@pytest.mark.parametrize("name", NAMES + DEEP)
def test_says_the_same(name, models, toy, tmp_path):
    estimator, X = models[name]
    zslearn.save(estimator, tmp_path / "model")
    assert_same(toy.answers(zslearn.load(tmp_path / "model"), X), toy.answers(estimator, X))


@pytest.mark.parametrize("name", list_methods())
def test_every_registered_method(name, toy, tmp_path):
    info = method_info(name)
    if info.input == "pictures":
        pytest.skip("learns from pictures")
    X, y, table = toy.problem(1 if info.input == "vectors" else 4)
    X = X[..., : table.n_attributes] if info.shared_space else X
    estimator = info.estimator()
    few = {"max_epochs": 2, "device": "cpu", "random_state": 0}
    estimator.set_params(**{k: v for k, v in few.items() if k in estimator.get_params()})
    estimator.fit(X, y, class_attributes=table)
    expected = toy.answers(estimator, X)
    assert "predict" in expected
    zslearn.save(estimator, tmp_path / "model")
    assert f'\\"class\\":\\"{name}\\"'.encode() in (tmp_path / "model").read_bytes()
    assert_same(toy.answers(zslearn.load(tmp_path / "model"), X), expected)


def test_in_a_process_without_pickle(models, toy, tmp_path):
    for name, (estimator, X) in models.items():
        zslearn.save(estimator, tmp_path / f"{name}.safetensors")
        np.save(tmp_path / f"{name}.X.npy", X)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    for name, (estimator, X) in models.items():
        with np.load(tmp_path / f"{name}.found.npz") as found:
            assert_same(dict(found), toy.answers(estimator, X))


def test_models_of_the_tests_are_all_named(models):
    assert sorted(models) == sorted(NAMES + DEEP)
