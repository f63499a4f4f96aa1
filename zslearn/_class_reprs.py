"""How a table of classes shows itself, in a console and in a notebook."""

from __future__ import annotations

from html import escape
from typing import Any

from zslearn._table_checks import quote_some

__all__ = ["table_html", "table_text"]

_ROWS, _COLUMNS = 10, 8


def table_html(table: Any) -> str:
    """Draw the corner of a table of classes as HTML, with what is left out said."""
    rows, columns = min(_ROWS, table.n_classes), min(_COLUMNS, table.n_attributes)
    head = "".join(f"<th>{escape(name)}</th>" for name in table.attribute_names[:columns])
    lines = []
    for r in range(rows):
        cells = "".join(
            f"<td>{'<i>unknown</i>' if unknown else f'{value:.4g}'}</td>"
            for value, unknown in zip(
                table.values[r, :columns], table.missing_mask[r, :columns], strict=True
            )
        )
        more = "<td>…</td>" if columns < table.n_attributes else ""
        lines.append(f"<tr><th>{escape(str(table.labels[r]))}</th>{cells}{more}</tr>")
    if columns < table.n_attributes:
        head += "<th>…</th>"
    n_unknown = int(table.missing_mask.sum())
    unknown = f", {n_unknown} unknown values" if n_unknown else ""
    size = f"{table.n_classes} classes × {table.n_attributes} attributes"
    return (
        '<table class="zslearn-class-attributes"><caption>ClassAttributes: '
        f"{size}, {_vectors(table)}{unknown}</caption><thead><tr><th></th>{head}</tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def table_text(table: Any) -> str:
    """Say in a line what a table of classes holds."""
    return (
        f"ClassAttributes({table.n_classes} classes x {table.n_attributes} attributes, "
        f"labels: {quote_some(table.labels, 3)}, {_vectors(table)})"
    )


def _vectors(table: Any) -> str:
    if table.word_vectors is None:
        return "no word vectors"
    return f"{table.word_vectors.shape[1]}-d word vectors"
