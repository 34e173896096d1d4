"""The catalogue: ids, states, and errors that say what to do."""

import re
import tomllib
from pathlib import Path

import pytest

from data.catalog import catalog, licences
from data.catalog.catalog import entries, recording
from data.catalog.entries import all_entries
from data.errors import BrainLensError


def test_ids_licences_and_citations():
    known = entries()
    for name, entry in known.items():
        assert (
            re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name)
            and entry.title
            and entry.licence
            and entry.shape
        )
        assert name.startswith("simulated") or entry.citation.startswith("@")
        assert name.startswith("simulated") or (
            entry.files and all(len(f.hash[1]) in (0, 32, 40, 64) for f in entry.files)
        )
    unhashed = {name: [f.name for f in one.files if not f.hash[0]] for name, one in known.items()}
    said = {
        name
        for name, one in known.items()
        if any("layout untested on the original" in trap for trap in one.traps)
    }
    assert not any(unhashed.values()) and said == {
        "lebel2023",
        "lebel2023-repeats",
        "podcast-ecog",
    }
    assert known["natural-stories-people"].hash.startswith("git:1424db97")
    assert known["blank2014-froi"].hash.startswith("sha1:af1e868821")
    assert (
        known["natural-stories"].size_words == "902 kB"
        and known["pereira2018-language"].size_words == "about 68.0 MB"
    )
    aliases = [alias for entry in known.values() for alias in entry.aliases]
    assert len(aliases) == len(set(aliases)) and not set(aliases) & set(known)
    assert (
        catalog.entry("pereira2018").id == "pereira2018-language"
        and catalog.entry("PEREIRA2018").id == "pereira2018-language"
    )


def test_states_without_anything(clean_home, monkeypatch):
    monkeypatch.delenv("BRAINLENS_MIRROR", raising=False)
    assert entries()["simulated"].state == "ready"
    assert {e.state for e in entries().values() if e.files} == {"needs download"}
    with pytest.raises(
        BrainLensError,
        match=r"1 of 1 files are missing \(naturalstories/processed_wordinfo.tsv, about 902 kB; licence: CC",
    ) as caught:
        recording("natural-stories")
    assert "brainlens data fetch natural-stories" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("natural-storys", {}, "did you mean 'natural-stories'"),
        ("wikitext-2", {}, "wikitext-2 is text, not a recording"),
        ("contstim2022", {}, "results, not a recording.*brainlens people --help"),
        ("nowhere.csv", {}, "There is no file nowhere.csv"),
        ("folder/nowhere", {}, "There is no file folder/nowhere"),
        (
            "natural-stories@newest",
            {},
            "Unknown version of natural-stories 'newest'. Choices: realigned, as-released",
        ),
        ("simulated", {"text": "words"}, "simulated takes no option text"),
        ("simulated@2", {}, "Unknown version of simulated '2'"),
    ],
)
def test_what_cannot_be_loaded(name, options, message):
    with pytest.raises(BrainLensError, match=message):
        recording(name, **options)


def test_a_file_by_its_path(tmp_path):
    rows = "".join(f"Sentence {i} stands here.,t{i % 4},{i * 0.3 + i % 3:.2f}\n" for i in range(40))
    (tmp_path / "mine.csv").write_text("sentence,topic,bold\n" + rows)
    assert recording(str(tmp_path / "mine.csv")).id == "mine"


@pytest.mark.realdata
def test_everything_in_the_mirror_is_ready_and_right(mirror, clean_home):
    ready = [name for name, entry in entries().items() if entry.state == "ready" and entry.files]
    assert {
        "natural-stories",
        "natural-stories-gpt3",
        "ucl-spr",
        "ucl-eye",
        "ucl-erp",
        "ucl-n400",
        "wikitext-2",
        "syntaxgym",
        "langloc",
    } <= set(ready)
    assert entries()["natural-stories-people"].state == "partial"
    with pytest.raises(BrainLensError, match="natural-stories takes no option txt"):
        recording("natural-stories", txt="word")
    licences.accept("natural-stories", entries()["natural-stories"].licence)
    paths = catalog.fetch("natural-stories")
    assert (
        paths[0].is_relative_to(clean_home)
        and (paths[0].parent / "processed_wordinfo.tsv.source.json").exists()
    )
    assert recording("natural-stories").responses.shape == (10256, 1)
    assert catalog.remove("natural-stories") > 900_000


def test_recordings_only():
    assert "wikitext-2" not in entries(recordings=True) and "natural-stories" in entries(
        recordings=True
    )


def test_every_entry_is_in_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert [name for name in entries() if f"`{name}`" not in page] == []


def test_a_source_is_written_once_and_cited_by_its_key():
    folder = Path(catalog.__file__).with_name("recordings")
    tables = [tomllib.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.toml"))]
    keys = [key for table in tables for key in table.get("bibtex", {})]
    assert len(keys) == len(set(keys)) and {k for t in tables for k in t.get("cite", ())} == set(
        keys
    )
    assert len({table["place"] for table in tables}) == len(tables) == len(all_entries())


def test_an_entry_takes_what_it_does_not_say_from_the_one_it_is_like():
    known = all_entries()
    like, own = known["ucl-spr"], known["ucl-n400"]
    assert own.files == like.files and own.citation == like.citation and own.licence == like.licence
    assert own.aliases == () and own.kind == "eeg" and own.options["targets"] == ("n400",)
    people = known["natural-stories-people"]
    assert people.files[1:] == known["natural-stories"].files
