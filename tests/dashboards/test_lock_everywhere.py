"""No face shows a locked number: every command, every lens, every verb of Python that takes model, recording and protocol.

Nothing here is a list of faces that somebody has to keep: commands are those of the parser, lenses those of the registry, verbs
those that a walk over all modules finds. A new one fails the test until it is said here what it does with a locked cell.
"""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
import re
import zipfile
from collections.abc import Callable
from types import SimpleNamespace

import click
import holoviews as hv
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import analysis
from analysis import preset, score
from analysis.answers.trust.panels import Asked
from analysis.models import load
from analysis.paper.capsule import write_capsule
from analysis.progress import Report
from analysis.scoring.lock import lock
from analysis.scoring.results import export, results
from analysis.store.promises import Locked
from analysis.store.store import Store
from analysis.sweep.board import Sweep
from analysis.sweep.plan import Plan
from analysis.sweep.runners import run
from dashboards import LENSES
from dashboards.command.cli import main
from data.catalog.catalog import recording
from data.embedded import prose

QUICK = preset("defended").but(
    seeds=1, folds=3, inner_folds=2, bootstrap=20, criterion="gcv", alphas=(100.0,), unique=False,
    controls=(), ceiling="none", shuffled_twin=False,
)  # fmt: skip
SETS = [
    "--set=seeds=1", "--set=folds=3", "--set=inner_folds=2", "--set=bootstrap=20", "--set=criterion=gcv",
    "--set=alphas=100", "--set=unique=no", "--set=controls=", "--set=ceiling=none", "--set=shuffled_twin=no",
]  # fmt: skip
MODEL, GLOVE = "zoo-causal-200k", "zoo-glove-64d"
BOTH = [MODEL, GLOVE]
ON = ["--on", "simulated", *SETS]
READ, HEARD = "simulated-reading", "simulated-story"


# ---- the command line ------------------------------------------------------------------------------------------------
def leaves(group: click.Command, way: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    """Every command of the parser that does something, by its words."""
    if not isinstance(group, click.Group):
        return {way: group}
    found: dict[tuple[str, ...], click.Command] = {}
    for name, one in group.commands.items():
        found |= leaves(one, (*way, name))
    return found


OF_THE_CELL = ("leaks", "omega", "court", "optimism", "matrix")
"""Panels of Trust that are made of the cell alone; the others compute its neighbours first."""
REFUSED = "refused"
QUIET = "quiet"
COMMANDS: dict[str, tuple[str, list[list[str]]]] = {
    # what is asked of a locked cell is refused in words that name the prediction
    "score": (REFUSED, [[MODEL, *ON], [GLOVE, *ON, "--out", "{out}.csv"], [MODEL, *ON, "--metric", "spearman"]]),
    "trust": (QUIET, [[MODEL, *ON, "--copies", "0", *[f"--panel={one}" for one in OF_THE_CELL],
                        "--out", "{out}", "--pdf", "{out}.pdf"],
                       [GLOVE, *ON, "--panel", "waterfall", "--out", "{out}"],
                       [GLOVE, *ON, "--panel", "curve", "--cell", "split=grouped", "--exchanges", "5", "--out", "{out}"]]),
    "test": (REFUSED, [[MODEL, *ON, "--draws", "5", "--out", "{out}.csv"]]),
    "decode": (REFUSED, [[MODEL, *ON, "--draws", "5", "--out", "{out}.csv"]]),
    "similarity": (REFUSED, [[MODEL, *ON, "--out", "{out}.csv"]]),
    "alike": (REFUSED, [[*BOTH, *ON, "--out", "{out}.csv"]]),
    "regions": (REFUSED, [[MODEL, *ON, "--out", "{out}.csv"]]),
    "time": (REFUSED, [[GLOVE, "--on", HEARD, "--protocol", "story", "--out", "{out}.csv"]]),
    "perturb": (REFUSED, [[MODEL, *ON, "--by", by, "--seeds", "1", "--text", "none", "--out", "{out}.csv"]
                          for by in ("noise", "lesion", "masks", "words")]),
    "wiring": (REFUSED, [[MODEL, *ON, "--seeds", "1", "--updates", "1", "--workers", "1", "--text", "none",
                           "--out", "{out}.csv"]]),
    "reading": (REFUSED, [["zoo-causal-1m", "--on", READ, "--out", "{out}.csv"],
                          ["zoo-causal-1m", "--on", READ, "--form", "mixed"], ["zoo-causal-1m", "--on", READ, "--form", "gam"]]),
    "people": (REFUSED, [["persons", "zoo-causal-1m", "--on", READ, "--out", "{out}.csv"],
                         ["likeness", "zoo-causal-1m", "--on", READ],
                         ["reverse", GLOVE, "--on", "simulated"]]),
    "units score": (REFUSED, [["asked", *ON, "--out", "{out}.csv"]]),
    "design drive": (REFUSED, [[MODEL, *ON, "--out", "{out}.csv"]]),
    "design controversial": (REFUSED, [[*BOTH, "--by", "response", *ON, "--out", "{out}.csv"]]),
    "design power": (REFUSED, [[*BOTH, "--effect", "0.05", *ON]]),
    "results capsule": (REFUSED, [[MODEL, *ON, "-o", "{out}.zip"]]),
    "results checklist": (REFUSED, [[MODEL, *ON], [MODEL, *ON, "-o", "{out}.md"]]),
    "results diff": (REFUSED, [["{capsule}", "{capsule}"], ["{capsule}", "{capsule}", "--split"]]),
    "results export": (QUIET, [["{out}.csv"], ["{out}.parquet"], ["{out}.nc"]]),
    "results import": (QUIET, [["{csv}"], ["{capsule}"]]),
    "results submit": (QUIET, [["{out}.json"], ["{out}.json", "--model", MODEL]]),
    "results verify": (QUIET, [["{submission}", "--receipt", "{out}.json"]]),
    "results history": (QUIET, [[], ["--model", MODEL]]),
    "sweep plan": (QUIET, [["{out}.toml", "--model", MODEL, *ON]]),
    "sweep run": (QUIET, [["{plan}", "--dry-run"], ["{plan}"], ["{plan}", "--mode", "read-only"]]),
    "sweep resume": (QUIET, [["s"], ["s", "--retry"]]),
    "sweep submit": (QUIET, [["{plan}"]]),
    "sweep status": (QUIET, [[], ["s"], ["s", "--errors"], ["s", "--out", "{out}.csv"]]),
    "cache list": (QUIET, [[]]),
    "cache verify": (QUIET, [[]]),
    "cache repair": (QUIET, [[]]),
    "lock": (QUIET, [["--list"]]),
    "models list": (QUIET, [[], ["--all"]]),
    "data list": (QUIET, [[]]),
    "data check": (QUIET, [["{story}", "--surprisal", "zoo-causal-1m"]]),
    "units list": (QUIET, [[]]),
    "surprisal": (QUIET, [["zoo-causal-1m", "--on", READ, "--out", "{out}.csv"]]),
}  # fmt: skip
"""Command -> whether it refuses or tells nothing, and how it is asked. ``{csv}`` and others were made before the lock."""
OTHERS = {
    "app": "serves the page, whose lenses are tried below",
    "serve": "serves the page, whose lenses are tried below",
    "users add": "passwords", "users remove": "passwords", "users list": "passwords",
    "models fetch": "brings a model", "models starter": "brings models",
    "data fetch": "brings a recording", "data starter": "brings recordings", "data remove": "removes a recording",
    "data trials": "reads files of trials, no model", "data diff": "two versions of a recording that is not here",
    "cache clear": "deletes",
    "units map": "two kinds of texts, no responses", "units remove": "deletes",
    "architectures search": "judges networks drawn anew: test_a_search_over_networks_tells_nothing_of_a_locked_one",
    "architectures save": "writes weights",
    "task": "tasks, no responses",
    "selftest": "cases of its own in folders of its own",
    "reveal": "opens a prediction",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A home in which everything was computed and carried away, and then locked."""
    folder = tmp_path_factory.mktemp("locked")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BRAINLENS_HOME", str(folder / "home"))
        patch.setenv("BRAINLENS_USER_HOME", str(folder / "home"))
        scores = [score(name, "simulated", QUICK) for name in BOTH]
        kept = write_capsule(folder / "c.zip", scores[0], recording("simulated"), predictions=False)
        csv = export(results(), folder / "before.csv")
        assert (
            CliRunner().invoke(main, ["results", "submit", str(folder / "s.json")]).exit_code == 0
        )
        swept = run(Sweep.of(Plan("s", tuple(BOTH), ("simulated",), ("q",), {"q": QUICK})))
        assert swept["done"] and not swept["failed"]
        said = [
            "sweep",
            "plan",
            str(folder / "p.toml"),
            "--name",
            "t",
            *[f"--model={one}" for one in BOTH],
            *ON,
        ]
        assert CliRunner().invoke(main, said).exit_code == 0
        assert CliRunner().invoke(main, ["units", "map", MODEL, "asked"]).exit_code == 0
        open_ = LENSES["layers"](models=BOTH, recording="simulated", protocol=QUICK)
        open_.run(wait=True)
        numbers = [_digits(one) for found in scores for one in _numbers(found)]
        assert len([one for one in numbers if any(one in text for text in _told_by(open_))]) > 4
        told = CliRunner().invoke(main, ["score", MODEL, *ON]).output
        assert f"{scores[0].value:.3f}"[1:] in told  # what is looked for would be found
        open_.close()
        names = [
            lock("small ones suffice", BOTH, ["simulated"], QUICK).hash[:12],
            lock("nor under the preset", [GLOVE], ["simulated"], preset("defended")).hash[:12],
            lock("words come late", [GLOVE, "zoo-causal-1m"], [HEARD], preset("story")).hash[:12],
            lock("words are slow", ["zoo-causal-1m"], [READ], preset("defended")).hash[:12],
        ]
        yield SimpleNamespace(folder=folder, capsule=kept, csv=csv, submission=folder / "s.json", plan=folder / "p.toml",
                              story=HEARD, numbers=set(numbers), names=names,
                              headlines=[re.escape(f"{one.value:.3f}"[1:]) for one in scores])  # fmt: skip


def _numbers(found) -> list[float]:
    """What a score tells: its r, interval, layers, people and targets."""
    told = [found.value, found.low, found.high, *found.table()["r"], *found.per_target()["r"]]
    return [float(one) for one in told if np.isfinite(one)]


def _digits(value: float) -> str:
    return f"{abs(value):.12f}"[1:11]


def test_every_command_of_the_parser_is_tried_or_has_no_numbers():
    known = {" ".join(way) for way in leaves(main)}
    assert known == {*COMMANDS, *OTHERS}, known ^ {*COMMANDS, *OTHERS}
    assert not {*COMMANDS} & {*OTHERS}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_tells_a_locked_number(command, made, tmp_path):
    does, ways = COMMANDS[command]
    for number, way in enumerate(ways):
        out = tmp_path / f"out{number}"
        known = {name: str(value) for name, value in vars(made).items()} | {"out": str(out)}
        told = CliRunner().invoke(main, [*command.split(), *[part.format(**known) for part in way]])
        assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
        said = " ".join(told.output.split())
        if does == REFUSED:
            assert told.exit_code and re.search(
                rf"locked by the prediction {'|'.join(made.names)}", said
            ), (way, said)
        for text in (said, *map(_text, tmp_path.rglob("*"))):
            leaked = [one for one in made.numbers if one in text]
            assert not leaked, (way, leaked, said)
        if command not in ("trust", "surprisal"):  # they tell other numbers
            assert not [
                one for one in made.headlines if re.search(rf"(?<!\d)0?{one}(?!\d)", said)
            ], (way, said)


def _text(path) -> str:
    """What a file says; of a zip, what its members say."""
    if not path.is_file():
        return ""
    if not zipfile.is_zipfile(path):
        return path.read_bytes().decode("utf-8", "replace")
    with zipfile.ZipFile(path) as opened:
        return " ".join(opened.read(one).decode("utf-8", "replace") for one in opened.namelist())


# ---- lenses ----------------------------------------------------------------------------------------------------------
ASKED = {
    "reading": {"models": ["zoo-causal-1m"], "recording": READ, "protocol": preset("defended")},
    "time": {"models": [GLOVE], "recording": HEARD, "protocol": preset("story")},
    "task": {"benchmark": "own"},
    "trust": {"models": [GLOVE], "copies": 0, "doubts": list(OF_THE_CELL)},
    "untrained": {"models": [GLOVE]},
    "compare": {"ranked": ["simulated"]},
    "perturb": {"models": [MODEL]},
    "wiring": {"models": [MODEL], "updates": 1, "runs": 1},
}
"""Beside two models on one recording under one protocol: what a lens needs to ask for a locked cell."""
WITHOUT = {
    "library": "lists, adds and removes; its sweeps: test_sweeps_on_the_page_and_the_activity_tell_no_locked_number"
}
OPEN = {
    "training": "revisions of these models are other models",
    "architectures": "networks drawn anew",
}
"""Lenses whose numbers here are of other cells."""


@pytest.mark.parametrize("slug", [one for one in LENSES if one not in WITHOUT])
def test_no_lens_tells_a_locked_number(slug, made):
    """Tables, words, tiles, elements, recipes and files of every registered lens that is asked for locked cells."""
    choice = {"models": BOTH, "recording": "simulated", "protocol": QUICK} | ASKED.get(slug, {})
    variants = [choice]
    if slug == "design":
        variants = [
            choice | {"design": one, "effect": 0.01} for one in ("drive", "controversial", "power")
        ]
    for asked in variants:
        lens = LENSES[slug](**asked)
        try:
            if slug not in OPEN:
                lens.run(wait=True)
            own = [one for one in lens.shown.pictures if not one.published]
            said = _told_by(lens)
            leaked = [one for one in made.numbers for text in said if one in text]
            assert not leaked, (asked, leaked)
            for score_ in [one for picture in own for one in picture.scores]:
                assert (score_.model, score_.recording) not in {(one, "simulated") for one in BOTH}
        finally:
            lens.close()


def _told_by(lens) -> list[str]:
    """All that a lens shows or gives away, as text."""
    own = [one for one in lens.shown.pictures if not one.published]
    elements = [
        one.data.to_csv() if isinstance(one.data, pd.DataFrame) else str(one.data)
        for picture in (lens.holoviews().values() if own else ())
        for one in picture.traverse(lambda one: one, [hv.Element])
    ]
    return [
        lens.shown.verdict,
        lens.shown.empty,
        str(lens.shown.tiles),
        lens._table.csv().getvalue(),
        *[f"{one.spec.answer} {one.spec.caption} {one.table.to_csv()}" for one in own],
        json.dumps(lens.recipe(), default=str),
        *elements,
    ]


# ---- Python ----------------------------------------------------------------------------------------------------------
WHO = {"model", "models", "source", "reader", "first", "name", "asked", "heard", "surprisal"}
WHERE = {"recording", "recordings", "on", "asked"}


def verbs() -> dict[str, Callable]:
    """Every public function of the floor that computes which takes a model, a recording and a protocol, and works or looks up."""
    found = {}
    for info in pkgutil.walk_packages(analysis.__path__, "analysis."):
        module = importlib.import_module(info.name)
        for name in getattr(module, "__all__", ()):
            one = getattr(module, name)
            if inspect.isfunction(one) and one.__module__ == info.name:
                takes = set(inspect.signature(one).parameters)
                if (
                    ("protocol" in takes or "asked" in takes)
                    and takes & WHO
                    and takes & WHERE
                    and takes & {"store", "report"}
                ):
                    found[f"{info.name.removeprefix('analysis.')}:{name}"] = one
    return found


S, TEXTS = "simulated", prose()[:5]
VERBS: dict[str, Callable] = {
    "answers.changed:changed_sentences": lambda f: f(MODEL, S, QUICK),
    "answers.changed:stored_changed": lambda f: f(MODEL, S, QUICK),
    "answers.controversial:controversial": lambda f: f(MODEL, GLOVE, TEXTS, QUICK, by="response", recording=S),
    "answers.drive:drive": lambda f: f(MODEL, S, TEXTS, QUICK),
    "answers.model_map:model_map": lambda f: f(BOTH, S, QUICK),
    "answers.occlusion:occlusion_curve": lambda f: f(MODEL, S, QUICK, levels=(0, 50)),
    "answers.occlusion:stored_curve": lambda f: f(MODEL, S, QUICK, levels=(0, 50)),
    "answers.occlusion:tested_changed": lambda f: f([(load(MODEL), recording(S))], recording(S), QUICK, store=Store()),
    "answers.wiring:stored_course": lambda f: f(MODEL, "all", 0, recording=S, protocol=QUICK)[0],
    "answers.word_times:word_times": lambda f: f(recording(HEARD), surprisal="zoo-causal-1m", protocol=preset("story")),
    "answers.outcomes:outcome": lambda f: f(MODEL, S, QUICK),
    "answers.outcomes:stored_outcome": lambda f: f(MODEL, S, QUICK),
    "answers.outcomes:brain": lambda f: f(load(MODEL), S, QUICK),
    "answers.planning:pilot_of": lambda f: f(MODEL, GLOVE, S, QUICK),
    "answers.planning:growth": lambda f: f(MODEL, GLOVE, S, QUICK),
    "answers.reverse:reverse": lambda f: f(BOTH, S, QUICK),
    "answers.similarity:layers_of": lambda f: f(MODEL, recording(S), QUICK),
    "answers.similarity:similarities": lambda f: f(BOTH, S, QUICK),
    "answers.units:score_map": lambda f: f("asked", S, QUICK),
    "answers.units:score_units": lambda f: f("asked", S, QUICK),
    "answers.trust.panels:panel": lambda f: [f(one, Asked((MODEL,), S, QUICK, copies=0)) for one in ("leaks",)],
    "answers.trust.panels:stored_scores": lambda f: f(Asked((MODEL,), S, QUICK, copies=0)),
    "answers.trust.asked:scores_of": lambda f: f(Asked((MODEL,), S, QUICK), recording(S), Store(), Report()),
    "reading.by_trial:read_trials": lambda f: f("zoo-causal-1m", READ, protocol=preset("defended")),
    "reading.run:read": lambda f: f("zoo-causal-1m", READ),
    "reading.source:surprisal_of": lambda f: f("zoo-causal-1m", recording(READ), protocol=preset("defended")),
    "scoring.decoding:decode": lambda f: f(MODEL, S, QUICK),
    "scoring.lags:lag_course": lambda f: f(GLOVE, recording(HEARD), preset("story")),
    "scoring.metrics:measure": lambda f: f(MODEL, S, QUICK, ["spearman"]),
    "scoring.per_stimulus:item_values": lambda f: f(MODEL, S, QUICK),
    "scoring.verb:score": lambda f: f(MODEL, S, QUICK),
}  # fmt: skip
"""Verb -> how a locked cell is asked for: refused, or nothing is there."""
FREE = {
    "features.activations:extract": "activations, no responses",
    "answers.wiring:course": "networks trained anew, which are other models; the share of the finished one is refused",
    "answers.word_times:bits_heard": "bits of words as they were heard, no responses",
    "scoring.per_stimulus:token_bits": "bits of one text, no responses",
    "answers.trust.panels:price": "seconds",
    "reading.run:price": "seconds",
    "scoring.cost:cost": "seconds",
    "scoring.cost_beside:embedding_seconds": "seconds",
    "scoring.cost_beside:with_beside": "seconds",
    "scoring.per_stimulus:price": "seconds",
    "scoring.per_stimulus:refit_price": "seconds",
    "scoring.lock:lock": "the lock itself",
    "scoring.lock:require_open": "what refuses",
}


def test_every_verb_of_python_is_tried_or_tells_nothing_of_responses():
    assert {*verbs()} == {*VERBS, *FREE}, {*verbs()} ^ {*VERBS, *FREE}


@pytest.mark.parametrize("verb", VERBS)
def test_no_verb_of_python_tells_a_locked_number(verb, made):
    try:
        found = VERBS[verb](verbs()[verb])
    except Locked:
        return
    assert found is None or found == (), f"{verb} gave {found}"
