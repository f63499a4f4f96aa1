"""Names of attributes as people read them, and the groups they come in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

SEPARATOR = "::"


class GroupSpan(NamedTuple):
    """Neighbouring attributes of one group: positions ``start`` to ``stop`` (exclusive)."""

    name: str
    start: int
    stop: int


def readable_name(name: str, *, with_group: bool = True) -> str:
    """``has_bill_shape::hooked_seabird`` as ``bill shape: hooked seabird``."""
    group, separator, value = str(name).partition(SEPARATOR)
    group = group.removeprefix("has_").replace("_", " ").strip()
    value = value.replace("_", " ").strip()
    if not separator:
        return group
    return f"{group}: {value}" if with_group else value


def group_spans(names: Sequence[str]) -> list[GroupSpan]:
    """Find runs of names that share what comes before ``::``; others are groups of one.

    Examples
    --------
    >>> group_spans(["has_bill_shape::dagger", "has_bill_shape::cone", "black"])
    [GroupSpan(name='bill shape', start=0, stop=2), GroupSpan(name='black', start=2, stop=3)]
    """
    spans: list[GroupSpan] = []
    for i, name in enumerate(names):
        group = readable_name(str(name).partition(SEPARATOR)[0])
        grouped = SEPARATOR in str(name)
        if grouped and spans and spans[-1].name == group:
            spans[-1] = GroupSpan(group, spans[-1].start, i + 1)
        else:
            spans.append(GroupSpan(group, i, i + 1))
    return spans
