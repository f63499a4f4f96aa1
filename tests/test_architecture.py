"""Each floor imports only floors below it, and importing the package stays light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import zslearn

PACKAGE = Path(zslearn.__file__).parent

# From the ground up; packages on one line are neighbours and do not import each other.
FLOORS = [
    ["_calibrated", "_containers", "_log", "_split_checks", "_version", "_wrapped", "exceptions"],
    ["_remote", "_table_checks"],
    ["_label_checks", "_attribute_vectors", "_class_frames"],
    ["_class_files", "_class_reprs", "_class_texts", "_class_warnings", "_encoded_labels"],
    ["_frame_names"],
    ["attributes"],
    ["metrics"],
    ["nn"],
    ["_input_checks", "_class_tables", "_delta_shares", "_ragged"],
    ["_candidates", "_decision", "_described_classes", "_dropped_parameters", "_sample_weights"],
    ["_scored_prediction", "registry"],
    ["base"],
    ["_data"],
    ["_training"],
    ["attention", "generative", "linear_model"],
    ["model_selection"],
    ["calibration", "ensemble"],
    ["feature_extraction"],
    ["finetuning"],
    ["datasets"],
    ["persistence"],
    ["_show_versions", "utils"],
    ["inspection"],
    ["_cli"],
    ["__main__"],
]
FLOOR = {name: level for level, names in enumerate(FLOORS) for name in names}


def imports_of(path):
    """(line, imported top-level member of zslearn) of every import in a file, nested ones too."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide their floor"
            modules = [node.module]
            if node.module == "zslearn":
                modules = [f"zslearn.{alias.name}" for alias in node.names]
        else:
            continue
        for module in modules:
            if module.split(".")[0] == "zslearn":
                yield node.lineno, [*module.split("."), ""][1]


def member_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def violations(path, home):
    for line, target in imports_of(path):
        if target != home and not FLOOR.get(target, len(FLOORS)) < FLOOR[home]:
            yield f"{path}:{line}: {home} imports {target or 'zslearn'}"


FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent != PACKAGE]
FILES += [path for path in sorted(PACKAGE.glob("*.py")) if path.name != "__init__.py"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_floors(path):
    assert member_of(path) in FLOOR, "a new member of the package needs a floor in this test"
    assert list(violations(path, member_of(path))) == []


def test_a_higher_floor_is_noticed(tmp_path):
    path = tmp_path / "low.py"
    path.write_text("def f():\n    from zslearn.attention import CVsCClassifier\n")
    assert list(violations(path, "nn")) == [f"{path}:2: nn imports attention"]
    path.write_text("from zslearn import CVsCClassifier\n")
    assert list(violations(path, "nn")) == [f"{path}:1: nn imports CVsCClassifier"]


NN_FORBIDDEN = {"sklearn", "skorch", "pandas"}


def test_nn_is_pure_torch():
    for path in (PACKAGE / "nn").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None) or node.names[0].name]
                assert not {name.split(".")[0] for name in names} & NN_FORBIDDEN, path


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import zslearn", ["torch", "timm", "matplotlib", "sklearn", "numpy", "pandas", "skorch"]),
        ("import zslearn.metrics", ["torch", "timm", "matplotlib", "skorch"]),
        ("from zslearn import ClassAttributes", ["torch", "timm", "matplotlib", "pandas"]),
        ("import zslearn.datasets", ["torch", "timm", "matplotlib"]),
        ("import zslearn.model_selection", ["torch", "timm", "matplotlib", "skorch"]),
        ("import zslearn.ensemble", ["torch", "timm", "matplotlib", "skorch"]),
        ("import zslearn.feature_extraction", ["torch", "timm", "matplotlib"]),
        ("from zslearn import CVsCClassifier", ["timm", "matplotlib"]),
    ],
)
def test_imports_are_light(statement, absent):
    code = f"import sys; {statement}; print([m for m in {absent} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    )
    assert done.stdout.strip() == "[]"


def module_of(path):
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(
        ".__init__"
    )


MODULES = {module_of(path): path for path in PACKAGE.rglob("*.py")}


def modules_imported_by(path):
    """Modules of the package that a file imports, nested imports too, but not those for types."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def circles(imports):
    """Sets of modules that import each other, directly or by way of others."""
    reached = {name: set(targets) for name, targets in imports.items()}
    for via in imports:
        for targets in reached.values():
            if via in targets:
                targets |= reached[via]
    return {frozenset(m for m in reached[n] if n in reached[m]) for n in reached if n in reached[n]}


def test_nothing_imports_in_circles():
    imports = {
        name: {m for m in modules_imported_by(path) if m in MODULES and m != name}
        for name, path in MODULES.items()
    }
    assert circles(imports) == set()


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == {frozenset("bc")}
