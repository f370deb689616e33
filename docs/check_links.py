"""Follow every link inside the built site, without a network: `python docs/check_links.py SITE`.

Files and anchors must exist, pictures must have a text, and no page may be out of reach of the
first one. Sphinx itself refuses links in Markdown that lead nowhere; this looks at what it built.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

START = "docs/index.html"
MADE_BY_SPHINX = ("index.html", "search.html", "genindex.html", "py-modindex.html")
SOURCES = "_modules"


class Page(HTMLParser):
    """The targets, links and pictures without a text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.links: list[str] = []
        self.unnamed: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what the tag says."""
        given = dict(attrs)
        self.targets |= {given[name] or "" for name in ("id", "name") if name in given}
        for name in ("href", "src"):
            if given.get(name):
                self.links.append(given[name] or "")
        if tag == "img" and "alt" not in given:
            self.unnamed.append(given.get("src") or "")


def complaints(site: Path) -> list[str]:
    """What is wrong with the site, a line each."""
    paths = [path.resolve() for path in sorted(site.rglob("*.html")) if SOURCES not in path.parts]
    pages = {path: Page(path) for path in paths}
    found = []
    reached = {(site / START).resolve()}
    queue = list(reached)
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        found += [f"{name}: a picture has no text: {source}" for source in page.unnamed]
        found += [f"{name}: {line}" for link in page.links if (line := _broken(path, link, pages))]
    while queue:
        path = queue.pop()
        inside = {_target(path, link)[0] for link in pages[path].links if _is_local(link)}
        fresh = (inside & set(pages)) - reached
        reached |= fresh
        queue += fresh
    written = {path for path in pages if path.parent.name != "explore"}
    return found + [
        f"{path.relative_to(site.resolve())}: no way leads here from {START}"
        for path in sorted(written - reached)
        if path.name not in MADE_BY_SPHINX
    ]


def _is_local(link: str) -> bool:
    parts = urlsplit(link)
    return not (parts.scheme or parts.netloc)


def _target(path: Path, link: str) -> tuple[Path, str]:
    """The file of a link on a page, and the anchor in it."""
    parts = urlsplit(link)
    file = path if not parts.path else (path.parent / unquote(parts.path)).resolve()
    return file, unquote(parts.fragment)


def _broken(path: Path, link: str, pages: dict[Path, Page]) -> str:
    """What is wrong with a link, or nothing."""
    if not _is_local(link):
        return ""
    file, anchor = _target(path, link)
    if not file.exists():
        return f"no such file: {link}"
    if anchor and file in pages and anchor not in pages[file].targets:
        return f"no such place: {link}"
    return ""


if __name__ == "__main__":
    lines = complaints(Path(sys.argv[1]))
    print("\n".join(lines[:50]) or "all links lead somewhere")
    sys.exit(bool(lines))
