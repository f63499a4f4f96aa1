"""The top of the package: lazy names, version, and the docstrings that make up its reference."""

import importlib
import inspect
import pkgutil
import re

import pytest

import zslearn


def test_names_are_found_on_first_use():
    assert zslearn.CVsCClassifier is importlib.import_module("zslearn.attention").CVsCClassifier
    assert zslearn.metrics.ausuc_score is importlib.import_module("zslearn.metrics").ausuc_score
    for name in dir(zslearn):
        assert getattr(zslearn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'CVSCClassifier'"):
        _ = zslearn.CVSCClassifier


def test_every_public_subpackage_is_listed():
    found = {name for _, name, _ in pkgutil.iter_modules(zslearn.__path__) if name[0] != "_"}
    assert found <= set(dir(zslearn))


def public_objects():
    for _, name, _ in pkgutil.walk_packages(zslearn.__path__, "zslearn."):
        if "._" in name:
            continue
        module = importlib.import_module(name)
        for public in getattr(module, "__all__", []):
            thing = getattr(module, public)
            if inspect.isclass(thing) or inspect.isfunction(thing):
                yield f"{name}.{public}", thing


@pytest.mark.parametrize(("name", "thing"), [pytest.param(*x, id=x[0]) for x in public_objects()])
def test_parameters_are_documented(name, thing):
    """Each parameter of a public function or class is named in its docstring."""
    doc = inspect.getdoc(thing)
    assert doc, name
    if inspect.isclass(thing) and issubclass(thing, tuple | Warning | Exception):
        return
    try:
        parameters = inspect.signature(thing).parameters.values()
    except ValueError:
        return
    skipped = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL)
    names = {p.name for p in parameters if p.kind not in skipped}
    assert names - documented(doc) == set(), name


def documented(doc):
    """Names that begin a line of a numpydoc list, such as ``alpha, beta : float``."""
    entries = re.findall(r"^ *\**(\w+(?:, \**\w+)*)(?: : .+)?$", doc, flags=re.MULTILINE)
    return {name for entry in entries for name in entry.replace("*", "").split(", ")}


def test_documented_is_strict():
    doc = "Scale x by y.\n\nParameters\n----------\na, b : float\n    With c inside.\n"
    assert documented(doc) >= {"a", "b"}
    assert not documented(doc) & {"c", "x", "y"}


PREDICTORS = [zslearn.CVsCClassifier, zslearn.ensemble.SeedEnsembleClassifier]


@pytest.mark.parametrize("estimator", PREDICTORS)
def test_methods_are_documented(estimator):
    for name, method in inspect.getmembers(estimator, inspect.isfunction):
        if name.startswith("_") or not method.__module__.startswith("zslearn"):
            continue
        parameters = set(inspect.signature(method).parameters) - {"self"}
        assert parameters - documented(inspect.getdoc(method) or "") == set(), name
