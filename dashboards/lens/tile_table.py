"""The tiles above a figure: one line per model, each number beside what it has to be seen with."""

from __future__ import annotations

import math

from dashboards.look.look import Html, plain
from data.shares import percent

__all__ = ["TileTable"]

_HEADS = (
    ("model", "Model", "The model, with the layer that stands for it."),
    ("r", "r", "Held-out Pearson r with its 95 % interval; the bar ends at the ceiling, where there is one."),
    ("ceiling", "Ceiling", "What a perfect model could reach, and the share of it that is reached."),
    ("plain", "Above length + position?", "Paired difference to length and position alone on the same folds, with its interval."),
    ("random", "Above random embedding?", "Paired difference to random vectors of the same width, with its interval."),
    ("shuffled", "Shuffled adds", "What folds that ignore topics and stories would add: it leaks."),
    ("optimism", "Optimism", "What choosing the layer on the reported data would add."),
    ("omega", "Omega", "Share of the model's R2 that position and length explain; other controls: the lens Trust."),
    ("oasm", "OASM", "A model of when a stimulus came, without its words: r when shuffled, and with groups held out. "
     "What it scores leaks."),
)  # fmt: skip
_NOT_HERE = {
    "omega": "<small title='The protocol did not ask for unique R2, or the model&#39;s R2 is not above 0'>not defined</small>",
    "oasm": "<small title='Panel Leak meter of the lens Trust, or: brainlens trust MODEL --on RECORDING --panel leaks'>"
    "not run: see Trust</small>",
}
"""Said where there is no number, so that the badge is at every score."""
SEEN = 2
"""Tiles that are seen whole above a figure."""
_SIGNS = {"yes": "✓ yes", "no": "✗ no", "cannot tell": "? cannot tell"}
_STYLE = """
.few, .tall { overflow: auto; }
.tall { max-height: 70px; background: var(--mui-palette-background-paper, #ffffff); }
.tall:hover, .tall:focus { max-height: 60vh; box-shadow: 0 6px 14px rgba(0,0,0,.22); transition: max-height 0s .25s; }
.tall th { position: sticky; top: 0; opacity: 1; background: var(--mui-palette-background-paper, #ffffff); }
.tiles { width: 100%; border-collapse: collapse; font-size: .84rem; line-height: 1.3; }
.tiles th { font-weight: 500; text-align: left; opacity: .8; font-size: .74rem; padding: 0 12px 1px 0; white-space: nowrap; }
.tiles td { padding: 1px 12px 1px 0; white-space: nowrap; vertical-align: middle; border-top: 1px solid rgba(128,128,128,.22); }
.tiles td b { font-size: 1.02rem; font-variant-numeric: tabular-nums; }
.tiles small { opacity: .85; font-variant-numeric: tabular-nums; }
.tiles svg { vertical-align: middle; margin: 0 6px; }
@media (max-width: 999px) {
  .tiles th, .tiles td { padding-right: 6px; white-space: normal; line-height: 1.2; }
  .tiles svg { display: none; }
  .tiles td b { margin-right: 4px; }
}
.dot { display: inline-block; width: 10px; height: 10px; border-radius: 50%; margin-right: 6px; }
"""


class TileTable(Html):
    """Nothing where there is nothing to tell."""

    def __init__(self):
        super().__init__(
            "",
            sizing_mode="stretch_width",
            margin=(2, 10),
            stylesheets=[_STYLE],
        )

    def tell(self, tiles: list, colours: dict[str, str]) -> None:
        """Show these tiles; ``colours``: model -> ``#rrggbb``."""
        words = table(tiles, colours) if tiles else ""
        if words != self.object:
            self.object = words
            # more than two stand in a frame that opens over the figure, and does not move it
            held = {"height": "70px", "position": "relative", "z-index": "3"}
            self.styles = held if len(tiles) > SEEN else {}


def table(tiles: list, colours: dict[str, str]) -> str:
    """The tiles as an HTML table; columns that nobody fills are left out."""
    top = max([t.ceiling for t in tiles if math.isfinite(t.ceiling)] + [t.high for t in tiles if math.isfinite(t.high)]
              + [t.r for t in tiles if math.isfinite(t.r)] or [1.0])  # fmt: skip
    rows = [_cells(tile, colours.get(tile.model, ""), max(top, 0.05)) for tile in tiles]
    heads = [head for head in _HEADS if any(row.get(head[0]) for row in rows)]
    head = "".join(
        f"<th scope='col' title='{plain(why)}'>{plain(name)}</th>" for _, name, why in heads
    )
    body = "".join(
        "<tr>" + "".join(f"<td>{row.get(key) or '&ndash;'}</td>" for key, *_ in heads) + "</tr>"
        for row in rows
    )
    words = f"<table class='tiles'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    kind = "few" if len(tiles) <= SEEN else "tall"
    said = f"role='region' tabindex='0' aria-label='{len(tiles)} verdicts'"
    return f"<div class='{kind}' {said}>{words}</div>"


def _cells(tile, colour: str, top: float) -> dict[str, str]:
    dot = f"<span class='dot' style='background:{plain(colour)}'></span>" if colour else ""
    found = {
        "model": f"{dot}{plain(tile.model)} <small>{plain(tile.place or f'layer {tile.layer}')}</small>",
        "r": f"<b>{_signed(tile.r, sign=False)}</b>{_bar(tile, colour or '#57606a', top)}"
        f"<small>{_span(tile.low, tile.high)}</small>",
        "plain": _gain(tile.above_plain),
        "random": _gain(tile.above_random),
        "shuffled": _signed(tile.inflation),
        "optimism": _signed(tile.optimism),
        "omega": percent(tile.omega / 100) if math.isfinite(tile.omega) else _NOT_HERE["omega"],
        "oasm": _NOT_HERE["oasm"]
        if tile.oasm is None
        else " → ".join(_signed(r, sign=False) or "0" for r in tile.oasm),
    }
    if math.isfinite(tile.ceiling):
        share = (
            f" <small>{percent(tile.r / tile.ceiling)} of it</small>" if tile.ceiling > 0 else ""
        )
        found["ceiling"] = f"{_signed(tile.ceiling, sign=False)}{share}"
    elif tile.flag:
        found["ceiling"] = f"<small>none: {plain(tile.flag)}</small>"
    return found


def _gain(gain) -> str:
    if gain is None:
        return ""
    return (
        f"{_SIGNS[gain.verdict]} <small>{_signed(gain.value)} {_span(gain.low, gain.high)}</small>"
    )


def _bar(tile, colour: str, top: float) -> str:
    """r with its interval on a line that ends at the ceiling."""
    if not math.isfinite(tile.r):
        return ""
    at = {name: 78 * min(1.0, max(0.0, value / top)) + 1 for name, value in
          (("low", tile.low), ("high", tile.high), ("r", tile.r), ("end", tile.ceiling)) if math.isfinite(value)}  # fmt: skip
    line = f"<line x1='1' x2='79' y1='7' y2='7' stroke='{colour}' stroke-opacity='.25'/>"
    if "low" in at and "high" in at:
        line += f"<line x1='{at['low']:.1f}' x2='{at['high']:.1f}' y1='7' y2='7' stroke='{colour}' stroke-width='3'/>"
    if "end" in at:
        line += f"<line x1='{at['end']:.1f}' x2='{at['end']:.1f}' y1='1' y2='13' stroke='currentColor'/>"
    return (
        f"<svg width='80' height='14' aria-hidden='true'>{line}"
        f"<circle cx='{at['r']:.1f}' cy='7' r='3.4' fill='{colour}'/></svg>"
    )


def _signed(value: float, *, sign: bool = True) -> str:
    if not math.isfinite(value):
        return ""
    text = f"{value:+.3f}" if sign else f"{value:.3f}"
    return text.replace("0.", ".", 1).replace("-", "−")


def _span(low: float, high: float) -> str:
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"[{_signed(low, sign=False)}, {_signed(high, sign=False)}]"
