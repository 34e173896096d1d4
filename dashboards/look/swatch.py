"""A model's colour, as a dot that can be changed."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import param

__all__ = ["Swatch"]

_ESM = """
export function render({ model, el }) {
  const dot = document.createElement("input")
  dot.type = "color"
  dot.style.cssText = "width:18px;height:18px;padding:0;border:none;border-radius:50%;background:none;cursor:pointer;"
  const sheet = document.createElement("style")
  sheet.textContent = `input::-webkit-color-swatch-wrapper { padding: 0 }
    input::-webkit-color-swatch { border: none; border-radius: 50% }
    input::-moz-color-swatch { border: none; border-radius: 50% }
    input:focus-visible { outline: 2px solid currentColor; outline-offset: 2px }`
  const show = () => {
    dot.value = model.colour
    dot.title = model.label
    dot.setAttribute("aria-label", model.label)
  }
  model.on("colour", show)
  model.on("label", show)
  dot.addEventListener("change", () => model.send_msg({colour: dot.value}))
  show()
  el.append(sheet, dot)
}
"""


class Swatch(pn.custom.JSComponent):
    """A dot; a click opens the browser's own colour dialog.

    Parameters
    ----------
    colour : str
        ``#rrggbb``.
    label : str
        Its name for hover and screen readers.
    chosen : callable
        Called with the new colour.
    """

    colour = param.String("#000000")
    label = param.String("")

    _esm = _ESM

    def __init__(self, chosen: Callable[[str], None], **params):
        super().__init__(width=20, height=20, **params)
        self._chosen = chosen

    def _handle_msg(self, msg: dict) -> None:
        self._chosen(str(msg.get("colour", "")))
