"""The controls of a lens, in groups that fold, with a search of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import panel_material_ui as pmui

from dashboards.look.look import note

__all__ = ["GROUPS", "Sidebar", "control", "grouped", "put_in_use"]

GROUPS = ("What", "How", "View")
"""What is looked at, how it is computed, how it is shown."""

_WIDE = {"sizing_mode": "stretch_width", "margin": (8, 0, 4, 0)}
_LOOK = {
    pmui.MultiChoice: _WIDE,
    pmui.IntSlider: {"sizing_mode": "stretch_width", "margin": (8, 8, 4, 8)},
    pmui.Switch: {"margin": (6, 0)},
}
"""How a control looks that is no small field."""
_ACCORDION = {
    "& .MuiAccordionSummary-root": {"minHeight": "30px", "padding": "0 2px"},
    "& .MuiAccordionSummary-content": {"margin": "2px 0"},
    "& .MuiAccordionDetails-root": {"padding": "0 2px 6px 2px"},
    "& .MuiAccordion-root::before": {"display": "none"},
}


def control(kind: type, label: str, value, **options):
    """A control as it looks in the sidebar, all of a kind alike."""
    return kind(label=label, value=value, **_LOOK.get(kind, {**_WIDE, "size": "small"}) | options)


class Sidebar(pmui.Column):
    """Groups of controls; a group none of whose controls is shown has no heading either.

    Parameters
    ----------
    groups : mapping
        Heading -> widgets; empty groups are left out.
    """

    def __init__(self, groups: Mapping[str, Sequence]):
        shown = {name: list(parts) for name, parts in groups.items() if parts}
        self._parts = [part for parts in shown.values() for part in parts]
        self._find = pmui.TextInput(
            label="Find a control",
            placeholder="such as layer, folds, scale",
            size="small",
            sizing_mode="stretch_width",
            margin=(2, 0, 4, 0),
        )
        self._find.param.watch(lambda event: self.find(event.new or ""), "value_input")
        self._none = note("No control is called that.", visible=False, margin=(2, 4))
        self._members = list(shown.values())
        self._groups = pmui.Accordion(
            *(
                (name, pmui.Column(*parts, sizing_mode="stretch_width", margin=0))
                for name, parts in shown.items()
            ),
            active=list(range(len(shown))),
            elevation=0,
            square=True,
            disable_gutters=True,
            sizing_mode="stretch_width",
            margin=0,
            title_variant="overline",
            sx=_ACCORDION,
        )
        for part in self._parts:
            part.param.watch(lambda _: self._put_groups_away(), "visible")
        self._put_groups_away()
        many = len(self._parts) > 5
        self._find.visible = many
        super().__init__(
            self._find, self._none, self._groups, sizing_mode="stretch_width", margin=0
        )

    @property
    def headings(self) -> list[str]:
        """Of the groups that are shown."""
        return [
            name
            for name, parts in zip(self._groups._names, self._members, strict=True)
            if any(part.visible for part in parts)
        ]

    def _put_groups_away(self) -> None:
        """By style: the groups keep their places, and what is open stays open."""
        away = [
            at
            for at, parts in enumerate(self._members, start=1)
            if not any(part.visible for part in parts)
        ]
        hidden = {f"&:nth-of-type({at})": {"display": "none"} for at in away}
        sx = {**_ACCORDION, **hidden}
        if sx != self._groups.sx:
            self._groups.sx = sx

    def find(self, words: str) -> None:
        """Show only the controls whose label or explanation has these words."""
        wanted = words.lower().split()
        hits = 0
        for part in self._parts:
            used = getattr(part, "_in_use", True)
            hit = used and all(word in words_of(part) for word in wanted)
            hits += hit
            if wanted or getattr(part, "_put_away", False):
                part._put_away = used and not hit
                part.visible = hit
        self._none.visible = bool(wanted) and not hits


def put_in_use(part, used: bool) -> None:
    """Show a control only where what is chosen beside it uses it; the search does not bring it back."""
    part._in_use = used
    part.visible = used and not getattr(part, "_put_away", False)


def grouped(parts: Sequence | Mapping[str, Sequence]) -> Mapping[str, Sequence]:
    """Controls by group; a plain list is one group."""
    return parts if isinstance(parts, Mapping) else {"What": parts}


def words_of(part) -> str:
    """What a control is found by."""
    said = [getattr(part, name, "") for name in ("label", "description", "placeholder", "object")]
    said += [words_of(child) for child in getattr(part, "objects", [])]
    return " ".join(str(one) for one in said if one).lower()
