"""Files damaged at random, and files changed with a right checksum: never a wrong model."""

import copy
import json
import random
import warnings

import numpy as np
import pytest
import safetensors.numpy

import zslearn
from zslearn.exceptions import ModelFileError
from zslearn.persistence import _model_file
from zslearn.persistence._encoder import Encoder
from zslearn.persistence._model_file import _digest


@pytest.fixture(scope="module")
def files(toy, tmp_path_factory):
    """{name: (bytes, answers)} of some models, and a folder to damage them in."""
    folder = tmp_path_factory.mktemp("damaged")
    light, deep = toy.light_models(), toy.deep_models()
    chosen = {"linear": light["linear"], "scaled": light["scaled"], "vectors": deep["vectors"]}
    chosen["fixed"] = deep["prefit"]
    holder = toy.Holder([{"a": (1, 2.5)}, np.array(["x", "yy"]), np.array([1, "b"], object)])
    found = {}
    for name, (estimator, X) in {**chosen, "holder": (holder, None)}.items():
        zslearn.save(estimator, folder / name)
        found[name] = ((folder / name).read_bytes(), content(estimator), X)
    return folder / "file", found


def content(estimator):
    """What is in a model, in a form that can be compared."""
    encoder = Encoder()
    node = encoder.encode(estimator, "estimator")
    arrays = {k: (v.dtype.str, v.shape, v.tobytes()) for k, v in encoder.tensors.items()}
    return json.dumps(node), arrays


# -- damage ------------------------------------------------------------------------------------


def flip(rng, data, other):
    data = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def truncate(rng, data, other):
    return data[: rng.randrange(len(data))]


def insert(rng, data, other):
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.choice([1, 2, 8, 100])) + data[at:]


def cut_out(rng, data, other):
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice([1, 2, 8, 100]) :]


def overwrite(rng, data, other):
    at = rng.randrange(len(data))
    piece = rng.randbytes(rng.choice([1, 4, 64])) if rng.random() < 0.5 else bytes(64)
    return data[:at] + piece + data[at + len(piece) :]


def swap(rng, data, other):
    """The header of one file and the arrays of another, or some other joint of the two."""
    cuts = [8 + int.from_bytes(d[:8], "little") for d in (data, other)]
    if rng.random() < 0.5:
        return data[: cuts[0]] + other[cuts[1] :]
    at = rng.randrange(min(len(data), len(other)))
    return data[:at] + other[at:]


def repeat(rng, data, other):
    at, end = sorted(rng.randrange(len(data)) for _ in range(2))
    return data[:end] + data[at:end] + data[end:]


DAMAGE = [flip, truncate, insert, cut_out, overwrite, swap, repeat]


def check_damaged(files, seed):
    path, found = files
    rng = random.Random(seed)
    name, other = rng.sample(sorted(found), 2)
    data, expected, _ = found[name]
    damaged = rng.choice(DAMAGE)(rng, data, found[other][0])
    if damaged == found[other][0]:
        return "the other one"
    path.write_bytes(damaged)
    try:
        loaded = zslearn.load(path)
    except ModelFileError:
        return "refused"
    assert content(loaded) == expected
    return "as it was"


# -- changes with the right checksum -----------------------------------------------------------


def places(node, found):
    """(container, key) of everything in a tree of JSON."""
    keys = node.keys() if isinstance(node, dict) else range(len(node))
    for key in keys:
        found.append((node, key))
        if isinstance(node[key], dict | list):
            places(node[key], found)
    return found


ODD = [
    *(None, True, False, 0, 1, -1, 2**40, 10**30, 0.5, -1e300, "", "x", "auto", "array_0", "same"),
    *("<f8", ">f8", "<U1", "|O", "<M8[D]", "bfloat16", "toy.Holder", "cvsc", [], {}, [1]),
    *({"type": "tuple", "items": []}, {"type": "float", "value": "inf"}, {"type": "pickle"}),
    *({"type": "dict", "items": []}, {"type": "same", "number": 0}, {"type": "path", "value": "a"}),
    {"type": "object", "class": "toy.Plain", "params": {}, "state": {}},
]


def change(rng, document, tensors):
    """Change one thing in the JSON, or in an array."""
    if tensors and rng.random() < 0.2:
        name = rng.choice(sorted(tensors))
        array = tensors.pop(name)
        kind = rng.randrange(5)
        if kind == 0:
            with np.errstate(all="ignore"):
                tensors[name] = array.astype(rng.choice(["f4", "f8", "i8", "u1", "f2", "i2"]))
        elif kind == 1:
            tensors[name] = np.ascontiguousarray(array[..., None])
        elif kind == 2:
            tensors[name] = np.ascontiguousarray(array.reshape(-1)[: array.size // 2])
        elif kind == 3:
            tensors[name + "x"] = array
        return
    container, key = rng.choice(places(document["estimator"], []))
    kind = rng.randrange(4)
    if kind == 0:
        container[key] = copy.deepcopy(rng.choice(ODD))
    elif kind == 1:
        del container[key]
    elif kind == 2:
        other, at = rng.choice(places(document["estimator"], []))
        container[key], other[at] = copy.deepcopy(other[at]), copy.deepcopy(container[key])
    elif isinstance(container, dict):
        container[f"{key}_"] = copy.deepcopy(container[key])
    else:
        container.append(copy.deepcopy(container[key]))


def check_changed(files, seed):
    path, found = files
    rng = random.Random(seed)
    name = rng.choice(sorted(found))
    path.write_bytes(found[name][0])
    body, tensors = _model_file.read_model(path)
    document = json.loads(body)
    for _ in range(rng.choice([1, 1, 2])):
        change(rng, document, tensors)
    body = json.dumps(document)
    text = f'{{"version":1,"sha256":"{_digest(body, tensors)}","model":{body}}}'
    safetensors.numpy.save_file(tensors, path, metadata={"zslearn": text})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = zslearn.load(path)
    except ModelFileError:
        return "refused"
    # It is the model that the file says: written again, it says the same.
    arrays = {k: (v.dtype.str, v.shape, v.tobytes()) for k, v in tensors.items()}
    assert in_place(*content(loaded)) == in_place(json.dumps(document["estimator"]), arrays)
    return "loaded"


def in_place(text, arrays):
    """JSON with the arrays where their names were, and entries in alphabetical order."""

    def put(entries):
        if isinstance(entries.get("tensor"), str):
            entries["tensor"] = str(arrays[entries["tensor"]])
        if entries.get("type") == "dict" and isinstance(entries.get("items"), list):
            entries["items"].sort(key=str)
        return entries

    return json.loads(text, object_hook=put)


@pytest.mark.parametrize("first", [0, 100, 200])
def test_damaged_files(files, first):
    outcomes = [check_damaged(files, seed) for seed in range(first, first + 100)]
    assert outcomes.count("refused") > 90


@pytest.mark.parametrize("first", [0, 100, 200])
def test_changed_files_with_the_right_checksum(files, first):
    outcomes = [check_changed(files, seed) for seed in range(first, first + 100)]
    assert outcomes.count("refused") > 30


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_ten_thousand(files):
    for seed in range(10_000, 20_000):
        check_damaged(files, seed)
        check_changed(files, seed)
