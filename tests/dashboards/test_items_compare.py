"""The lenses Items and Compare without a page."""

from __future__ import annotations

import json
import re

import numpy as np
import pandas as pd
import panel as pn
import pytest

from analysis.answers.compare import rank
from analysis.answers.steps import steps
from analysis.progress import SILENT
from analysis.protocol import preset
from analysis.scoring.decoding import decode
from analysis.scoring.results import results
from dashboards import Compare, Items
from dashboards.figures.export import figure
from dashboards.lens.export_dialog import make
from dashboards.lenses import items as items_lens
from dashboards.work.ledger import Ready, Refused
from tests.figures import misprints

MODELS = ["zoo-causal-400k", "random-64"]
QUICK = preset("defended").but(
    seeds=1,
    folds=3,
    inner_folds=2,
    bootstrap=50,
    shuffled_twin=False,
    ceiling="none",
    controls=("position",),
    unique=False,
)


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """A home with two results, made by the lens itself; a test that selects something takes :func:`another`."""
    patch = pytest.MonkeyPatch()
    patch.setenv("BRAINLENS_HOME", str(tmp_path_factory.mktemp("home")))
    lens = Items(models=MODELS, recording="simulated", protocol=QUICK).run(wait=True)
    before = lens.selection.to_dict()
    yield lens
    assert lens.selection.to_dict() == before, "a test changed what the others share"
    patch.undo()


@pytest.fixture
def another(scored):
    """The same, from what is stored, and nobody else's."""
    lens = Items(models=MODELS, recording="simulated", protocol=QUICK).run(wait=True)
    yield lens
    lens.close()


def with_steps(frame: pd.DataFrame, models) -> pd.DataFrame:
    """The results, and of these models one more each, with nothing beside its number, as Trust's specifications are."""
    bare = {"controls": [], "unique": False, "ceiling": "none"}
    rows = frame[frame["model"].isin(models)].assign(
        protocol="defended, controls=(), unique=False, ceiling=none",
        protocol_key="of-a-step",
        provenance=lambda t: [
            json.dumps(told | {"protocol": told["protocol"] | bare})
            for told in map(json.loads, t["provenance"])
        ],
    )
    return pd.concat([frame, rows], ignore_index=True)


def test_steps_of_trust_are_left_out_of_the_ranking_counted_and_shown_when_asked(
    scored, monkeypatch
):
    """A Trust screen of two models filled the ranking with its specifications."""
    copy = f"{MODELS[0]}@untrained:init:0"
    own = results()
    alone = own[own["model"] == MODELS[1]].assign(model="alone")
    of_copy = own[own["model"] == MODELS[0]].assign(model=copy)
    every = with_steps(
        pd.concat([own, alone, of_copy], ignore_index=True), [MODELS[0], "alone", copy]
    )
    every = every[(every["model"] != copy) | (every["protocol_key"] == "of-a-step")]
    every = every[(every["model"] != "alone") | (every["protocol_key"] == "of-a-step")]
    assert list(every.loc[steps(every), "model"]) == [
        MODELS[0],
        copy,
    ]  # the only one of a model is none
    monkeypatch.setattr("dashboards.lenses.compare.results", lambda: every)
    board = Compare(folded=False)
    board.wait(60)
    ranking = board.shown.pictures[0]
    assert set(ranking.table["model"]) == {*MODELS, "alone"} and len(ranking.table) == 3
    assert "2 results are left out" in ranking.spec.caption and "2 results" in board._left.object
    assert "headlines(results())" in ranking.python
    board.selection.steps = True
    board.wait(60)
    shown = board.shown.pictures[0]
    assert len(shown.table) == 5 and "left out" not in shown.spec.caption + board._left.object
    assert "headlines" not in shown.python
    board.close()


def said(lens):
    return str([part.object for part in lens.desk.errors.select(pn.pane.HTML)])


def test_items_from_nothing_to_words(scored):
    assert len(scored.desk.errors) == 0
    assert [picture.label for picture in scored.shown.pictures] == [
        "Every item",
        "By length",
        "Words",
    ]
    for picture in scored.shown.pictures:
        assert misprints(picture.spec) == []
    every = scored.shown.pictures[0]
    assert len(every.table) == 288 and {"item", "text", "difference", *MODELS} <= set(every.table)
    assert (
        "zoo-causal-400k explains" in scored._answer.object
        and "simulated data" in scored.shown.stamps
    )
    assert "random-64 (random: no next-word probabilities)" in scored.shown.pictures[2].spec.caption


def test_a_picked_item_shows_its_words_and_a_slice_is_chosen(another):
    another.selection.picked = ["bakery-1-2"]
    another.wait(60)
    words = another.shown.pictures[2]
    assert words.spec.x_title == "bakery-1-2" and words.table["word"].tolist()[:2] == ["By", "five"]
    another.selection.slice = "topic"
    assert (
        another.shown.pictures[1].label == "By topic"
        and len(another.shown.pictures[1].spec.table) == 24
    )
    another.selection.picked = ["no-such-item"]
    another.wait(60)
    assert another.shown.pictures[2].spec.x_title != "no-such-item"
    bundle = make(
        another.shown.pictures[1], another.slug, another.recipe(), width_mm=85, font_size=7
    )
    assert bundle.named(".pdf").startswith(b"%PDF")
    assert "zoo-causal-400k" in bundle.words("methods.txt")


def test_words_belong_to_their_item(another):
    """A picked word keeps the item in the inspector; a picked slice is nobody's."""
    another.selection.param.update(picked=["bakery-1-2"], slice="length")
    another.wait(60)
    every, slices, words = another.shown.pictures
    assert set(words.table["item"]) == {"bakery-1-2"} and "item" in words.spec.marks[0].frame
    assert not {"item", "model"} & set(slices.table)
    assert "token_bits" in words.python and "random-64" not in words.python
    for picture in (every, slices, words):
        assert (
            "in shares of the target's variance" in picture.methods
            and "zoo-causal-400k" in picture.methods
        )
    scope: dict = {}
    exec(
        compile(words.python.replace('table.to_csv("words.csv", index=False)', ""), "code", "exec"),
        scope,
    )
    pd.testing.assert_frame_equal(scope["table"], words.table.drop(columns="item"))


def test_predicting_each_stimulus_has_a_price_and_runs_by_itself_only_where_it_is_cheap(
    clean_home, monkeypatch
):
    from analysis import score
    from dashboards.work import ledger

    for model in MODELS:
        score(model, "simulated", QUICK)
    monkeypatch.setattr(ledger, "FREE_SECONDS", 0.0)
    lens = Items(models=MODELS, recording="simulated", protocol=QUICK)
    lens.wait(60)
    (task,) = lens.missing()
    assert task.key == lens._key and task.seconds > 0 and not task.free
    assert (
        "of every stimulus is not computed yet. Press Run" in lens.shown.empty
        and "stimulus by stimulus" in lens._cost.object
    )
    lens.run(wait=True)
    assert lens.shown.there
    again = Items(models=MODELS, recording="simulated", protocol=QUICK)
    again.wait(60)
    assert again.shown.there  # what is stored needs no click
    lens.close()
    again.close()


def test_a_run_that_is_waited_for_goes_through_both_steps(clean_home, monkeypatch):
    from dashboards.work import ledger

    monkeypatch.setattr(ledger, "FREE_SECONDS", 0.0)
    lens = Items(models=MODELS, recording="simulated", protocol=QUICK).run(wait=True)
    assert (
        lens.shown.there and "optimistic" not in lens.shown.pictures[0].spec.caption
    )  # eight people
    lens.close()


def test_stimuli_are_told_apart_where_that_is_asked(another):
    """The page says what the command ``decode`` says, and its own code gives the table again."""
    assert [one.label for one in another.shown.pictures] == ["Every item", "By length", "Words"]
    another.selection.decoded = True
    another.run(wait=True)
    told = another.shown.pictures[-1]
    assert told.label == "Told apart" and told.table["model"].unique().tolist() == MODELS
    pair = told.table[told.table["measure"] == "2-v-2"].set_index("model")
    found = decode(MODELS[0], "simulated", QUICK)
    assert (
        pair.loc[MODELS[0], "value"] == found.table["value"].iloc[0] > pair.loc[MODELS[1], "value"]
    )
    assert pair["chance"].between(0.48, 0.52).all() and pair.loc[MODELS[0], "p"] < 0.05
    assert (
        found.sentence(MODELS[0], "simulated") in told.spec.answer and "exchanges" in told.methods
    )
    assert not misprints(told.spec)
    space: dict = {}
    exec(told.python.replace('answer.frame.to_csv("told_apart.csv", index=False)', ""), space)
    pd.testing.assert_frame_equal(space["answer"].frame, told.table)


def test_why_stimuli_are_not_told_apart_is_said(another):
    refused = items_lens._decode(MODELS[0], "simulated", QUICK.but(method="cka"), SILENT)
    assert isinstance(refused, Refused) and refused.reason.startswith(f"{MODELS[0]} (")
    for wish in another._apart():
        another._decoded.keep(wish.key, refused)
    another.selection.decoded = True
    assert [one.label for one in another.shown.pictures][-1] != "Told apart"
    assert (
        f"Stimuli are not told apart: {refused.reason}." in another.shown.pictures[0].spec.caption
    )


def test_items_asks_for_two_models():
    lens = Items(models=MODELS[:1], recording="simulated")
    assert not lens.shown.there and "Choose two models" in lens._empty._words.object
    assert lens.controls in lens.__panel__().select(lambda part: part is lens.controls)


def test_the_ranking_of_what_is_stored(scored):
    lens = Compare(models=MODELS)
    lens.wait(30)
    labels = [picture.label for picture in lens.shown.pictures]
    assert labels == ["Results here", "Two models", "Published: schrimpf2021"]
    board = lens.shown.pictures[0].table
    assert board["model"].tolist() == MODELS and board["source"].tolist() == ["own", "own"]
    assert "zoo-causal-400k is first of 2 models on simulated" in lens._answer.object
    answers = [picture.spec.answer for picture in lens.shown.pictures]
    assert "zoo-causal-400k scores" in answers[1] and "gpt2-xl is first of 43 models" in answers[2]
    lens.selection.hidden = [MODELS[0]]
    assert lens.shown.pictures[0].table["model"].tolist() == MODELS[1:]
    assert "Two models" not in [picture.label for picture in lens.shown.pictures]
    lens.close()


@pytest.mark.parametrize(
    "name", ["simulated", "on_simulated", "mean", "n", "protocol_key", "layer"]
)
def test_a_recording_that_is_called_like_a_column_keeps_its_scores(name, scored):
    board = results()
    twice = pd.concat([board.assign(recording="other"), board.assign(recording=name)])
    frame = rank(twice).frame
    (column,) = [one for one in rank(twice).facts["recordings"] if one != "other"]
    assert column.removesuffix(" (recording)") == name
    np.testing.assert_array_equal(frame[column].astype(float), frame["other"].astype(float))
    np.testing.assert_allclose(frame["mean"], frame["other"].astype(float))


def test_methods_and_code_of_a_ranking_and_of_two_models(scored):
    lens = Compare(models=MODELS, hidden=["gpt2-xl"])
    lens.wait(30)
    ranking, pair, literature = lens.shown.pictures
    for picture in (ranking, pair):
        assert misprints(picture.spec) == []
    assert (
        "Models were ranked by the mean" in ranking.methods
        and "compared on simulated, target by target" in pair.methods
    )
    assert {"ceiling", "layer", "n_stimuli", "source"} <= set(ranking.spec.marks[0].hover)
    for picture, name in ((ranking, "ranking"), (pair, "targets"), (literature, "ranking")):
        scope: dict = {}
        exec(
            compile(
                picture.python.replace(f'answer.frame.to_csv("{name}.csv", index=False)', ""),
                "code",
                "exec",
            ),
            scope,
        )
        pd.testing.assert_frame_equal(scope["answer"].frame, picture.table)
    assert "gpt2-xl" not in set(literature.table["model"])
    lens.close()


def test_own_shares_above_the_ceiling_are_flagged(scored):
    from analysis.answers.compare import rank
    from dashboards.figures.ranking import dots

    lens = Compare()
    lens.wait(30)
    board = lens._board.assign(normalised=1.2)
    assert (
        dots("", rank(board, scale="normalised")).flag_above == 1.0
        and dots("", rank(board)).flag_above is None
    )
    lens.close()


def test_a_chosen_recording_without_a_result_is_named(scored):
    lens = Compare(models=MODELS, ranked=["simulated", "no-such"])
    lens.wait(30)
    assert "no result here is of no-such" in lens.shown.pictures[0].spec.caption
    assert (
        lens._absent.object == "No result here is of no-such."
        and lens.shown.pictures[0].table["mean"].notna().all()
    )
    lens.selection.ranked = ["pereira2018"]
    assert [picture.label for picture in lens.shown.pictures] == ["Published: schrimpf2021"]
    assert "1 of its 4 benchmarks" in lens.shown.pictures[0].spec.caption
    lens.selection.param.update(ranked=["no-such"], tables=[])
    assert (
        "No result here is of no-such. Choose other recordings" in lens._empty._words.object
        and not len(lens.desk.errors)
    )
    assert "pereira2018" in lens._recordings.options
    lens.close()


def test_ranks_over_versions_are_a_figure_once_there_are_two(scored, monkeypatch):
    lens = Compare(models=MODELS)
    lens.wait(30)
    labels = [picture.label for picture in lens.shown.pictures]
    assert labels and "Over versions" not in labels
    now = lens._board
    older = [
        re.sub(r'"brainlens": ?"[^"]+"', '"brainlens": "0.0.1"', text) for text in now["provenance"]
    ]
    both = pd.concat([now, now.assign(provenance=older)], ignore_index=True)
    monkeypatch.setattr(Compare, "_board", both)
    (picture,) = lens._history(["simulated"], [])
    assert picture.label == "Over versions" and picture.table["version"].nunique() == 2
    assert (
        figure(picture.spec, "svg").lstrip().startswith(b"<?xml") and "history(" in picture.python
    )
    lens.close()


def test_a_variant_whose_model_has_no_result_there_has_a_line_of_its_own(scored):
    lens = Compare(models=MODELS)
    lens.wait(30)
    own, other = (lens._board[lens._board["model"] == name] for name in MODELS)
    lesion, step = f"{MODELS[1]}@lesion:chosen:1", f"{MODELS[0]}-step80"
    elsewhere = other.assign(recording="elsewhere", data_key="e" * 32)
    parts = [own, elsewhere, other.assign(model=lesion), own.assign(model=step)]
    changed = own.assign(model=f"{MODELS[0]}-step12", protocol="another", protocol_key="p" * 32)
    lens._results.keep(lens._key, Ready(pd.concat([*parts, changed], ignore_index=True)))
    lens.refresh()
    lens.selection.ranked = ["simulated"]
    ranking = lens.shown.pictures[0]
    # the checkpoint of another protocol is not on the line that its model has under this one
    lines = {MODELS[0], lesion, f"{MODELS[0]}-step12"}
    assert set(ranking.table["model"]) == lines
    below = ranking.spec.marks[1].frame
    assert below["condition"].tolist() == [step]
    assert below["entry"].str.startswith(MODELS[0]).all()
    lens.selection.hidden = [MODELS[0]]  # with all that stands on its line
    assert lens.shown.pictures[0].table["model"].tolist() == [lesion]
    lens.close()


def test_two_data_sets_of_one_name_are_offered_apart(scored):
    lens = Compare()
    lens.wait(30)
    other = lens._board.iloc[[0]].assign(data_key="f" * 32, model="third")
    lens._results.keep(lens._key, Ready(pd.concat([lens._board, other], ignore_index=True)))
    lens.refresh()
    first, second = (name for name in lens._recordings.options if name.startswith("simulated ("))
    assert second == "simulated (ffffff)" and "simulated" not in lens._recordings.options
    lens.selection.ranked = [second]
    assert (
        lens.shown.pictures[0].table["model"].tolist()
        == ["third"]
        == lens._shown()["model"].tolist()
    )
    lens.selection.ranked = [first]
    assert lens.shown.pictures[0].table["model"].tolist() == MODELS
    lens.close()


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".nc"])
def test_results_go_out_and_come_in_labelled(scored, ending):
    from analysis.scoring.results import forget, results

    lens = Compare()
    lens.wait(30)
    content = lens.results_file(ending).getvalue()
    lens.bring(f"theirs{ending}", content)
    lens.wait(30)
    board = lens.shown.pictures[0].table
    assert len(lens.desk.errors) == 0 and sorted(board["source"]) == [
        "imported",
        "imported",
        "own",
        "own",
    ]
    assert (
        "zoo-causal-400k (imported)" in set(board["entry"])
        and "Imported results" in lens.shown.pictures[0].spec.caption
    )
    for field in (
        lens._recordings,
        lens._hidden,
        lens._columns,
    ):  # two results of a model are one choice
        assert len(set(field.options)) == len(field.options) > 0
    assert lens._hidden.options == sorted(MODELS)
    for key in results().query("source == 'imported'")["key"].unique():
        forget(key)
    lens.close()


def test_a_bad_file_is_an_error_in_words(scored):
    lens = Compare()
    lens.wait(30)
    lens.bring("theirs.csv", b"model,score\ngpt2,0.4\n")
    lens.wait(30)
    assert "has no column recording, r" in said(lens)
    lens.bring("theirs.xlsx", b"")
    lens.wait(30)
    assert "Unknown file type" in said(lens) and len(lens.desk.errors) == 1
    lens.close()


def test_what_is_larger_than_the_field_takes_or_than_the_quota_is_refused(scored):
    from dashboards.serve.rules import Rules
    from data.home import acting_for, personal
    from data.rights import ruled_by

    lens = Compare()
    lens.wait(30)
    for name in (
        "theirs.csv",
        "theirs.json",
    ):  # a forged message, for the browser sends no such file
        lens.bring(name, b"x" * 20_000_001)
        lens.wait(30)
        assert "the browser takes 20 MB" in said(lens) and len(lens.desk.errors) == 1
    ruled_by(Rules(megabytes=1))
    try:
        with acting_for("bob"):
            personal("results").joinpath("large").write_bytes(bytes(1_000_000))
            lens.bring("theirs.csv", b"model,recording,r\ngpt2,simulated,0.4\n")
            lens.wait(30)
            assert "1 MB are allowed" in said(lens)
            assert not list(personal("results").glob("*.json"))
    finally:
        ruled_by(None)
    lens.close()


@pytest.mark.parametrize("kind", ["parquet", "zip", "nc"])
def test_results_that_unpack_without_end_end_no_page(clean_home, tmp_path, kind):
    import zipfile

    import h5py
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / f"bomb.{kind}"
    if kind == "parquet":
        with pq.ParquetWriter(path, pa.schema([(name, pa.int64()) for name in "abcd"])) as file:
            for _ in range(60):
                file.write_table(pa.table({name: np.zeros(1_000_000, np.int64) for name in "abcd"}))
    elif kind == "nc":
        with h5py.File(path, "w") as file:
            file.create_dataset("r", (10**9,), "f8", chunks=(10**6,), compression="gzip")
    else:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("manifest.json", "{}")
            for number in range(3):
                with file.open(f"table{number}.csv", "w") as stream:
                    for _ in range(200):
                        stream.write(bytes(1_000_000))
    lens = Compare()
    lens.wait(30)
    lens.bring(path.name, path.read_bytes())
    lens.wait(60)
    assert "unpacks from" in said(lens) or "larger than 512 MiB" in said(lens)
    lens.close()


def test_an_empty_home_still_has_the_published_tables(clean_home):
    lens = Compare()
    lens.wait(30)
    assert [picture.label for picture in lens.shown.pictures] == ["Published: schrimpf2021"]
    lens.selection.tables = []
    assert not lens.shown.there and "Nothing was scored yet" in lens._empty._words.object
    lens.selection.tables = ["hadidi2025"]
    assert (
        isinstance(lens.shown.pictures[0].table, pd.DataFrame)
        and "PWR" in lens.shown.pictures[0].spec.answer
    )
    lens.close()
