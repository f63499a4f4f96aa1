"""``zslearn reproduce``: the rows of the paper's tables from official data."""

from __future__ import annotations

import argparse
import ast
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from zslearn._cli import _extract
from zslearn._cli._arguments import (
    as_json,
    as_parameters,
    check_writable,
    key_value,
    natural,
    number,
)
from zslearn._cli._classifier import make_classifier
from zslearn._cli._published import (
    BENCHMARKS,
    HONEST,
    PAPER,
    PAPER_DELTA,
    PAPER_EPOCHS,
    PAPER_PARAMETERS,
    ROWS,
    TABLES,
)

SUMMARY = "rows of the paper's Tables 2 to 4, from official data"
DESCRIPTION = """\
From a published benchmark to the rows of Tables 2 (comparison), 3 (ablation) and 4 (semantic error)
of the paper, over several seeds: pictures, features, choice of settings, fits, test scores.

    zslearn reproduce cub --root /data/CUB --work cub/
    zslearn reproduce sun --download --work sun/ --tables 2,3 --json sun.json
    zslearn reproduce cub --root /data/CUB --features store/ --work cub/
    zslearn reproduce cub --features X.npy --labels y.npy --attributes classes.csv \\
        --split split.npz --work cub/

Epochs and delta are chosen for each row on seen classes held out of trainval, and the test pictures
are judged once. --paper-protocol instead picks the best epoch on the test pictures, as the released
code does; every line of its report says so. What is finished is kept in the folder of --work: a run
that was stopped goes on where it was when the same command is given again.
"""

OPTIONS = {
    **_extract.OPTIONS,
    "pass missing_images='skip'": "give --skip-missing",
    "pass image_index:": "give --image-index:",
    "pass splits=": "give --split ",
    "missing_values=numpy.nan": "--missing-values nan",
    "root=": "--root ",
    "FEATURES:": "--features:",
    "--benchmark": "--root",
    ", or 'random'": "",
    " or 'random'": "",
}
# Of the classifier here, where --batch-size is of extraction.
del OPTIONS["batch_size"]

# Set by an option, or by the protocol.
_RESERVED = {
    "random_state": "it is set by --seeds",
    "device": "use --device",
    "max_epochs": "use --epochs",
    "delta": "the protocol sets it",
    "warm_start": "trainings are looked at on the way",
    "early_stopping": "epochs are chosen by --epochs",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
    parser.add_argument("benchmark", choices=list(BENCHMARKS))
    parser.add_argument(
        "--work", metavar="DIR", required=True, help="folder for features and finished results"
    )
    data = parser.add_argument_group("data")
    data.add_argument("--root", metavar="DIR", help="the official archives, unpacked")
    data.add_argument(
        "--download",
        action="store_true",
        help="fetch them to --root (default: zslearn_data in the home folder)",
    )
    data.add_argument(
        "--split",
        metavar="FILE",
        help="att_splits.mat or its folder; of --features without --root: .json or .npz",
    )
    data.add_argument("--image-index", metavar="FILE", help="list of pictures the split numbers")
    data.add_argument(
        "--skip-missing", action="store_true", help="go on without pictures that are missing"
    )
    data.add_argument(
        "--word-vectors",
        metavar="FILE",
        help="GloVe or word2vec file for the names of attributes, or a .npy file (K, V)",
    )
    data.add_argument(
        "--features",
        metavar="STORE|NPY",
        help="extracted already: a feature store (joined with --root by the names of pictures, if "
        "given), a .npy file, or a folder with res101.mat and att_splits.mat",
    )
    data.add_argument("--labels", metavar="FILE", help="of --features, a label a row")
    data.add_argument("--attributes", metavar="CSV", help="of --features: a row a class")
    data.add_argument("--delimiter", default=",", help="of the CSV file (default: a comma)")
    data.add_argument(
        "--missing-values", type=number, metavar="X", help="of the CSV file: -1, or nan for gaps"
    )
    _, run = _extract.add_network_arguments(parser)
    run.add_argument("--quiet", action="store_true", help="no progress bar")
    model = parser.add_argument_group("protocol")
    model.add_argument("--tables", type=_tables, default=tuple(TABLES), help="default: 2,3,4")
    model.add_argument("--seeds", type=natural, default=5, help="fits of each row (default: 5)")
    model.add_argument(
        "--epochs",
        type=_epochs,
        metavar="N,N,...",
        help="numbers of epochs to choose from (default: 4,8,12,16,20,24); one is not chosen",
    )
    model.add_argument("--folds", type=natural, help="groups of held-out seen classes (default: 5)")
    model.add_argument(
        "--search",
        metavar="NAME=VALUE,...",
        type=key_value,
        action="append",
        default=[],
        help="values of a parameter to choose from as well; may be repeated",
    )
    model.add_argument(
        "--set",
        metavar="NAME=VALUE",
        type=key_value,
        action="append",
        default=[],
        help="parameter of CVsCClassifier; may be repeated",
    )
    model.add_argument(
        "--paper-protocol",
        action="store_true",
        help="NOT honest: best epoch on the test pictures, delta 2, batches and rate as released",
    )
    parser.add_argument("--json", metavar="FILE", help="also write the results here")


def _tables(text: str) -> tuple[int, ...]:
    names = text.split(",")
    if not set(names) <= {str(number) for number in TABLES}:
        raise argparse.ArgumentTypeError(f"must be some of 2,3,4, found {text!r}")
    return tuple(sorted({int(name) for name in names}))


def _epochs(text: str) -> tuple[int, ...]:
    return tuple(sorted({natural(part) for part in text.split(",")}))


def run(arguments: argparse.Namespace) -> None:
    """Load, choose, fit, judge, report."""
    check_writable(arguments, "json")
    _check_protocol(arguments)
    from tqdm.auto import tqdm

    from zslearn._cli._files import write_atomically
    from zslearn._cli._reproduce_cache import ResultCache, make_work_folder
    from zslearn._cli._reproduce_data import load_data
    from zslearn._cli._reproduce_protocol import HonestProtocol, PaperProtocol
    from zslearn._cli._reproduce_report import as_text, describe_machine, make_tables

    start = time.perf_counter()
    settings = _settings(arguments)
    benchmark = BENCHMARKS[arguments.benchmark]
    work = Path(arguments.work).expanduser()
    make_work_folder(work)
    quiet = arguments.quiet or not sys.stderr.isatty()
    data = load_data(arguments, benchmark, work, quiet=quiet)
    _check_folds(data.inputs, settings.folds, arguments.paper_protocol)
    machine = describe_machine(settings.device)
    protocol = "paper-protocol" if arguments.paper_protocol else "honest"
    versions = {name: machine[name] for name in ("zslearn", "torch")}
    cache = ResultCache(work, protocol, {"data": data.fingerprint, **versions, **asdict(settings)})
    rows = [row for row in ROWS if any(row in TABLES[table] for table in arguments.tables)]
    runs, chosen = {}, {}
    with tqdm(unit="epoch", disable=quiet) as bar:
        kind = PaperProtocol if arguments.paper_protocol else HonestProtocol
        task = kind(data.inputs, settings, cache, bar)
        bar.total = task.n_epochs(rows, arguments.seeds)
        for row in rows:
            choice, runs[row] = task.run(row, arguments.seeds)
            if choice is not None:
                chosen[row] = asdict(choice)
    comparable = not data.differences
    selection = PAPER if arguments.paper_protocol else HONEST
    results = {
        "benchmark": benchmark.name,
        "paper_protocol": arguments.paper_protocol,
        "selection": selection,
        "comparable": comparable,
        "differences_from_the_paper": data.differences,
        "notes": data.notes,
        "data": data.description,
        "set": dict(arguments.set),
        "settings": asdict(settings) | ({"delta": PAPER_DELTA} if arguments.paper_protocol else {}),
        "machine": machine,
        "tables": make_tables(
            benchmark,
            arguments.tables,
            runs,
            paper_protocol=arguments.paper_protocol,
            comparable=comparable,
        ),
        "chosen": chosen,
        "runs": {
            row: [{name: run[name] for name in run if name != "classes"} for run in some]
            for row, some in runs.items()
        },
        "seconds": {**data.seconds, "total": time.perf_counter() - start},
        "results_kept_in": str(cache.folder),
    }
    print(as_text(results), flush=True)
    if arguments.json:
        write_atomically(Path(arguments.json), as_json(results) + "\n")


def _check_protocol(arguments: argparse.Namespace) -> None:
    given: dict[str, str] = {}
    for option in ("set", "search"):
        for name, _ in getattr(arguments, option):
            if name in _RESERVED:
                raise ValueError(f"--{option} {name}=...: {_RESERVED[name]}.")
            if name in given:
                raise ValueError(
                    f"--{option} {name}=...: --{given[name]} gives {name} already; give it once."
                )
            given[name] = option
    if arguments.paper_protocol:
        for option in ("search", "folds"):
            if getattr(arguments, option):
                raise ValueError(
                    f"--{option.replace('_', '-')} is of the honest protocol; leave it out of "
                    "--paper-protocol."
                )


def _settings(arguments: argparse.Namespace) -> Any:
    from zslearn._cli._reproduce_protocol import Settings
    from zslearn._training._device import resolve_device

    given = as_parameters(arguments.set)
    search = {name: _values(text) for name, text in arguments.search}
    for name, values in search.items():
        for value in values:
            make_classifier({name: value}, "--search")
    parameters = (PAPER_PARAMETERS if arguments.paper_protocol else {}) | given
    make_classifier(parameters)
    standard = PAPER_EPOCHS if arguments.paper_protocol else (4, 8, 12, 16, 20, 24)
    return Settings(
        parameters=parameters,
        epochs=arguments.epochs or standard,
        device=str(resolve_device(arguments.device)),
        folds=0 if arguments.paper_protocol else arguments.folds or 5,
        search=search,
    )


def _values(text: str) -> list[Any]:
    """Read values with commas between them: literals of Python, or else texts."""
    try:
        return list(ast.literal_eval(f"({text},)"))
    except (ValueError, SyntaxError):
        return text.split(",")


def _check_folds(inputs: Any, folds: int, paper_protocol: bool) -> None:
    import numpy as np

    n_seen = len(np.unique(inputs.y[inputs.trainval]))
    if not paper_protocol and not 2 <= folds <= n_seen:
        raise ValueError(
            f"--folds must be at least 2 and at most the {n_seen} seen classes, found {folds}."
        )
