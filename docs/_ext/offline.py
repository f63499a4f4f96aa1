"""After each build: nothing is loaded from the network, and links inside the site lead somewhere.

Also a command: ``python docs/_ext/offline.py docs/_build/html``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

# Attributes a browser fetches without being asked to; <link> depends on its rel.
_FETCHED = {
    "script": ["src"],
    "img": ["src", "srcset"],
    "source": ["src", "srcset"],
    "video": ["src", "poster"],
    "audio": ["src"],
    "iframe": ["src"],
    "embed": ["src"],
    "object": ["data"],
    "input": ["src"],
    "use": ["href", "xlink:href"],
    "image": ["href", "xlink:href"],
}
_NOT_FETCHED_LINKS = {"canonical", "author", "license", "next", "prev", "search", "index", "help"}
_CSS_ADDRESS = re.compile(r"""url\(\s*['"]?([^'")]+)|@import\s+['"]([^'"]+)""")


class _Page(HTMLParser):
    """Addresses that a page loads, addresses it links to, and its anchors."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.anchors = {"", "top"}
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        self._in_style = tag == "style"
        for name in _FETCHED.get(tag, []):
            if name in values:
                self.loads += [part.split()[0] for part in values[name].split(", ") if part]
        if tag == "link" and not set(values.get("rel", "").split()) & _NOT_FETCHED_LINKS:
            self.loads.append(values.get("href", ""))
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        self.loads += _css_addresses(values.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.loads += _css_addresses(data)


def _css_addresses(text: str) -> list[str]:
    return [a or b for a, b in _CSS_ADDRESS.findall(text)]


def problems_of_site(root: Path) -> Iterator[str]:
    """Yield a line for each address loaded from elsewhere and each link to nothing."""
    pages = {
        path.resolve(): _Page(path.read_text("utf-8"))
        for path in root.rglob("*.html")
        if "_static" not in path.parts  # templates of the theme, no pages
    }
    for path, page in sorted(pages.items()):
        name = path.relative_to(root.resolve())
        for address in page.loads:
            yield from _problem_of(name, address, path, pages, loaded=True)
        for address in page.links:
            yield from _problem_of(name, address, path, pages, loaded=False)
    for path in sorted(root.rglob("*.css")):
        for address in _css_addresses(path.read_text("utf-8")):
            yield from _problem_of(path.relative_to(root), address, path.resolve(), {}, loaded=True)


def _problem_of(
    name: Path, address: str, path: Path, pages: dict[Path, _Page], *, loaded: bool
) -> Iterator[str]:
    parts = urlsplit(address)
    if parts.scheme in ("data", "mailto", "javascript") or (loaded and address[:1] == "#"):
        return
    if parts.scheme or parts.netloc:
        if loaded:
            yield f"{name} loads {address}"
        return
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        yield f"{name} {'loads' if loaded else 'links to'} {address}, which is not there"
    elif not loaded and target in pages and unquote(parts.fragment) not in pages[target].anchors:
        yield f"{name} links to {address}, but there is no such place on the page"


def _check(app: Any, error: Exception | None) -> None:
    from sphinx.errors import ExtensionError

    if error is None and app.builder.format == "html":
        found = sorted(set(problems_of_site(Path(app.outdir))))
        if found:
            more = f"\n... and {len(found) - 20} more" if len(found) > 20 else ""
            raise ExtensionError("the site is not whole:\n" + "\n".join(found[:20]) + more)


def setup(app: Any) -> dict[str, Any]:
    """Check at the end of every HTML build."""
    app.connect("build-finished", _check, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    lines = sorted(set(problems_of_site(Path(sys.argv[1]))))
    print("\n".join(lines) or "the site is whole")
    sys.exit(bool(lines))
