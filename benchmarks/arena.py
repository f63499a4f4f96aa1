r"""The arena: every method judged alike on random class splits of several data sets.

    python -m benchmarks.arena --quick                      a few minutes, no data needed
    python -m benchmarks.arena --data cub50 flo40 awa1_bow --splits 8 --out results.jsonl
    python -m benchmarks.arena --data cub50 --methods cvsc dazle --splits 3 --seeds 1 \
        --epochs 4 8 12 20 --out results.jsonl
    python -m benchmarks.arena --data cub50 --methods fclswgan --epochs 100 200 400 --out ...

Settings, epochs and delta of every method are chosen on held-out seen classes of each split, from
at most BUDGET settings. By default only training pictures of the published splits take part
(--classes seen), so that what is decided by the results has not been chosen on test pictures. Runs
are appended to --out as they are done, and not done again: the same command goes on where it was
interrupted, and more methods, splits or seeds add to it. The table is of all methods that the file
holds on these splits.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from benchmarks import _data
from benchmarks._machine import machine
from zslearn import CVsCClassifier
from zslearn.model_selection import GZSLProtocol, ProtocolResults
from zslearn.registry import list_methods

BUDGET = 6
_SCALINGS = ["unit_length", None]  # None for features that are scaled already
# Widths for a processor, and a rate for the fewer steps there are of fewer samples.
_GENERATED = {"hidden_dim": 512, "learning_rate": 1e-3, "classifier": "softmax"}
_RANKING = {"learning_rate": [0.03, 0.1, 0.3], "scaling": _SCALINGS, "max_epochs": [15]}

# Around the defaults. Methods that are not named here have their defaults, or choose by themselves.
SETTINGS: dict[str, Any] = {
    "ale": _RANKING,
    "apn": [
        {"predict_from": by, "learning_rate": rate}
        for by in ("global", "both")
        for rate in (3e-4, 1e-3, 3e-3)
    ],
    "attribute_ridge": {
        "alpha": [0.1, 1.0, 10.0],
        "direction": ["visual_to_semantic", "semantic_to_visual"],
    },
    "ce_gzsl": [_GENERATED | {"batch_size": 128, "embedding_dim": 512, "comparator_dim": 512}],
    "conse": {"n_top": [3, 5, 10]},
    "devise": _RANKING,
    "eszsl": [
        *({"gamma": gamma, "lam": lam} for gamma in (1.0, 10.0) for lam in (0.1, 1.0)),
        *({"gamma": gamma, "lam": 0.1, "scaling": None} for gamma in (10.0, 100.0)),
    ],
    "fclswgan": [_GENERATED],
    "free": [_GENERATED],
    "fvaegan": [_GENERATED],
    "prototypes": {"shrinkage": [0.03, 0.3, 0.7], "scaling": ["signed_root", None]},
    "sae": {
        "lam": [0.01, 0.1, 1.0],
        "direction": ["semantic_to_visual", "visual_to_semantic"],
    },
    "sje": _RANKING,
    "tfvaegan": [_GENERATED | {"critic_iter": 1}],
}
# Losses are weighed by shares of max_epochs, so that no training is the beginning of another: each
# number of epochs is a setting.
_WIDTHS = dict.fromkeys(("structure_dim", "hidden_dim", "encoder_dim"), 512)
WARMING_UP: dict[str, tuple[list[int], dict[str, Any]]] = {
    "cada_vae": ([30, 100], {"classifier": "softmax"}),
    "hsva": ([50, 100], {"classifier": "softmax"} | _WIDTHS),
}
CLASSICAL = ("prototypes", "eszsl", "sae", "attribute_ridge")
# The paper's own scores, at a rate that makes epochs comparable.
OWN = {"head": "own", "learning_rate_schedule": "constant"}
VARIANTS: dict[str, dict[str, Any]] = {
    "cvsc_own": OWN,
    "cvsc_baseline": _data.VARIANTS["baseline"] | OWN,
    "cvsc_without_cc": _data.VARIANTS["w/o CC"] | OWN,
    "cvsc_without_sci": _data.VARIANTS["w/o SCI"] | OWN,
    "cvsc_without_tci": _data.VARIANTS["w/o TCI"] | OWN,
}


def all_settings(max_epochs: list[int] | None = None) -> dict[str, Any]:
    """Return settings of all methods, with other numbers of epochs of those that warm up."""
    warming_up = {
        method: [{"max_epochs": number} | fixed for number in max_epochs or usual]
        for method, (usual, fixed) in WARMING_UP.items()
    }
    return SETTINGS | warming_up


def run(arguments: argparse.Namespace) -> ProtocolResults:
    """Run what the file lacks."""
    methods: dict[str, Any] = {
        name: CVsCClassifier(**VARIANTS[name]) if name in VARIANTS else None
        for name in arguments.methods
    }
    protocol = GZSLProtocol(
        classes=arguments.classes,
        n_splits=arguments.splits,
        n_seeds=arguments.seeds,
        n_unseen=arguments.unseen,
        n_folds=arguments.folds,
        criterion=arguments.criterion,
        epochs=arguments.epochs,
        budget=BUDGET,
        path=arguments.out,
        verbose=1,
    )
    results = ProtocolResults([])
    settings = all_settings(arguments.max_epochs)
    for name in arguments.data:
        data = _data.load(name, arguments.folder)
        results += protocol.run(
            methods,
            data.X,
            data.y,
            data.table,
            settings={name: known for name, known in settings.items() if name in methods},
            name=name,
            split=data.split,
            refresh=[method for method in arguments.again if method in methods],
        )
    return results


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    known = [*list_methods(), *VARIANTS]
    parser.add_argument("--quick", action="store_true", help="digits and field guide, 3 splits")
    parser.add_argument("--data", nargs="+", choices=_data.DATASETS)
    parser.add_argument("--folder", type=Path, default=_data.FOLDER, help="of cub50, flo40, ...")
    parser.add_argument("--methods", nargs="+", choices=known)
    parser.add_argument("--splits", type=int, help="default: 8")
    parser.add_argument("--seeds", type=int, help="of methods that draw at random (default: 3)")
    parser.add_argument("--unseen", type=float, default=0.25, help="share of unseen classes")
    parser.add_argument("--folds", type=int, default=3, help="of seen classes, to choose on")
    parser.add_argument("--epochs", type=int, nargs="+", help="to choose from")
    parser.add_argument("--max-epochs", type=int, nargs="+", help="the same of cada_vae and hsva")
    parser.add_argument("--classes", choices=["seen", "all", "proposed"], default="seen")
    parser.add_argument("--criterion", choices=["AUSUC", "H", "T1"], default="AUSUC")
    parser.add_argument("--again", nargs="+", choices=known, default=[], help="run these anew")
    parser.add_argument("--reference", default="prototypes", help="compare with this method")
    parser.add_argument("--out", type=Path, help="file of runs, one a line")
    parser.add_argument("--figure", type=Path, help="draw average ranks here")
    arguments = parser.parse_args()
    arguments.data = arguments.data or (
        ["digits", "field_guide"] if arguments.quick else ["cub50", "flo40", "awa1_bow"]
    )
    quick = [*CLASSICAL, "cvsc_baseline", "cvsc_own", "cvsc"]
    arguments.methods = arguments.methods or (quick if arguments.quick else list(CLASSICAL))
    arguments.splits = arguments.splits or (3 if arguments.quick else 8)
    arguments.seeds = arguments.seeds or (1 if arguments.quick else 3)
    for name in arguments.data:
        if not _data.is_there(name, arguments.folder):
            parser.error(f"--data {name}: there is no {arguments.folder / name}; see --folder")
    results = run(arguments)
    if arguments.out:
        # Of other methods too, on these splits.
        names = ("data", "classes", "split", "rows")
        ours = {tuple(run.get(key) for key in names) for run in results.runs + results.failures}
        stored = ProtocolResults.read(arguments.out)
        results = ProtocolResults(
            run
            for run in stored.runs + stored.failures
            if tuple(run.get(key) for key in names) in ours
        )
    reference = arguments.reference if arguments.reference in results.methods else None
    print(machine(), end="\n\n")
    print(results.to_markdown(reference))
    if arguments.figure:
        from zslearn.inspection import CriticalDifferenceDisplay

        display = CriticalDifferenceDisplay.from_results(results)
        display.figure_.savefig(arguments.figure)


if __name__ == "__main__":
    main()
