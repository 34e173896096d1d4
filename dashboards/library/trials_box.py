"""What the upload page asks about trials and spreadsheets: rules, codes, columns; the sheet and its cells."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import panel_material_ui as pmui

from dashboards.library.on_page import COLUMNS_OF_TRIALS, MISSING_CODES, TAKE_IN, on_page
from dashboards.look.look import heading, note
from data.own.spreadsheets import sheets

__all__ = ["Rules", "TrialsBox", "sheet_box"]

_WIDE = dict(size="small", sizing_mode="stretch_width", margin=(6, 10, 0, 10))


@dataclass(frozen=True)
class Rules:
    """What stands in the form about trials, as it was written."""

    rules: str = ""
    missing: str = ""
    columns: str = ""

    @property
    def lines(self) -> list[str]:
        """One rule each."""
        return [line.strip() for line in self.rules.splitlines() if line.strip()]

    @property
    def codes(self) -> list[str]:
        """Codes for "no value"."""
        return [code.strip() for code in self.missing.split(",") if code.strip()]

    @property
    def roles(self) -> dict[str, str]:
        """Role -> column, or columns joined by ``+``."""
        pairs = (line.partition("=") for line in self.columns.splitlines() if line.strip())
        return {role.strip(): column.strip() for role, _, column in pairs}


class TrialsBox(pmui.Column):
    """What was understood of an experiment's results, and which trials count.

    Parameters
    ----------
    taken : str
        How the trials were understood; its first line is a heading.
    kept : Rules
        What was written before.
    apply : callable
        Called by the button; :attr:`said` is then what stands there.
    """

    def __init__(self, taken: str, kept: Rules, apply: Callable[[], None]):
        self.rules = pmui.TextAreaInput(
            label="Trials that count, one rule a line", value=kept.rules, rows=3,
            placeholder="100 < rt < 3000\nmean(correct) by person >= 0.8", **_WIDE,
        )  # fmt: skip
        self.missing = pmui.TextInput(
            label=MISSING_CODES, value=kept.missing, placeholder="-999,-1", **_WIDE
        )
        self.columns = pmui.TextAreaInput(
            label=f"{COLUMNS_OF_TRIALS}, one role a line", value=kept.columns, rows=3,
            placeholder="person = prolific_id\nitem = list+item", **_WIDE,
        )  # fmt: skip
        button = pmui.Button(
            label=TAKE_IN,
            icon="filter_alt",
            variant="outlined",
            on_click=lambda _: apply(),
            margin=(10, 10),
        )
        head, *lines = on_page(taken).splitlines()
        super().__init__(
            heading("Trials of an experiment", "overline", margin=(6, 10, 0, 10)),
            note(head, margin=(2, 10)),
            *(note(line.strip(), margin=(0, 10, 0, 20)) for line in lines),
            pmui.FlexBox(
                pmui.Column(self.rules, width=320, margin=0),
                pmui.Column(self.missing, width=200, margin=0),
                pmui.Column(self.columns, width=320, margin=0),
                sizing_mode="stretch_width",
            ),
            button,
            sizing_mode="stretch_width",
            margin=0,
        )

    @property
    def said(self) -> Rules:
        """What stands in the fields."""
        fields = (self.rules, self.missing, self.columns)
        return Rules(*(field.value or "" for field in fields))


def sheet_box(path: Path, read: Callable[[dict], None]):
    """Which sheet of a spreadsheet, and which cells of it.

    Parameters
    ----------
    path : Path
        Of the spreadsheet.
    read : callable
        Given ``sheet`` and ``range`` as a sidecar says them.
    """
    names = sheets(path)
    first = "the only one" if len(names) == 1 else "choose"
    options = {first: "", **{name: name for name in names}}
    sheet = pmui.Select(label="Sheet", options=options, value="", **_WIDE)
    cells = pmui.TextInput(label="Cells", placeholder="such as B3:F90", **_WIDE)
    again = pmui.Button(
        label="Read these cells",
        icon="grid_on",
        variant="outlined",
        margin=(14, 10),
        on_click=lambda _: read(
            {"sheet": sheet.value or None, "range": cells.value.strip() or None}
        ),
    )
    boxes = (pmui.Column(one, width=300, margin=0) for one in (sheet, cells))
    return pmui.FlexBox(*boxes, again, sizing_mode="stretch_width")
