"""Stories and epochs that are written and read again: the same recording, whose score is the same number."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from analysis import preset, score
from analysis.store.store import Store
from data import write
from data.catalog.catalog import recording, signature
from data.errors import BrainLensError
from data.presentation import Presentation, sample_table
from data.recording import Recording
from data.stories.written import SIDECAR, holds_written

FORMS = ("mine", "mine.nc")
QUICK = preset("story").but(
    seeds=1, bootstrap=20, unique=False, controls=(), shuffled_twin=False, alphas=(1.0, 1e3)
)


def same(first: Recording, again: Recording) -> None:
    """Everything that determines a number, what is said beside it, and what is planted."""
    assert again.content_hash == first.content_hash and again.stimulus_hash == first.stimulus_hash
    for one in dataclasses.fields(Recording):
        if one.name not in ("responses", "stimuli", "presentation", "truth"):
            assert getattr(again, one.name) == getattr(first, one.name), one.name
    assert set(again.truth) == set(first.truth)
    xr.testing.assert_equal(again.responses, first.responses)
    pd.testing.assert_frame_equal(again.stimuli, first.stimuli, check_dtype=False)
    if (timed := first.presentation) is not None:
        found = again.timed
        pd.testing.assert_frame_equal(
            found.words, timed.words.reset_index(drop=True), check_dtype=False
        )
        assert found.interval == timed.interval and set(found.nuisance) == set(timed.nuisance)
        for name, values in timed.nuisance.items():
            np.testing.assert_array_equal(found.nuisance[name].values, values.values)


def odd() -> Recording:
    """Two people of other regions, runs named by numbers, samples that begin late, gaps, and words that trouble tables."""
    texts = ["=1+1", 'say "no"', "n/a?", "NA", "two\nlines", "ça", "'s", "a,b", " end "]
    words = pd.DataFrame(
        {"run": [1] * 5 + [2] * 4, "onset": [0.0, 1.5, 3.1, 5.0, 9.7, -1.0, 2.0, 4.0, 6.5]}
    )
    words["offset"], words["text"] = words["onset"] + 1 / 3, texts
    words["sentence"] = ["one", None, "one", "two", "two", "", "three", "three", "three"]
    words["known"] = [True, False] * 4 + [True]
    table = sample_table(Presentation(words, 2.0), {1: 6, 2: 5})
    table["time"] += 0.1
    table["level"] = np.float32(np.linspace(0, 1, 11))
    values = np.random.default_rng(0).standard_normal((11, 3))
    values[6:, 1] = np.nan
    ids = table.index.to_numpy()
    coords = {
        "stimulus": ids,
        "target": np.array(["a.x", "b.x", "b.y z"], object),
        "subject": ("target", np.array(["a", "b", "b"], object)),
        "region": ("target", np.array(["x", "x", "y z"], object)),
        "x": ("target", [-40.0, 0.1, np.nan]),
        "vertex": ("target", [3, 5, 9]),
    }
    moved = np.random.default_rng(1).standard_normal((11, 2)).astype(np.float32)
    people = {"stimulus": ids, "subject": np.array(["b", "a"], object)}
    nuisance = {
        "sound-power": xr.DataArray(
            np.linspace(0, 1, 11), dims="stimulus", coords={"stimulus": ids}
        ),
        "motion-1": xr.DataArray(moved, dims=("stimulus", "subject"), coords=people),
    }
    return Recording(
        "odd-story", xr.DataArray(values, dims=("stimulus", "target"), coords=coords), table, unit="%", scored_unit="tr",
        context="run", group="run", roles={"story": "run"}, language="fr", joiner="treebank", quality="made up", licence="none",
        truth={"layer": 3, "r": np.array([0.1, 0.2])}, notes=("a note",), presentation=Presentation(words, 2.0, nuisance),
    )  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_story_with_all_that_troubles_tables_comes_back(tmp_path, form):
    first = odd()
    path = write(first, tmp_path / form)
    assert holds_written(path) and [one.name for one in tmp_path.iterdir()] == [form]
    again = recording(path)
    assert again.presentation.words["sentence"].isna().tolist()[1]
    first = dataclasses.replace(  # None and NaN are the same: no sentence; "" beside them too
        first,
        presentation=dataclasses.replace(
            first.timed,
            words=first.timed.words.assign(
                sentence=first.timed.words["sentence"]
                .replace("", None)
                .astype(object)
                .fillna(np.nan),
                run=first.timed.words["run"],
            ),
        ),
    )
    assert again.content_hash == first.content_hash


@pytest.mark.parametrize("form", FORMS)
def test_the_simulated_story_comes_back_and_scores_the_same(tmp_path, form):
    first = recording("simulated-story")
    path = write(first, tmp_path / form)
    again = recording(path)
    same(first, again)
    one, two = (
        score("random-8", data, QUICK, store=Store(tmp_path / "s")) for data in (first, again)
    )
    assert one.value == two.value and two.cached  # found under the same key


def test_a_story_is_read_again_by_its_sidecar_and_is_noticed_when_it_changes(tmp_path):
    path = write(recording("simulated-story"), tmp_path / "mine")
    before = signature(path)
    assert recording(path / SIDECAR).id == "simulated-story"
    assert recording(path, id="other", licence="CC0").licence == "CC0"
    moved = recording(path, offset=2.0)
    assert moved.timed.words["onset"].iloc[0] == recording(path).timed.words["onset"].iloc[0] + 2
    (path / "words.csv").write_text((path / "words.csv").read_text().replace("\n", "\n", 1) + "\n")
    assert signature(path) != before


def test_it_is_written_over_itself_and_over_nothing_else(tmp_path):
    story = recording("simulated-story")
    path = write(story, tmp_path / "mine")
    assert write(story.select(targets=[0, 1]), path) == path and recording(path).n_targets == 2
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    with pytest.raises(BrainLensError, match="is there already"):
        write(story, tmp_path / "full")
    with pytest.raises(
        BrainLensError, match=r"format of simulated-story, a story, '.csv'.*do not fit"
    ):
        write(story, tmp_path / "mine.csv")
    assert (tmp_path / "full" / "thesis.txt").read_text() == "mine"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["full", "mine"]


def cut(path):
    table = pd.read_csv(path / "samples.csv", keep_default_na=False)
    table.iloc[:-1].to_csv(path / "samples.csv", index=False)


def table(path, change):
    words = pd.read_csv(path / "words.csv", keep_default_na=False, dtype=str)
    change(words).to_csv(path / "words.csv", index=False)


def told(path, change):
    said = json.loads((path / SIDECAR).read_text())
    change(said)
    (path / SIDECAR).write_text(json.dumps(said))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (cut, "the responses are .* for"),
        (lambda p: (p / "words.csv").unlink(), "words.csv cannot be read"),
        (lambda p: (p / "responses.npy").write_bytes(b"\x93NUMPY"), "responses.npy cannot be read"),
        (lambda p: np.save(p / "responses.npy", np.ones((3, 3), int)), "no floating point"),
        (lambda p: (p / SIDECAR).write_text("{"), "does not say what a written story says"),
        (lambda p: told(p, lambda s: s.pop("interval")), "does not say what a written story says"),
        (lambda p: table(p, lambda t: t.assign(onset="soon")), "words.csv cannot be read: could not convert"),
        (lambda p: table(p, lambda t: t.assign(offset=t["onset"].astype(float) - 1)), "end before they begin"),
        (lambda p: told(p, lambda s: s["columns"]["words"].update(more="float64")), "has no column 'more'"),
    ],
    ids=["rows", "words", "array", "integers", "json", "interval", "text", "times", "column"],
)  # fmt: skip
def test_changed_files_are_answered_in_words(tmp_path, change, says):
    path = write(recording("simulated-story"), tmp_path / "mine")
    change(path)
    with pytest.raises(BrainLensError, match=says):
        recording(path)
    with pytest.raises(BrainLensError, match="interval"):
        recording(write(recording("simulated-story"), tmp_path / "mine"), interval=1.5)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".nc", ".npz", ".npy", ".mat"])
def test_epochs_keep_lag_electrode_and_region_in_every_format(tmp_path, suffix):
    first = recording("simulated-ecog").select(stimuli=np.arange(40))
    again = recording(write(first, tmp_path / f"mine{suffix}"))
    np.testing.assert_array_equal(again.responses["lag"].values, first.responses["lag"].values)
    for name in ("electrode", "region", "subject"):
        assert again.responses[name].values.tolist() == first.responses[name].values.tolist(), name
    np.testing.assert_array_equal(again.responses.values, first.responses.values)
    assert again.texts == first.texts and again.kind == "ecog" and again.context == "story"
    bare = first.responses.drop_vars(["lag", "electrode", "region"])
    write(dataclasses.replace(first, responses=bare), tmp_path / f"mine{suffix}")
    assert not (tmp_path / "mine.targets.csv").exists()  # nothing of another recording is left


def test_epochs_that_were_written_score_the_same(tmp_path):
    first = recording("simulated-ecog")
    again = recording(write(first, tmp_path / "mine.parquet"))
    quick = preset("epochs").but(
        seeds=1, bootstrap=20, unique=False, controls=(), shuffled_twin=False, ceiling="none", alphas=(1.0, 1e3)
    )  # fmt: skip
    one, two = (
        score("random-8", data, quick, store=Store(tmp_path / "s")) for data in (first, again)
    )
    assert one.value == pytest.approx(two.value, abs=1e-6)  # float32, and the same in double


@pytest.mark.realdata
def test_alice_comes_back(tmp_path):
    first = recording("alice2016")
    for form in FORMS:
        same(first, recording(write(first, tmp_path / form)))
