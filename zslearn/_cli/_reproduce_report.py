"""The tables that ``zslearn reproduce`` prints, and the same for machines."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from zslearn._cli._published import HONEST, PAPER, ROWS, TABLES, Benchmark
from zslearn._cli._reproduce_scores import METRICS, class_intervals

__all__ = ["as_text", "describe_machine", "make_tables"]

_TABLE_METRICS = {
    2: ("T1", "U", "S", "H"),
    3: ("T1", "H"),
    4: ("seen_error", "unseen_error", "relative_increase"),
}
# What is printed in percent, as in the paper.
_PERCENT = ("T1", "U", "S", "H", "relative_increase")
_HEADINGS = {
    "seen_error": "seen error",
    "unseen_error": "unseen error",
    "relative_increase": "increase %",
}
_TITLES = {
    2: "Table 2: conventional (T1) and generalised (U, S, H) accuracy, %",
    3: "Table 3: ablation, %",
    4: "Table 4: class-averaged semantic error on the test pictures",
}


def describe_machine(device: str) -> dict[str, Any]:
    """Versions, and where this ran."""
    import sklearn
    import timm
    import torch

    from zslearn._version import __version__

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.machine()
    return {
        "zslearn": __version__,
        "torch": torch.__version__,
        "timm": timm.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
        "device": f"{device} ({name})",
        "threads": torch.get_num_threads(),
    }


def make_tables(
    benchmark: Benchmark,
    numbers: Sequence[int],
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    paper_protocol: bool,
    comparable: bool,
) -> dict[str, dict[str, Any]]:
    """Make the tables asked for from the runs of each row.

    Parameters
    ----------
    benchmark : Benchmark
    numbers : sequence of int
        Of the tables.
    runs : dict of row to list of dict
        A run a seed.
    paper_protocol : bool
        Whether the runs were selected on the test pictures, which every row then says.
    comparable : bool
        Whether differences from the published numbers mean anything.

    Returns
    -------
    dict of str to dict
        Number of the table to rows; a row has ``selection``, and for each metric ``mean``, ``std``
        over seeds, ``interval`` over classes, ``published``, ``difference`` from it, and in
        Table 3 the ``gain`` over the baseline, with its interval.
    """
    intervals = {row: class_intervals(some) for row, some in runs.items()}
    gains = {
        row: class_intervals(some, runs["baseline"])
        for row, some in runs.items()
        if 3 in numbers and row != "baseline"
    }
    tables: dict[str, dict[str, Any]] = {}
    for number in numbers:
        published = benchmark.published(number)
        rows: dict[str, Any] = {}
        for row in TABLES[number]:
            cells = {
                metric: {
                    **_cell(metric, runs[row], published.get(row, {}).get(metric), comparable),
                    "interval": intervals[row].get(metric),
                }
                for metric in _TABLE_METRICS[number]
            }
            if number == 3 and row != "baseline":
                for metric, cell in cells.items():
                    cell["gain"] = _mean(metric, runs[row]) - _mean(metric, runs["baseline"])
                    cell["gain_interval"] = gains[row].get(metric)
            rows[row] = {
                "title": ROWS[row].title,
                "selection": PAPER if paper_protocol else HONEST,
                **cells,
            }
        tables[str(number)] = rows
    return tables


def _mean(metric: str, runs: Sequence[Mapping[str, Any]]) -> float:
    return float(np.mean([run[metric] for run in runs]))


def _cell(
    metric: str, runs: Sequence[Mapping[str, Any]], published: float | None, comparable: bool
) -> dict[str, Any]:
    values = [run[metric] for run in runs]
    mean = float(np.mean(values))
    if published is not None and metric in ("T1", "U", "S", "H"):
        published = published / 100
    return {
        "mean": mean,
        "std": float(np.std(values, ddof=1)) if len(values) > 1 else None,
        "published": published,
        "difference": mean - published if comparable and published is not None else None,
    }


def as_text(results: Mapping[str, Any]) -> str:
    """Put the results into text.

    Parameters
    ----------
    results : dict
        What the command writes as JSON.
    """
    label = f"   {PAPER}" if results["paper_protocol"] else ""
    data = results["data"]
    shape = " x ".join(map(str, data["shape"]))
    lines = [
        f"zslearn {results['machine']['zslearn']} on {results['benchmark']}: {shape}, "
        f"{data['attributes']} attributes, {data['seen_classes']} seen and "
        f"{data['unseen_classes']} unseen classes",
        f"{data['trainval']} rows to fit on, {data['test_seen']} + {data['test_unseen']} to judge "
        f"by ({'; '.join(results['notes'])})",
        *_describe_selection(results),
        *_describe_set(results["set"]),
        *_describe_comparison(results),
    ]
    for number, rows in results["tables"].items():
        body = _table(int(number), rows, results["comparable"])
        lines += ["", _TITLES[int(number)] + label]
        # Of the published numbers nothing is said here but that they are published.
        lines += [line if line.startswith("  published") else line + label for line in body]
    seeds = len(next(iter(results["runs"].values())))
    spread = f"mean ± standard deviation over {seeds} seeds" if seeds > 1 else "one seed"
    lines += ["", f"{spread}; [95 % interval of the mean, classes resampled]"]
    lines += _describe_choices(results)
    return "\n".join(lines)


def _describe_selection(results: Mapping[str, Any]) -> list[str]:
    if results["paper_protocol"]:
        return [
            "",
            "PAPER PROTOCOL: NOT an honest evaluation. For each seed the best epoch was picked on",
            "the test pictures, T1 and H each at an epoch of its own, and delta is 2 on logits.",
            "These are maxima over test scores; leave out --paper-protocol for honest ones.",
        ]
    epochs = results["settings"]["epochs"]
    what = ["delta"] if len(epochs) == 1 else ["epochs", "delta"]
    what = [*results["settings"]["search"], *what]
    return [
        f"{', '.join(what[:-1])}{' and ' if what[1:] else ''}{what[-1]} {HONEST} "
        f"({results['settings']['folds']} folds), for each row; test pictures were judged once"
    ]


def _describe_set(given: Mapping[str, str]) -> list[str]:
    values = ", ".join(f"{name}={value}" for name, value in given.items())
    return [f"set by hand (--set): {values}"] if given else []


def _describe_comparison(results: Mapping[str, Any]) -> list[str]:
    if results["comparable"]:
        text = "published: the numbers of the paper, on these pictures and this backbone"
        selection = "; its released code picks the best epoch on the test pictures"
        return [text + ("" if results["paper_protocol"] else selection)]
    return [
        "published: the numbers of the paper. NOT COMPARABLE with these data: "
        + "; ".join(results["differences_from_the_paper"])
    ]


def _table(number: int, rows: Mapping[str, Any], comparable: bool) -> list[str]:
    metrics = _TABLE_METRICS[number]
    grid = [["", *(_HEADINGS.get(metric, metric) for metric in metrics)]]
    for row in rows.values():
        grid.append([row["title"], *(_measured(metric, row[metric]) for metric in metrics)])
        if any(row[metric]["published"] is not None for metric in metrics):
            cells = [_number(metric, row[metric]["published"]) for metric in metrics]
            grid.append(["  published", *cells])
        if comparable and any(row[metric]["difference"] is not None for metric in metrics):
            cells = [_number(metric, row[metric]["difference"], "+") for metric in metrics]
            grid.append(["  difference", *cells])
        if "gain" in row[metrics[0]]:
            grid.append(["  over baseline", *(_gain(metric, row[metric]) for metric in metrics)])
    widths = [max(len(line[k]) for line in grid) for k in range(len(grid[0]))]
    return [
        line[0].ljust(widths[0])
        + "".join(
            f"   {cell.ljust(width)}" for cell, width in zip(line[1:], widths[1:], strict=True)
        ).rstrip()
        for line in grid
    ]


def _measured(metric: str, cell: Mapping[str, Any]) -> str:
    text = _number(metric, cell["mean"])
    if cell["std"] is not None:
        text += f" ± {_number(metric, cell['std'])}"
    return text + _interval(metric, cell["interval"])


def _gain(metric: str, cell: Mapping[str, Any]) -> str:
    text = _number(metric, cell["gain"], "+")
    return text + _interval(metric, cell["gain_interval"], "+")


def _interval(metric: str, ends: Sequence[float] | None, sign: str = "") -> str:
    if ends is None:
        return ""
    low, high = (_number(metric, end, sign) for end in ends)
    return f" [{low}, {high}]"


def _number(metric: str, value: float | None, sign: str = "") -> str:
    if value is None:
        return "-"
    return f"{100 * value:{sign}.1f}" if metric in _PERCENT else f"{value:{sign}.3f}"


def _describe_choices(results: Mapping[str, Any]) -> list[str]:
    lines = []
    for row, runs in results["runs"].items():
        title = ROWS[row].title
        means = {metric: _mean(metric, runs) for metric in (*METRICS, "delta")}
        choice = results["chosen"].get(row)
        if choice is None:
            epochs = ", ".join(str(run["epochs"]) for run in runs)
            lines.append(f"{title}: epochs of the best H on the test pictures {epochs}   {PAPER}")
            continue
        searched = "".join(f"{name} {value}, " for name, value in choice["parameters"].items())
        lines.append(
            f"{title}: {searched}epochs {choice['epochs']}, delta {means['delta']:.2f} "
            f"({choice['delta_in_units']:.2f} standard deviations of the scores); held out: AUSUC "
            f"{choice['validation_ausuc']:.3f}, H {choice['validation_h']:.3f}; test AUSUC "
            f"{means['AUSUC']:.3f}"
        )
    return lines
