"""The little that must happen in the browser itself: the address, the clipboard, the keyboard."""

from __future__ import annotations

from collections.abc import Callable

import panel as pn
import param

__all__ = ["Client"]

_ESM = """
function* everything(root) {
  for (const node of root.querySelectorAll("*")) {
    yield node
    if (node.shadowRoot) { yield* everything(node.shadowRoot) }
  }
}
function focused() {
  let node = document.activeElement
  while (node && node.shadowRoot && node.shadowRoot.activeElement) { node = node.shadowRoot.activeElement }
  return node
}
function typing() {
  const node = focused()
  return !!node && (["TEXTAREA", "SELECT"].includes(node.tagName) || node.isContentEditable ||
    (node.tagName === "INPUT" && !["checkbox", "radio", "button", "range"].includes(node.type)))
}
function copy(text) {
  if (navigator.clipboard && window.isSecureContext) { return navigator.clipboard.writeText(text) }
  const area = document.createElement("textarea")
  area.value = text
  document.body.appendChild(area)
  area.select()
  document.execCommand("copy")
  area.remove()
  return Promise.resolve()
}
function search() {
  for (const node of everything(document)) {
    const seen = node.tagName === "INPUT" && node.type !== "hidden" && node.offsetParent !== null
    if (seen && /search/i.test(node.placeholder || "")) {
      node.focus()
      return
    }
  }
}
function lenses() {
  for (const node of everything(document)) {
    if (node.matches("nav[aria-label=Lenses]")) {
      [...node.querySelectorAll("button")].find((one) => one.offsetParent !== null)?.focus()
      return
    }
  }
}
// Panel 1.9 loses what is told to a table while the browser builds it, and a table that is taken away goes on building in its
// view. Here what comes too early is done when the table stands, and what has gone says nothing more.
function whole() {
  const view = window.Bokeh?.Models?.get("panel.models.tabulator.DataTabulator")?.prototype?.default_view?.prototype
  if (!view || view._whole) { return }
  view._whole = true
  const {render, remove, tableBuilt} = view
  const nothing = () => {}
  const end = (view) => {
    const table = view.tabulator
    Object.assign(view, {tabulator: null, _standing: null, _late: new Map(), _selection_updating: false})
    if (!table) { return }
    table._create = nothing  // waits in a timer of its own
    table.externalEvents.dispatch = nothing
    if (table.initialized) { table.destroy() } else { table.constructor.registry.deregister(table) }
    table.eventBus.dispatch = nothing
  }
  view.render = function() { end(this); render.call(this) }
  view.remove = function() { end(this); remove.call(this) }
  view.invalidate_render = function() { end(this); this.rerender_() }
  view.tableBuilt = function() {
    this._standing = this.tabulator
    tableBuilt.call(this)
    const late = this._late
    this._late = new Map()
    for (const [step, args] of late) { this[step](...args) }
  }
  view.restore_scroll = function(across = true, down = true) {
    const table = this._standing
    if (!table || !(across || down)) { return }
    requestAnimationFrame(() => {
      if (this._standing !== table) { return }
      this._updating_scroll = true
      table.rowManager.element.scrollTo({behavior: "instant", ...(down && {top: this._lastVerticalScrollbarTopPosition}),
        ...(across && {left: this._lastHorizontalScrollbarLeftPosition})})
      this._updating_scroll = false
    })
  }
  for (const step of ["setData", "updateOrAddData", "addData", "setSorters", "setHidden", "setFrozen", "setPageSize",
      "setMaxPage", "setPage", "setSelection", "setStyles", "setVisibility", "setCSSClasses", "renderChildren", "resize_table",
      "record_scroll", "style_redraw"]) {
    const original = view[step]
    view[step] = function(...args) {
      if (this._standing) { return original.apply(this, args) }
      this._late?.set(step, args)
      return Promise.resolve()
    }
  }
}
function patient() {
  whole()
  // Bokeh 3.9 measures a plot that was just added before it is laid out, where its surroundings change size meanwhile.
  let plot = window.Bokeh?.Models?.get("Figure")?.prototype?.default_view?.prototype
  while (plot && !Object.hasOwn(plot, "_measure_layout")) { plot = Object.getPrototypeOf(plot) }
  if (!plot || plot._patient) { return }
  plot._patient = true
  for (const step of ["_measure_layout", "_after_layout"]) {
    const original = plot[step]
    plot[step] = function(...args) { if (this.layout != null) { original.apply(this, args) } }
  }
}
const LACKING = [
  "[role=progressbar]:not([aria-label])", "span[aria-label]:not([role])", "[role=dialog][aria-labelledby]",
  "div[aria-label^='Resize ']:not([role])", "button.MuiIconButton-root:not([aria-label]):not([title])",
  "[role=listbox] > [role=menuitem]",
].join()
// what may lack a name or a role; the browser finds it, for to ask every element takes a tenth of a second in a full page
function* lacking(root) {
  yield* root.querySelectorAll(LACKING)
  for (const node of root.querySelectorAll("*")) { if (node.shadowRoot) { yield* lacking(node.shadowRoot) } }
}
export function render({model, el}) {
  for (const [family, weight, data] of model.fonts) {
    const there = [...document.fonts].some((one) => one.family.replaceAll('"', "") === family && one.weight === weight)
    if (!there) { document.fonts.add(new FontFace(family, `url(${data})`, {weight})) }
  }
  patient()
  el.style.display = "none"
  const lens = (search) => new URLSearchParams(search).get("lens") || ""
  let going = 0, heard = 0
  const show = () => {
    if (!model.active || going !== heard) { return }  // what the server says was before the user went back
    const query = model.query ? "?" + model.query : ""
    if (window.location.search !== query) {
      // told by the queries themselves: the field lens of this model may change after them
      const step = window.history.state?.known && lens(window.location.search) !== lens(query) ? "pushState" : "replaceState"
      window.history[step]({known: true}, "", window.location.pathname + query + window.location.hash)
    } else if (!window.history.state?.known) { window.history.replaceState({known: true}, "") }
  }
  // names and roles that the widgets of others leave out
  const mend = () => {
    for (const node of lacking(document)) {
      if (node.matches("[role=progressbar]:not([aria-label])")) { node.setAttribute("aria-label", "Progress") }
      if (node.matches("span[aria-label]:not([role])")) { node.setAttribute("role", "img") }
      if (node.matches("[role=dialog][aria-labelledby]")) {  // one without a title names an element that is not there
        const title = node.getRootNode().getElementById(node.getAttribute("aria-labelledby"))
        if (!title?.textContent.trim()) {
          node.removeAttribute("aria-labelledby")
          node.setAttribute("aria-label", "The figure alone")
        }
      }
      if (node.matches("div[aria-label^='Resize ']:not([role])")) { node.setAttribute("role", "separator") }
      if (node.matches("button.MuiIconButton-root:not([aria-label]):not([title])") && !node.textContent.trim()) {
        node.setAttribute("aria-label", node.nextElementSibling?.matches("button") ? "Less" : "More")  // of a number
      }
      if (node.matches("[role=listbox] > [role=menuitem]")) {
        const label = node.parentElement.getAttribute("aria-labelledby"), words = node.textContent.trim()
        const field = (one) => one.matches("[role=combobox]") && one.getAttribute("aria-labelledby") === label
        const chosen = [...everything(document)].find(field)?.textContent.trim()
        node.setAttribute("role", "option")
        node.setAttribute("aria-selected", String(chosen === words))
      }
    }
  }
  const mending = setInterval(() => {  // one look for all lenses of a notebook
    if (performance.now() - (window.brainlensMended ?? -Infinity) < 1400) { return }
    window.brainlensMended = performance.now()
    const idle = window.requestIdleCallback || setTimeout
    idle(mend, {timeout: 1000})
  }, 1500)
  const opened = () => { if (focused()?.closest("[role=listbox], [role=combobox]")) { mend() } }
  const soon = () => setTimeout(opened, 60)  // a list that a click or a key opens is read out at once
  for (const what of ["click", "keyup"]) { document.addEventListener(what, soon) }
  const back = () => { if (model.active) { going += 1; model.send_msg({went: window.location.search, number: going}) } }
  window.addEventListener("popstate", back)
  const press = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) { return }
    if (event.key === "Escape") { model.send_msg({key: "Escape"}); return }
    if (typing() || !["/", "r", "e", "?", "t", "g", "ArrowLeft", "ArrowRight"].includes(event.key)) { return }
    if (event.key.startsWith("Arrow")) {
      if (model.talking) { event.preventDefault(); model.send_msg({key: event.key}) }
      return
    }
    event.preventDefault()
    if (event.key === "/") { search() } else if (event.key === "g") { lenses() } else { model.send_msg({key: event.key}) }
  }
  const ended = (event) => {  // an open dialog keeps Escape for itself
    if (model.talking && event.key === "Escape") {
      event.preventDefault()
      event.stopPropagation()
      model.send_msg({key: "Escape"})
    }
  }
  let waiting = null
  const measure = () => {
    if (model.active || model.framed) { model.across = window.innerWidth; model.window = window.innerHeight }
  }
  const resized = () => { clearTimeout(waiting); waiting = setTimeout(measure, 250) }
  window.addEventListener("resize", resized)
  measure()
  model.on("query", show)
  model.on("active", show)
  model.on("msg:custom", (message) => {
    if (message.went) {
      heard = message.went
      show()
      return
    }
    if (message.may_tell) {
      if (window.Notification && Notification.permission === "default") { Notification.requestPermission() }
      return
    }
    if (message.tell) {
      if (window.Notification && Notification.permission === "granted") { new Notification("BrainLens", {body: message.tell}) }
      else { document.title = "\u2713 " + message.tell }
      return
    }
    const text = message.link ? window.location.origin + window.location.pathname + "?" + model.query : message.copy
    copy(text).then(() => model.send_msg({copied: true}), () => model.send_msg({copied: false}))
  })
  document.addEventListener("keydown", press)
  document.addEventListener("keydown", ended, true)
  model.on("remove", () => {
    clearInterval(mending)
    for (const what of ["click", "keyup"]) { document.removeEventListener(what, soon) }
    document.removeEventListener("keydown", press)
    document.removeEventListener("keydown", ended, true)
    window.removeEventListener("popstate", back)
    window.removeEventListener("resize", resized)
  })
  show()
}
"""


class Client(pn.custom.JSComponent):
    """Invisible; one on each page.

    Parameters
    ----------
    query : str
        Query of the page's address, kept up to date; another lens is a new entry of the browser's history.
    lens : str
        The lens in front.
    window : int
        Height of the browser's window in pixels, as the browser tells it; 0 where nobody has told.
    across : int
        Width of it.
    framed : bool
        Whether the page stands in a frame of another page: its height counts, its address does not.
    talking : bool
        Whether the arrow keys are the page's.
    active : bool
        Whether the address is written at all (not in a notebook).
    on_key : callable, optional
        Called with ``"r"``, ``"e"``, ``"t"``, ``"?"``, ``"Escape"`` or an arrow when pressed outside a text field.
    on_went : callable, optional
        Called with the address's query when the user went back or forward.
    on_copied : callable, optional
        Called with True or False after a copy.
    """

    query = param.String("")
    lens = param.String("")
    talking = param.Boolean(False)
    framed = param.Boolean(False)
    window = param.Integer(0)
    across = param.Integer(0)
    active = param.Boolean(True)
    fonts = param.List(
        [], doc="Family, weight and data URL of fonts that the document around has not."
    )

    _esm = _ESM

    def __init__(
        self,
        on_key: Callable | None = None,
        on_copied: Callable | None = None,
        on_went: Callable | None = None,
        **params,
    ):
        super().__init__(width=0, height=0, margin=0, **params)
        self._on_key, self._on_copied, self._on_went = on_key, on_copied, on_went

    def copy(self, text: str) -> None:
        """Put text on the user's clipboard (from within a click)."""
        self._send_msg({"copy": text})

    def may_tell(self) -> None:
        """Ask the browser for leave to notify (from within a click)."""
        self._send_msg({"may_tell": True})

    def tell(self, words: str) -> None:
        """Tell the user something while another window is in front: a notification, else the title of the window."""
        self._send_msg({"tell": words})

    def copy_link(self) -> None:
        """Put the address of exactly this view on the clipboard."""
        self._send_msg({"link": True})

    def _handle_msg(self, msg: dict) -> None:
        if "key" in msg and self._on_key:
            self._on_key(msg["key"])
        if "went" in msg and self._on_went:
            try:
                self._on_went(str(msg["went"]))
            finally:
                self._send_msg({"went": int(msg.get("number", 0))})
        if "copied" in msg and self._on_copied:
            self._on_copied(bool(msg["copied"]))
