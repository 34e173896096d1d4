"""A capsule holds what determines a result, opens safely, stands in Compare, and its script runs."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import re
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis import preset, score
from analysis.paper.capsule import write_capsule
from analysis.paper.checklist import checklist
from analysis.scoring.beside import Oasm, oasm_of
from analysis.scoring.capsules import read_capsule
from analysis.scoring.results import bring, results
from dashboards.command.cli import main
from data.catalog.catalog import recording
from data.errors import BrainLensError

QUICK = preset("defended").but(
    seeds=2, folds=3, inner_folds=2, bootstrap=20, criterion="gcv", alphas=(5000.0,),
    controls=("position", "length"), ceiling="none",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    loaded = recording("simulated")
    found = score("zoo-glove-64d", loaded, QUICK)
    oasm_of(loaded, QUICK)
    path = tmp_path_factory.mktemp("capsule") / "one.zip"
    write_capsule(path, found, loaded, name="simulated", model="zoo-glove-64d")
    return found, loaded, path


def test_it_holds_what_determines_the_number(made):
    found, loaded, path = made
    capsule = read_capsule(path)
    assert capsule.protocol.key() == QUICK.key()
    assert capsule.result["r"] == pytest.approx(found.value)
    assert {"layers", "targets", "folds"} <= set(capsule.tables)
    assert set(capsule.files) >= {
        "methods.txt",
        "references.bib",
        "checklist.md",
        "licences.md",
        "reproduce.py",
    }
    assert capsule.tables["targets"]["r"].mean() == pytest.approx(found.per_target()["r"].mean())
    folds = capsule.tables["folds"]
    assert folds.groupby("seed").size().eq(288).all() and folds["fold"].nunique() == 3
    predicted = capsule.arrays["predictions_0"]
    assert predicted.shape == loaded.responses.shape
    first = folds[folds["seed"] == 0]
    place = {str(one): i for i, one in enumerate(loaded.responses.stimulus.values)}
    r = []
    for _, rows in first.groupby("fold"):
        test = [place[str(one)] for one in rows["stimulus"]]
        pairs = zip(predicted[test].T, loaded.responses.values[test].T)
        r.append([np.corrcoef(a, b)[0, 1] for a, b in pairs])
    assert np.mean(r) == pytest.approx(found.by_seed[0], abs=2e-4)
    told = b" ".join(capsule.files.values()).decode("latin1")
    assert loaded.texts[0] not in told  # texts and responses have licences of their own
    assert "OASM" in capsule.files["checklist.md"].decode()


def test_a_stranger_reads_how_to_check_it_and_can(made, tmp_path, monkeypatch):
    """The page's own script, run in the unpacked folder: green as it is, and it finds a changed file."""
    _, _, path = made
    with zipfile.ZipFile(path) as opened:
        opened.extractall(tmp_path)
        names = set(opened.namelist())
    page = (tmp_path / "README.md").read_text()
    assert names == set(re.findall(r"^- `([^`]+)`:", page, re.M)) | {"README.md"}
    script = re.search(r"```python\n(.*?)```", page, re.S)[1]
    monkeypatch.chdir(tmp_path)

    def run() -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(script, "README", "exec"), {})
        return said.getvalue()

    assert "made: nothing" in run() and run().rstrip().endswith("the same")
    for name in ("result.json", "provenance.json"):  # JSON that every reader takes
        json.loads((tmp_path / name).read_text(), parse_constant=lambda one: pytest.fail(one))
    table = pd.read_csv("targets.csv").assign(r=lambda t: t["r"] + 0.1)
    table.to_csv("targets.csv", index=False)
    assert "made: ['targets.csv']" in run() and run().rstrip().endswith("DIFFERENT")


def test_it_stands_in_compare_and_the_script_gives_the_same(made, clean_home):
    found, _, path = made
    brought = bring(path)
    assert not brought["edited"].any() and len(results()) == 1
    assert results()["r"][0] == pytest.approx(found.value)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(read_capsule(path).files["reproduce.py"], "reproduce.py", "exec"), {})
    assert said.getvalue().rstrip().endswith("the same")


def _changed(path, to, change):
    with zipfile.ZipFile(path) as opened:
        files = {name: opened.read(name) for name in opened.namelist()}
    files = change(files)
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in files.items():
            out.writestr(name, content)
    return to


def _with_manifest(files, **more):
    import hashlib

    told = json.loads(files["manifest.json"])
    told["files"] |= {name: hashlib.sha256(content).hexdigest() for name, content in more.items()}
    return files | more | {"manifest.json": json.dumps(told).encode()}


class _Evil:
    def __reduce__(self):
        return (print, ("opened",))


def _pickled() -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([_Evil()], dtype=object), allow_pickle=True)
    return out.getvalue()


@pytest.mark.parametrize(
    "change,why",
    [
        (lambda f: f | {"result.json": b"{}"}, "was changed"),
        (lambda f: f | {"../evil.py": b"x"}, "holds"),
        (lambda f: f | {"more.csv": b"a\n1\n"}, "other files"),
        (lambda f: {k: v for k, v in f.items() if k != "manifest.json"}, "no manifest.json"),
        (lambda f: _with_manifest(f, **{"predictions_9.npy": _pickled()}), "cannot be read"),
        (lambda f: _with_manifest(f, **{"run.exe": b"MZ"}), "holds"),
    ],
)
def test_what_is_no_capsule_is_refused(made, tmp_path, change, why, capsys):
    path = _changed(made[2], tmp_path / "bad.zip", change)
    with pytest.raises(BrainLensError, match=why):
        read_capsule(path)
    assert "opened" not in capsys.readouterr().out


def test_a_bomb_is_not_opened_to_the_end(made, tmp_path, monkeypatch):
    from analysis.scoring import capsules

    monkeypatch.setattr(capsules, "LARGEST", 10_000)
    bomb = _changed(
        made[2], tmp_path / "bomb.zip", lambda f: _with_manifest(f, **{"zeros.csv": b"0" * 10**6})
    )
    with pytest.raises(BrainLensError, match="larger than"):
        read_capsule(bomb)
    (tmp_path / "no.zip").write_bytes(b"PK\x03\x04")
    for name in ("no.zip", "none.zip"):
        with pytest.raises(BrainLensError, match="cannot be opened"):
            read_capsule(tmp_path / name)
    assert pickle.HIGHEST_PROTOCOL


def test_the_checklist_says_what_was_not_done(made):
    found, loaded, _ = made
    words = checklist(found, oasm=oasm_of(loaded, QUICK))
    assert "- [x] **Stimuli held out in groups**" in words and "2 fold seeds" in words
    assert "- [ ] **Ceiling that may be divided by** no ceiling was asked for" in words
    assert "- [ ] **Neither simulated nor of doubtful quality** simulated data" in words
    assert "Omega" in words and "- [x] **Autocorrelation without text (OASM)**" in words
    locked = checklist(found, lock="a" * 64, tests="120 targets, FDR .05")
    assert "Locked as aaaaaaaaaaaa" in locked and "- [x] **Multiple tests corrected**" in locked
    assert "- [ ] **Autocorrelation without text (OASM)** Not run" in locked


def test_the_commands(made, tmp_path):
    run = CliRunner().invoke
    how = ["zoo-glove-64d", "--on", "simulated"]
    for name, value in QUICK.changes().items():
        told = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        how += ["--set", f"{name}={told}"]
    one = tmp_path / "one.zip"
    done = run(main, ["results", "capsule", *how, "-o", str(one)])
    assert done.exit_code == 0, done.output
    assert read_capsule(one).files["figure.pdf"].startswith(b"%PDF")
    other = tmp_path / "other.zip"
    run(
        main,
        [
            "results",
            "capsule",
            *how,
            "--set",
            "split=shuffled",
            "-o",
            str(other),
            "--no-predictions",
        ],
    )
    assert not read_capsule(other).arrays
    said = run(main, ["results", "diff", str(one), str(other), "--split"])
    assert said.exit_code == 0, said.output
    assert "Suspect first: split." in said.output
    assert "One thing at a time" in said.output
    assert "Stimuli held out in groups" in run(main, ["results", "checklist", *how]).output
    for wrong in (
        ["capsule", *how, "-o", str(tmp_path / "a.tar")],
        ["diff", "abc", "def"],
        ["checklist", "x"],
    ):
        assert run(main, ["results", *wrong]).exit_code == 1


def test_omega_and_oasm_stand_beside_every_score(made):
    from analysis.answers.compare import rank
    from analysis.answers.tiles import tiles
    from analysis.scoring.results import row
    from dashboards.lens.tile_table import table

    found, loaded, _ = made
    oasm = oasm_of(loaded, QUICK)
    (tile,) = tiles([found])
    assert tile.omega == found.omega and tile.oasm == (oasm.shuffled, oasm.grouped)
    words = table([tile], {})
    assert (
        f"{found.omega:.0f} %" in words
        and "without its words" in words
        and "position and length explain" in words
    )
    assert found.summary()["omega"] == found.omega == found.table()["score_omega"].iloc[0]
    assert row(found)["omega"] == found.omega
    board = results()
    mine = board[board["hash"] == row(found)["hash"]].iloc[0]
    assert (mine["oasm_shuffled"], mine["oasm"]) == (oasm.shuffled, oasm.grouped)
    ranked = rank(board, ["simulated"]).frame
    ranked = ranked[ranked["protocol_key"] == QUICK.key()].iloc[0]
    assert ranked["omega"] == pytest.approx(found.omega) and ranked["oasm"] == oasm.grouped


def test_an_export_from_before_omega_is_not_called_edited(made, clean_home):
    from analysis.scoring.results import _LATER, _hash, row

    told = row(made[0])
    path = clean_home.parent / "told.csv"
    how = {"index": False, "float_format": "%.17g"}
    old = {name: value for name, value in told.items() if name not in (*_LATER, "draws")}
    pd.DataFrame([old | {"hash": _hash(told, _LATER)}]).to_csv(path, **how)
    assert not bring(path)["edited"].any()
    pd.DataFrame([told | {"omega": 1.0}]).drop(columns="draws").to_csv(path, **how)
    assert bring(path)["edited"].all()


def test_compare_says_why_two_results_of_one_model_differ(made, clean_home):
    from dashboards import Compare

    bring(made[2])
    score("zoo-glove-64d", made[1], QUICK.but(split="shuffled"))
    board = Compare().run(wait=True)
    (said,) = board.differences()
    assert "Suspect first: split." in said and "imported" in said and "own" in said
    assert "Why do numbers of one model differ?" in board._why.object


def test_the_checklist_says_on_which_part_oasm_was_computed(made):
    part = Oasm(0.0, -0.1, 0.1, 0.4, 2.0, pd.DataFrame(), rows=2000, of=10_256)
    assert ".400 shuffled, .000 held out (on 2,000 of 10,256 rows)." in checklist(
        made[0], oasm=part
    )
    assert "(on" not in checklist(made[0], oasm=replace(part, rows=10_256))
