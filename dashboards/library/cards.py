"""The cards of the library: one recording, one model, in words, with what can be done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import panel as pn
import panel_material_ui as pmui

from analysis.models.catalog import ZOO, place
from analysis.models.files import hub
from dashboards.figures.screen import draw
from dashboards.figures.spec import FigureSpec, Mark
from dashboards.look.look import MONO, Words, heading, note, stamp
from data.catalog.fetch import size_text
from data.files import touched, weighed

__all__ = ["model_card", "recording_card", "report_rows"]

_QUOTE = {
    "border-left": "3px solid var(--mui-palette-divider, #d9dee4)",
    "padding": "2px 0 2px 10px",
    "line-height": "1.5",
}
_LEVELS = {"error": "error", "warning": "warning", "fact": "default"}


def recording_card(entry, described, *, theme: str, actions: list, waiting: str = "") -> list:
    """What the drawer shows of a recording.

    Parameters
    ----------
    entry : Entry
    described : Described or None
        None: its files are not here, or are being read.
    theme : str
    actions : list
        Buttons.
    waiting : str
        Why there are no details.
    """
    stamps = [stamp(text) for text in described.stamps] if described else []
    parts = [
        note(entry.title + (f"; {described.counts}" if described else f"; {entry.shape}")),
        pmui.Row(*stamps, margin=(0, 6), visible=bool(stamps)),
        pmui.FlexBox(*actions, margin=(4, 6), gap="0"),
        note(_terms(entry)),
    ]
    if entry.traps:
        parts += [_title("Known traps"), *[_point(trap) for trap in entry.traps]]
    if described is None:
        parts.append(note(waiting, margin=(12, 10)))
    else:
        parts += [
            _title("What was read or heard"),
            Words(
                described.sample,
                styles={**_QUOTE, "font-size": "0.9rem"},
                sizing_mode="stretch_width",
                margin=(2, 10),
            ),
            _title("Groups and folds"),
            *[_point(text) for text in described.groups],
            _title("Ceiling"),
            _point(described.ceiling or "being estimated ..."),
            _title("Responses"),
            _histogram(described, entry.id, theme),
            _title("What a check finds"),
            *report_rows(described.report),
        ]
    parts += _reference(entry.citation)
    return parts


def model_card(card, state: str, download: str, *, actions: list) -> list:
    """What the drawer shows of a model."""
    size = (
        f"{card.parameters / 1e6:,.1f} million weights"
        if card.parameters
        else "number of weights not known"
    )
    shape = (
        f"{card.layers} layers x {card.width} units"
        if card.layers is not None and card.width
        else ""
    )
    about = [text for text in (card.cls, shape, size, str(card.year or "")) if text]
    parts = [
        note("; ".join(about)),
        pmui.Row(stamp(card.note), margin=(0, 6), visible=bool(card.note)),
        pmui.FlexBox(*actions, margin=(4, 6), gap="0"),
        note(
            f"State: {state}. Licence: {card.licence or 'not stated'}."
            + (f" To fetch: {download}." if download else "")
        ),
    ]
    facts = {
        "Why it cannot be run here": card.reason,
        "Where it comes from": _source(card),
        "Layers used": _layers_used(card),
        "Tokenizer": _tokenizer(card),
        "On this machine since": _here_since(card),
        "Address on the model hub": card.hub_id
        and card.hub_id + (f", revision {card.revision}" if card.revision else ""),
        "In front of every text": card.bos and f"the token {card.bos}",
        "Other names": ", ".join(card.aliases),
    }
    for title, text in facts.items():
        if text:
            parts += [_title(title), _point(text)]
    return parts + _reference(card.citation)


_SOURCES = {
    "hub": "the model hub",
    "package": "a public package, fetched and converted",
    "folder": "a folder of yours",
    "built": "made when it is asked for",
    "published": "published scores only",
    "file": "a file that you give",
}


def _source(card) -> str:
    """Where a model's files are from, in words."""
    here = place(card.id)
    if here is not None and here.parent == ZOO:
        return "ships with the program"
    return _SOURCES.get(card.source, card.source)


def _layers_used(card) -> str:
    """Which layers a score looks at."""
    if not card.has_layers:
        return "none: it has surprisal only"
    if card.layers is None:
        return (
            "the embedding and every block; how many, the model's own files say when it is loaded"
        )
    if card.layers == 0:
        return "its one table of vectors"
    return f"the embedding (layer 0) and all {card.layers} blocks; the one that stands for it is chosen on other folds"


def _tokenizer(card) -> str:
    """How texts become pieces."""
    if not card.predicts_words and not card.hub_id:
        return ""
    pieces = (
        "begins its pieces with their space"
        if card.space_before
        else "leaves spaces out of its pieces"
    )
    return f"its own; {pieces}" + (
        "" if card.bos else "; nothing in front of a text, so its first word has no surprisal"
    )


def _here_since(card) -> str:
    """Day and size of what is on this machine, or nothing."""
    from datetime import datetime

    folder = place(card.id)
    if folder is None and card.hub_id:
        folder = hub.cached(card.hub_id, card.revision or "")
    if folder is None:
        return ""
    if not (size := weighed(Path(folder))):
        return ""
    return f"{datetime.fromtimestamp(touched(Path(folder))).date().isoformat()}, {size_text(size)}"


def report_rows(report, most: int = 30) -> list:
    """A validation report in words, errors first."""
    rows = []
    for finding in report.findings[:most]:
        colour = _LEVELS[finding.level]
        rows.append(
            pmui.Row(
                pmui.Typography(
                    f"{finding.level.capitalize()}:",
                    variant="body2",
                    margin=(3, 6, 0, 0),
                    width=62,
                    sx={
                        "color": f"{colour}.main" if colour != "default" else "text.secondary",
                        "fontWeight": 600,
                    },
                ),
                pmui.Column(
                    Words(
                        finding.what,
                        margin=0,
                        sizing_mode="stretch_width",
                        styles={"overflow-wrap": "anywhere", "line-height": "1.45"},
                    ),
                    note(finding.fix, margin=0, visible=bool(finding.fix)),
                    sizing_mode="stretch_width",
                    margin=0,
                ),
                sizing_mode="stretch_width",
                margin=(3, 10),
            )
        )
    if len(report.findings) > most:
        rows.append(note(f"and {len(report.findings) - most} more"))
    return rows


def button(label: str, icon: str, do: Callable, *, strong: bool = False, **params) -> pmui.Button:
    """One action of a card."""
    return pmui.Button(
        label=label,
        icon=icon,
        variant="contained" if strong else "outlined",
        size="small",
        margin=(4, 4),
        on_click=lambda _: do(),
        **params,
    )


def shown(value: float) -> str:
    """Three figures, and thousands as such."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def histogram(described, name: str) -> FigureSpec:
    """The distribution of a recording's responses."""
    values = described.responses["response"]
    words = (
        f"{len(values):,} responses from {shown(values.min())} to {shown(values.max())} {described.unit}, "
        f"median {shown(values.median())}, standard deviation {shown(values.std())}."
    )
    return FigureSpec(
        f"Responses of {name}",
        (Mark("histogram", described.responses, "response", "response"),),
        f"Response ({described.unit})",
        "Count",
        answer=words,
        caption="A draw of 20,000 values. " if len(values) == 20_000 else "",
        stamp="; ".join(described.stamps),
    )


def _histogram(described, name: str, theme: str) -> pmui.Column:
    spec = histogram(described, name)
    plot = draw(spec, theme=theme, height=210)
    return pmui.Column(
        pn.pane.Bokeh(plot, sizing_mode="stretch_width", margin=(2, 6)),
        note(f"{spec.answer} {spec.caption}".strip()),
        sizing_mode="stretch_width",
        margin=0,
    )


def _terms(entry) -> str:
    size = f" Size: {size_text(entry.size)}." if entry.files else " Ships with the program."
    source = f" From: {entry.source}." if entry.source else ""
    return f"State: {entry.state}. Licence: {entry.licence}.{size}{source}"


def _reference(citation: str) -> list:
    if not citation:
        return []
    style = {
        "font-family": MONO,
        "font-size": "0.74rem",
        "white-space": "pre-wrap",
        "overflow-wrap": "anywhere",
        "line-height": "1.4",
    }
    return [
        _title("Citation"),
        Words(citation, styles=style, sizing_mode="stretch_width", margin=(2, 10)),
    ]


def _title(text: str) -> pmui.Typography:
    return heading(text, "overline", margin=(14, 10, 0, 10))


def _point(text: str) -> Words:
    return Words(
        text,
        sizing_mode="stretch_width",
        margin=(2, 10),
        styles={"line-height": "1.5", "font-size": "0.92rem"},
    )
