"""The starter pack of recordings: told first, fetched from a mirror, one failure stops nothing."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from dashboards.command.cli import main
from data.catalog import catalog
from data.catalog.entries import Entry
from data.catalog.starter import FIRST, STARTER, bring, missing, price
from data.errors import BrainLensError


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A home without recordings, a mirror with one, and a pack of two."""
    import hashlib

    from data.catalog.fetch import RemoteFile

    monkeypatch.setenv("BRAINLENS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BRAINLENS_MIRROR", raising=False)
    mirror, entries = tmp_path / "mirror", {}
    for name, there in (("first", True), ("second", False)):
        content = name.encode() * 10
        if there:
            (mirror / name).mkdir(parents=True)
            (mirror / name / "a.csv").write_bytes(content)
        file = RemoteFile(
            name, "a.csv", "", sha256=hashlib.sha256(content).hexdigest(), size=len(content)
        )
        entries[name] = Entry(
            name,
            name,
            "data.readers.simulated:default",
            "fmri",
            "-",
            "CC BY 4.0",
            "",
            files=(file,),
        )
    monkeypatch.setattr(catalog, "_EXTRA", entries)
    monkeypatch.setattr("data.catalog.starter.STARTER", tuple(entries))
    return mirror, tuple(entries)


def test_what_it_costs_is_told_with_licences(small):
    told = price(small[1])
    assert "first" in told and "CC BY 4.0" in told and "in all" in told


def test_one_that_fails_stops_nothing(small):
    mirror, names = small
    found = {one.id: one for one in bring(names[::-1], mirror=mirror)}
    assert (
        found["first"].state == "fetched"
        and found["second"].state == "failed"
        and found["second"].reason
    )
    assert [one.id for one in missing(names)] == ["second"]
    assert {one.id: one.state for one in bring(("first",), mirror=mirror)} == {"first": "here"}


def test_the_pack_is_small_open_and_in_the_catalogue():
    assert FIRST in STARTER
    for name in STARTER:
        one = catalog.entry(name)
        assert "not stated" not in one.licence and sum(f.size or 0 for f in one.files) < 5e6
        assert all(file.hash[0] for file in one.files)
    with pytest.raises(BrainLensError, match="starter pack"):
        missing(("pereira2018-language",))


def test_the_command_says_sizes_and_what_failed(small):
    mirror, _names = small
    done = CliRunner().invoke(main, ["data", "starter", "first", "second", "--mirror", str(mirror)])
    assert done.exit_code == 1
    assert (
        "first: fetched" in done.output
        and "second: failed (" in done.output
        and "in all" in done.output
    )
