"""Results of a protocol as tables of a page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from zslearn.model_selection._protocol_results import ProtocolResults

__all__ = ["render"]

_COLUMNS = {
    "T1": "T1",
    "U": "U",
    "S": "S",
    "H": "H",
    "H_delta_0": "H at delta 0",
    "H_hindsight": "best H in hindsight",
    "AUSUC": "AUSUC",
    "semantic_error": "semantic error",
}


def render(results: ProtocolResults, reference: str | None, metric: str) -> str:
    """Tables of scores, differences, ranks and failures."""
    rows = results.table()
    parts = []
    for data in results.datasets:
        mine = sorted((row for row in rows if row["data"] == data), key=lambda row: -row[metric])
        parts.append(f"**{data}**\n\n{_scores(mine)}")
    if reference is not None and len(results.methods) > 1:
        parts.append(_differences(results, reference, metric))
    if len(results.methods) > 1:
        parts.append(_ranks(results, metric))
    if results.failures:
        parts.append(_failures(results))
    return "\n\n".join(parts)


def _scores(rows: Sequence[dict[str, Any]]) -> str:
    columns = {m: title for m, title in _COLUMNS.items() if not all(np.isnan(r[m]) for r in rows)}
    header = ["", "splits × seeds", *columns.values(), "choose, s", "fit, s", "peak MiB"]
    lines = []
    for row in rows:
        cells = [row["method"], f"{row['splits']} × {row['seeds']}"]
        for name in columns:
            spread = row[f"{name}_std"]
            cell = _number(row[name])
            cells.append(cell if np.isnan(spread) else f"{cell} ± {_number(spread)}")
        cells += [_seconds(row["choose"]), _seconds(row["fit"])]
        cells.append("" if np.isnan(row["peak_mib"]) else f"{row['peak_mib']:.0f}")
        lines.append(cells)
    return _table(header, lines)


def _differences(results: ProtocolResults, reference: str, metric: str) -> str:
    """T1, H and the metric, over splits; T1 and H over classes too."""
    lines: dict[tuple[str, str | None], list[str]] = {}
    wanted = [(m, "splits") for m in dict.fromkeys(("T1", "H", metric))]
    wanted += [(m, "classes") for m in ("T1", "H")]
    for name, over in wanted:
        for d in results.differences(reference, metric=name, over=over):
            key = (d.method, d.data)
            cells = lines.setdefault(key, [d.method, d.data or "all", str(d.n_splits)])
            interval = "" if np.isnan(d.low) else f" ({_signed(d.low)} to {_signed(d.high)})"
            cells.append(f"{_signed(d.estimate)}{interval}" if over == "splits" else interval[2:-1])
    header = ["", "data", "splits", *(f"{m}" for m, over in wanted if over == "splits")]
    header += [f"{m}, over classes" for m, over in wanted if over == "classes"]
    order = {method: place for place, method in enumerate(results.methods)}
    body = sorted(lines.values(), key=lambda cells: (order[cells[0]], cells[1] != "all"))
    title = f"**Minus {reference}**: paired differences, 95% intervals over splits"
    return f"{title}, and over classes\n\n{_table(header, body)}"


def _ranks(results: ProtocolResults, metric: str) -> str:
    try:
        found = results.ranks(metric=metric)
    except ValueError as error:
        return f"No ranks: {error}"
    listed = ", ".join(f"{m} {r:.2f}" for m, r in zip(found.methods, found.ranks, strict=True))
    test = "" if np.isnan(found.p_value) else f"; Friedman's p = {found.p_value:.1g}"
    return (
        f"**Average ranks by {metric}** over {found.n_blocks} pairs of a data set and a split: "
        f"{listed}. Critical difference {found.critical_difference:.2f}{test}."
    )


def _failures(results: ProtocolResults) -> str:
    rows = [
        [run["method"], run["data"], str(run["split"]), str(run["seed"]), run["error"]]
        for run in results.failures
    ]
    return f"**Failed**\n\n{_table(['', 'data', 'split', 'seed', 'error'], rows)}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(c.replace("|", "\\|") for c in line) + " |" for line in lines
    )


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.3f}".removeprefix("0")


def _signed(value: float) -> str:
    return ("−" if round(value, 3) < 0 else "+") + f"{abs(value):.3f}".removeprefix("0")


def _seconds(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.2f}" if value < 10 else f"{value:.0f}"
