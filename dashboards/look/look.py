"""The product's look: Material theme for light and dark, and the few styles that are ours."""

from __future__ import annotations

from html import escape

import panel as pn
import panel_material_ui as pmui

__all__ = ["DIALOG", "MONO", "THEME", "answer", "heading", "note", "plain", "stamp"]

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
    "MuiAppBar": {"styleOverrides": {"root": {"boxShadow": "none", "backgroundImage": "none"}}},
    "MuiTooltip": {"styleOverrides": {"tooltip": {"fontSize": "0.78rem"}}},
}
_TYPE = {
    "fontFamily": _FONT,
    "h4": {
        "fontSize": "1.55rem",
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
            "background": {"default": "#15181c", "paper": "#15181c"},
            "text": {"primary": "#e6edf3", "secondary": "#9aa4af"},
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


def note(text: str = "", **params) -> pn.pane.HTML:
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


def answer(text: str = "") -> pn.pane.HTML:
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


class Words(pn.pane.HTML):
    """Plain words: whatever is in them, nothing is read as HTML."""

    def _transform_object(self, obj):
        return super()._transform_object(None if obj is None else plain(obj).replace("\n", "<br>"))


def stamp(text: str, kind: str = "warning") -> pmui.Chip:
    """A label that no figure loses: simulated, retyped, instruction-tuned."""
    return pmui.Chip(label=text, color=kind, variant="outlined", size="small", margin=(6, 4))
