"""Fixtures shared by the tests of data sets."""

import importlib.util
from pathlib import Path

import pytest


def load_beside(name):
    """Import a file of helpers that lies beside this one."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def layouts():
    """The writers of official distributions in miniature."""
    return load_beside("official_layouts")


@pytest.fixture
def server(monkeypatch):
    """A web server whose `files` are to be fetched."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = load_beside("local_server").Server()
    yield server
    server.http.shutdown()
    server.http.server_close()
