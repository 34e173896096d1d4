"""A place to drop files."""

from __future__ import annotations

import panel as pn
import param

__all__ = ["Dropper"]


class Dropper(pn.widgets.FileDropper):
    """Panel's place to drop files, without previews of pictures and PDFs: none is taken here.

    The preview of PDFs asks in every frame for a file that may have been taken away, which is an error in the browser. An empty
    list is not sent, as it is the default of the model on this side, and the browser's own default is both.
    """

    previews = param.ListSelector(default=["none"], objects=["none"], doc="None at all.")
