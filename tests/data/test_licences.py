"""What a licence asks is asked once, before the first byte, on every way to a file."""

from __future__ import annotations

import pytest

from analysis.models.catalog import cards
from data.catalog import catalog, licences
from data.catalog.catalog import entries
from data.catalog.fetch import RemoteFile
from data.catalog.starter import bring
from data.errors import BrainLensError

OPEN = {"MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "PDDL-1.0", "CC0", "CC BY 4.0", "CC BY-SA 3.0"}  # fmt: skip


def test_every_licence_of_the_catalogues_is_open_or_asks_something():
    known = {one.licence for one in entries().values()} | {one.licence for one in cards().values()}
    for licence in known:
        plain = licence.partition(" (")[0]
        free = not licence or plain in OPEN or licence.startswith(("not stated", "yours"))
        if "NC" in licence or "on request" in licence or "non-commercial" in licence:
            free = False
        assert bool(licences.conditions(licence)) != free, licence


@pytest.mark.parametrize(
    "tag", ["mit", "apache-2.0", "cc-by-4.0", "cc-by-sa-4.0", "bsd-3-clause", "gpl-3.0", ""]
)
def test_the_hubs_words_for_open_licences_ask_nothing(tag):
    assert licences.conditions(tag) == ""


@pytest.mark.parametrize(
    "tag", ["cc-by-nc-4.0", "llama3.1", "gemma", "openrail", "other", "cc-by-nd-4.0"]
)
def test_the_hubs_words_for_others_ask_something(tag):
    assert licences.conditions(tag)


@pytest.fixture
def ours(clean_home, tmp_path, monkeypatch):
    """A mirror with one small file under a licence that asks something."""
    monkeypatch.delenv("BRAINLENS_MIRROR", raising=False)
    monkeypatch.setattr(catalog, "_EXTRA", {})
    (tmp_path / "mirror" / "ours").mkdir(parents=True)
    (tmp_path / "mirror" / "ours" / "words.csv").write_text("a,b\n1,2\n")
    from dataclasses import replace

    file = RemoteFile("ours", "words.csv", size=8)
    one = replace(
        catalog.entry("ucl-spr"), id="ours", aliases=(), licence="CC BY-NC 4.0", files=(file,)
    )
    catalog.register(one)
    return tmp_path / "mirror"


def test_nothing_comes_before_a_yes_and_the_yes_is_kept(ours):
    with pytest.raises(BrainLensError, match="no commercial use; it was not accepted yet"):
        catalog.fetch("ours", mirror=ours)
    assert "Do you accept it?" in licences.asked("ours", "CC BY-NC 4.0")
    licences.accept("ours", "CC BY-NC 4.0")
    assert licences.asked("ours", "CC BY-NC 4.0") == ""
    assert catalog.fetch("ours", mirror=ours)[0].name == "words.csv"
    assert licences.asked("ours", "CC BY-NC-ND 4.0")  # other words are asked again


def test_a_damaged_answer_is_no_yes(clean_home):
    licences.accept("ours", "gemma")
    path = next(clean_home.rglob("licences.json"))
    for text in ("[]", "{", '{"ours": "gemma"}'):
        path.write_text(text)
        assert not licences.accepted("ours", "gemma")


def test_a_pack_leaves_out_what_nobody_accepted(clean_home, monkeypatch):
    monkeypatch.setenv("BRAINLENS_MIRROR", "")
    (one,) = bring(("naturalstories-maze",))
    assert one.state == "asked" and "no commercial use" in one.reason
