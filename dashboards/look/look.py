"""The product's look: Material theme for light and dark, and the few styles that are ours."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from html import escape

import panel as pn
import panel_material_ui as pmui

__all__ = [
    "DIALOG",
    "MONO",
    "THEME",
    "Folded",
    "Html",
    "Labels",
    "answer",
    "cut",
    "heading",
    "note",
    "plain",
    "stamp",
]

pn.config.respect_explicit_sizing = (
    True  # a figure that fills its box must not stretch the page around it
)

MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
_FONT = "Roboto, system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"

_PARTS = {
    "MuiButton": {
        "styleOverrides": {
            "root": {"textTransform": "none", "fontWeight": 500, "boxShadow": "none"}
        }
    },
    "MuiTab": {
        "styleOverrides": {
            "root": {
                "textTransform": "none",
                "fontWeight": 500,
                "fontSize": "0.95rem",
                "minHeight": "44px",
            }
        }
    },
    "MuiToggleButton": {"styleOverrides": {"root": {"textTransform": "none"}}},
    "MuiPaper": {
        "styleOverrides": {"root": {"backgroundImage": "none"}}
    },  # no grey veil in the dark
    "MuiAppBar": {"styleOverrides": {"root": {"boxShadow": "none", "backgroundImage": "none"}}},
    # a tooltip or a badge that lies over a neighbour must not swallow its clicks
    "MuiTooltip": {
        "styleOverrides": {
            "tooltip": {"fontSize": "0.78rem", "pointerEvents": "none"},
            "popper": {"pointerEvents": "none"},
        }
    },
    "MuiBadge": {"styleOverrides": {"badge": {"pointerEvents": "none"}}},
}
_TYPE = {
    "fontFamily": _FONT,
    "h4": {
        "fontSize": "1.3rem",
        "fontWeight": 600,
        "letterSpacing": "-0.01em",
        "lineHeight": 1.25,
    },
    "h5": {"fontSize": "1.15rem", "fontWeight": 600},
    "h6": {"fontSize": "1rem", "fontWeight": 600},
    "overline": {"fontWeight": 600, "letterSpacing": "0.08em", "lineHeight": 1.8},
}

THEME = {
    "light": {
        "palette": {
            "primary": {"main": "#27517f", "contrastText": "#ffffff"},
            "secondary": {"main": "#8a5a00"},
            "warning": {"main": "#8a4b00", "contrastText": "#ffffff"},
            "background": {"default": "#ffffff", "paper": "#ffffff"},
            "text": {"primary": "#1f2328", "secondary": "#57606a"},
            "divider": "#d9dee4",
        },
        "typography": _TYPE,
        "shape": {"borderRadius": 6},
        "components": _PARTS,
    },
    "dark": {
        "palette": {
            "primary": {"main": "#8ab6e8", "contrastText": "#0d1620"},
            "secondary": {"main": "#e0b35c"},
            "warning": {"main": "#ffb870", "contrastText": "#1f2328"},
            "background": {"default": "#15181c", "paper": "#15181c"},
            "text": {"primary": "#e6edf3", "secondary": "#9aa4af"},
            "default": {
                "dark": "#9aa4af"
            },  # icons of fields, plus and minus: theirs is #424242 on #15181c
            "divider": "#2f363d",
        },
        "typography": _TYPE,
        "shape": {"borderRadius": 6},
        "components": _PARTS,
    },
}
"""Given to the page, and to a lens that stands alone in a notebook."""

DIALOG = {
    "show_close_button": True,
    "close_on_click": True,
    "title_variant": "h5",
    "sizing_mode": "stretch_width",
}
"""How every dialog is headed and closed."""


def plain(text: object) -> str:
    """Text of a user or a link, safe to stand in HTML."""
    return escape(str(text))


def heading(text: str, level: str = "h6", **params) -> pmui.Typography:
    """A heading."""
    return pmui.Typography(
        plain(text), variant=level, margin=params.pop("margin", (4, 10)), **params
    )


def note(text: str = "", **params) -> Html:
    """Small grey text: captions, hints, costs."""
    return Words(
        text,
        styles={
            "font-size": "0.85rem",
            "line-height": "1.5",
            "opacity": "0.78",
            **params.pop("styles", {}),
        },
        sizing_mode="stretch_width",
        margin=params.pop("margin", (2, 10)),
        **params,
    )


def answer(text: str = "") -> Html:
    """The one-line answer above the plot."""
    return Words(
        text,
        styles={
            "font-size": "1.06rem",
            "line-height": "1.5",
            "border-left": "3px solid var(--mui-palette-primary-main, #27517f)",
            "padding": "2px 0 2px 12px",
        },
        sizing_mode="stretch_width",
        margin=(6, 10, 8, 10),
    )


_LINKS = "a { color: var(--mui-palette-primary-main, #27517f); }"


class Html(pn.pane.HTML):
    """HTML that may be hidden and shown at any time: what the browser has not drawn yet has no inside to show.

    Links in it have the theme's colour, which is read on either paper.
    """

    def __init__(self, object=None, **params):
        sheets = [_LINKS, *params.pop("stylesheets", [])]
        super().__init__(object, stylesheets=sheets, **params)

    def _process_param_change(self, params):
        params = dict(params)
        if {"visible", "styles"} & set(params):
            params.pop("visible", None)
            display = self.styles.get("display") if self.visible else "none"
            params["styles"] = {**self.styles, "display": display}
        return super()._process_param_change(params)


class Words(Html):
    """Plain words: whatever is in them, nothing is read as HTML."""

    def _transform_object(self, obj):
        return super()._transform_object(None if obj is None else plain(obj).replace("\n", "<br>"))


def stamp(text: str, kind: str = "warning") -> pmui.Chip:
    """A label that no figure loses: simulated, retyped, instruction-tuned."""
    return pmui.Chip(label=text, color=kind, variant="outlined", size="small", margin=(2, 4))


class Labels(Html):
    """The labels that no figure loses, on what a row leaves to them; what is cut is in the hint of each."""

    def __init__(self):
        super().__init__(
            "",
            sizing_mode="stretch_width",
            margin=(0, 6),
            stylesheets=[_LABELS],
            styles={"flex": "1 1 0px", "min-width": "0", "align-self": "center"},
        )

    def tell(self, labels: Sequence[str], *, drawn: Collection[str] = ()) -> None:
        """Show these; what is ``drawn`` in the figure already is there for screen readers only."""
        shown = together([one for one in labels if one not in drawn])
        words = "".join(f"<i>{plain(one)}</i>" for one in labels if one in drawn) + "".join(
            f"<span tabindex='0' title='{plain(one)}'>{_shortened(one)}</span>" for one in shown
        )
        words = f"<div class='labels'>{words}</div>" if words else ""
        if words != self.object:
            self.object = words
        flex = "1 1 110px" if shown else "1 1 0px"  # without a label the question has their room
        if self.styles["flex"] != flex:
            self.styles = {**self.styles, "flex": flex}


def together(labels: Sequence[str]) -> list[str]:
    """Labels that begin alike, up to their first comma, as one: in a narrow window they would read the same.

    Examples
    --------
    >>> together(["tiny, little read: a", "simulated data", "tiny, counted: b"])
    ['tiny, little read: a; counted: b', 'simulated data']
    """
    found: dict[str, list[str]] = {}
    for label in labels:
        first, _, rest = label.partition(",")
        found.setdefault(first, []).append(rest.strip())
    return [
        ", ".join(filter(None, [first, "; ".join(filter(None, rest))]))
        for first, rest in found.items()
    ]


def _shortened(label: str) -> str:
    """The label with what stands behind its first comma or colon in an element of its own, which a narrow window leaves out."""
    first = re.match("[^,:]*", label)[0]
    return plain(first) + (f"<small>{plain(label[len(first) :])}</small>" if first != label else "")


_LABELS = """
:host { container-type: inline-size; }
small { font-size: inherit; }
@container (max-width: 460px) { small { display: none; } }
i { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.labels { position: relative; display: flex; gap: 6px; overflow: hidden; }
span { border: 1px solid; border-radius: 11px; padding: 1px 9px; font-size: .78rem; line-height: 1.4; white-space: nowrap;
  overflow: hidden; text-overflow: ellipsis; min-width: 2.2em; flex: 0 6 auto;
  color: var(--mui-palette-warning-main, #8a4b00); }
span:first-of-type { flex-shrink: 0; max-width: 100%; box-sizing: border-box; }
span:focus-visible { outline: 2px solid currentColor; outline-offset: -3px; }
@media (max-width: 999px) {
  .labels { flex-wrap: wrap; gap: 2px 4px; }
  span { white-space: normal; flex-shrink: 1; padding: 0 6px; line-height: 1.1; font-size: .72rem; }
}
"""


class Folded(Html):
    """Words of which the first are seen and the rest is one click, or the key Enter, away.

    Parameters
    ----------
    limit : int
        Characters that are seen, about: the cut is behind a sentence.
    """

    def __init__(self, text: str = "", limit: int = 220, **params):
        self._limit = limit
        styles = {"line-height": "1.45", **params.pop("styles", {})}
        super().__init__(
            text, sizing_mode="stretch_width", styles=styles, stylesheets=[_FOLD], **params
        )

    def fit(self, limit: int) -> None:
        """So many characters are seen from now on."""
        if limit != self._limit:
            before, self._limit = self._limit, limit
            if len(str(self.object or "")) > min(before, limit):
                self.param.trigger("object")

    def _transform_object(self, obj):
        head, rest = cut(str(obj or ""), self._limit)
        words = plain(head).replace("\n", "<br>")
        if rest:
            words += "" if head[-1:] in ".:;?!" else " …"  # within a sentence
            more = plain(rest).replace("\n", "<br>")
            words = f"<details><summary>{words} <i>more</i></summary>{more}</details>"
        return super()._transform_object(words)


_FOLD = """
details > summary { list-style: none; cursor: pointer; }
details > summary::-webkit-details-marker { display: none; }
summary i { font-style: normal; text-decoration: underline; opacity: .9; }
details[open] > summary i { visibility: hidden; }
summary:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; }
"""


def cut(text: str, limit: int) -> tuple[str, str]:
    """A text in two: what fits, up to the end of a sentence or else of a clause where one ends there, and the rest.

    A bracket is not parted where it can stand whole in the rest. A colon ends nothing: what it announces would be hidden.

    Examples
    --------
    >>> cut("One. Two is longer.", 6)
    ('One.', 'Two is longer.')
    >>> cut("One is best of two. Found: it is not above the controls", 30)
    ('One is best of two.', 'Found: it is not above the controls')
    >>> cut("Short.", 60)
    ('Short.', '')
    >>> cut("One is first of many here (in shuffled folds: no), and so on.", 50)
    ('One is first of many here', '(in shuffled folds: no), and so on.')
    """
    if len(text) <= limit:
        return text, ""
    ends = [m.end() for m in re.finditer(r"[.;?!](?=\s)|\n", text)]
    fits = [end for end in ends if end <= limit]
    if not (fits and fits[-1] > limit // 3):
        commas = re.finditer(r",(?=\s)(?![^\[\]]*\])", text)  # none inside an interval
        fits = [m.end() for m in commas if limit // 2 < m.end() <= limit]
    near = fits[-1] if fits else text.rfind(" ", 0, limit)
    if text[:near].endswith(":"):
        near = text.rfind(" ", 0, near)
    place = near if near > 0 else limit
    opened = text.rfind("(", 0, place)
    if opened > limit // 3 and ")" not in text[opened:place]:
        place = opened
    return text[:place].rstrip(), text[place:].lstrip()
