"""The gallery: from the first fit to the last question; pages of removed examples go.

Its notebooks, which know no Sphinx, have names in place of its roles.
"""

import re
from pathlib import Path
from typing import Any

ORDER = [
    "plot_first_fit",
    "plot_calibration",
    "plot_photographs",
    "plot_methods",
    "plot_generative",
    "plot_mismatch",
    "plot_lambda_search",
    "plot_attention_maps",
    "plot_attention_methods",
    "plot_digit_segments",
    "plot_own_pictures",
    "plot_finetuning",
    "plot_new_class",
    "plot_save_and_load",
]


def by_lesson(filename: str) -> tuple[int, str]:
    """Sort key of an example; those without a place come last, by name."""
    name = Path(filename).stem
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def without_roles(text: str) -> str:
    """Text of a notebook with roles of Sphinx as the words that its pages show."""
    text = re.sub(r":\w+:`([^`<>]+?)(?: |\\n)<[^`<>]+>`", r"\1", text)
    text = re.sub(r":\w+:`~[^`<>]*?([^`<>.]+)`", r"`\1`", text)
    return re.sub(r":\w+:`([^`<>]+)`", r"`\1`", text)


def _mend_notebooks(app: Any) -> None:
    made = Path(app.srcdir) / app.config.sphinx_gallery_conf["gallery_dirs"][0]
    for path in made.glob("plot_*.ipynb"):
        text = path.read_text("utf-8")
        if (mended := without_roles(text)) != text:
            path.write_text(mended, "utf-8")


def _remove_stale(app: Any, config: Any) -> None:
    """Remove what was made of examples that are there no more: each would be a warning."""
    made = Path(app.srcdir) / config.sphinx_gallery_conf["gallery_dirs"][0]
    examples = Path(app.srcdir) / config.sphinx_gallery_conf["examples_dirs"][0]
    for path in made.glob("plot_*"):
        if not (examples / f"{path.name.split('.')[0]}.py").exists():
            path.unlink()


def setup(app: Any) -> dict[str, Any]:
    """Tidy up before the gallery is made."""
    app.connect("config-inited", _remove_stale)
    app.connect("builder-inited", _mend_notebooks, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
