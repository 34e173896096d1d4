"""Which parcels the targets are pooled by: those that are kept, and annotations of one's own, dropped on the page."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import panel as pn
import panel_material_ui as pmui

from analysis.progress import Report
from dashboards.look.dropper import Dropper
from dashboards.look.look import note
from dashboards.look.session import later
from dashboards.state import Selection
from dashboards.work.desk import Desk
from data.stories.kept_parcels import (
    MOST_BYTES,
    drop_parcels,
    keep_parcels,
    kept_parcels,
    own_parcels,
)

__all__ = ["OWN", "ParcelsPicker"]

OWN = "As the recording has them"
"""No parcels: what regions are where none are chosen."""
_QUIET = 0.7
"""Seconds without a new file before they are read: a browser sends one hemisphere after the other."""


class ParcelsPicker(pmui.Column):
    """Choose parcels, drop annotations, forget them.

    Parameters
    ----------
    selection : Selection
        Its ``parcels`` is kept in step.
    desk : Desk
        Where annotations are read.
    """

    def __init__(self, selection: Selection, desk: Desk):
        self._selection, self._desk = selection, desk
        self._coming: dict[str, bytes] = {}
        self._arrivals = 0
        look = dict(sizing_mode="stretch_width", size="small", margin=(8, 0, 2, 0))
        self.chosen = pmui.Select(label="Regions", options={OWN: ""}, value="", **look)
        self.drop = pmui.Button(
            label="Delete these parcels", icon="delete", size="small", variant="outlined", margin=(6, 0),
            on_click=lambda _: self._drop(),
        )  # fmt: skip
        self.file = Dropper(
            multiple=True, max_file_size=f"{MOST_BYTES // 1_000_000}MB", height=90, sizing_mode="stretch_width", margin=(4, 0)
        )  # fmt: skip
        self.file.param.watch(self._dropped, "value")
        super().__init__(
            self.chosen, self.drop, *self._inlet(), sizing_mode="stretch_width", margin=0
        )
        self.chosen.param.watch(self._choose, "value")
        selection.param.watch(lambda _: self.look_again(), ["parcels"])
        self.look_again()

    def _inlet(self) -> list:
        """Where annotations come in; in a notebook that has not loaded the widget, how they do."""
        if "filedropper" in pn.extension._loaded_extensions:
            words = (
                "Parcels of your own (HCP-MMP, Schaefer, of language): drop lh.NAME.annot and rh.NAME.annot, or .label.gii, "
                "on fsaverage. Voxels and vertices take the parcel that they lie in as their region."
            )
            return [note(words, margin=(4, 0, 0, 0)), self.file]
        words = (
            "Parcels of your own: data.stories.kept_parcels.keep_parcels(files), or pn.extension('filedropper') for a field "
            "to drop them on."
        )
        return [note(words, margin=(4, 0, 0, 0))]

    def look_again(self) -> None:
        """What was kept meanwhile, here or by a command, can be chosen too."""
        name = self._selection.parcels
        names = {OWN: "", **{one: one for one in kept_parcels()}}
        if name and name not in names.values():
            names[f"{name} (not here)"] = name
        self.chosen.param.update(options=names, value=name)
        self.drop.visible = own_parcels(name)

    def _choose(self, event) -> None:
        self._selection.parcels = event.new or ""

    def _drop(self) -> None:
        drop_parcels(self._selection.parcels)
        self._selection.parcels = ""
        self.look_again()

    # ---- annotations arrive ----------------------------------------------------------------------------------------------
    def _dropped(self, event) -> None:
        if not event.new:
            return
        for name, content in event.new.items():
            self._coming[name] = content.encode() if isinstance(content, str) else bytes(content)
        self._arrivals += 1
        if not later(_QUIET, partial(self._quiet, self._arrivals)):
            self._quiet(self._arrivals)

    def _quiet(self, arrival: int) -> None:
        """Nothing came for a while: what came is read together."""
        if arrival == self._arrivals and self._coming:
            files, self._coming = self._coming, {}
            self.file.value = {}
            self.take(files)

    def take(self, files: Mapping[str, bytes]) -> None:
        """Read annotations off the page's loop and choose them, or say why not."""
        self._desk.clear("parcels")
        key = f"parcels:{hash(tuple(sorted((name, hash(some)) for name, some in files.items())))}"
        self._desk.submit(
            key, f"Parcels of {', '.join(files)}", partial(_kept, dict(files)), self._is_there, quiet=True
        )  # fmt: skip

    def _is_there(self, name: str) -> None:
        self._selection.parcels = name
        self.look_again()


def _kept(files: dict[str, bytes], report: Report) -> str:
    return keep_parcels(files)
