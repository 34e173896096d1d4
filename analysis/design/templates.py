"""Items as an experiment: a table, and templates for PCIbex and PsychoPy that run as they are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd

from data.errors import BrainLensError, unknown
from data.files import atomic, guarded, made_folder

__all__ = ["KINDS", "QUESTIONS", "write_templates"]

KINDS = ("rating", "choice")
QUESTIONS = {
    "rating": "How natural does this sentence sound to you? (1: not at all, 7: completely)",
    "choice": "Which sentence are you more likely to come across, spoken or written?",
}
_READ_BY_PCIBEX = re.compile(r"^(item|group|list|label)$", re.IGNORECASE)
_SIDES = ("preferred_by_first", "preferred_by_second")


def write_templates(
    items: pd.DataFrame, folder: str | Path, *, kind: str, question: str = ""
) -> list[Path]:
    """Write a folder with the items and two experiments that show them.

    Parameters
    ----------
    items : pandas.DataFrame
        For ratings one row per sentence with ``text``; for choices one per pair with ``preferred_by_first`` and
        ``preferred_by_second``. Other columns are kept in every table.
    folder : path
        Made where it is not there.
    kind : str
        ``"rating"``: sentences one by one, rated from 1 to 7, in random order. ``"choice"``: two sentences side by side, one is
        chosen; two lists in which every pair's sides are exchanged and half of each model's sentences stand on the left.
    question : str
        Empty: :data:`QUESTIONS`.

    Returns
    -------
    list of Path
        ``items.csv``; ``pcibex/main.js`` and ``pcibex/chunk_includes/items.csv`` for a new PennController project;
        ``psychopy/experiment.py`` and ``psychopy/conditions.csv``; ``README.txt``.

    Raises
    ------
    BrainLensError
        For an unknown kind, missing columns, and no item.
    """
    if kind not in KINDS:
        raise unknown("kind of trial", kind, KINDS)
    lacking = [name for name in (("text",) if kind == "rating" else _SIDES) if name not in items]
    if lacking or not len(items):
        what = f"has no column {', '.join(lacking)}" if lacking else "has no row"
        raise BrainLensError(
            f"The table of items {what}",
            choices=list(map(str, items.columns)),
            remedy="Give the table that the design made",
        )
    folder, question = Path(folder).expanduser(), question or QUESTIONS[kind]
    trials = _trials(items, kind)
    made_folder(folder)
    script = _SCRIPTS[kind].replace("QUESTION", repr(question))
    logged = [
        name
        for name in ("item", "group", "left", "right", "text", "condition")
        if name in trials and not (name == "text" and kind == "choice")
    ]
    page = _PAGES[kind].replace(
        "LOGGED", "\n    ".join(f'.log("{one}", row.{one})' for one in logged)
    )
    page = page.replace("QUESTION", json.dumps(question))
    written = [
        _table(folder / "items.csv", items),
        _text(folder / "pcibex" / "main.js", page),
        _table(folder / "pcibex" / "chunk_includes" / "items.csv", trials),
        _text(folder / "psychopy" / "experiment.py", script),
        _table(folder / "psychopy" / "conditions.csv", trials),
        _text(folder / "README.txt", _README),
    ]
    return written


def _trials(items: pd.DataFrame, kind: str) -> pd.DataFrame:
    """What is shown: for choices each pair in both orders, the order of a list alternating over pairs.

    Columns that PCIbex would read as its own have ``own_`` before their name: by a column called ``list`` it would show a part of
    the items to each participant.
    """
    numbered = items.reset_index(drop=True)
    numbered = numbered.rename(
        columns=lambda name: f"own_{name}" if _READ_BY_PCIBEX.match(str(name)) else name
    )
    numbered.insert(0, "item", range(1, len(numbered) + 1))
    if kind == "rating":
        return numbered
    rows = []
    for row in numbered.to_dict("records"):
        for group in ("A", "B"):
            turned = (row["item"] % 2 == 0) == (group == "A")
            left, right = (row[name] for name in (_SIDES[::-1] if turned else _SIDES))
            rows.append({"item": row["item"], "group": group, "left": left, "right": right} | row)
    return pd.DataFrame(rows)


def _table(path: Path, table: pd.DataFrame) -> Path:
    with atomic(path) as part:
        guarded(table).to_csv(part, index=False)  # both experiments show the sentence as it was
    return path


def _text(path: Path, text: str) -> Path:
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


_README = """Made by BrainLens.

items.csv   the items with everything that is known of them
pcibex/     a PCIbex Farm project (PennController 2.0): upload main.js as a script and chunk_includes/items.csv as a resource
psychopy/   python experiment.py, with PsychoPy installed; results are written beside it

In every table a text that begins like a formula of a spreadsheet has an apostrophe before it; the experiments leave it out.
Sentences are shown in a random order. Fill in consent and instructions before you collect data, and keep the prediction of each
item (items.csv) out of sight of the participants.
"""

_BEGIN = """PennController.ResetPrefix(null);
// texts are shown as HTML; an apostrophe keeps a spreadsheet from running "=1+1" as a formula, and is none of the text
const asIs = text => String(text).replace(/^'(?='*[-=+@\\t\\r])/, "").replace(/&/g, "&amp;").replace(/</g, "&lt;");
"""
_RATING_PAGE = (
    _BEGIN
    + """Sequence("welcome", randomize("trial"), SendResults(), "end");

newTrial("welcome",
    newText("Please read each sentence and answer the question below it.").print(),
    newButton("start", "Start").print().wait()
);

Template("items.csv", row =>
    newTrial("trial",
        newText("sentence", asIs(row.text)).center().css("font-size", "1.4em").print(),
        newText("question", asIs(QUESTION)).center().print(),
        newScale("rating", 7).keys().labelsPosition("top").center().log().print().wait()
    )
    LOGGED
);

newTrial("end",
    newText("Thank you.").center().print(),
    newButton("void", "").wait()
);
"""
)

_CHOICE_PAGE = (
    _BEGIN
    + """Sequence("welcome", randomize("trial"), SendResults(), "end");

newTrial("welcome",
    newText("Two sentences appear side by side. Press F for the left one, J for the right one.").print(),
    newButton("start", "Start").print().wait()
);

Template("items.csv", row =>
    newTrial("trial",
        newText("question", asIs(QUESTION)).center().print(),
        newText("left", asIs(row.left)).css("font-size", "1.3em"),
        newText("right", asIs(row.right)).css("font-size", "1.3em"),
        newCanvas("both", 1000, 200)
            .add(20, 50, getText("left").css("width", "440px"))
            .add(540, 50, getText("right").css("width", "440px"))
            .center()
            .print(),
        newSelector("choice").add(getText("left"), getText("right")).keys("F", "J").log().wait()
    )
    LOGGED
);

newTrial("end",
    newText("Thank you.").center().print(),
    newButton("void", "").wait()
);
"""
)
_PAGES = {"rating": _RATING_PAGE, "choice": _CHOICE_PAGE}

_HEAD = '''"""Made by BrainLens: shows the items of conditions.csv. Needs PsychoPy; run: python experiment.py"""

import csv
import random
import re
from pathlib import Path

from psychopy import core, event, gui, visual

HERE = Path(__file__).parent
ASKED = QUESTION

info = {"participant": ""}
if not gui.DlgFromDict(info, title="Experiment").OK:
    core.quit()
with open(HERE / "conditions.csv", newline="", encoding="utf-8") as stream:
    trials = list(csv.DictReader(stream))


def as_it_was(text):  # an apostrophe keeps a spreadsheet from running "=1+1" as a formula
    return re.sub(r"^'(?='*[-=+@\\t\\r])", "", text)
'''
_TAIL = """
random.shuffle(trials)
window = visual.Window(fullscr=True, color="white", units="height")
sentence = visual.TextStim(window, color="black", height=0.04, wrapWidth=1.4)
question = visual.TextStim(window, text=ASKED, color="black", height=0.03, pos=(0, -0.25), wrapWidth=1.4)
clock = core.Clock()
name = "".join(c for c in info["participant"] if c.isalnum()) or "unnamed"
with open(HERE / f"results-{name}.csv", "w", newline="", encoding="utf-8") as stream:
    writer = csv.DictWriter(stream, [*trials[0], "participant", "response", "seconds"])
    writer.writeheader()
    for trial in trials:
        show(trial)
        question.draw()
        window.flip()
        clock.reset()
        key, seconds = event.waitKeys(keyList=[*KEYS, "escape"], timeStamped=clock)[0]
        if key == "escape":
            break
        writer.writerow(trial | {"participant": name, "response": KEYS[key], "seconds": f"{seconds:.3f}"})
        stream.flush()
window.close()
core.quit()
"""
_SCRIPTS = {
    "rating": _HEAD + '''KEYS = {str(number): number for number in range(1, 8)}


def show(trial):
    sentence.text = as_it_was(trial["text"])
    sentence.draw()

''' + _TAIL,
    "choice": _HEAD + '''group = random.choice(sorted({trial["group"] for trial in trials}))
trials = [trial for trial in trials if trial["group"] == group]
KEYS = {"f": "left", "j": "right"}


def show(trial):
    for side, place in (("left", -0.4), ("right", 0.4)):
        sentence.text, sentence.pos, sentence.wrapWidth = as_it_was(trial[side]), (place, 0.05), 0.6
        sentence.draw()

''' + _TAIL,
}  # fmt: skip
