"""What is written of every number: ``docs/method`` and its neighbours as pages of the server, asking no other host."""

from __future__ import annotations

import html
import re
from functools import lru_cache
from pathlib import Path

import panel
from tornado.web import RequestHandler

__all__ = ["PAGES", "ROUTE", "Written", "anchor", "folder", "rendered"]

PAGES = {"method": "Method", "trust": "Trust", "people": "People"}
"""Pages that ship -> their names."""
_STYLE = """
body {max-width: 62rem; margin: 0 auto; padding: 1rem 1.5rem 5rem; color: #1b1b1f; background: #fff}
body {font: 1rem/1.6 system-ui, sans-serif}
nav a {margin-right: 1rem} h1, h2, h3 {line-height: 1.25} h2 {margin-top: 2.5rem; scroll-margin-top: 1rem}
a {color: #3949ab} code, pre {font: .9em ui-monospace, monospace; background: #f2f2f5; border-radius: 3px}
code {padding: .1em .25em; overflow-wrap: anywhere} pre {padding: .8rem; overflow-x: auto} pre code {padding: 0}
table {border-collapse: collapse; display: block; overflow-x: auto}
td, th {border: 1px solid #d5d5dc; padding: .3rem .6rem; text-align: left}
h2:target {background: #fff3c4} .math.block {display: block; overflow-x: auto; text-align: center; margin: 1rem 0}
@media print {nav {display: none}}
"""
_DARK = """
body {color: #e4e4e9; background: #121318} a {color: #9fa8ff} code, pre {background: #23252d} td, th {border-color: #3a3d49}
h2:target {background: #4a3f12}
"""
_MATHS = """
for (const one of document.querySelectorAll(".math"))
  katex.render(one.textContent, one, {output: "mathml", displayMode: one.classList.contains("block"), throwOnError: false});
"""


def folder() -> Path:
    """Where the pages lie: in the installed package, or in the checkout."""
    inside = Path(__file__).parent / "docs"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "docs"


def anchor(heading: str) -> str:
    """How a heading is pointed at, the same as on the documentation's own site.

    Examples
    --------
    >>> anchor("Leak meter (`analysis.answers.trust.leaks`)")
    'leak-meter-analysisanswerstrustleaks'
    """
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


@lru_cache(maxsize=8)
def rendered(name: str, dark: bool = False) -> str:
    """One page as HTML.

    Parameters
    ----------
    name : str
        Of :data:`PAGES`.
    dark : bool
        In the dark theme.
    """
    from markdown_it import MarkdownIt
    from mdit_py_plugins.anchors import anchors_plugin
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    text = (folder() / f"{name}.md").read_text(encoding="utf-8")
    text = re.sub(r"\]\((\w+)\.md(#[\w-]+)?\)", _linked(dark), text)
    text = re.sub(
        r"!?\[([^\]]*)\]\((?!#|https?:|\?|\w+(?:\?theme=dark)?(?:#|\)))[^)]*\)", r"\1", text
    )
    reader = MarkdownIt("commonmark", {"html": True}).enable("table")
    reader.use(dollarmath_plugin, double_inline=True).use(
        anchors_plugin, max_level=3, slug_func=anchor
    )
    body = reader.render(text).replace("<table>", '<table tabindex="0">')
    here = "?theme=dark" if dark else ""
    others = "".join(f'<a href="{one}{here}">{words}</a>' for one, words in PAGES.items())
    maths = next(
        (Path(panel.__file__).parent / "dist" / "bundled" / "katex").glob("*/dist/katex.min.js")
    )
    version = maths.parents[1].name
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(PAGES[name])} - BrainLens</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}{_DARK if dark else ""}</style></head><body>'
        f"<nav>{others}</nav><main>{body}</main>"
        f'<script src="../static/extensions/panel/bundled/katex/{version}/dist/katex.min.js"></script><script>{_MATHS}</script>'
        "</body></html>"
    )


def _linked(dark: bool):
    """Links between pages that ship lead to their neighbours; those to others become plain words."""

    def link(match: re.Match) -> str:
        if match[1] not in PAGES:
            return f"]({match[1]}.md)"
        return f"]({match[1]}{'?theme=dark' if dark else ''}{match[2] or ''})"

    return link


class Written(RequestHandler):
    """``/docs/NAME``."""

    def get(self, name: str) -> None:
        """Answer."""
        if name not in PAGES:
            self.send_error(404)
            return
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.write(rendered(name, self.get_argument("theme", "") == "dark"))


ROUTE = (r"/docs/([a-z]+)", Written, {})
