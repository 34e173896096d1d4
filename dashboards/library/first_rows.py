"""The first rows of an own table as they were understood, above what a check finds in it."""

from __future__ import annotations

import math

from dashboards.figures.numbers import shown
from dashboards.look.look import Html, heading, note, plain
from data.own.first_rows import first_rows
from data.recording import Recording

__all__ = ["rows_box"]

_STYLE = """
.rows { max-height: 250px; overflow: auto; }
table { border-collapse: collapse; font-size: .84rem; line-height: 1.35; }
th, td { text-align: left; vertical-align: top; padding: 3px 14px 3px 0; max-width: 320px;
  border-top: 1px solid rgba(128, 128, 128, .22); }
th { font-weight: 500; font-size: .76rem; white-space: nowrap; border-top: none; }
td.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
td.none { opacity: .75; }
"""
_HINTS = {
    "follows": "The end of what a model has read before it; empty where a text begins.",
    "held out with": "Rows of one label are held out together.",
    "measured": "Targets with a response.",
}


def rows_box(recording: Recording) -> list:
    """A heading, the rows as a table, and how many there are in all."""
    frame = first_rows(recording)
    seen = [name for name in frame if name not in ("follows", "held out with") or frame[name].any()]
    head = "".join(
        f"<th scope='col' title='{plain(_HINTS.get(name, ''))}'>{plain(name)}</th>" for name in seen
    )
    body = "".join(
        "<tr>" + "".join(_cell(row[name]) for name in seen) + "</tr>" for _, row in frame.iterrows()
    )
    return [
        heading("The first rows, as they are understood", "overline", margin=(6, 10, 0, 10)),
        Html(
            f"<div class='rows' tabindex='0' role='region' aria-label='First rows'><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table></div>",
            sizing_mode="stretch_width",
            margin=(0, 10),
            stylesheets=[_STYLE],
        ),
        note(_counts(frame.attrs, len(frame)), margin=(2, 10, 6, 10)),
    ]


def _cell(value: object) -> str:
    if isinstance(value, float) and math.isnan(value):
        return "<td class='number none'>not measured</td>"
    if isinstance(value, str):
        return f"<td>{plain(value)}</td>"
    return f"<td class='number'>{plain(shown(value))}</td>"


def _counts(said: dict, rows: int) -> str:
    people = f", {said['people']} people" if said["people"] else ""
    unit = f"; unit: {said['unit']}" if said["unit"] else ""
    return f"{rows} of {said['rows']:,} rows, {said['targets']:,} targets{people}{unit}."
