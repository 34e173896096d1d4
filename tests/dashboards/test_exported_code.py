"""The code that leaves with a figure: it names what was selected, and it runs."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.paper.code import python_code
from analysis.protocol import preset
from dashboards import (
    Architectures,
    Compare,
    Design,
    Items,
    Layers,
    Perturb,
    Reading,
    Task,
    Training,
    Trust,
    Untrained,
    Wiring,
)
from dashboards.figures.export import figure
from dashboards.lens.export_dialog import _without, as_selected, figure_code, make
from dashboards.lens.view import Picture
from dashboards.work.text_computations import words_of
from data.own.read import read
from data.own.sidecar import write_sidecar

ROOT = Path(__file__).resolve().parents[2]
MODELS = ["zoo-causal-400k", "random-64"]
QUICK = preset("defended").but(seeds=1, folds=3, inner_folds=2, bootstrap=50, shuffled_twin=False, ceiling="none",
                               controls=("position",), unique=False)  # fmt: skip
RUN = """
import contextlib, io, os, pathlib, runpy, sys, traceback
for script in sorted(pathlib.Path().glob("*/made.py")):
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.chdir(script.parent):
        try:
            runpy.run_path("made.py", run_name="__main__")
        except BaseException:
            pathlib.Path("failed.txt").write_text(traceback.format_exc())
    (script.parent / "said.txt").write_text(said.getvalue())
"""


def code_of(lens, picture: Picture) -> str:
    """What the exporter puts into the zip for a picture."""
    scores = list(picture.scores)
    recipe = lens.recipe()
    return picture.python or (
        python_code(scores, **as_selected(scores, recipe)) + figure_code(picture.label, recipe)
        if scores
        else ""
    )


def test_the_lens_s_own_code_is_exported_even_where_there_are_scores(clean_home, monkeypatch):
    import analysis.paper.code

    lens = Layers(models=["random-64"], recording="simulated", protocol=QUICK).run(wait=True)
    monkeypatch.setattr(
        analysis.paper.code,
        "python_code",
        lambda *_, **__: pytest.fail("the scores' code was asked for"),
    )
    shown = lens.shown.pictures[0]
    own = Picture(shown.label, shown.spec, shown.table, shown.scores, python="print('own')\n")
    bundle = make(own, lens.slug, lens.recipe(), width_mm=85, font_size=7)
    assert "print('own')" in bundle.words(".py")


def test_the_code_of_a_sheet_draws_all_of_it(clean_home, tmp_path, monkeypatch):
    lens = Layers(models=["random-64"], recording="simulated", protocol=QUICK).run(wait=True)
    first, *_, last = lens.shown.pictures
    made = make(first, "layers", lens.recipe(), panels=[first, last], width_mm=85)
    stem, code = "brainlens-layers-sheet", made.words(".py")
    assert code.count("lens = Layers(") == 1
    monkeypatch.chdir(tmp_path)
    exec(code[code.index("# The figure and its table") :], {})
    drawn = figure([first.spec, last.spec], "pdf", width_mm=85)
    assert (tmp_path / f"{stem}.pdf").read_bytes() == drawn
    for number, letter, one in ((1, "A", first), (2, "B", last)):
        table = (tmp_path / f"layers-{number}.csv").read_text()
        assert len(pd.read_csv(io.StringIO(table))) == len(one.table)
        assert len(pd.read_csv(io.BytesIO(made.named(f"panel_{letter}.csv")))) == len(one.table)


def test_own_files_are_named_as_they_were_selected(clean_home, tmp_path):
    """A table of responses and a file of activations, both by path."""
    rng = np.random.default_rng(0)
    words = ["cat", "dog", "sun", "rain", "tree", "house", "river", "stone", "bird", "fish"]
    table = pd.DataFrame({"text": [" ".join(rng.permutation(words)[:5]) for _ in range(60)]})
    table = table.assign(
        topic=np.repeat(np.arange(12), 5), voxel_1=rng.normal(size=60), voxel_2=rng.normal(size=60)
    )
    path = tmp_path / "mine.csv"
    table.to_csv(path, index=False)
    write_sidecar(path, text="text", responses=["voxel_1", "voxel_2"], group="topic", kind="fmri")
    ready = tmp_path / "theirs.npz"
    ids = read(path).responses["stimulus"].values.astype("U")
    np.savez(
        ready, stimulus=ids, layer_0=rng.normal(size=(60, 4)), layer_1=rng.normal(size=(60, 4))
    )
    models = [str(ready), "random-64@untrained:init:1"]
    lens = Layers(models=models, recording=str(path), protocol=QUICK.but(group="topic")).run(
        wait=True
    )
    (shown, *_) = lens.shown.pictures
    assert [score.model for score in shown.scores] == ["theirs", models[1]]
    code = code_of(lens, shown)
    assert (
        f"({models[0]!r}, {str(path)!r}, preset" in code
        and f"({models[1]!r}, {str(path)!r}, preset" in code
    )


def test_one_corpus_of_a_table_of_words_keeps_its_name(clean_home):
    from analysis import score

    one = score("random-64", "simulated", QUICK)
    code = python_code([one], recording=["words.csv#dundee"])
    assert "('random-64', 'words.csv#dundee', preset" in code


def test_reading_names_the_corpus_of_each_score(clean_home):
    from analysis import score

    scores = [score("random-64", name, QUICK) for name in ("simulated", "simulated-reading")]
    recipe = {
        "lens": "reading",
        "selection": {"models": ["random-64"], "corpora": ["simulated-reading", "simulated"]},
    }
    assert as_selected(scores, recipe) == {
        "models": ["random-64"] * 2,
        "recording": ["simulated", "simulated-reading"],
    }


def test_an_empty_text_says_why():
    spec, table = None, pd.DataFrame()
    assert "published figures only" in _without(
        Picture("P", spec, table, published=("schrimpf2021",)), "Methods"
    )
    own = _without(Picture("Results here", spec, table), "Methods")
    assert own == "Methods of this figure: see the lens in which each of its results was computed."


@pytest.mark.parametrize("text", ["prose", "simulated"])
def test_code_of_causes_reads_the_text_that_is_chosen(text):
    """The scripts of Wiring and Perturb took the prose that ships whatever was chosen."""
    for cls in (Wiring, Perturb):
        lens = cls(models=["zoo-causal-200k"], recording="simulated", text=text)
        module = sys.modules[cls.__module__]
        code = (
            module._python(lens.selection)
            if cls is Wiring
            else module._python(lens.selection, "noise")
        )
        reading = code[: code.index("asked = " if cls is Wiring else "protocol = ")]
        made: dict = {}
        exec(reading, made)
        assert made["text"] == words_of(text)
        lens.close()


@pytest.mark.deep
def test_every_script_of_causes_design_and_trust_runs(tmp_path, clean_home):
    """Scripts compute again what the lens has stored: their tables hold the numbers of the lens."""
    fewer = {"folds": 3, "inner_folds": 2, "bootstrap": 50}
    quick = {"models": ["zoo-causal-200k"], "recording": "simulated", "changes": fewer}
    two = quick | {"models": ["zoo-causal-200k", "zoo-causal-400k"]}
    lenses = {
        "wiring": Wiring(parts=["norms"], runs=1, updates=16, **quick),
        "lesion": Perturb(breaks="lesion", draws=1, **quick),
        "noise": Perturb(breaks="noise", draws=1, **quick | {"models": ["zoo-causal-400k"]}),
        "masks": Perturb(breaks="masks", draws=1, **quick | {"models": ["zoo-glove-64d"]}),
        "words": Perturb(breaks="words", draws=1, **quick | {"models": ["zoo-glove-64d"]}),
        "architectures": Architectures(recording="simulated", changes=fewer, networks=8),
        "drive": Design(design="drive", candidates="simulated", layer="1", **quick),
        "controversial": Design(design="controversial", candidates="simulated", **two),
        "power": Design(design="power", effect="0.02", **two),
        "trust": Trust(models=["zoo-glove-64d"], recording="simulated", protocol=QUICK, copies=0, exchanges=19,
                       cells=["split=grouped", "split=shuffled"]),
    }  # fmt: skip
    made, shown = {}, {}
    for name, lens in lenses.items():
        lens.run(wait=True)
        assert lens.shown.pictures, (name, lens.shown.empty, lens.failed)
        shown[name] = lens.shown.pictures[0].spec.answer
        for number, code in enumerate(dict.fromkeys(one.python for one in lens.shown.pictures)):
            folder = tmp_path / f"{name}-{number}"
            folder.mkdir()
            (folder / "made.py").write_text(code, encoding="utf-8")
            made[folder] = code
        lens.close()
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, env=surroundings, check=True, timeout=900
    )
    for folder, code in made.items():
        failed, said = folder / "failed.txt", (folder / "said.txt").read_text()
        assert not failed.exists(), f"{folder.name}\n{failed.read_text()}"
        assert said.strip(), folder.name
        for name in re.findall(r'to_csv\("([^"]+)"', code):
            assert len(pd.read_csv(folder / name)), (folder.name, name)
    assert len(made) >= 10 + 7
    for name in ("wiring", "lesion", "noise", "masks", "words", "architectures"):
        said = (tmp_path / f"{name}-0" / "said.txt").read_text()
        assert said.startswith(shown[name].split(";")[0][:60]), name


@pytest.mark.deep  # every lens computed whole and its script run: minutes
def test_every_exported_script_runs_and_writes_what_it_says(tmp_path, clean_home):
    """In one process of their own, which has nothing but the store that the lenses filled."""
    quick = {"models": MODELS, "recording": "simulated", "protocol": QUICK}
    lenses = [
        Task(tables=["schrimpf2021", "hadidi2025"], **quick),
        Layers(**quick),
        Layers(by="subject", **quick),
        Untrained(seeds=1, **quick),
        Training(models=["zoo-causal-400k"], recording="simulated", protocol=QUICK),
        Items(**quick),
        Compare(models=MODELS, tables=["schrimpf2021"]),
        Reading(models=["zoo-causal-400k", "zoo-causal-1m", "zoo-lstm"], corpora=["simulated-reading"], protocol=QUICK,
                neural="simulated", fitted=True),
    ]  # fmt: skip
    made, tables = {}, {}
    for number, lens in enumerate(lenses):
        lens.run(wait=True)
        for picture in lens.shown.pictures:
            code = code_of(lens, picture)
            assert code, (lens.slug, picture.label)
            folder = (
                tmp_path / f"{number}-{lens.slug}-{re.sub('[^a-z]+', '-', picture.label.lower())}"
            )
            folder.mkdir()
            (folder / "made.py").write_text(code, encoding="utf-8")
            made[folder] = code
            if not picture.python:
                tables[folder / f"{lens.slug}.csv"] = picture.table
        lens.close()
    surroundings = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(
        [sys.executable, "-c", RUN], cwd=tmp_path, env=surroundings, check=True, timeout=400
    )
    assert len(made) > 15
    for folder, code in made.items():
        failed, said = folder / "failed.txt", (folder / "said.txt").read_text()
        assert not failed.exists(), f"{folder.name}\n{failed.read_text()}"
        assert said.strip() and "DIFFERENT" not in said, folder.name
        for name in re.findall(r'to_csv\("([^"]+)"', code):
            assert len(pd.read_csv(folder / name)), (folder.name, name)
    assert len(tables) > 8
    for (
        path,
        table,
    ) in tables.items():  # the very numbers that were shown; whether they were stored may differ
        frames = [pd.read_csv(path), pd.read_csv(io.StringIO(table.to_csv(index=False)))]
        again, shown = (frame.drop(columns="source", errors="ignore") for frame in frames)
        pd.testing.assert_frame_equal(again, shown, obj=path.parent.name)
