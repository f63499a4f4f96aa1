"""A file is refused if it is not what was written."""

import json

import numpy as np
import pytest
import safetensors.numpy

import zslearn
from zslearn.exceptions import ModelFileError
from zslearn.persistence import _model_file, register_saved_type
from zslearn.persistence._model_file import _digest


@pytest.fixture
def save_and_text(toy, path):
    """Saves a value; the JSON of the file as Python objects, and the arrays."""
    zslearn.save(toy.Holder(np.arange(4.0)), path)
    body, tensors = _model_file.read_model(path)
    return json.loads(body), tensors


def write(path, document, tensors, version=1):
    """Write a file whose checksum is right, whatever is in it."""
    body = document if isinstance(document, str) else json.dumps(document)
    text = f'{{"version":{version},"sha256":"{_digest(body, tensors)}","model":{body}}}'
    safetensors.numpy.save_file(tensors, path, metadata={"zslearn": text})


def holder_of(node):
    params = {"value": node}
    return {"type": "object", "class": "toy.Holder", "params": params, "state": {}}


def refuses(path, message):
    with pytest.raises(ModelFileError, match=message) as caught:
        zslearn.load(path)
    assert str(path) in str(caught.value)
    assert caught.value.path == str(path)
    return caught.value


def test_no_file(path):
    with pytest.raises(FileNotFoundError, match=str(path)):
        zslearn.load(path)


def test_a_folder(tmp_path):
    refuses(tmp_path, "is a folder. A saved model is a file")


@pytest.mark.parametrize("content", [b"", b"abc", b"PK\3\4" + b"x" * 40, b"\x80\x04" * 20])
def test_other_files(path, content):
    path.write_bytes(content)
    refuses(path, "is no safetensors file. Files of save are; is it the path?")


def test_bare_weights(path):
    safetensors.numpy.save_file({"a": np.zeros(2)}, path, metadata={"format": "pt"})
    refuses(path, "a safetensors file, but none that zslearn.save has written. Weights alone")


def test_a_cut_file(toy, path):
    zslearn.save(toy.Holder(np.zeros(10)), path)
    data = path.read_bytes()
    path.write_bytes(data[:-1])
    refuses(path, "has arrays that cannot be read .* It is damaged or was changed: take it from")
    path.write_bytes(data[:100])
    refuses(path, "ends after 100 bytes, in its header. It is damaged")
    path.write_bytes(data + b"\0")
    refuses(path, "has arrays that cannot be read")


def test_a_changed_number(toy, path):
    zslearn.save(toy.Holder(np.ones(10)), path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    refuses(path, "does not have the checksum in its header. It is damaged")


def test_a_changed_parameter(toy, path):
    zslearn.save(toy.Holder("aaaa"), path)
    path.write_bytes(path.read_bytes().replace(b"aaaa", b"aaab"))
    refuses(path, "does not have the checksum in its header")


def test_arrays_of_another_file(toy, path):
    zslearn.save(toy.Holder(np.ones(10)), path)
    ones, n = path.read_bytes(), 80
    zslearn.save(toy.Holder(np.zeros(10)), path, overwrite=True)
    path.write_bytes(ones[:-n] + path.read_bytes()[-n:])
    refuses(path, "does not have the checksum")


def test_a_later_format(save_and_text, path):
    write(path, *save_and_text, version=2)
    refuses(path, "has format 2, this zslearn reads up to 1. Update zslearn.")
    write(path, *save_and_text, version=0)
    refuses(path, "has a header that save does not write")


def test_a_header_that_never_ends(path):
    path.write_bytes((10**12).to_bytes(8, "little") + b"{" * 100)
    refuses(path, "is no safetensors file")
    path.write_bytes((10**7).to_bytes(8, "little") + b"[" * 10**7)
    refuses(path, "is no safetensors file")
    path.write_bytes((10**6).to_bytes(8, "little") + b'{"a":' * (10**6 // 5))
    refuses(path, "has an unreadable header .values in values, too deep.")
    path.write_bytes((10**6).to_bytes(8, "little") + b'{"a":' + b"1" * (10**6 - 5))
    refuses(path, "has an unreadable header")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"value":', '"value":1,"value":', "unreadable JSON .a key is there twice"),
        ('"value":"x"', '"value":NaN', "unreadable JSON .the number NaN is not finite"),
        ('"value":"x"', '"value":-1e999', "the number -1e999 is not finite"),
        ('"value":"x"', '"value":' + "[" * 10**5 + "]" * 10**5, "values in values, too deep"),
        ('"value":"x"', '"value":' + "[" * 99 + "]" * 99, "nested deeper than 64 levels"),
        ('"value":"x"', '"value":' + "1" * 5000, "unreadable JSON"),
        ('"value":"x"', '"value":"x', "unreadable JSON"),
        ('"zslearn":', '"extra":1,"zslearn":', "has a header that save does not write"),
        ('"type":"object"', '"type":"dict"', "has a header that save does not write"),
        ('"numpy":', '"nump":', "has a header that save does not write"),
        ('"state":{}', '"state":{"fit":1}', "has an attribute in the place of Holder.fit"),
        ('"state":{}', '"state":{"__class__":1}', "has '__class__' among its attributes"),
        ('"state":{}', '"state":{"value":1}', "has 'value' among its attributes"),
        ('"state":{}', '"state":[]', "has no parameters or no state"),
        ('"params":{"value":"x"}', '"params":{}', r"lacks \['value'\]"),
        ('"value":"x"', '"value":"x","more":1', r"parameters \['more'\] that Holder does not have"),
        ('"toy.Holder"', '"os.system"', "of the class 'os.system', which is not known here"),
        ('"toy.Holder"', '"sklearn.svm.SVC"', "the class 'sklearn.svm.SVC', which is not known"),
        ('"toy.Holder"', "[]", r"is of the class \[\], which is not known"),
    ],
)
def test_unknown_contents_with_the_right_checksum(toy, path, old, new, message):
    zslearn.save(toy.Holder("x"), path)
    body, tensors = _model_file.read_model(path)
    assert body.count(old) == 1
    write(path, body.replace(old, new), tensors)
    refuses(path, message)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({}, "estimator.value is of an unknown kind, None"),
        ({"type": "pickle", "value": ""}, "estimator.value is of an unknown kind, 'pickle'"),
        ({"type": ["dict"]}, "is of an unknown kind"),
        ({"type": "dict", "items": [], "x": 1}, r"has the keys \['items', 'type', 'x'\], not"),
        ({"type": "dict", "items": [["a", 1], ["a", 2]]}, "a key twice, or of a wrong type: 'a'"),
        ({"type": "dict", "items": [[1.5, 1]]}, "a key twice, or of a wrong type: 1.5"),
        ({"type": "dict", "items": [[1]]}, r"has an entry that is no key and value: \[1\]"),
        ({"type": "dict", "items": ["ab"]}, "has an entry that is no key and value: 'ab'"),
        ({"type": "tuple", "items": "abc"}, "has no list of items"),
        ({"type": "float", "value": "1"}, "is no number: '1'"),
        ({"type": "same", "number": 0}, "refers to something that is not there"),
        ({"type": "same", "number": -1}, "refers to something that is not there"),
        ({"type": "path", "value": 3}, "cannot be made"),
        ({"type": "dtype", "name": "O"}, "no name of a dtype: 'O'"),
        ({"type": "dtype", "name": "|O"}, "cannot be made: the dtype '|O' is not one of those"),
        ({"type": "dtype", "name": "i4,i4"}, "no name of a dtype"),
        ({"type": "scalar_type", "name": "object"}, "no name of a dtype"),
        ({"type": "torch_dtype", "name": "nn"}, "is no dtype of torch: 'nn'"),
        ({"type": "torch_dtype", "name": "os.system"}, "cannot be made|is no dtype"),
        ({"type": "torch_device", "name": "moon"}, "cannot be made"),
        ({"type": "optimizer", "name": "lr_scheduler"}, "is no optimiser|cannot be made"),
        ({"type": "optimizer", "name": "Optimizer2"}, "is no optimiser|cannot be made"),
        ({"type": "array", "tensor": "b", "dtype": "<f8", "order": "C"}, "names an array, 'b', th"),
        ({"type": "array", "tensor": "a", "dtype": "<f4", "order": "C"}, "of dtype float64, not"),
        ({"type": "array", "tensor": "a", "dtype": "<M8", "order": "C"}, "that are not bytes of"),
        (
            {"type": "array", "tensor": "a", "dtype": "<f8", "order": "K"},
            "the order 'K' is neither",
        ),
        ({"type": "scalar", "tensor": "a", "dtype": "<f8", "order": "C"}, "is one number, but has"),
        ({"type": "tensor", "tensor": "a", "dtype": "qint8", "order": "C"}, "no dtype of tensors"),
        ({"type": "tensor", "tensor": "a", "dtype": "bfloat16", "order": "C"}, "of dtype float64"),
        ({"type": "text_array", "dtype": "<U1", "shape": [2], "items": ["a"]}, "1 items for the"),
        (
            {"type": "text_array", "dtype": "<U1", "shape": [1], "items": ["ab"]},
            "are no text of at",
        ),
        ({"type": "text_array", "dtype": "<U1", "shape": [1], "items": [3]}, "are no text of at"),
        ({"type": "text_array", "dtype": "<U400000000", "shape": [1], "items": [""]}, "more than"),
        ({"type": "object_array", "shape": [-1], "items": [1]}, "items for the shape"),
        ({"type": "object_array", "shape": [1] * 80, "items": [1]}, "has no shape or no items"),
        ({"type": "object_array", "shape": 1, "items": {}}, "has no shape|cannot be made|no list"),
        ({"type": "records", "columns": {"a": "int"}, "int": {}, "float": {}}, "has the keys"),
        (
            {"type": "class_attributes"}
            | dict.fromkeys(["values", "labels", "attribute_names", "word_vectors"], None)
            | {"missing_mask": None},
            "cannot be made: values must have",
        ),
        (
            {"type": "random_state", "key": [1], "position": 0, "has_gauss": 0, "gauss": 0.0},
            "cannot be made",
        ),
        (
            {
                "type": "object",
                "class": "sklearn.pipeline.Pipeline",
                "params": {
                    "steps": [],
                    "memory": "/tmp",
                    "transform_input": None,
                    "verbose": False,
                },
                "state": {},
            },
            "value.memory is a folder of pickles on this machine, which files do not hold",
        ),
        (
            {"type": "object", "class": "toy.Stateful", "params": {"size": 1}, "state": {"a": 1}},
            "cannot be made: 'double'",
        ),
    ],
)
def test_wrong_nodes_with_the_right_checksum(toy, path, save_and_text, node, message):
    document, _ = save_and_text
    document["estimator"] = holder_of(node)
    uses = "'a'" in str(node)
    write(path, document, {"a": np.zeros(2)} if uses else {})
    refuses(path, message)


def test_arrays_that_nobody_has(save_and_text, path):
    document, tensors = save_and_text
    write(path, document, {**tensors, "array_1": np.zeros(1)})
    refuses(path, r"holds arrays that its model does not have \(array_1\)")


def test_bytes_that_are_no_booleans(toy, path):
    zslearn.save(toy.Holder(np.array([True, False])), path)
    body, _ = _model_file.read_model(path)
    write(path, body, {"array_0": np.array([2, 0], dtype=np.uint8).view(bool)})
    refuses(path, "bytes that are neither True nor False")


def test_endless_rows_without_columns(save_and_text, path):
    document, _ = save_and_text
    empty = {"dtype": "<i8", "order": "C"}
    parts = {"int": {"tensor": "a", **empty}, "float": {"tensor": "b", **empty, "dtype": "<f8"}}
    tensors = {"a": np.zeros((2**40, 0), dtype=np.int64), "b": np.zeros((1, 1))}
    for columns, message in (({"x": "float"}, "has no rows and columns"), ({}, "has no rows and")):
        document["estimator"] = holder_of({"type": "records", "columns": columns, **parts})
        write(path, document, tensors)
        refuses(path, message)


def test_an_array_belongs_to_one_value(toy, path):
    zslearn.save(toy.Holder([np.zeros(1), np.ones(1)]), path)
    body, _ = _model_file.read_model(path)
    write(path, body.replace("array_1", "array_0"), {"array_0": np.zeros(1)})
    refuses(path, "names an array, 'array_0', that is not there for it")


def test_the_message_names_who_wrote_it(save_and_text, path):
    document, tensors = save_and_text
    document["zslearn"] = "9.8.7"
    document["estimator"]["params"]["future"] = 1
    write(path, document, tensors)
    refuses(path, "It was written by zslearn 9.8.7; use that version, or save the model again.")


def test_another_scikit_learn_is_warned_of(toy, path):
    estimator, _ = toy.light_models()["scaled"]
    zslearn.save(estimator, path)
    body, tensors = _model_file.read_model(path)
    document = json.loads(body)
    document["libraries"]["scikit-learn"] = "1.0"
    write(path, document, tensors)
    with pytest.warns(
        UserWarning, match=r"saved with scikit-learn 1.0, this is .*PCA, .* may"
    ) as w:
        zslearn.load(path)
    assert len(w) == 1


def test_errors_are_one_type_and_can_be_sent(path):
    import pickle

    path.write_bytes(b"")
    error = refuses(path, "is no safetensors file")
    assert isinstance(error, ValueError)
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.found, again.remedy) == (str(error), error.found, error.remedy)


def test_names_are_registered_once(toy):
    class Other:
        pass

    with pytest.raises(ValueError, match="'toy.Holder' is the name of another class; give Other"):
        register_saved_type("toy.Holder", Other)
    with pytest.raises(ValueError, match="'sklearn.decomposition.PCA' is the name of anot"):
        register_saved_type("sklearn.decomposition.PCA", Other)
    with pytest.raises(ValueError, match="two words or more with dots between them, found 'Other"):
        register_saved_type("Other", Other)
    with pytest.raises(TypeError, match="takes a name and a class, found 3 and"):
        register_saved_type(3, Other)
    with pytest.raises(TypeError, match="takes a name and a class, found 'x.y' and 3"):
        register_saved_type("x.y", 3)
    assert register_saved_type("toy.Holder", toy.Holder) is toy.Holder
