"""``zslearn benchmark``: several methods on features, attributes and many class splits."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from zslearn._cli._arguments import add_data_arguments, check_there, check_writable, natural

SUMMARY = "methods judged alike on many class splits of features and attributes"
DESCRIPTION = """\
Split the classes anew several times; on each split choose the settings, epochs and delta of every
method on held-out seen classes, fit it, and judge it on the test rows. Prints a table, paired
differences with intervals, and average ranks, as Markdown.

    zslearn benchmark features/ --attributes classes.csv --out runs.jsonl
    zslearn benchmark features/ --attributes classes.csv --split split.json --classes seen
    zslearn benchmark /data/xlsa17/data/CUB --methods prototypes eszsl cvsc --seeds 1

FEATURES and what goes with it are as for `zslearn evaluate`. Without a split of its own all rows
are split; with one, only its trainval rows (--classes seen), all (--classes all), or they are not
split again (--classes proposed). Runs that are in the file of --out are not done again. A settings
file is JSON: for each method a grid, such as {"eszsl": {"gamma": [1, 10]}}, or a list of settings.
"""

OPTIONS = {"missing_values=numpy.nan": "--missing-values nan", "classes=": "--classes="}

_METHODS = ("prototypes", "eszsl", "sae", "attribute_ridge")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("features", metavar="FEATURES")
    add_data_arguments(parser)
    protocol = parser.add_argument_group("protocol")
    protocol.add_argument(
        "--methods",
        nargs="+",
        metavar="NAME",
        default=list(_METHODS),
        help=f"of zslearn.registry.list_methods() (default: {' '.join(_METHODS)})",
    )
    protocol.add_argument("--settings", metavar="FILE", help=".json: what to choose from")
    protocol.add_argument("--splits", type=natural, default=8, help="default: 8")
    protocol.add_argument(
        "--seeds", type=natural, default=3, help="of methods that draw at random (default: 3)"
    )
    protocol.add_argument("--folds", type=natural, default=3, help="to choose on (default: 3)")
    protocol.add_argument("--epochs", type=natural, nargs="+", help="to choose from")
    protocol.add_argument("--classes", choices=["seen", "all", "proposed"], default="seen")
    protocol.add_argument("--criterion", choices=["AUSUC", "H", "T1"], default="AUSUC")
    output = parser.add_argument_group("output")
    output.add_argument("--reference", metavar="NAME", help="compare with it (default: the first)")
    output.add_argument("--out", metavar="FILE", help=".jsonl: runs, kept and gone on with")
    output.add_argument("--figure", metavar="FILE", help="draw the average ranks here")
    output.add_argument("--quiet", action="store_true", help="no line for each run")


def run(arguments: argparse.Namespace) -> None:
    """Judge what is not in the file yet; report."""
    check_writable(arguments, "out", "figure")
    check_there(arguments, "settings")
    settings = _read_settings(arguments.settings)
    reference = arguments.reference or arguments.methods[0]
    if reference not in arguments.methods:
        raise ValueError(f"--reference: {reference!r} is not among the methods.")
    from zslearn._cli._inputs import check_parts, read_inputs
    from zslearn.model_selection import GZSLProtocol, GZSLSplit

    protocol = GZSLProtocol(
        classes=arguments.classes,
        n_splits=arguments.splits,
        n_seeds=arguments.seeds,
        n_unseen=arguments.unseen,
        test_size=arguments.test_size,
        n_folds=arguments.folds,
        criterion=arguments.criterion,
        epochs=arguments.epochs,
        random_state=arguments.split_seed,
        path=arguments.out,
        verbose=0 if arguments.quiet else 1,
    )
    features = Path(arguments.features)
    is_split = arguments.benchmark or (features / "att_splits.mat").is_file()
    if not arguments.split and not is_split:
        arguments.split = "random"
    inputs = read_inputs(arguments)
    check_parts(inputs)
    split = None
    if arguments.split != "random":
        split = GZSLSplit(inputs.trainval, inputs.test_seen, inputs.test_unseen)
    results = protocol.run(
        arguments.methods,
        inputs.X,
        inputs.y,
        inputs.table,
        settings=settings,
        name=features.name or str(features),
        split=split,
    )
    if not results.runs:
        raise ValueError(f"all methods failed, the first with {results.failures[0]['error']}")
    known = reference if reference in results.methods else None
    print(results.to_markdown(known), flush=True)
    if arguments.figure:
        from zslearn.inspection import CriticalDifferenceDisplay

        display = CriticalDifferenceDisplay.from_results(results)
        display.figure_.savefig(arguments.figure)
        print(f"zslearn benchmark: wrote {arguments.figure}", file=sys.stderr)


def _read_settings(path: str | None) -> dict[str, Any] | None:
    if path is None:
        return None
    from zslearn._cli._files import read_text

    try:
        content = json.loads(read_text(Path(path), "--settings"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"--settings: {Path(path).name} is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"--settings: {Path(path).name} must hold an object, a key a method.")
    return content
