"""Equations become MathML when the pages are built: a reader's browser needs no script or network.

latex2mathml converts; what browsers leave out of MathML (letter styles, the space around names of
functions) is put right here, and what was not converted is a warning, which fails the build. The
font STIX Two Math, which few systems have, is taken along from the package ziamath.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)
FONT = "STIXTwoMath-Regular.ttf"
MATHML = "http://www.w3.org/1998/Math/MathML"
ET.register_namespace("", MATHML)

# LaTeX that latex2mathml does not know, in words that it does.
_SPELLINGS = [
    (r"\\begin\{(aligned|split)\}", r"\\begin{align*}"),
    (r"\\end\{(aligned|split)\}", r"\\end{align*}"),
    (r"\\operatorname\*", r"\\operatorname"),
    (r"\\operatorname\{arg\\?[,;]?\s*(min|max)\}", r"\\operatorname{arg\1}"),
    (r"\\arg\s*\\(min|max)", r"\\operatorname{arg\1}"),
    (r"\\(boldsymbol|bm)\b", r"\\mathbf"),
]
_STYLES = {  # browsers read letter styles from the character, not from ``mathvariant``
    "bold": {"A": 0x1D400, "a": 0x1D41A, "0": 0x1D7CE, "Α": 0x1D6A8, "α": 0x1D6C2},
    "double-struck": {"0": 0x1D7D8},
}
_CHARACTERS = {r"\|": "‖", "⧵": "∖", "argmax": "arg\u2009max", "argmin": "arg\u2009min"}


def to_mathml(latex: str, display: str = "inline") -> str:
    """Convert LaTeX to a ``<math>`` element; ``ValueError`` names what cannot be converted."""
    source = latex.strip()
    for pattern, spelling in _SPELLINGS:
        source = re.sub(pattern, spelling, source)
    if display == "block" and r"\\" in source and r"\begin" not in source:
        source = rf"\begin{{align*}}{source}\end{{align*}}"
    root = ET.fromstring(convert(source, display=display))
    for element in root.iter():
        text = (element.text or "").strip()
        if element.get("mathvariant") in _STYLES and len(text) == 1:
            text = _styled(text, _STYLES[element.attrib.pop("mathvariant")])
        text = _CHARACTERS.get(text, text)
        if text:
            element.text = text
        if "\\" in text or text == "&":
            raise ValueError(f"{element.text!r} is not understood in the equation {latex!r}")
        if element.get("width", "").startswith("negative"):
            element.set("width", "-0.167em")
    for parent in root.iter():
        _space_functions(parent)
    root.set("alttext", latex.strip())
    return ET.tostring(root, encoding="unicode")


def _styled(character: str, starts: dict[str, int]) -> str:
    for first, start in starts.items():
        offset = ord(character) - ord(first)
        if 0 <= offset < (10 if first == "0" else 26):
            return chr(start + offset)
    return character


def _is_function(element: ET.Element) -> bool:
    tag = element.tag.removeprefix(f"{{{MATHML}}}")
    if tag in ("msub", "msup", "msubsup", "munder", "mover") and len(element):
        return _is_function(element[0])
    return tag in ("mi", "mo") and bool(re.fullmatch(r"[A-Za-z\u2009]{2,}", element.text or ""))


def _space_functions(parent: ET.Element) -> None:
    """Set names of functions in upright letters, with a thin space before a bare argument."""
    children = list(parent)
    row = parent.tag.removeprefix(f"{{{MATHML}}}") in ("mrow", "math", "mtd", "mstyle")
    for i, child in reversed(list(enumerate(children))):
        if not _is_function(child):
            continue
        if child.tag == f"{{{MATHML}}}mo":
            child.tag = f"{{{MATHML}}}mi"
        for place, other in ((i + 1, children[i + 1 : i + 2]), (i, children[max(i - 1, 0) : i])):
            if row and other and other[0].tag not in (f"{{{MATHML}}}mo", f"{{{MATHML}}}mspace"):
                parent.insert(place, ET.Element(f"{{{MATHML}}}mspace", width="0.167em"))


def _converted(node: nodes.Element, display: str) -> str:
    try:
        return to_mathml(node.astext(), display)
    except Exception as error:  # of whatever kind: the page is built, and the build fails
        logger.warning("equation not converted: %s", error, location=node)
        return f"<code>{escape(node.astext())}</code>"


def _visit_inline(self: Any, node: nodes.math) -> None:
    self.body.append(f'<span class="math">{_converted(node, "inline")}</span>')
    raise nodes.SkipNode


def _visit_block(self: Any, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    self.body.append(_converted(node, "block"))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})</span>')
    self.body.append("</div>\n")
    raise nodes.SkipNode


def _take_font_along(app: Sphinx, error: Exception | None) -> None:
    if error is None and app.builder.format == "html":
        source = files("ziamath") / "fonts" / FONT
        target = Path(app.outdir, "_static", FONT)
        if not target.exists():
            target.write_bytes(source.read_bytes())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register as ``html_math_renderer = "mathml"``."""
    app.connect("build-finished", _take_font_along, priority=800)
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
