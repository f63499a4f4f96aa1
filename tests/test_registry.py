"""The registry: what is in it, what is refused, and that it is light."""

import re
import subprocess
import sys
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import zslearn
from zslearn import CVsCClassifier, registry
from zslearn.registry import list_methods, make, method_info, register_method
from zslearn.utils.discovery import all_estimators


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """What a test registers, no other test finds."""
    list_methods()
    monkeypatch.setattr(registry, "_methods", dict(registry._methods))


def toy(name="Toy"):
    return type(name, (BaseEstimator,), {})


DETAILS = {"family": "linear", "input": "vectors", "paper": "none"}


def test_every_decorated_class_is_found():
    """Whatever module it is in: no list has to be kept."""
    texts = [path.read_text() for path in Path(zslearn.__file__).parent.rglob("_*.py")]
    decorated = {
        name for text in texts for name in re.findall(r'^@register_method\(\s*"(\w+)"', text, re.M)
    }
    assert decorated == set(list_methods()) >= {"cvsc"}


def test_methods_are_public_estimators():
    public = {cls for _, cls in all_estimators("classifier")}
    assert {method_info(name).estimator for name in list_methods()} <= public


def test_what_is_known_of_a_method():
    info = method_info("cvsc")
    assert (info.name, info.estimator, info.family) == ("cvsc", CVsCClassifier, "attention")
    assert (info.input, info.paper, info.independent_scores) == ("regions", "ACM MM 2024", True)
    with pytest.raises(FrozenInstanceError):
        info.family = "linear"


def test_make():
    made = make("cvsc", lambda_cc=0.25)
    assert type(made) is CVsCClassifier
    assert made.lambda_cc == 0.25
    with pytest.raises(TypeError, match="no_such"):
        make("cvsc", no_such=1)


def test_filters():
    register_method("toy", **DETAILS)(toy())
    assert "toy" in list_methods()
    assert "toy" in list_methods("linear")
    assert "toy" in list_methods(family="linear", input="vectors")
    assert "toy" not in list_methods(input="regions")
    assert "cvsc" in list_methods("attention", "regions")
    assert list_methods() == sorted(list_methods())
    assert set(list_methods("linear")) | set(list_methods("attention")) <= set(list_methods())
    with pytest.raises(ValueError, match=r"family must be one of attention.*found 'causal'"):
        list_methods(family="causal")
    with pytest.raises(ValueError, match=r"input must be one of pictures.*found 'images'"):
        list_methods(input="images")


def test_the_decorator_returns_the_class():
    cls = toy()
    assert register_method("toy", **DETAILS, independent_scores=False)(cls) is cls
    assert method_info("toy").independent_scores is False
    assert method_info("toy").shared_space is False
    register_method("toy", **DETAILS, shared_space=True)(cls)
    assert method_info("toy").shared_space is True


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cvcs", "no method is named 'cvcs': did you mean 'cvsc'"),
        ("CVSC", "did you mean 'cvsc'"),
        ("nothing_like_it", "no method is named 'nothing_like_it': there are .*cvsc"),
        (None, "no method is named None"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(ValueError, match=message):
        method_info(name)
    with pytest.raises(ValueError, match=message):
        make(name)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("Toy", {}, "name must be lower-case letters.*found 'Toy'"),
        ("", {}, "name must be"),
        (3, {}, "name must be"),
        ("toy", {"family": "causal"}, "family must be one of"),
        ("toy", {"input": "images"}, "input must be one of"),
        ("toy", {"paper": ""}, "paper must be a short citation"),
        ("cvsc", {}, "name 'cvsc' is taken by zslearn.attention._cvsc.CVsCClassifier: give Toy"),
    ],
)
def test_refused_registrations(name, changes, message):
    before = dict(registry._methods)
    with pytest.raises(ValueError, match=message):
        register_method(name, **{**DETAILS, **changes})(toy())
    assert registry._methods == before


def test_a_class_has_one_name():
    with pytest.raises(ValueError, match="CVsCClassifier is registered as 'cvsc' already"):
        register_method("toy", **DETAILS)(CVsCClassifier)
    with pytest.raises(TypeError, match="decorates estimator classes, found"):
        register_method("toy", **DETAILS)(lambda: None)
    assert "toy" not in list_methods()


def test_a_class_that_is_defined_again_replaces_itself():
    register_method("toy", **DETAILS)(toy())
    again = register_method("toy", **DETAILS)(toy())
    assert method_info("toy").estimator is again
    with pytest.raises(ValueError, match="is taken by"):
        register_method("toy", **DETAILS)(toy("Other"))


def test_importing_it_is_light():
    code = (
        "import sys, zslearn.registry; "
        "print([m for m in ('torch', 'sklearn', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(zslearn.__file__).parents[1],
    )
    assert done.stdout.strip() == "[]"
