"""The API reference, made at each build: a page for each public module, and an index of objects."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import zslearn

# Names that belong together, in reading order; whatever is not named here follows by itself.
GROUPS: dict[str, dict[str, list[str]]] = {
    "zslearn.datasets": {
        "No download needed": ["make_field_guide", "load_digit_segments", "load_image_folder"],
        "Published benchmarks, from files": [
            "load_cub",
            "load_sun",
            "load_awa2",
            "load_apy",
            "load_flo",
            "load_xlsa17",
        ],
        "Published benchmarks, downloaded": [
            "fetch_cub",
            "fetch_sun",
            "fetch_awa2",
            "fetch_apy",
            "fetch_flo",
            "fetch_xlsa17",
            "get_data_home",
            "clear_data_home",
        ],
    },
    "zslearn.metrics": {
        "Accuracies": [
            "per_class_accuracy_score",
            "czsl_accuracy_score",
            "gzsl_scores",
            "gzsl_harmonic_mean_score",
            "GZSLScores",
        ],
        "Seen-unseen curve": [
            "ausuc_score",
            "seen_unseen_curve",
            "best_calibration",
            "SeenUnseenCurve",
            "BestCalibration",
        ],
        "Attributes": [
            "class_semantic_error",
            "semantic_error_increase",
            "attribute_localization_score",
            "ClassSemanticError",
            "SemanticErrorIncrease",
            "AttributeLocalization",
        ],
        "Uncertainty": ["bootstrap_interval", "BootstrapInterval"],
        "Scorers": [
            "czsl_accuracy_scorer",
            "seen_accuracy_scorer",
            "unseen_accuracy_scorer",
            "gzsl_harmonic_mean_scorer",
            "ausuc_scorer",
            "gzsl_multimetric_scorer",
            "get_gzsl_scorer",
            "get_gzsl_scorer_names",
        ],
    },
    "zslearn.model_selection": {
        "Splits by class": [
            "SeenUnseenKFold",
            "PredefinedSeenUnseenSplit",
            "gzsl_train_test_split",
            "GZSLSplit",
        ],
        "Training": ["HeldOutStopping", "EpisodeSampling", "StepSchedule"],
        "Searches": ["fit_many", "ScoreLog"],
        "Several processes": ["data_parallel"],
        "Large arrays": ["RowView"],
    },
}
# Documented once, at the shorter address.
ALIASES = {
    f"{home}.{name}": f"zslearn.{name}"
    for name, home in zslearn._HOMES.items()
    if home != "zslearn"
} | {
    f"zslearn.nn.losses.{name}": f"zslearn.nn.{name}"
    for name in importlib.import_module("zslearn.nn.losses").__all__
}

# What scikit-learn and torch ask of every estimator and module.
_PROTOCOL = re.compile(r"set_\w+_request|get_metadata_routing|extra_repr")


def public_modules() -> list[str]:
    """Every importable module or package without a private part in its name, the top first."""
    found = ["zslearn"]
    for _, name, _ in pkgutil.walk_packages(zslearn.__path__, "zslearn."):
        if not any(part.startswith("_") for part in name.split(".")):
            found.append(name)
    return found


def public_names(module: str) -> list[str]:
    """Names in ``__all__`` of a module, without dunder names and submodules."""
    home = importlib.import_module(module)
    return [
        name
        for name in home.__all__
        if not name.startswith("__") and not inspect.ismodule(getattr(home, name))
    ]


def groups_of(module: str) -> Iterator[tuple[str, list[str]]]:
    """Yield titles and names, each public name exactly once."""
    names = public_names(module)
    for title, members in GROUPS.get(module, {}).items():
        stale = set(members) - set(names)
        if stale:
            raise ValueError(f"{module} has no public {sorted(stale)}: mend GROUPS in {__file__}")
        names = [name for name in names if name not in members]
        yield title, members
    if names:
        yield "More" if module in GROUPS else "", names


def module_page(module: str) -> str:
    """Text of the page of a module, in reStructuredText."""
    doc = inspect.getdoc(importlib.import_module(module)) or ""
    summary, _, rest = doc.partition("\n\n")
    lines = [f".. _api-{module}:", "", module, "=" * len(module), "", f".. module:: {module}", ""]
    lines += [summary, "", rest, ""]
    for title, names in groups_of(module):
        if title:
            lines += [title, "-" * len(title), ""]
        here = [name for name in names if f"{module}.{name}" not in ALIASES]
        if here:
            lines += [f".. currentmodule:: {module}", ""]
            lines += [".. autosummary::", "   :toctree: generated", "   :nosignatures:", ""]
            lines += [*(f"   {name}" for name in here), ""]
        # Listed here too, without a page of their own.
        elsewhere = [f"~{ALIASES[f'{module}.{name}']}" for name in names if name not in here]
        if elsewhere:
            lines += [".. autosummary::", "   :nosignatures:", ""]
            lines += [*(f"   {name}" for name in elsewhere), ""]
    return "\n".join(lines)


def objects() -> list[str]:
    """Full name of everything public at the address of its page, by its last part."""
    found = {
        f"{module}.{name}" for module in public_modules() for name in public_names(module)
    } - ALIASES.keys()
    return sorted(found, key=lambda name: name.rpartition(".")[2].lower())


def index_page() -> str:
    """Text of the index of the reference."""
    lines = [".. _api:", "", "API reference", "=============", ""]
    lines += ["Everything public. What begins with an underscore may change at any time.", ""]
    lines += [".. list-table::", "   :widths: 35 65", ""]
    for module in public_modules():
        summary = (inspect.getdoc(importlib.import_module(module)) or "").partition("\n\n")[0]
        lines += [f"   * - :mod:`{module}`", f"     - {' '.join(summary.split())}"]
    lines += ["", "Every object", "------------", "", ".. autosummary::", "   :nosignatures:", ""]
    lines += [f"   {name}" for name in objects()]
    lines += ["", ".. toctree::", "   :hidden:", ""]
    return "\n".join([*lines, *(f"   {module}" for module in public_modules()), ""])


def own_members(fullname: str) -> dict[str, list[str]]:
    """Public methods and properties of a class that zslearn itself defines, for its page."""
    module, _, name = fullname.rpartition(".")
    cls = getattr(importlib.import_module(module), name)
    methods, properties = [], []
    for member in sorted(dir(cls)):
        home = next((base for base in cls.__mro__ if member in vars(base)), None)
        if member.startswith("_") or home is None or not home.__module__.startswith("zslearn"):
            continue
        if _PROTOCOL.fullmatch(member):
            continue
        thing = vars(home)[member]
        if isinstance(thing, property):
            if thing.__doc__:  # else the class describes it
                properties.append(member)
        elif callable(getattr(cls, member)) and not inspect.isclass(thing):
            methods.append(member)
    return {"methods": methods, "properties": properties}


def _write(app: Any, config: Any) -> None:
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    pages = {"index": index_page()} | {name: module_page(name) for name in public_modules()}
    for name, text in pages.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, "utf-8")
    addresses = {f"{module}.{name}" for module in public_modules() for name in public_names(module)}
    for path in [*folder.glob("zslearn*.rst"), *folder.glob("generated/*.rst")]:
        if path.stem not in {*addresses, *pages}:
            path.unlink()  # of a name that is there no more


def _resolve_alias(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    target = node.get("reftarget", "")
    if node.get("refdoc") == "api/index":  # summaries stand there away from their modules
        found = next((name for name in objects() if name.endswith(f".{target}")), None)
        if found is not None:
            domain = env.get_domain("py")
            return domain.resolve_xref(env, "api/index", app.builder, "obj", found, node, contnode)
    names = [target, f"{node.get('py:module')}.{target}"]
    for name in names:
        head = max((alias for alias in ALIASES if f"{name}.".startswith(f"{alias}.")), default=None)
        if head is not None and node.get("refdomain") == "py":
            domain = env.get_domain("py")
            found = ALIASES[head] + name.removeprefix(head)
            return domain.resolve_xref(
                env, node["refdoc"], app.builder, "obj", found, node, contnode
            )
    return None


def _drop_citations(app: Any, doctree: Any) -> None:
    """Drop references from summaries, which stand away from the list that they refer to."""
    from docutils.nodes import Text
    from sphinx.addnodes import pending_xref

    if not app.env.docname.startswith(("api/index", "api/zslearn")):
        return
    for node in list(doctree.findall(pending_xref)):
        if node["refdomain"] == "citation":
            place = node.parent.index(node)
            if place and isinstance(before := node.parent[place - 1], Text):
                node.parent[place - 1] = Text(before.rstrip())
            node.parent.remove(node)


def _lend_members(app: Any) -> None:
    app.config.autosummary_context = {"own_members": own_members}


def _take_members_back(app: Any) -> None:
    app.config.autosummary_context = {}  # a function cannot be pickled with the configuration


def setup(app: Any) -> dict[str, Any]:
    """Write the pages before autosummary looks for them, and help its templates."""
    app.connect("config-inited", _write)
    app.connect("builder-inited", _lend_members, priority=400)
    app.connect("builder-inited", _take_members_back, priority=600)
    app.connect("doctree-read", _drop_citations)
    app.connect("missing-reference", _resolve_alias)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
