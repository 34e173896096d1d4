"""Removing from the library: what goes with it is named first."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dashboards.library.library import Library
from dashboards.state import Selection
from data.catalog import catalog
from data.catalog.fetch import RemoteFile
from data.home import home
from tests.dashboards.conftest import settle


@pytest.fixture
def library(clean_home, monkeypatch):
    """A library with two recordings of one fetched file."""
    monkeypatch.delenv("BRAINLENS_MIRROR", raising=False)
    monkeypatch.setattr(catalog, "_EXTRA", {})
    (home("recordings", "ours") / "words.csv").write_text("a,b\n1,2\n")
    for name in ("ours-spr", "ours-eye"):
        catalog.register(
            replace(
                catalog.entry("ucl-spr"),
                id=name,
                aliases=(),
                files=(RemoteFile("ours", "words.csv", size=8),),
            )
        )
    made = Library(Selection(lens="library"))
    settle(made, lambda: "ours-spr" in made.recordings.ids)
    yield made
    made.close()


def asked(library) -> str:
    return " ".join(
        part.object
        for part in library._confirm.objects
        if getattr(part, "object", "") and part.visible
    )


def test_the_question_names_what_goes_with_it(library):
    library._ask_recording("ours-spr")
    assert "the files of ours-eye, which will have to be fetched again" in asked(library)
    library._confirm.objects[-1].clicks += 1
    settle(library, lambda: not (home("recordings") / "ours" / "words.csv").exists())
    settle(library, lambda: catalog.entry("ours-eye").state == "needs download")


def test_the_question_is_short_where_nobody_shares(library):
    catalog._EXTRA.pop("ours-eye")
    library._ask_recording("ours-spr")
    assert "are deleted from your data folder" in asked(library) and "ours-eye" not in asked(
        library
    )
