"""Docstrings of everything public keep numpydoc's rules, and the reference lists everything."""

import importlib
import inspect
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"
sys.path.insert(0, str(DOCS / "_ext"))
import api_pages  # noqa: E402

validate = pytest.importorskip("numpydoc.validate").validate
ClassDoc = pytest.importorskip("numpydoc.docscrape").ClassDoc

# Rules that do not hold here, and why.
EXCLUDED = {
    "ES01": "a summary that says it all needs no second paragraph",
    "GL01": "text begins on the line of the quotes, as ruff has it",
    "RT02": "a single return value may have a name, as in scikit-learn",
    "YD01": "the one generator is a context manager and yields nothing",
}
# Rules for functions and classes only: the page of a class shows its methods beside its example.
OF_PAGES = {"SA01", "EX01"}
PLAIN = (tuple, Exception, Warning)
# Fields of a named tuple are its attributes; an error's arguments are for those who raise it; what
# little there is to show and to compare, the functions that return or raise them show.
PLAIN_RULES = OF_PAGES | {"PR01"}


def public_objects():
    """Yield names of all public functions, classes, methods and properties, each once."""
    for module in api_pages.public_modules():
        home = importlib.import_module(module)
        for name in api_pages.public_names(module):
            full = f"{module}.{name}"
            thing = getattr(home, name)
            if full in api_pages.ALIASES or not (
                inspect.isclass(thing) or inspect.isroutine(thing)
            ):
                continue
            yield full, PLAIN_RULES if is_plain(thing) else set()
            if inspect.isclass(thing):
                members = api_pages.own_members(full)
                for member in members["methods"] + members["properties"]:
                    yield f"{full}.{member}", OF_PAGES


def is_plain(thing):
    """Whether a class holds nothing but fields, or has no constructor of its own."""
    return inspect.isclass(thing) and (issubclass(thing, PLAIN) or "__init__" not in vars(thing))


@pytest.mark.parametrize(("name", "excused"), [pytest.param(*x, id=x[0]) for x in public_objects()])
def test_numpydoc(name, excused):
    errors = validate(name)["errors"]
    found = [f"{code}: {text}" for code, text in errors if code not in {*EXCLUDED, *excused}]
    assert found == []


def public_classes():
    for module in api_pages.public_modules():
        home = importlib.import_module(module)
        for name in api_pages.public_names(module):
            if inspect.isclass(getattr(home, name)):
                yield f"{module}.{name}", getattr(home, name)


@pytest.mark.parametrize(("name", "cls"), [pytest.param(*x, id=x[0]) for x in public_classes()])
def test_fields_and_properties_are_documented(name, cls):
    """Each has a docstring of its own or stands among the attributes of its class."""
    listed = {x for entry in ClassDoc(cls)["Attributes"] for x in entry.name.split(", ")}
    fields = set(getattr(cls, "_fields", ()))
    properties = {
        member
        for base in cls.__mro__
        if base.__module__.startswith("zslearn")
        for member, thing in vars(base).items()
        if isinstance(thing, property) and not member.startswith("_") and not thing.__doc__
    }
    assert fields | properties <= listed


@pytest.mark.parametrize("module", api_pages.public_modules())
def test_reference_lists_every_public_name_once(module):
    listed = [name for _, names in api_pages.groups_of(module) for name in names]
    assert sorted(listed) == sorted(api_pages.public_names(module))
    page = api_pages.module_page(module)
    for name in listed:
        address = api_pages.ALIASES.get(f"{module}.{name}")
        assert f"   ~{address}\n" in page if address else f"   {name}\n" in page
    assert f":mod:`{module}`" in api_pages.index_page()


def test_every_public_name_has_a_page():
    """Public are the names in ``__all__`` of every module that is not private."""
    assert {"zslearn", "zslearn.nn.losses", "zslearn.inspection"} <= set(api_pages.public_modules())
    assert api_pages.ALIASES["zslearn.attention.CVsCClassifier"] == "zslearn.CVsCClassifier"
    for name, short in api_pages.ALIASES.items():
        for path in (name, short):
            module, _, last = path.rpartition(".")
            assert last in api_pages.public_names(module)
    assert not any("._" in name for name in api_pages.public_modules())
