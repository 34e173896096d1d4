"""Roles and facts of an own table that are seldom asked about: what is left as it is found is not said."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui

from dashboards.library.on_page import MISSING_CODES, PATTERN
from dashboards.look.look import note

__all__ = ["FOUND", "NONE", "MoreRoles"]

FOUND = "as the columns say"
NONE = "(none)"
_COLUMNS = {
    "within": ("Scored apart", "Values are scored apart and averaged, such as two experiments"),
    "target": ("Target", "Where each row is one voxel, electrode or measure"),
    "region": ("Region", "Where a row's target lies"),
    "repeat": ("Repeat", "Numbers the presentations of a stimulus to the same person"),
}
_JOINERS = {
    "a blank": "blank",
    "nothing": "none",
    "a blank, but not before punctuation and clitics": "treebank",
}


class MoreRoles:
    """Pickers of the other roles; a pattern of responses, unit, averaging, language, joiner, decimal mark, codes for "no value".

    Parameters
    ----------
    names : list of str
        Columns of the file.
    changed : callable
        Called where something else is chosen.
    codes : bool
        Whether codes for "no value" are asked for here; those of trials stand beside their rules.
    """

    def __init__(self, names: list[str], changed: Callable[[], None], *, codes: bool = True):
        wide = dict(size="small", sizing_mode="stretch_width", margin=(6, 10, 0, 10))
        columns = {FOUND: "", "none": NONE, **{name: name for name in names}}
        self.pickers = {
            key: pmui.Select(
                label=label, options=columns, value="", searchable=len(names) > 12, **wide
            )
            for key, (label, _) in _COLUMNS.items()
        }
        self.pickers["responses"] = pmui.TextInput(
            label=PATTERN, placeholder="such as: sub-{subject}_{region}", **wide
        )
        self.pickers["averaged"] = pmui.Select(
            label="Averaged over people",
            options={FOUND: "", "yes": "true", "no": "false"},
            value="",
            **wide,
        )
        self.pickers["joiner"] = pmui.Select(
            label="Between two words stands", options={FOUND: "", **_JOINERS, **{f"as {name} says": name for name in names}},
            value="", **wide,
        )  # fmt: skip
        self.pickers["unit"] = pmui.TextInput(
            label="Unit", placeholder="such as: ms, uV, log ms", **wide
        )
        self.pickers["language"] = pmui.TextInput(
            label="Language", placeholder="such as: en, de, zh", **wide
        )
        self.pickers["decimal"] = pmui.Select(
            label="Decimal mark",
            options={FOUND: "", "a point": ".", "a comma": ","},
            value="",
            **wide,
        )
        if codes:
            self.pickers["missing"] = pmui.TextInput(
                label=MISSING_CODES, placeholder="such as: -999,-1", **wide
            )
        for picker in self.pickers.values():
            picker.param.watch(lambda _: changed(), "value")
        meanings = {key: meaning for key, (_, meaning) in _COLUMNS.items()} | {
            "responses": "Their names say whose each column is, and where it lies",
            "averaged": "Then there is no ceiling and no inference over people",
            "joiner": "How words become a text",
            "unit": "Of the measurements",
            "language": "Which words are frequent depends on it",
            "decimal": "Where 1,234 may be a thousand or a fraction",
            "missing": "Cells that hold one were not measured",
        }
        self.boxes = [
            pmui.Column(picker, note(meanings[key], margin=(0, 10, 4, 10)), width=300, margin=0)
            for key, picker in self.pickers.items()
        ]

    def said(self) -> dict:
        """What was chosen, as a sidecar says it; None where there is said to be none."""
        found: dict[str, object] = {}
        for key, picker in self.pickers.items():
            value = picker.value.strip()
            if value:
                found[key] = None if value == NONE else value
        if "averaged" in found:
            found["averaged"] = found["averaged"] == "true"
        return found
