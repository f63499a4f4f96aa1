"""Show, folded, what a page starts from: ``% set-up: fitted`` becomes code of the user guide."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_GUIDE = Path(__file__).resolve().parents[1] / "user_guide" / "index.md"
_COMMENT = re.compile(r"^% set-up: (field_guide|fitted)$", re.MULTILINE)
_FOLDED = """\
::::{{dropdown}} {title}
```python
{code}
```
::::
"""
_TITLES = {
    "field_guide": "What runs before this: the small data",
    "fitted": "What runs before this: the small data and a classifier",
}


def set_up_code(name: str) -> str:
    """Code of a set-up: that of the user guide's first page, with or without its classifier."""
    code = _GUIDE.read_text("utf-8").split("```python\n")[1].split("\n```")[0]
    if name == "fitted":
        return code
    data, fit, _ = code.partition("\n\nclf = ")
    assert fit, f"{_GUIDE} makes no clf"
    return data.replace("from zslearn import CVsCClassifier\n", "")


def _fold(app: Any, name: str, source: list[str]) -> None:
    source[0] = _COMMENT.sub(
        lambda found: _FOLDED.format(title=_TITLES[found[1]], code=set_up_code(found[1])),
        source[0],
    )


def setup(app: Any) -> dict[str, Any]:
    """Fold set-ups into pages as they are read."""
    app.connect("source-read", _fold)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
