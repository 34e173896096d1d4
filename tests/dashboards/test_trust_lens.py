"""The Trust lens by itself, its A4 page, its command, and what a click opens."""

from __future__ import annotations

import io
import re
import zipfile
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis import score
from analysis.answers.answer import Answer
from analysis.answers.trust import choices
from analysis.answers.trust.panels import CONTROLS, PANELS, Asked, needs, panel, plain, price
from analysis.answers.trust.specifications import specifications
from analysis.answers.trust.verdict import RULES, verdict
from analysis.answers.trust.waterfall import waterfall as answer_of
from analysis.models import load
from analysis.paper.handover import r_files
from analysis.progress import Cancelled, Report
from analysis.protocol import preset
from analysis.scoring.capsules import read_capsule
from analysis.scoring.cost import cost, slowdown
from analysis.scoring.lock import lock
from analysis.scoring.results import results
from analysis.store.promises import promises
from analysis.store.store import Store
from analysis.sweep import panels as sweep_panels
from analysis.sweep.panels import plans
from dashboards import Compare, Layers, Trust
from dashboards.command.cli import main
from dashboards.figures import paper
from dashboards.figures.panels import drawing
from dashboards.figures.screen import draw
from dashboards.figures.spec import FigureSpec, Mark
from dashboards.figures.trust import figures, waterfall
from dashboards.lens.tile_table import table as tile_table
from dashboards.lenses.trust import METHODS, Found, sheet, verdicts, why_empty
from dashboards.serve.written import PAGES, rendered
from dashboards.state import decode, encode
from dashboards.work import ledger
from dashboards.work.computation import Computation, cost_in_words
from dashboards.work.ledger import Ready, look_key
from data.errors import BrainLensError
from tests.figures import misprints

QUICK = preset("defended").but(
    seeds=1, folds=3, inner_folds=2, bootstrap=50, criterion="gcv", alphas=(10.0, 1000.0), unique=False,
    controls=("position", "length"), ceiling="none",
)  # fmt: skip

CELLS = ["split=grouped", "split=shuffled", "mapping=ridge", "layer=nested", "layer=best"]
SOME = ["leaks", "omega", "optimism", "curve", "matrix"]


def asked() -> Trust:
    return Trust(
        models=["zoo-glove-64d"],
        recording="simulated",
        protocol=QUICK,
        doubts=SOME,
        copies=0,
        exchanges=5,
        cells=CELLS,
        beyond=["position", "length"],
    )


@pytest.fixture(scope="module")
def lens():
    """Shared, so a test that selects something takes one of its own."""
    made = asked()
    made.run(wait=True)
    before = made.selection.to_dict()
    yield made
    assert made.selection.to_dict() == before, "a test changed what the others share"
    made.close()


def test_the_price_is_told_before_the_click(clean_home, monkeypatch):
    monkeypatch.setattr(ledger, "FREE_SECONDS", 0.0)  # what is cheap runs by itself
    made = asked()
    made.wait(120)
    assert "What it costs is written at the top" in made.shown.verdict
    assert made._wanted[0].seconds > 0
    made.close()


def test_every_panel_has_a_figure_a_table_and_code(lens):
    labels = [picture.label for picture in lens.shown.pictures]
    assert labels == ["Leak meter", "Omega", "Omega, each person", "Optimism", "Specification curve", "Its choices",
                      "Generalisation: people", "Generalisation: topics", "As published, not recomputed"]  # fmt: skip
    for picture in lens.shown.pictures:
        assert len(picture.table) and picture.spec.answer
        assert picture.python.startswith('"""Made by BrainLens')
        compile(picture.python, picture.label, "exec")
        assert draw(picture.spec, theme="light", height=270) is not None
        assert paper.render(picture.spec, format="svg").startswith(b"<?xml")
        assert misprints(picture.spec) == []
    assert all(p.spec.stamp == "simulated data" for p in lens.shown.pictures[:-1])
    assert lens.shown.pictures[0].link[1].startswith("v=1&lens=layers&models=zoo-glove-64d")
    assert "zoo-glove-64d" in lens.shown.verdict and "no test" in lens.shown.verdict


def test_every_panel_links_to_the_place_where_its_method_is_written(lens):
    assert set(METHODS) == set(PANELS)
    page = rendered("method")
    for where in METHODS.values():
        name, _, heading = where.partition("#")
        assert name == "method" and f'<h2 id="{heading}">' in page
    assert all(picture.method in METHODS.values() for picture in lens.shown.pictures)
    for name in PAGES:
        for other, heading in re.findall(
            r'href="(\w+)?(?:\?theme=dark)?#([\w-]+)"', rendered(name, True)
        ):
            assert f'id="{heading}"' in rendered(other or name, True), (name, heading)


def test_the_page_is_one_a4_page_with_the_verdict(lens):
    assert not lens._page.disabled and not lens._handed.disabled
    assert lens.page().startswith(b"%PDF")
    found = lens._ledger.value(lens._key)
    made = sheet(found, lens.asked(), "svg").decode()
    read = " ".join(
        re.findall(r">([^<>]+)</text>", made)
    )  # a line may end within what is looked for
    assert "Is this number real? zoo-glove-64d on simulated" in read
    assert RULES["leaks"] in read and "It is a reading aid, no test." in read
    assert "changed: " in made and "criterion gcv" in made and "Still running" not in made
    assert 'width="595' in made and 'height="841' in made  # 210 x 297 mm in points
    with pytest.raises(BrainLensError, match="No panel has an answer"):
        sheet(Found({}, {}), lens.asked())


def test_the_page_speaks_of_every_model_and_says_what_still_runs(lens):
    """The page may be taken while panels run: what has no answer yet is no panel that cannot be answered."""
    found = lens._ledger.value(lens._key)
    some = Found(
        {"leaks": found.answers["leaks"]}, {"court": "No people."}, waiting=("omega", "curve")
    )
    both = replace(lens.asked(), models=("zoo-glove-64d", "zoo-causal-1m"))
    made = " ".join(
        re.findall(r">([^<>]+)</text>", sheet(some, both, "svg", running=True).decode())
    )
    assert "Still running: Omega and Specification curve." in made
    assert (
        "Not answered: Ceiling court (No people), Optimism, Waterfall and Generalisation." in made
    )
    assert re.search("zoo-glove-64d: . of 1 panels.*zoo-causal-1m: no panel", made)
    assert "Not run to the end: Omega" in " ".join(verdicts(some, both.models))


def _two_waterfalls(models) -> Answer:
    """As the panel has them; the second model's number falls."""
    made = {
        name: answer_of([("2021, raw r", 0.3), ("OLS to ridge", r)], model=name)
        for name, r in zip(models, (0.4, 0.1))
    }
    frame = [
        one.frame.assign(model=name, changes=[{}] * 3, preset="defended")
        for name, one in made.items()
    ]
    sentences = {name: one.sentence for name, one in made.items()}
    facts = {"sentences": sentences, "apart": {}, "shares": {}}
    said = " ".join(sentences.values())
    return replace(made[models[0]], frame=pd.concat(frame), sentence=said, facts=facts)


def test_every_model_has_its_waterfall_and_matrix_on_the_screen_the_page_and_in_the_tables(lens):
    """They were the first model's only, and of more than two models' waterfalls two."""
    models = ["zoo-glove-64d", "random-16"]
    both = replace(lens.asked(), models=tuple(models))
    found = Found({"waterfall": _two_waterfalls(models), "matrix": panel("matrix", both)}, {})
    made = asked()
    made.selection.param.update(models=models, doubts=["waterfall", "matrix"])
    made.cancel()
    made._ledger.keep(made._key, Ready(found))
    every = ["Waterfall, every model", "Generalisation: people, every model",
             "Generalisation: topics, every model"]  # fmt: skip
    for model in models:
        made.selection.whose = model
        shown = [one for one in made.view().pictures if not one.published]
        own = [
            f"Waterfall: {model}",
            f"Generalisation: people: {model}",
            f"Generalisation: topics: {model}",
        ]
        assert sorted(one.label for one in shown) == sorted([*every, *own])
        assert all(set(one.table["model"]) == set(models) for one in shown)
        said = verdict(found.answers, model).sentence
        assert "in 2021's way" in said and ("left on other" in said or "on the diagonal" in said)
    words = " ".join(re.findall(r">([^<>]+)</text>", sheet(found, both, "svg").decode()))
    assert "Every model: from 2021 to today?" in words and "hold for other people?" in words
    made._pick(["OLS to ridge"])
    assert made.selection.models == ["random-16"]  # whose waterfall is drawn
    made.close()


def test_a_screen_that_is_read_from_the_store_says_what_is_still_to_come(lens, monkeypatch):
    whole = lens._ledger.value(lens._key)
    some = Found({"leaks": whole.answers["leaks"]}, {}, True, waiting=("omega",))
    monkeypatch.setattr(lens._ledger, "value", lambda _key: some)
    assert "Not run to the end: Omega" in lens.view().verdict
    monkeypatch.setattr(lens.desk, "running", lambda key: key == look_key(lens._key))
    assert "Still running: Omega" in lens.view().verdict


def test_cells_of_the_generalisation_share_a_scale_that_is_drawn(lens):
    spec = figures("matrix", lens._ledger.value(lens._key).answers["matrix"])[
        "Generalisation: people"
    ]
    plan = drawing(spec, "light")
    assert plan.heat_steps() and plan.heat_range("anyone") == plan.heat_range(spec.heat.columns[0])
    assert spec.heat_title in [words for words, _ in paper.boxes(spec, width_mm=114)[0]]


def test_what_was_computed_costs_nothing_the_next_time(lens):
    assert price("leaks", lens.asked()).seconds == 0
    again = Trust(
        models=["zoo-glove-64d"], recording="simulated", protocol=QUICK, doubts=["optimism"]
    )
    again.wait(60)
    assert again.shown.pictures[0].label == "Optimism"  # free: shown without a click


def test_a_text_is_read_once_however_many_runs_are_priced(clean_home):
    """The price of two mappings of one reading is that of the reading and of two fits."""
    model, seconds = "zoo-causal-1m", {}
    for cells in (("ridge",), ("ridge", "ols")):
        asked = Asked((model,), "simulated", QUICK, axes={"mapping": cells}, draws=0)
        seconds[len(cells)] = price("curve", asked).seconds
    one = cost(model, asked.open(), QUICK)
    assert one.reading > 2 and one.seconds > one.reading
    assert seconds[1] > one.reading and seconds[2] < 2 * seconds[1] - 0.9 * one.reading
    assert price("curve", asked, before=("omega",)).seconds < seconds[2] - 0.9 * one.reading
    said = CliRunner().invoke(
        main,
        [
            "trust",
            model,
            "--on",
            "simulated",
            "--dry-run",
            "--panel",
            "omega",
            "--panel",
            "optimism",
        ],
    )
    last = next(line for line in said.output.splitlines() if "Optimism" in line)
    assert "with those above" in last and "yes" not in last, said.output


def test_a_screen_stands_at_once_in_the_next_page_until_it_is_locked(clean_home):
    """Another session of the same process: nothing is looked up and nothing is put together again."""
    asks = dict(models=["zoo-glove-64d"], recording="simulated", protocol=QUICK, copies=0)
    Trust(**asks, doubts=["optimism"]).run(wait=True)
    again = Trust(**asks, doubts=["optimism"])
    assert again.shown.pictures[0].label == "Optimism" and not again.running
    lock("words are enough", ["zoo-glove-64d"], ["simulated"], QUICK)
    locked = Trust(**asks, doubts=["optimism"])
    locked.wait(60)
    assert [one.label for one in locked.shown.pictures if not one.published] == []


def test_a_busy_machine_is_said_beside_the_price_of_a_long_work(monkeypatch):
    monkeypatch.setattr("os.getloadavg", lambda: (7.0, 0.0, 0.0), raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    assert slowdown() == 4.0
    todo = [Computation("k", "glove on a story", print, print, seconds=120.0)]
    assert "2 min on an idle machine, 8 min as busy as this one is now" in cost_in_words(
        todo, slowdown()
    )
    monkeypatch.setattr("os.getloadavg", lambda: (0.2, 0.0, 0.0), raising=False)
    assert slowdown() == 1.0 and "About 2 min; nothing" in cost_in_words(todo, slowdown())
    monkeypatch.delattr("os.getloadavg", raising=False)
    assert slowdown() == 1.0


def test_a_link_carries_the_fields_of_the_lens():
    query = encode({"lens": "trust", "copies": 2, "cells": ["split=grouped"], "doubts": ["leaks"]})
    values, problems = decode(query)
    assert not problems and values["copies"] == 2 and values["doubts"] == ["leaks"]


def test_without_a_model_it_offers_the_example():
    empty = Trust()
    assert empty.shown.action and not empty.shown.there


def test_the_runs_are_plans_without_a_cell_too_many():
    asked = Asked(("zoo-causal-200k", "zoo-glove-64d", "random-16"), "simulated", QUICK, copies=2)
    made, empty = plans(asked, tuple(PANELS))
    cells = {(c.model, plan.protocol(c.protocol).key()) for plan in made for c in plan.cells()}
    wanted = {(m, p.key()) for name in PANELS for m, _, p in needs(name, asked)}
    assert cells == wanted and not empty
    assert {m for m, _, _ in needs("matrix", asked)} == set(asked.models)
    assert sum("@untrained" in model for plan in made for model in plan.models) == 2  # not of GloVe
    assert (
        len(needs("waterfall", asked)) == 30
    )  # per model: its score, 2021, and 2^3 runs; both layer choices read one fit
    with pytest.raises(BrainLensError, match="odd"):
        needs("odd", asked)
    with pytest.raises(BrainLensError, match="No model"):
        Asked((), "simulated")


def test_the_command_prices_answers_and_writes(lens, tmp_path):
    run = CliRunner().invoke
    base = ["trust", "zoo-glove-64d", "--on", "simulated"]
    for name, value in QUICK.changes().items():
        told = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        base += ["--set", f"{name}={told}"]
    dry = run(main, [*base, "--dry-run", "--panel", "optimism"])
    assert dry.exit_code == 0, dry.output
    assert "stored" in dry.output and "Found" not in dry.output
    done = run(
        main,
        [
            *base,
            "--panel",
            "optimism",
            "--out",
            str(tmp_path / "t"),
            "--pdf",
            str(tmp_path / "p.pdf"),
        ],
    )
    assert done.exit_code == 0, done.output
    assert "none of 1 panels raises a doubt" in done.output
    assert (tmp_path / "t" / "trust-optimism.csv").read_text().startswith("model,rule")
    assert (tmp_path / "p.pdf").read_bytes().startswith(b"%PDF")
    story = run(main, ["trust", "--published"])
    assert "As published, not recomputed" in story.output and "1.044" in story.output
    names = [[*base, "--panel", "odd"], [*base, "--cell", "split"], [*base, "--cell", "split=odd"], [*base, "--controls", "odd"],
             [*base, "--elsewhere", "odd"], ["trust", "zoo-glove-65d", "--on", "simulated"],
             ["trust", "zoo-glove-64d", "--on", "nowhere"]]  # fmt: skip
    for wrong in (["trust"], *names):
        said = run(main, wrong)
        assert said.exit_code == 1 and "in all" not in said.output, said.output  # before any price
    handed = run(main, [*base, "--panel", "optimism", "--r-folder", str(tmp_path / "r")])
    assert handed.exit_code == 0, handed.output
    assert {one.name for one in (tmp_path / "r").iterdir()} == {
        "long.csv",
        "models.R",
        "ours.csv",
        "README.md",
    }
    again = run(main, [*base, "--panel", "optimism", "--r-folder", str(tmp_path / "r")])
    assert again.exit_code == 1 and "is not empty" in again.output


def test_while_panels_run_there_is_a_page_but_nothing_to_hand_over(lens):
    whole = lens._ledger.value(lens._key)
    try:
        lens._ledger.keep(lens._key, Ready(Found(whole.answers, {}, True)))
        lens.reflect(lens.view())
        assert not lens._page.disabled and lens._handed.disabled
    finally:
        lens._ledger.keep(lens._key, Ready(whole))
        lens.reflect(lens.view())
    assert not lens._handed.disabled


def test_progress_counts_all_runs_of_a_screen_and_cancel_reaches_them(clean_home, monkeypatch):
    """Of 40 runs the tenth said "about 0.2 s left"."""
    made, _ = plans(
        Asked(("zoo-glove-64d", "zoo-causal-200k"), "simulated", QUICK), ("leaks", "omega")
    )
    told = []

    def one(sweep, *_, report, **__):
        for number in range(len(sweep.tasks)):
            report.step(number, len(sweep.tasks), "tasks")
            report.step(350, 1000, "scoring")
        return sweep.counts()

    monkeypatch.setattr(sweep_panels, "run", one)
    report = Report(lambda done, total, what, _: told.append((done, total, what)))
    sweep_panels.run_plans(made, report=report)
    counted = [done for done, _, _ in told]
    assert {(total, what) for _, total, what in told} == {(len(set(counted)), "runs")}
    assert len(set(counted)) > max(len(plan.models) for plan in made) and counted == sorted(counted)
    report.cancel()
    with pytest.raises(Cancelled):
        sweep_panels.run_plans(made, report=report)


def test_what_is_handed_over_holds_capsules_the_checklist_and_r(lens, tmp_path):
    with zipfile.ZipFile(io.BytesIO(lens.handed_over())) as opened:
        names = opened.namelist()
        inner = opened.read("capsules/1-zoo-glove-64d.zip")
        assert b"lme4" in opened.read("R/models.R") and b"# Reporting checklist" in opened.read(
            "checklist.md"
        )
        assert opened.read("R/long.csv").startswith(b"model,recording,layer")
    assert {"methods.txt", "references.bib", "R/README.md", "R/ours.csv"} < set(names)
    (tmp_path / "one.zip").write_bytes(inner)
    opened = read_capsule(tmp_path / "one.zip")
    (score,) = lens._ledger.value(lens._key).scores
    assert opened.result["r"] == pytest.approx(score.value)
    assert b"zoo-glove-64d" in opened.files["reproduce.py"]
    with pytest.raises(BrainLensError, match="No score to hand over"):
        r_files([])
    with pytest.raises(BrainLensError, match="No score stands behind"):
        Trust().handed_over()


def test_columns_of_an_own_file_are_said_on_the_command_line(tmp_path):
    """Columns that nobody could guess; every command that takes a recording takes them."""
    rng = np.random.default_rng(1)
    words = rng.choice(["dog", "tree", "river", "stone", "lamp", "road"], (48, 2))
    table = pd.DataFrame(
        {"what": [f"The {a} and the {b}." for a, b in words], "chunk": np.repeat(np.arange(12), 4)}
    )
    table["ann"], table["bob"] = rng.standard_normal((2, 48))
    table.to_csv(tmp_path / "odd.csv", index=False)
    run, file = CliRunner().invoke, str(tmp_path / "odd.csv")
    said = [
        "--text",
        "what",
        "--response",
        "ann,bob",
        "--group",
        "chunk",
        "--context",
        "chunk",
        "--subject",
        "ann=a,bob=b",
    ]
    sets = [part for name in ("seeds=1", "folds=3", "inner_folds=2", "bootstrap=20", "criterion=gcv", "alphas=10,1000",
                              "unique=false", "controls=", "ceiling=none") for part in ("--set", name)]  # fmt: skip
    done = run(
        main,
        [
            "trust",
            "zoo-glove-64d",
            "--on",
            file,
            *said,
            *sets,
            "--panel",
            "leaks",
            "--panel",
            "matrix",
            "--copies",
            "0",
        ],
    )
    assert done.exit_code == 0, done.output
    assert "Verdict: cannot tell" in done.output and "over people r goes" in done.output, (
        done.output
    )
    bare = run(main, ["trust", "zoo-glove-64d", "--on", file, "--dry-run", "--panel", "leaks"])
    assert bare.exit_code == 1 and "in all" not in bare.output
    many = run(main, ["trust", "zoo-glove-64d", "--on", file, *said, "--workers", "2"])
    assert many.exit_code == 1 and "2 processes cannot be told" in many.output
    zipped = str(tmp_path / "c.zip")
    kept = run(
        main,
        [
            "results",
            "capsule",
            "zoo-glove-64d",
            "--on",
            file,
            *said,
            *sets,
            "-o",
            zipped,
            "--no-predictions",
        ],
    )
    assert kept.exit_code == 0, kept.output
    assert b"responses=['ann', 'bob']" in read_capsule(zipped).files["reproduce.py"]
    asked = run(main, ["results", "checklist", "zoo-glove-64d", "--on", file, *said, *sets])
    assert asked.exit_code == 0 and "2 people" in asked.output
    frozen = run(main, ["lock", "words do", "--model", "zoo-glove-64d", "--on", file, *said, *sets])
    assert frozen.exit_code == 0, frozen.output
    refused = run(main, ["score", "zoo-glove-64d", "--on", file, *said, *sets])
    assert refused.exit_code == 1 and "locked" in refused.output
    assert run(main, ["reveal", promises(Store().root)[-1].hash[:12]]).exit_code == 0


def test_the_leak_meter_has_its_controls_whatever_the_protocol(lens):
    bare = QUICK.but(controls=(), shuffled_twin=False)
    ((_, _, asked),) = needs("leaks", Asked(("zoo-glove-64d",), "simulated", bare, copies=0))
    assert set(asked.controls) == {"position", "length", "random-embedding"} and asked.shuffled_twin
    kept = preset("defended")
    ((_, _, same),) = needs("leaks", Asked(("zoo-glove-64d",), "simulated", kept, copies=0))
    assert same.key() == kept.key()


def test_a_price_tells_what_it_is_made_of_and_counts_each_layers_exchanges(clean_home):
    """Half was told: exchanges did not count layers; ceilings and joint fits of a score were left out."""
    one = Asked(("zoo-causal-1m",), "simulated", copies=0, draws=100)
    two = replace(one, models=("zoo-causal-1m", "zoo-causal-700k"))
    parts = {name: dict(price("leaks", asked).made_of) for name, asked in (("1", one), ("2", two))}
    assert {"reading", "fits", "joint fits with controls", "ceilings", "controls"} <= parts[
        "1"
    ].keys()
    assert parts["1"]["ceilings"] == parts["2"]["ceilings"] > 1  # made once for all models
    assert sum(parts["1"].values()) == pytest.approx(price("leaks", one).seconds)
    assert "ceilings" not in dict(price("optimism", one, before=("leaks",)).made_of)
    exchanges = {
        (model, draws): dict(price("curve", replace(one, models=(model,), draws=draws)).made_of)[
            "exchanges"
        ]
        for model in ("zoo-causal-1m", "zoo-glove-64d")
        for draws in (100, 200)
    }
    layers = load("zoo-causal-1m").n_layers
    assert exchanges["zoo-causal-1m", 100] > layers * exchanges["zoo-glove-64d", 100] > 60
    assert exchanges["zoo-causal-1m", 200] == pytest.approx(
        2 * exchanges["zoo-causal-1m", 100], 0.3
    )
    told = cost_in_words(
        [Computation("k", "w", print, print, seconds=9, made_of=(("a", 5), ("b", 4)))]
    )
    assert told.endswith("Made of: a 5 s, b 4 s.")


def test_progress_of_exchanges_counts_all_specifications(clean_home):
    asked, told = Asked(("zoo-glove-64d",), "simulated", QUICK, draws=40), []
    report = Report(lambda done, total, what, _: told.append((done, total, what)))
    cells = specifications(plain(QUICK), asked.axes)
    choices._null(asked, asked.open(), cells, Store(), report)
    mine = [(done, total) for done, total, what in told if what == "specifications by chance"]
    assert mine == sorted(mine) and {total for _, total in mine} == {
        sum(c.defensible for c in cells)
    }
    assert len({done for done, _ in mine}) > sum(c.defensible for c in cells)


@pytest.mark.starter
def test_copies_and_commitments_find_a_model_whose_score_has_a_longer_name(starter):
    """``stories15M`` is scored as ``stories15m``: its untrained copies and its committed layer are its own."""
    asked = Asked(("stories15M",), "simulated", QUICK, committed={"stories15M": 1}, copies=1)
    assert score("stories15M", "simulated", QUICK).model != "stories15M"
    frame = panel("leaks", asked).frame
    assert "stories15m, untrained" in set(frame["what"])
    rules = panel("optimism", asked).frame.set_index("rule")
    assert rules.loc["committed", "layer"] == 1


def test_the_verdict_counts_doubts_and_says_what_was_not_asked(lens):
    found = lens._ledger.value(lens._key).answers
    said = verdict({"leaks": found["leaks"]}, "zoo-glove-64d", {"matrix": "people are not known."})
    assert said.facts["doubts"] == 1 and "not above position and length" in said.sentence
    assert "Generalisation (people are not known)" in said.sentence
    assert verdict({}, "m").sentence.startswith("Nothing was run yet")
    assert set(CONTROLS) == {"position", "length", "word-rate", "log-frequency"}


def test_what_belongs_to_no_model_stands_behind_all_in_the_leak_meter(lens):
    asked = replace(lens.asked(), models=("zoo-glove-64d", "zoo-causal-200k"), copies=0)
    rows = list(dict.fromkeys(panel("leaks", asked).frame["what"]))
    assert rows[-2:] == ["position and length", "OASM, no text"]


def test_under_folds_of_single_stimuli_no_leak_is_looked_for_and_the_rest_is_asked():
    asked = Asked(("zoo-glove-64d",), "simulated", QUICK.but(split="stratified"), copies=0)
    with pytest.raises(BrainLensError, match="no leak could be told") as caught:
        needs("leaks", asked)
    assert "grouped" in caught.value.remedy
    after = price("omega", asked, before=("leaks",))
    assert after.scored == 1  # a panel that is refused refuses no other


def test_panels_about_people_are_empty_on_an_average_and_say_why(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "text": [
                f"The {noun} stands {i} there." for i, noun in enumerate(["dog", "tree"] * 24)
            ],
            "passage": np.repeat([f"p{i}" for i in range(12)], 4),
            "response": rng.standard_normal(48),
        }
    )
    table.to_csv(tmp_path / "own.csv", index=False)
    asked = Asked(("zoo-glove-64d",), str(tmp_path / "own.csv"), QUICK, copies=0)
    table.rename(columns={"passage": "topic"}).to_csv(tmp_path / "alone.csv", index=False)
    told = needs("curve", replace(asked, recording=str(tmp_path / "alone.csv")))
    # no context is the file's own: 16 runs, each number twice
    assert len(told) == 8 == len({p.key() for *_, p in told})
    court = panel("court", asked)
    assert "No ceiling may be divided by" in court.sentence
    told = why_empty(Found({"court": court}, {}))["court"]
    assert "Ceiling court: empty" in told and "averages over people" in told
    with pytest.raises(BrainLensError, match="people are not known, the responses are averages"):
        panel("matrix", asked)


def test_every_bar_of_the_waterfall_is_a_run_and_other_scales_stand_apart():
    """Each number again by a score of its own; controls and ceiling never share the axis of r."""
    asked = Asked(("zoo-glove-64d",), "simulated", QUICK.but(ceiling="leave-one-out"), copies=0)
    answer = panel("waterfall", asked)
    frame, first = answer.frame, {"seeds": 1, "bootstrap": 50, "ceiling": "none"}
    steps = dict(zip(frame["step"], frame["value"]))
    then = preset("schrimpf2021").but(ceiling="none", unique=False)
    assert steps["2021, raw r"] == pytest.approx(score("zoo-glove-64d", "simulated", then).value)
    ridge = QUICK.but(**first, split="shuffled")
    assert steps["OLS to ridge"] == pytest.approx(score("zoo-glove-64d", "simulated", ridge).value)
    today = score("zoo-glove-64d", "simulated", QUICK)
    assert steps["the end"] == steps["shuffled to held out"] == pytest.approx(today.value)
    changes = frame.loc[frame["kind"] == "change", "change"]
    assert frame["value"].iloc[0] + changes.sum() == pytest.approx(frame["value"].iloc[-1])
    shares = answer.facts["shares"]["zoo-glove-64d"]
    assert sum(shares.values()) == pytest.approx(steps["the end"] - steps["other choices of 2021"])
    apart = answer.facts["apart"]["zoo-glove-64d"]
    parts = panel("omega", asked).frame.query("person == 'all'").iloc[0]
    assert list(apart["controls"].frame["value"])[:2] == pytest.approx(
        [parts["alone"], parts["unique"]]
    )
    assert "ceiling" not in apart and "No bar for the ceiling" in answer.caption  # a bound
    assert price("waterfall", asked).seconds == 0 and price("omega", asked).seconds == 0
    labels = figures("waterfall", answer)
    assert list(labels) == ["Waterfall", "Minus controls"]
    scales = {spec.y_title for spec in labels.values()}
    assert scales == {"Pearson r, held out", "Out-of-sample R2"}


def test_more_panels_than_letters_and_long_names_stay_inside_their_own_places(lens):
    found = lens._ledger.value(lens._key)
    every = [spec for n, a in found.answers.items() for spec in figures(n, a).values()]
    made = paper.render((every * 4)[:28], format="svg", width_mm=190, height_mm=800).decode()
    assert ">AB</text>" in made  # the 28th
    names = [f"a-model-with-a-rather-long-name-{i}" for i in range(4)]
    bars = pd.DataFrame({"model": names, "to": [0.1, 0.2, 0.3, 0.25], "from": 0.0,
                         "words": [f"Omega {60 + i} %" for i in range(4)]})  # fmt: skip
    spec = FigureSpec("What?", (Mark("bars", bars, "model", "to", base="from", name="x"),
                                Mark("text", bars, "model", "to", label="words")), "", "R2")  # fmt: skip
    texts, _ = paper.boxes([spec, spec], width_mm=190, font_size=6, heading=("Heading",))
    words = [box for text, box in texts if text.startswith("Omega")]
    assert len(words) == 8
    for one, other in combinations(words, 2):
        apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        assert apart


def test_bars_of_waterfalls_have_one_colour_for_one_kind_whatever_else_is_there():
    few, many = (
        waterfall(answer_of(steps)).marks[0]
        for steps in ([("a", 0.4), ("b", 0.1)], [("a", 0.4), ("b", 0.6), ("c", 0.1)])
    )
    found = [
        {s.name: s.look.colour for s in drawing(FigureSpec("x", (one,))).series(one)}
        for one in (few, many)
    ]
    assert set(found[0]) == {"the number", "lowers it"} and set(found[1]) > set(found[0])
    assert all(found[1][name] == colour for name, colour in found[0].items())


def test_a_click_on_a_specification_opens_its_run_in_layers(lens):
    clicked = asked()
    clicked.run(wait=True)  # stored by now
    frame = clicked._ledger.value(clicked._key).answers["curve"].frame
    row = frame[frame["split"] == "shuffled"].iloc[0]
    clicked._pick([f"{row['model']}: {row['cell']}"])
    assert clicked.selection.lens == "layers" and clicked.selection.protocol.split == "shuffled"
    assert clicked.selection.models == ["zoo-glove-64d"]
    clicked.close()


def test_what_stands_in_for_a_report_takes_all_that_a_report_takes():
    import inspect

    from analysis.progress import Report

    def every(kind):
        for one in kind.__subclasses__():
            yield one
            yield from every(one)

    assert set(every(Report))
    for kind in every(Report):
        for name in ("step", "partial", "checkpoint"):
            mine, its = (inspect.signature(getattr(one, name)).parameters for one in (kind, Report))
            assert list(mine) == list(its), (kind, name)
    told = []
    outer = Report(lambda done, total, what, left: told.append((done, total, what)))
    outer.inner().step(1, 2, "batches", tokens=7)
    assert told == [(1, 2, "batches")]


def test_it_says_that_it_runs_as_soon_as_run_is_pressed(clean_home):
    lens = Trust(
        models=["zoo-causal-200k"], recording="simulated", protocol=QUICK, doubts=["optimism"]
    )
    lens.wait()
    assert "press Run" in lens.shown.verdict
    lens.run()
    assert lens.shown.verdict.startswith("Running")
    lens.cancel()
    lens.close()


def test_omega_and_oasm_stand_beside_every_score(clean_home):
    """In the score's own table, in the results, as columns of Compare's ranking, and as a badge whose words are in its hover."""
    asked = QUICK.but(unique=True)
    found = score("zoo-glove-64d", "simulated", asked)
    known = panel("leaks", Asked(("zoo-glove-64d",), "simulated", asked, copies=0)).facts["oasm"]
    assert found.summary()["omega"] == pytest.approx(found.omega) and 0 <= found.omega <= 100
    rows = results().set_index("protocol_key").loc[asked.key()]
    assert rows["omega"] == pytest.approx(found.omega)
    assert [rows["oasm_shuffled"], rows["oasm"]] == pytest.approx([known.shuffled, known.grouped])
    board = Compare()
    board.run(wait=True)
    table = board.shown.pictures[0].table
    assert list(table.columns[5:8]) == [
        "omega",
        "oasm_shuffled",
        "oasm",
    ]  # in sight without scrolling
    assert pytest.approx(found.omega) in list(table["omega"].dropna())
    board.close()
    layers = Layers(models=["zoo-glove-64d"], recording="simulated", protocol=asked)
    layers.run(wait=True)
    (tile,) = layers.shown.tiles
    assert tile.omega == pytest.approx(found.omega) and tile.oasm[0] == pytest.approx(
        known.shuffled
    )
    badge = tile_table([tile], {})
    for hover in ("position and length explain", "without its words"):
        assert re.search(rf"title='[^']*{hover}|title=\"[^\"]*{hover}", badge), hover
    layers.close()


def test_nothing_leaves_before_a_run_and_why_stands_on_the_page():
    bare = Trust(models=["zoo-causal-400k"], recording="simulated")
    assert bare._page.disabled and bare._handed.disabled
    with pytest.raises(BrainLensError, match="Nothing was run yet"):
        bare._page.callback()
    assert "Nothing was run yet" in str([card.says for card in bare.desk.errors.objects])
