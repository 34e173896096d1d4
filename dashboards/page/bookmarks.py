"""Views kept by name, on this machine."""

from __future__ import annotations

from collections.abc import Callable

import panel_material_ui as pmui

from dashboards.look.look import DIALOG, Words, note
from data.errors import BrainLensError, unknown
from data.kept import Kept

__all__ = ["Bookmarks", "keep", "kept", "remove"]

_KEPT = Kept("bookmarks")
LONGEST = 80
"""Characters of a name."""


def kept() -> dict[str, str]:
    """Name -> query of the link, in the order they were kept."""
    return _KEPT.read()


def keep(name: str, query: str) -> None:
    """Keep a link under a name; a name that exists is replaced.

    Parameters
    ----------
    name : str
        At most 80 characters.
    query : str
        As :meth:`dashboards.state.Selection.query` gives it.

    Raises
    ------
    BrainLensError
        Where the name is empty or too long.
    """
    name = " ".join(name.split())
    if not name:
        raise BrainLensError("The bookmark has no name", remedy="Type one first")
    if len(name) > LONGEST:
        raise BrainLensError(
            f"The name of the bookmark has {len(name)} characters", remedy=f"Take at most {LONGEST}"
        )
    with _KEPT.changing() as found:
        found[name] = query


def remove(name: str) -> None:
    """Forget a bookmark.

    Raises
    ------
    BrainLensError
        Where there is none of that name.
    """
    with _KEPT.changing() as found:
        if name not in found:
            raise unknown("bookmark", name, found)
        del found[name]


class Bookmarks:
    """A button and its dialog.

    Parameters
    ----------
    query : callable
        Gives the query of the view in front.
    go : callable
        Called with the query of the bookmark that the user opens.
    """

    def __init__(self, query: Callable[[], str], go: Callable[[str], None]):
        self._query, self._go = query, go
        self.button = pmui.IconButton(
            icon="bookmark_border",
            label="Bookmarks",
            description="Bookmarks: views kept by name",
            color="default",
            size="medium",
            margin=0,
            on_click=lambda _: self.open(),
        )
        self._name = pmui.TextInput(
            label="Name of this view",
            placeholder="for example Figure 2",
            size="small",
            sizing_mode="stretch_width",
            margin=(8, 6),
        )
        self._name.param.watch(lambda _: self._save(), "enter_pressed")
        save = pmui.Button(
            label="Keep",
            icon="bookmark_add",
            size="small",
            margin=(10, 6),
            on_click=lambda _: self._save(),
        )
        self._problem = note(margin=(0, 8))
        self._list = pmui.Column(sizing_mode="stretch_width", margin=0)
        self.dialog = pmui.Dialog(
            pmui.Row(
                self._name,
                save,
                sizing_mode="stretch_width",
                margin=0,
                sx={"alignItems": "center"},
            ),
            self._problem,
            self._list,
            title="Bookmarks",
            width_option="sm",
            **DIALOG,
        )

    def open(self) -> None:
        """Show what is kept."""
        self._problem.object = ""
        self._fill()
        self.dialog.open = True

    def close(self) -> None:
        """Hide the dialog."""
        self.dialog.open = False

    def _save(self) -> None:
        self._try(lambda: keep(self._name.value_input or self._name.value, self._query()))
        if not self._problem.object:
            self._name.param.update(value="", value_input="")

    def _try(self, step: Callable[[], None]) -> None:
        self._problem.object = ""
        try:
            step()
        except (BrainLensError, OSError) as error:
            self._problem.object = str(error)
        else:
            self._fill()

    def _fill(self) -> None:
        try:
            found = kept()
        except BrainLensError as error:
            self._problem.object, found = str(error), {}
        self._list.objects = [self._row(name, query) for name, query in found.items()] or [
            note("None yet.", margin=(4, 8))
        ]

    def _row(self, name: str, query: str):
        def opened(_):
            self.close()
            self._go(query)

        return pmui.Row(
            pmui.Button(
                label="Open",
                size="small",
                variant="outlined",
                margin=(4, 6),
                description=f"Open {name}",
                on_click=opened,
            ),
            Words(
                name,
                margin=(9, 4),
                sizing_mode="stretch_width",
                styles={"overflow-wrap": "anywhere"},
            ),
            pmui.IconButton(
                icon="delete",
                label=f"Remove {name}",
                description=f"Remove {name}",
                size="small",
                margin=0,
                on_click=lambda _: self._try(lambda: remove(name)),
            ),
            sizing_mode="stretch_width",
            margin=0,
        )
