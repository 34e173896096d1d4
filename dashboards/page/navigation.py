"""The way to the lenses: a few named groups in the header, each a menu of links with the question that a lens answers."""

from __future__ import annotations

from collections.abc import Mapping

import panel as pn
import param

from dashboards.serve.sparing import AT_ONCE

__all__ = ["GROUPS", "Navigation", "grouped"]

GROUPS = {
    "Predict": ("task", "layers", "time", "regions", "reading", "items"),
    "Explain": ("untrained", "training", "architectures", "wiring", "perturb", "similarity"),
    "Judge": ("compare", "trust", "design"),
    "Library": ("library",),
}
"""What is predicted and how well, why, whether it holds and what to measure next, what is here."""
REST = "More"
"""Lenses of other packages."""


def grouped(lenses: Mapping[str, type]) -> list[dict]:
    """The lenses by group, each with its question; none is left out and no group is empty.

    Parameters
    ----------
    lenses : mapping
        Slug -> lens.

    Returns
    -------
    list of dict
        ``name`` and ``lenses``, each of these ``slug``, ``label`` and ``question``.
    """
    known = {slug for group in GROUPS.values() for slug in group}
    groups = GROUPS | {REST: tuple(slug for slug in lenses if slug not in known)}
    return [
        {
            "name": name,
            "lenses": [
                {"slug": slug, "label": lenses[slug].label, "question": lenses[slug].question}
                for slug in slugs
                if slug in lenses
            ],
        }
        for name, slugs in groups.items()
        if any(slug in lenses for slug in slugs)
    ]


_STYLE = """
:host { min-width: 0; }
nav { margin: 0 10px 0 8px;
  --paper: #ffffff; --ink: #1f2328; --soft: #57606a; --line: #d9dee4; --tint: #eef3f8; --accent: #27517f;
  display: flex; align-items: stretch; height: 47px; color: inherit;
  font: 500 .94rem/1.2 Roboto, system-ui, -apple-system, 'Segoe UI', sans-serif; }
nav.dark { --paper: #1b2026; --ink: #e6edf3; --soft: #9aa4af; --line: #2f363d; --tint: #262d35; --accent: #8ab6e8; }
button, a { font: inherit; color: inherit; text-decoration: none; background: none; border: 0; cursor: pointer;
  white-space: nowrap; }
button, .plain, .near a { display: flex; align-items: center; gap: 5px; padding: 0 11px; border-bottom: 2px solid transparent;
  border-top: 2px solid transparent; }
.near a { padding: 0 8px; }
button svg { width: 10px; height: 6px; fill: none; stroke: currentColor; stroke-width: 1.6; }
button svg.bars { width: 15px; height: 11px; stroke-width: .9; }
button:hover, .plain:hover, .near a:hover { background: color-mix(in srgb, currentColor 8%, transparent); }
button:focus-visible, a:focus-visible { outline: 2px solid var(--accent); outline-offset: -3px; border-radius: 6px; }
[aria-current=page], .holds { font-weight: 700; }
.near [aria-current=page], .plain[aria-current=page], .holds { border-bottom-color: var(--accent); }
.with-near .holds { border-bottom-color: transparent; }
.holds i { font-style: normal; font-weight: 500; opacity: .8; }
.with-near .holds i, .with-near .holds b { display: none; }
.near { display: none; margin-left: 6px; padding-left: 6px; }
.with-near .near { display: flex; }
.near::before { content: ""; width: 1px; margin: 13px 6px 13px 0; background: var(--line); }
.group { display: flex; }
.whole { display: none; }
.small .whole { display: flex; }
.small .group, .small .plain.top { display: none; }
.panel { position: fixed; z-index: 1400; box-sizing: border-box; max-width: calc(100vw - 16px);
  max-height: calc(100vh - 64px); overflow: auto; padding: 6px; color: var(--ink);
  background: var(--paper); border: 1px solid var(--line);
  border-radius: 8px; box-shadow: 0 8px 28px rgba(0, 0, 0, .18); }
.panel[hidden] { display: none; }
.panel ul { list-style: none; margin: 0; padding: 0; }
.panel h2 { font-size: .74rem; font-weight: 600; letter-spacing: .08em; text-transform: uppercase; color: var(--soft);
  margin: 6px 10px 2px; }
.panel a { display: grid; grid-template-columns: 8.2em minmax(0, 1fr); align-items: baseline; gap: 8px; padding: 8px 10px;
  border-radius: 6px; }
.panel a small { font-weight: 400; font-size: .84rem; color: var(--soft); white-space: normal; }
.panel a:hover { background: var(--tint); }
.panel [aria-current=page] { background: var(--tint); }
"""

_ESM = """
const BARS = '<svg viewBox="0 0 10 6" aria-hidden="true" class="bars"><path d="M0 .8h10M0 3h10M0 5.2h10"/></svg>'
const CARET = '<svg viewBox="0 0 10 6" aria-hidden="true"><path d="M1 1l4 4 4-4"/></svg>'
function made(tag, attributes = {}, ...children) {
  const node = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) { node.setAttribute(name, value) }
  node.append(...children)
  return node
}
export function render({model, el}) {
  const nav = made("nav", {"aria-label": "Lenses"})
  let open = null  // the button whose panel is seen
  const address = (slug) => {
    const query = new URLSearchParams(window.location.search)
    for (const name of ["tab", "sort", "rows", "zoom"]) { query.delete(name) }
    query.set("lens", slug)
    return "?" + query
  }
  const shut = (focus = false) => {
    if (!open) { return }
    const button = open
    open = null
    button.setAttribute("aria-expanded", "false")
    button.panel.hidden = true
    if (focus) { button.focus() }
  }
  const show = (button, focus = false) => {
    shut()
    open = button
    button.setAttribute("aria-expanded", "true")
    button.panel.hidden = false
    for (const a of button.panel.querySelectorAll("a")) { a.href = address(a.dataset.slug) }
    const box = button.getBoundingClientRect(), wide = button.panel.offsetWidth
    button.panel.style.left = Math.max(8, Math.min(box.left, window.innerWidth - wide - 8)) + "px"
    button.panel.style.top = box.bottom + 3 + "px"
    if (focus) { (button.panel.querySelector("[aria-current]") ?? button.panel.querySelector("a")).focus() }
  }
  const link = (lens, long) => {
    const a = made("a", {href: address(lens.slug), "data-slug": lens.slug}, long ? made("span", {}, lens.label) : lens.label)
    if (long) { a.append(made("small", {}, lens.question)) } else { a.title = lens.question }
    a.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) { return }  // another window
      event.preventDefault()
      const inside = open !== null
      model.lens = lens.slug
      mark()
      shut(inside)
    })
    a.addEventListener("pointerenter", () => { a.href = address(lens.slug) })
    return a
  }
  const list = (lenses) => made("ul", {}, ...lenses.map((lens) => made("li", {}, link(lens, true))))
  const menu = (button, panel) => {
    panel.hidden = true
    button.panel = panel
    button.setAttribute("type", "button")
    button.setAttribute("aria-expanded", "false")
    button.addEventListener("click", () => open === button ? shut() : show(button))
    return made("div", {class: "group"}, button, panel)
  }
  const near = made("div", {class: "near"})
  let tops = []
  const build = () => {
    nav.replaceChildren()
    const all = made("button", {class: "all"})
    const parts = model.groups.flatMap((group) => [made("h2", {}, group.name), list(group.lenses)])
    const sheet = made("div", {class: "panel"}, ...parts)
    nav.append(menu(all, sheet))
    all.parentNode.className = "whole"
    tops = model.groups.map((group) => {
      if (group.lenses.length === 1 && group.lenses[0].label === group.name) {
        const a = link(group.lenses[0], false)
        a.className = "plain top"
        nav.append(a)
        return {group, a}
      }
      const button = made("button")
      nav.append(menu(button, made("div", {class: "panel"}, list(group.lenses))))
      return {group, button}
    })
    nav.append(near)
    mark()
  }
  const mark = () => {
    near.replaceChildren()
    for (const {group, button} of tops) {
      const front = group.lenses.find((lens) => lens.slug === model.lens)
      if (!button) { continue }
      button.className = front ? "holds" : ""
      button.innerHTML = ""
      button.append(made("span", {}, group.name))
      if (front) {
        button.append(made("i", {}, "\\u203a"), made("b", {}, front.label))
        near.append(...group.lenses.map((lens) => link(lens, false)))
      }
      button.insertAdjacentHTML("beforeend", CARET)
    }
    const here = model.groups.flatMap((group) => group.lenses).find((lens) => lens.slug === model.lens)
    const all = nav.querySelector(".all")
    all.innerHTML = BARS
    all.append(made("span", {}, here?.label ?? "Lenses"))
    all.setAttribute("aria-label", "Lenses, now " + (here?.label ?? "none"))
    for (const a of nav.querySelectorAll("a")) {
      if (a.dataset.slug === model.lens) { a.setAttribute("aria-current", "page") } else { a.removeAttribute("aria-current") }
    }
    fit()
  }
  const fit = () => {  // what the row has room for: the lenses beside this one, the groups, or one button
    const room = nav.clientWidth  // what is wider stands beside the icons on the right without a gap
    if (!room) { return }
    nav.classList.remove("small")
    nav.classList.add("with-near")
    if (nav.scrollWidth > room) { nav.classList.remove("with-near") }
    if (nav.scrollWidth > room) { nav.classList.add("small") }
  }
  const keyed = (event) => {
    const at = event.composedPath()[0]
    if (event.key === "Escape" && open) {
      event.preventDefault()
      shut(true)
    } else if (["ArrowDown", "ArrowUp"].includes(event.key)) {
      if (at.panel && open !== at) { event.preventDefault(); show(at, true); return }
      if (!open) { return }
      const links = [...open.panel.querySelectorAll("a")], step = event.key === "ArrowDown" ? 1 : -1
      event.preventDefault()
      links[(links.indexOf(at) + step + links.length) % links.length].focus()
    } else if (["ArrowLeft", "ArrowRight"].includes(event.key) && !(open && open.panel.contains(at))) {
      const row = [...nav.querySelectorAll("button, .plain, .near a")].filter((node) => node.offsetParent !== null)
      const next = row[row.indexOf(at) + (event.key === "ArrowRight" ? 1 : -1)]
      if (next) { event.preventDefault(); shut(); next.focus() }
    }
  }
  const outside = (event) => { if (open && !event.composedPath().includes(nav)) { shut() } }
  const left = (event) => { if (open && event.relatedTarget && !nav.contains(event.relatedTarget)) { shut() } }
  const coloured = () => { nav.classList.toggle("dark", model.dark) }
  nav.addEventListener("keydown", keyed)
  nav.addEventListener("focusout", left)
  document.addEventListener("pointerdown", outside)
  const watch = new ResizeObserver(fit)
  watch.observe(el)
  model.on("lens", mark)
  model.on("groups", build)
  model.on("dark", coloured)
  model.on("remove", () => { watch.disconnect(); document.removeEventListener("pointerdown", outside) })
  coloured()
  build()
  return nav
}
"""


class Navigation(pn.custom.JSComponent):
    """Groups of links; a row of those beside the one in front where there is room, one button where there is little.

    Parameters
    ----------
    groups : list of dict
        As :func:`grouped` gives them.
    lens : str
        Slug of the lens in front; set by a click.
    dark : bool
        The theme.
    """

    groups = param.List([])
    lens = param.String("")
    dark = param.Boolean(False)

    _esm = _ESM
    _debounce = AT_ONCE

    def __init__(self, **params):
        super().__init__(sizing_mode="stretch_width", margin=0, stylesheets=[_STYLE], **params)
