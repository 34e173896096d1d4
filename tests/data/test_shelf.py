"""Own files in the library: names made safe, whole or not at all, nothing run."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from data.catalog import shelf
from data.catalog.catalog import entries, recording, remove
from data.errors import BrainLensError
from data.home import home
from data.own.sidecar import sidecar

TABLE = "sentence,topic,rt\n" + "".join(
    f"Word {i} of many came late.,t{i % 6},{i * 1.5 % 7:.2f}\n" for i in range(60)
)


def own() -> list[str]:
    return sorted(path.name for path in home("recordings", "own").iterdir())


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/My data (final).CSV", "My-data-final.csv"),
        ("C:\\Users\\me\\table.tsv.gz", "table.tsv.gz"),
        ("...csv", "table.csv"),
        ("-rf <b>.npz", "rf-b.npz"),
    ],
)
def test_names_are_made_safe(name, safe):
    assert shelf.file_name(name) == safe


def test_a_file_of_no_known_format_is_refused(clean_home):
    with pytest.raises(BrainLensError, match="not of a format"):
        shelf.stage({"evil.py": b"print()"})
    with pytest.raises(BrainLensError, match="not of a format") as caught:
        shelf.stage({"mine.rds": b""})
    assert "write.csv" in caught.value.remedy  # as 'data check' says it
    assert own() == []


def test_kept_recording_is_one_of_the_catalogue_and_can_be_removed(clean_home):
    staged = shelf.stage({"Reading Times.csv": TABLE.encode()})
    names, plain = shelf.columns(staged)
    assert names == ["sentence", "topic", "rt"]
    assert (
        plain["text"] == "sentence" and plain["responses"] == ["rt"] and plain["group"] == ["topic"]
    )
    assert "reading-times" not in entries()
    one = shelf.keep(
        staged, text="sentence", responses=["rt"], group=["topic"], quality="pilot", licence="mine"
    )
    assert (
        one.id == "reading-times"
        and one.state == "ready"
        and one.licence == "mine"
        and one.traps[0] == "pilot"
    )
    assert not staged.exists() and own() == ["reading-times"]
    loaded = recording("reading-times")
    assert (
        loaded.id == "reading-times"
        and loaded.n_stimuli == 60
        and loaded.group == "topic"
        and loaded.quality == "pilot"
    )
    again = shelf.keep(shelf.stage({"reading_times.csv": TABLE.encode()}))
    assert again.id == "reading-times-2"
    assert remove("reading-times") > 0 and own() == ["reading-times-2"]
    assert "reading-times" not in entries()


def test_an_id_of_the_catalogue_is_not_taken(clean_home):
    assert shelf.keep(shelf.stage({"simulated.csv": TABLE.encode()})).id == "simulated-2"
    assert entries()["simulated"].reader == "data.readers.simulated:default"


def test_what_cannot_be_read_is_not_kept(clean_home):
    staged = shelf.stage({"a.csv": b"sentence,rt\n1,2\n3,4\n"})
    with pytest.raises(BrainLensError, match="holds numbers"):
        shelf.keep(staged, text="rt", responses=["sentence"])
    assert shelf.kept() == {}
    shelf.drop(staged)
    assert own() == []


def test_an_array_comes_with_its_table_and_a_pickle_is_refused(clean_home):
    values = io.BytesIO()
    np.save(values, np.random.default_rng(0).standard_normal((60, 5)))
    staged = shelf.stage({"scan.npy": values.getvalue(), "scan.stimuli.csv": TABLE.encode()})
    assert shelf.is_array(staged) and shelf.columns(staged)[0] == ["sentence", "topic", "rt"]
    one = shelf.keep(staged, text="sentence", group=["topic"])
    assert recording(one.id).n_targets == 5

    pickled = io.BytesIO()
    np.save(pickled, np.array([{}], dtype=object), allow_pickle=True)
    staged = shelf.stage({"bad.npy": pickled.getvalue()})
    with pytest.raises(BrainLensError, match="pickle"):
        shelf.columns(staged)


def test_trials_that_stand_twice_are_taken_in_as_trials(clean_home):
    rows = [f"p{p},{t},{k},{w},{300 + k + p}" for p in range(4) for t in range(3)
            for k, w in enumerate(f"the words of text {t}".split())]  # fmt: skip
    head = "participant,item,word_nr,word,rt"
    plain = shelf.stage({"a.csv": "\n".join([head, *rows]).encode()})
    assert shelf.take_in(plain) == (plain, "")
    shelf.drop(plain)
    staged = shelf.stage({"b.csv": "\n".join([head, *rows, *rows[:15]]).encode()})
    place, told = shelf.take_in(staged)
    assert place.name == "trials-of-b.csv" and "15 rows left out" in told
    shelf.drop(staged)


def test_columns_of_lists_are_no_obstacle(clean_home):
    content = io.BytesIO()
    frame = pd.DataFrame(
        {
            "text": [f"Text {i}." for i in range(9)],
            "context": [[1, 2]] * 9,
            "rt": np.arange(9) * 0.3,
        }
    )
    frame.to_parquet(content)
    staged = shelf.stage({"a.parquet": content.getvalue()})
    names, plain = shelf.columns(staged)
    assert (
        names == ["text", "context", "rt"]
        and plain["text"] == "text"
        and plain["responses"] == ["rt"]
    )
    shelf.drop(staged)


def test_two_recordings_at_once_and_too_large_ones_are_refused(clean_home, monkeypatch):
    with pytest.raises(BrainLensError, match="2 recordings at once"):
        shelf.stage({"a.csv": b"x", "b.csv": b"y"})
    monkeypatch.setattr(shelf, "MOST_BYTES", 10)
    with pytest.raises(BrainLensError, match="Name the path"):
        shelf.stage({"a.csv": b"x" * 11})
    assert own() == []


def test_a_sidecar_says_how_columns_are_meant(clean_home):
    staged = shelf.stage(
        {"a.csv": TABLE.encode(), "a.csv.brainlens.json": b'{"group": null, "quality": "retyped"}'}
    )
    assert sidecar(staged)["quality"] == "retyped"
    assert shelf.columns(staged)[1]["group"] == []


def test_changed_facts_of_a_recording_are_told_and_not_believed(clean_home, caplog):
    name = shelf.keep(shelf.stage({"a.csv": TABLE.encode()})).id
    about = home("recordings", "own", name) / "about.json"
    assert shelf.kept()[name].kind and json.loads(about.read_text())["checksum"]
    about.write_text(about.read_text().replace('"kind"', '"kinb"'))
    assert name not in shelf.kept() and "does not hold what was written" in caplog.text


def test_a_strange_folder_hides_nothing(clean_home):
    folder = home("recordings", "own", "strange")
    (folder / "about.json").write_text("[]")
    assert shelf.kept() == {} and "simulated" in entries()


def test_what_another_process_takes_away_while_folders_are_listed_is_no_error(
    clean_home, monkeypatch
):
    shelf.stage({"one.csv": TABLE.encode()})
    real, gone = Path.glob, []

    def vanishing(self, pattern, **options):
        for path in list(real(self, pattern, **options)):
            if path.name.startswith(".staged-"):
                shutil.rmtree(path)
                gone.append(path)
            yield path

    monkeypatch.setattr(Path, "glob", vanishing)
    assert shelf.stage({"two.csv": TABLE.encode()}).read_bytes() == TABLE.encode() and gone
