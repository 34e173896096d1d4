"""Exported experiments run by the rules that PCIbex and PsychoPy document: whatever is not documented is an error."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from html import unescape

import pandas as pd
import pytest

from analysis.design.templates import write_templates

PENN = """
const fs = require("fs"), [main, rows] = [process.argv[2], JSON.parse(process.argv[3])];
const own = {
  Text: [], Button: [], Scale: ["keys", "labelsPosition"], Selector: ["add", "keys"], Canvas: ["add"],
};
const all = ["print", "wait", "center", "css", "log"], made = {}, out = {trials: [], sequence: null, queue: []};
function element(kind, name, given) {
  if (kind !== "Canvas" && kind !== "Scale" && kind !== "Selector" && given.length < 1) throw Error(kind + " without a text");
  const self = {kind, name, given, calls: []};
  for (const call of [...all, ...own[kind]]) self[call] = (...args) => {
    if (kind === "Selector" && call === "keys" && self.calls.filter(c => c[0] === "add").length === 0)
      throw Error("keys of a selector before its elements");
    self.calls.push([call, args.map(a => a && a.kind ? a.name : a)]); return strict(self, kind);
  };
  return made[kind + name] = strict(self, kind);
}
const strict = (self, kind) => new Proxy(self, {get(o, p) {
  if (p in o || typeof p === "symbol" || p === "toJSON") return o[p];
  throw Error(kind + " has no documented command " + p);
}});
const api = {
  Sequence: (...order) => { out.sequence = order; }, randomize: label => ["randomized", label],
  SendResults: () => "__results__",
  newTrial: (label, ...parts) => {
    const trial = {label, parts, logs: {}, log(name, value) { trial.logs[name] = value; return trial; }};
    out.queue.push(trial); return trial;
  },
  Template: (table, make) => {
    for (const column of Object.keys(rows[0])) if (/^(label|list)$/i.test(column)) throw Error("reads " + column);
    const groups = [...new Set(rows.map(r => r.group).filter(g => g !== undefined))].sort();
    for (const row of rows.filter(r => groups.length === 0 || r.group === groups[0])) {
      make(new Proxy(row, {get(o, p) { if (p in o) return o[p]; throw Error("No column named " + String(p)); }}));
    }
    out.table = table;
  },
};
for (const kind of Object.keys(own)) {
  api["new" + kind] = (name, ...given) =>
    given.length || kind === "Selector" ? element(kind, name, given) : element(kind, "", [name]);
  api["get" + kind] = name => { if (!(kind + name in made)) throw Error("not made yet: " + name); return made[kind + name]; };
}
const PennController = {ResetPrefix(to) { if (to !== null) throw Error("prefix"); Object.assign(globalThis, api); }};
new Function("PennController", fs.readFileSync(main, "utf8"))(PennController);
console.log(JSON.stringify(out));
"""
"""The commands of PennController 2.0 that its manual names and that are used here; what is not among them is an error."""


def run_in_pcibex(folder) -> dict:
    """The trials that PCIbex would make of a project, by the rules of its manual; skips where there is no node."""
    from shutil import which

    if not which("node"):
        pytest.skip("no node here")
    project = folder / "pcibex"
    table = pd.read_csv(project / "chunk_includes" / "items.csv", dtype=str, keep_default_na=False)
    (folder / "penn.js").write_text(PENN, encoding="utf-8")
    rows = json.dumps(table.to_dict("records"))
    done = subprocess.run(
        ["node", str(folder / "penn.js"), str(project / "main.js"), rows],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-600:]
    return json.loads(done.stdout)


def test_a_pcibex_project_follows_the_manual_and_shows_every_sentence_as_it_is(tmp_path):
    """Its table may have columns that PCIbex reads as its own, lack a condition, and hold what is markup elsewhere."""
    texts = ["a < b & c", 'She said "no".', "<b>bold</b>"]
    odd = pd.DataFrame(
        {"text": texts, "List": ["x", "y", "z"], "label": ["p", "q", "r"], "item": 7}
    )
    write_templates(odd, tmp_path / "rating", kind="rating", question="Is 1 < 2?")
    out = run_in_pcibex(tmp_path / "rating")
    trials = [one for one in out["queue"] if one["label"] == "trial"]
    assert (
        out["table"] == "items.csv" and len(trials) == 3
    )  # a column "List" would leave one of them
    assert out["sequence"] == ["welcome", ["randomized", "trial"], "__results__", "end"]
    assert [one["logs"] for one in trials] == [
        {"item": str(i + 1), "text": t} for i, t in enumerate(texts)
    ]
    shown = [one["parts"][0]["given"][0] for one in trials]
    assert [unescape(text) for text in shown] == texts and not any("<" in text for text in shown)
    scale = trials[0]["parts"][2]
    assert scale["given"] == [7] and [call for call, _ in scale["calls"]][-3:] == [
        "log",
        "print",
        "wait",
    ]
    pairs = pd.DataFrame({"preferred_by_first": ["a", "b"], "preferred_by_second": ["c", "d"]})
    write_templates(pairs, tmp_path / "choice", kind="choice")
    out = run_in_pcibex(tmp_path / "choice")
    trials = [one for one in out["queue"] if one["label"] == "trial"]
    assert len(trials) == 2 and set(trials[0]["logs"]) == {"item", "group", "left", "right"}
    selector = trials[0]["parts"][-1]
    assert dict(selector["calls"])["add"] == ["left", "right"] and dict(selector["calls"])[
        "keys"
    ] == ["F", "J"]


FORMULAS = ["=1+1", "'-quoted", "@one", "\t=2", "plain"]


def test_no_table_of_an_experiment_holds_a_formula_and_both_show_what_was_written(
    tmp_path, monkeypatch
):
    from data.files import unguarded

    odd = "LOGGED? QUESTION \U0001f600 </script> \" ' \\"
    items = pd.DataFrame({"text": FORMULAS, "=list": FORMULAS})
    write_templates(items, tmp_path / "r", kind="rating", question=odd)
    for path in (tmp_path / "r").rglob("*.csv"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        cells = [*table.columns, *table.to_numpy().ravel()]
        assert not [one for one in cells if one[:1] in tuple("=+-@\t\r")], path
        assert unguarded(table)["text"].tolist() == FORMULAS
    seen, _ = run_in_psychopy(tmp_path / "r", ["1"] * len(FORMULAS), monkeypatch)
    assert {tuple(one.split(" | ")) for one in seen[:-1]} == {(one, odd) for one in FORMULAS}
    pairs = pd.DataFrame({"preferred_by_first": FORMULAS[:2], "preferred_by_second": FORMULAS[2:4]})
    write_templates(pairs, tmp_path / "c", kind="choice", question=odd)
    seen, _ = run_in_psychopy(tmp_path / "c", ["f", "j"], monkeypatch)
    assert {part for one in seen[:-1] for part in one.split(" | ")} == {*FORMULAS[:4], odd}
    shown = [
        one["parts"] for one in run_in_pcibex(tmp_path / "r")["queue"] if one["label"] == "trial"
    ]
    assert [unescape(parts[0]["given"][0]) for parts in shown] == FORMULAS
    assert {unescape(parts[1]["given"][0]) for parts in shown} == {odd}


class _Strict:
    """Stands in for a class or module of PsychoPy: only the documented names and arguments are there."""

    def __init__(self, **names):
        self.__dict__.update(names)


def run_in_psychopy(folder, pressed: list[str], monkeypatch) -> tuple[list[str], pd.DataFrame]:
    """What a participant sees who presses these keys, and the results that are left."""
    seen, keys = [], iter(pressed)

    class Window:
        def __init__(self, *, fullscr=False, color="grey", units="norm"):
            assert units == "height" and color == "white"

        def flip(self):
            seen.append(" | ".join(drawn))
            drawn.clear()

        def close(self):
            seen.append("closed")

    drawn: list[str] = []

    class TextStim:
        def __init__(self, win, *, text="", color=None, height=None, wrapWidth=None, pos=(0, 0)):
            assert isinstance(win, Window)
            self.text, self.pos, self.wrapWidth = text, pos, wrapWidth

        def draw(self):
            drawn.append(self.text)

    class DlgFromDict:
        def __init__(self, dictionary, *, title=""):
            dictionary["participant"] = "p 01/../x"
            self.OK = True

    class Clock:
        def reset(self):
            pass

    def wait_keys(*, keyList, timeStamped):
        assert isinstance(timeStamped, Clock)
        key = next(keys)
        assert key in keyList
        return [(key, 0.5)]

    quits: list[int] = []
    parts = {
        "core": _Strict(quit=lambda: quits.append(1), Clock=Clock),
        "event": _Strict(waitKeys=wait_keys),
        "gui": _Strict(DlgFromDict=DlgFromDict),
        "visual": _Strict(Window=Window, TextStim=TextStim),
    }
    monkeypatch.setitem(sys.modules, "psychopy", _Strict(**parts))
    script = folder / "psychopy" / "experiment.py"
    runpy.run_path(str(script))
    assert quits == [1]
    (result,) = script.parent.glob("results-*.csv")
    return seen, pd.read_csv(result, keep_default_na=False)


def test_a_psychopy_script_runs_by_the_documented_names_and_writes_what_was_pressed(
    tmp_path, monkeypatch
):
    texts = ["One, two.", "=A1", "Drei ä."]
    write_templates(pd.DataFrame({"text": texts}), tmp_path / "r", kind="rating", question="How?")
    seen, left = run_in_psychopy(tmp_path / "r", ["1", "7", "escape"], monkeypatch)
    assert left["response"].tolist() == [1, 7] and set(left["participant"]) == {"p01x"}
    assert {one.partition(" | ")[0] for one in seen[:3]} == set(texts) and seen[-1] == "closed"
    assert all(one.endswith("| How?") for one in seen[:3])
    pairs = pd.DataFrame({"preferred_by_first": ["a", "b"], "preferred_by_second": ["c", "d"]})
    write_templates(pairs, tmp_path / "c", kind="choice", question="Which?")
    seen, left = run_in_psychopy(tmp_path / "c", ["f", "j"], monkeypatch)
    assert left["response"].tolist() == ["left", "right"] and left["group"].nunique() == 1
    assert sorted(left["item"]) == [1, 2] and len(seen) == 3
