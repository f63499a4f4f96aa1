"""The code on the pages of the documentation runs, and what it prints is what the page says.

Blocks of a page run in order, in one namespace, in an empty folder.

- ``python`` blocks are run. ``output`` blocks are compared with everything printed since the one
  before, by the rules of doctest: ``...`` stands for anything, white space counts once.
- A comment line ``% not run: why`` above a block keeps it from running. It must compile, and what
  it imports from zslearn must exist.
- A comment of lines ``% >>> code`` runs without being shown.
- A comment line ``% set-up: field_guide`` (or ``fitted``, ``folder``) puts the names of `SET_UPS`
  into the namespace.
"""

import ast
import contextlib
import copy
import csv
import doctest
import functools
import importlib.util
import inspect
import io
import re
import sys
import types
from pathlib import Path

import pytest

from zslearn import registry

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted(
    path
    for path in (ROOT / "docs").rglob("*.md")
    if not {"_build", "auto_examples", "api"} & set(path.relative_to(ROOT / "docs").parts)
)


def blocks_of(text):
    """(kind, line, content) of everything on a page that this module acts upon."""
    lines = text.split("\n")
    number = 0
    while number < len(lines):
        line = lines[number]
        fence = re.match(r"(\s*)(`{3,}|~{3,})(.*)", line)
        start = number + 1
        if fence:
            indent, marks, info = fence.groups()
            while number + 1 < len(lines) and lines[number + 1].strip() != marks:
                number += 1
            assert number + 1 < len(lines), f"line {start}: a block is not closed"
            content = "\n".join(x.removeprefix(indent) for x in lines[start : number + 1])
            if info.strip() in ("python", "output"):
                yield info.strip(), start, content
            elif marks.startswith("```") and info.startswith("{") and len(marks) > 3:
                yield from ((k, start + n, c) for k, n, c in blocks_of(content))
            number += 1
        elif comment := re.match(r"\s*% (not run:|set-up:|about) (.+)", line):
            yield comment[1].strip(":"), start, comment[2]
        elif re.match(r"\s*% >>> ", line):
            hidden = [line]
            while number + 1 < len(lines) and re.match(r"\s*% >>> ", lines[number + 1]):
                number += 1
                hidden.append(lines[number])
            code = "\n".join(x.split("% >>> ", 1)[1] for x in hidden)
            yield "python", start - 1, code
        number += 1


def set_ups():
    """The extension of the site that shows the set-ups, so that what is shown is what runs."""
    path = ROOT / "docs" / "_ext" / "set_ups.py"
    spec = importlib.util.spec_from_file_location("set_ups", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@functools.cache
def names_of(name):
    """What the code of a set-up defines."""
    namespace = {}
    exec(set_ups().set_up_code(name), namespace)
    return {key: value for key, value in namespace.items() if key != "__builtins__"}


def field_guide():
    return copy_of("field_guide")


def fitted():
    return copy_of("fitted")


def copy_of(name):
    return {
        key: value if inspect.ismodule(value) else copy.deepcopy(value)
        for key, value in names_of(name).items()
    }


def folder():
    """Write ``birds/<species>/*.png``, ``classes.csv`` and ``new.png`` into the working folder."""
    from PIL import Image

    from zslearn.datasets import make_field_guide

    guide = make_field_guide(96, n_classes=8, n_unseen=2, random_state=0)
    for row in (*guide.train, *guide.test_seen):
        path = Path("birds", str(guide.target[row]), f"{row:03d}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(guide.images[row]).save(path)
    Image.fromarray(guide.images[guide.test_unseen[0]]).save("new.png")
    table = guide.class_attributes
    with open("classes.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["species", *table.attribute_names])
        writer.writerows(
            [label, *row] for label, row in zip(table.labels, table.values, strict=True)
        )
    return {}


SET_UPS = {"field_guide": field_guide, "fitted": fitted, "folder": folder}


def check_imports(code, place):
    """Every module of zslearn that code imports, and every name from one, exists."""
    for node in ast.walk(ast.parse(code, filename=place)):
        if isinstance(node, ast.Import):
            modules = [(alias.name, None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [(node.module, alias.name) for alias in node.names]
        else:
            continue
        for module, name in modules:
            if module.split(".")[0] == "zslearn":
                home = importlib.import_module(module)
                assert name is None or hasattr(home, name), f"{place}: {module} has no {name}"


def same_output(want, got, tolerance):
    """Whether texts agree by the rules of doctest, and their decimals but for a tolerance."""
    if tolerance:
        decimal = r"(?<![\w.])-?\d*\.\d+(?![\w.])"
        pairs = zip(re.findall(decimal, want), re.findall(decimal, got), strict=False)
        if any(abs(float(a) - float(b)) > tolerance for a, b in pairs):
            return False
        want, got = (re.sub(decimal, "0.0", text) for text in (want, got))
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    return doctest.OutputChecker().check_output(want, got, flags)


@contextlib.contextmanager
def importable(module):
    """Let what a module defines be pickled."""
    sys.modules[module.__name__] = module
    try:
        yield
    finally:
        del sys.modules[module.__name__]


def run_page(text, name):
    """Run a page; raise ``AssertionError`` where it does not print what it shows."""
    page = types.ModuleType("__page__")
    namespace = vars(page)
    printed = io.StringIO()
    skip, tolerance = False, 0.0
    for kind, line, content in blocks_of(text):
        place = f"{name}:{line}"
        if kind == "not run":
            skip = True
        elif kind == "about":
            tolerance = float(content)
        elif kind == "set-up":
            for part in content.split(","):
                namespace.update(SET_UPS[part.strip()]())
        elif kind == "output":
            got, printed = printed.getvalue(), io.StringIO()
            same = same_output(content + "\n", got, tolerance)
            assert same, f"{place}: the page shows\n{content}\nbut the code prints\n{got}"
            tolerance = 0.0
        else:
            check_imports(content, place)
            if not skip:
                code = compile("\n" * line + content, name, "exec")
                with contextlib.redirect_stdout(printed), importable(page):
                    exec(code, namespace)
            skip = False


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT / "docs")))
def test_page(path, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(tmp_path)
    # A method that a page registers is not one of the library's.
    monkeypatch.setattr(registry, "_methods", dict(registry._all_methods()))
    run_page(path.read_text("utf-8"), str(path.relative_to(ROOT)))


def test_readme_compiles():
    text = (ROOT / "README.md").read_text("utf-8")
    blocks = [(line, content) for kind, line, content in blocks_of(text) if kind == "python"]
    assert blocks
    for line, content in blocks:
        check_imports(content, f"README.md:{line}")


def test_same_output():
    assert same_output("a 0.50 b\n", "a   0.50 b\n", 0.0)
    assert not same_output("a 0.50\n", "a 0.51\n", 0.0)
    assert same_output("a 0.50, -.20\n", "a 0.55, -.25\n", 0.1)
    assert not same_output("a 0.50, -.20\n", "a 0.55, -.35\n", 0.1)
    assert not same_output("a 0.50, 1 b\n", "a 0.50, 2 b\n", 0.1)
    assert not same_output("0.50\n", "0.50 0.50\n", 0.1)


PAGE = """
% set-up: three

```python
print(1 + x)
```

% >>> x = 10
% >>> if x:
% >>>     y = x

````{note}
```python
print(y)
```
````

```output
4
...0
```

% not run: nobody has it

```python
import zslearn.metrics
open("no such file")
```
"""


def test_a_page_is_run(monkeypatch):
    monkeypatch.setitem(SET_UPS, "three", lambda: {"x": 3})
    run_page(PAGE, "page")
    with pytest.raises(AssertionError, match="page:18: the page shows"):
        run_page(PAGE.replace("...0", "...1"), "page")
    with pytest.raises(FileNotFoundError):
        run_page(PAGE.replace("% not run: nobody has it", ""), "page")
    with pytest.raises(AssertionError, match=r"page:25: zslearn\.metrics has no nothing"):
        run_page(
            PAGE.replace("import zslearn.metrics", "from zslearn.metrics import nothing"), "page"
        )
    with pytest.raises(AssertionError, match="line 18: a block is not closed"):
        list(blocks_of(PAGE.split("...0")[0]))
