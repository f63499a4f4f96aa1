"""The top of the package: names that are imported on first use."""

import importlib
import pkgutil

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


def test_versions_are_shown(capsys):
    zslearn.show_versions()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["zslearn", zslearn.__version__]
    assert any(line.split()[0] == "cpu" and "threads" in line for line in lines)
