"""The export dialog: what goes into a paper, with a preview."""

from __future__ import annotations

import panel as pn
import panel_material_ui as pmui

__all__ = ["Exporter"]


class Exporter(pn.viewable.Viewer):
    """Stand-in."""

    def __init__(self, lens):
        super().__init__()
        self._dialog = pmui.Dialog(title="Export", open=False, show_close_button=True)

    def __panel__(self):
        return self._dialog

    def open(self):
        self._dialog.open = True

    def close(self):
        self._dialog.open = False

    @property
    def is_open(self) -> bool:
        return self._dialog.open
