"""What the catalogue knows: recordings and language material with terms, traps and the facts a file must fulfil."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from data.catalog.fetch import RemoteFile, locate, places, size_text
from data.errors import BrainLensError

__all__ = ["Entry", "all_entries"]


@dataclass(frozen=True)
class Entry:
    """One thing that can be loaded by its id.

    Parameters
    ----------
    id : str
        Lower case with hyphens.
    title : str
        What it is, in one line.
    reader : str
        ``"module:function"`` that makes a Recording of the path of the first file; of what is no recording it finds the files
        by the id.
    kind : str
        Kind of recording, or ``"text"``, ``"ceiling"``, ``"results"``.
    shape : str
        Stimuli x targets, in words.
    licence, citation, source : str
        Terms, BibTeX and where it comes from.
    traps : tuple of str
        What is wrong with it, one line each.
    aliases : tuple of str
        Other ids.
    versions : tuple of str
        Choices written behind the id as ``id@version``; the first is the default.
    option : str
        Which option of the reader ``versions`` set.
    files : tuple of RemoteFile
        All are needed; its own first.
    options : mapping
        Fixed options of the reader.
    whole : bool
        The reader takes the paths of all files, not of the first.
    invariants : mapping
        Facts of the file as data, see :func:`data.readers.assemblies.check_invariants`; an empty mapping asserts nothing.
    """

    id: str
    title: str
    reader: str
    kind: str
    shape: str
    licence: str
    citation: str
    source: str = ""
    traps: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    option: str = "version"
    files: tuple[RemoteFile, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    whole: bool = False
    invariants: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_recording(self) -> bool:
        """Whether it holds responses: no text, ceiling or table of results."""
        return self.kind not in ("text", "ceiling", "results")

    @property
    def size(self) -> int | None:
        """Bytes of the needed files, exactly or about; None where nothing is known."""
        sizes = [file.size or file.about for file in self.files]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def size_words(self) -> str:
        """``"902 kB"``, ``"about 68.0 MB"`` where not every size is exact, or ``"size unknown"``."""
        exact = self.size is None or all(file.size is not None for file in self.files)
        return ("" if exact else "about ") + size_text(self.size)

    @property
    def hash(self) -> str:
        """Hash of the first file, as ``"sha1:..."``, or an empty string where none is known."""
        kind, value = self.files[0].hash if self.files else ("", "")
        return f"{kind}:{value}" if kind else ""

    @property
    def state(self) -> str:
        """``"ready"``, ``"partial"`` (some files are missing), ``"damaged"`` or ``"needs download"``."""
        if not self.files:
            return "ready"
        places()  # a home or a mirror that is none is no damage of the files
        try:
            here = [locate(file) is not None for file in self.files]
        except BrainLensError:
            return "damaged"
        return "ready" if all(here) else "partial" if any(here) else "needs download"


@lru_cache
def _files() -> dict[str, tuple[RemoteFile, ...]]:
    found: dict[str, list[RemoteFile]] = {}
    with open(Path(__file__).with_name("catalogue.csv"), encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            found.setdefault(row["entry"], []).append(
                RemoteFile(
                    folder=row["folder"],
                    name=row["name"],
                    url=row["url"],
                    sha1=row["sha1"],
                    sha256=row["sha256"],
                    size=int(row["size"]) if row["size"] else None,
                    about=int(row["about"]) if row["about"] else None,
                    other=row["other"],
                )
            )
    return {entry: tuple(files) for entry, files in found.items()}


BRAINSCORE = "Brain-Score Language, public storage"
NOT_STATED = "not stated; ask the authors before passing it on"


@lru_cache
def bibtex(*keys: str) -> str:
    """BibTeX of the sources by key."""
    text = Path(__file__).with_name("catalogue.bib").read_text(encoding="utf-8")
    parts = [part.strip() for part in re.split(r"^(?=@)", text, flags=re.M) if part.strip()]
    known = {part.split("{", 1)[1].split(",", 1)[0]: part for part in parts}
    return "\n".join(known[key] for key in keys)


@lru_cache
def all_entries() -> dict[str, Entry]:
    """Every entry of the catalogue by id."""
    files = _files()
    return {
        entry.id: entry
        for entry in (*_brain(files), *_reading(files), *_people(files), *_texts(files))
    }


_DIMS = {"dims": ("presentation", "neuroid")}


def _brain(files) -> list[Entry]:
    pereira_traps = (
        "the paper resets the model's context per topic, which its authors call an error; here it is the passage",
        "not everybody did both experiments: each is scored apart, with the people who did it",
        "49 sentences are worded differently in different releases (column 'dereferenced')",
        "shuffled folds put neighbouring sentences of one passage on both sides and score far too high",
    )
    pereira: dict[str, Any] = dict(
        reader="data.readers.assemblies:pereira2018",
        kind="fmri",
        licence=NOT_STATED,
        citation=bibtex("pereira2018toward"),
        source=BRAINSCORE,
        versions=("both", "243sentences", "384sentences"),
        option="experiment",
        traps=pereira_traps,
    )
    return [
        Entry(
            "simulated",
            "288 original English sentences, simulated people",
            "data.readers.simulated:default",
            "fmri",
            "288 sentences x simulated targets",
            "MIT",
            "",
            source="written and simulated for BrainLens",
            traps=(
                "the responses are simulated: they say what a method can find, and nothing about brains",
            ),
        ),
        Entry(
            "simulated-reading",
            "Original English prose, simulated readers: self-paced reading times",
            "data.embedded:reading",
            "reading_times",
            "2,218 words x 8 simulated people",
            "MIT",
            "",
            source="written and simulated for BrainLens",
            traps=(
                "the times are simulated: they say what a method can find, and nothing about readers",
            ),
        ),
        Entry(
            "simulated-story",
            "Original English prose, heard by simulated people in the scanner",
            "data.embedded.time:story",
            "fmri",
            "volumes of 2 s x 36 targets (6 simulated people x 6 regions), 2,218 words",
            "MIT",
            "",
            source="written and simulated for BrainLens",
            traps=(
                "the signals are simulated: they say what a method can find, and nothing about brains",
                "drifts, motion and autocorrelated noise lie over what is planted",
            ),
        ),
        Entry(
            "simulated-ecog",
            "Original English prose, heard by simulated patients with electrodes",
            "data.embedded.time:ecog",
            "ecog",
            "750 words x 108 targets (3 simulated patients x 3 electrodes x 12 lags)",
            "MIT",
            "",
            source="written and simulated for BrainLens",
            traps=(
                "the responses are simulated: they say what a method can find, and nothing about brains",
                "windows of neighbouring words overlap: what is predicted before a word's onset is the words before it",
            ),
        ),
        Entry(
            "pereira2018-language",
            "Pereira 2018: 627 sentences, voxels of the language network",
            shape="627 sentences x 13,553 voxels, 10 people",
            aliases=("pereira2018",),
            files=files["pereira2018-language"],
            **pereira,
            invariants={
                **_DIMS,
                "shape": (627, 13553),
                "nansum": 1935595.263162177,
                "unique": {"subject": 10},
            },
        ),
        Entry(
            "pereira2018-auditory",
            "Pereira 2018: the same sentences, voxels of auditory cortex (a control region)",
            shape="627 sentences x 5,692 voxels",
            files=files["pereira2018-auditory"],
            **pereira,
            invariants={**_DIMS, "shape": (627, 5692), "nansum": -257124.1144940494},
        ),
        Entry(
            "pereira2018-ceilings",
            "Published ceilings of Pereira 2018 per voxel, linear and ridge",
            "data.readers.assemblies:pereira2018_ceilings",
            "ceiling",
            "2 experiments x 2 regressions",
            NOT_STATED,
            bibtex("pereira2018toward"),
            BRAINSCORE,
            files=files["pereira2018-ceilings"],
            traps=(
                "the ridge pair belongs to another split than the linear pair: never divide one by the other",
            ),
        ),
        Entry(
            "fedorenko2016-language",
            "Fedorenko 2016: 52 sentences word by word, ECoG of language-responsive electrodes",
            "data.readers.assemblies:fedorenko2016",
            "ecog",
            "416 words x 97 electrodes, 5 people",
            NOT_STATED,
            bibtex("fedorenko2016neural"),
            BRAINSCORE,
            aliases=("fedorenko2016",),
            files=files["fedorenko2016-language"],
            traps=(
                "words were shown in upper case; they are re-cased for reading, names inside a sentence stay lower case",
                "8 to 47 electrodes per person: medians over electrodes weigh people very differently",
            ),
            invariants={
                **_DIMS,
                "shape": (416, 97),
                "counts": {"subject_UID": (47, 8, 9, 15, 18), "sentence_id": (8,) * 52},
                "unique": {"word": 255},
                "joined": {"word": ("sentence_id", 0, "ALEX WAS TIRED SO HE TOOK A NAP")},
            },
        ),
        Entry(
            "blank2014-froi",
            "Blank 2014: eight stories heard, 12 functional regions per person",
            "data.readers.assemblies:blank2014",
            "fmri",
            "1,317 volumes x 60 regions, 5 people",
            NOT_STATED,
            bibtex("blank2014functional"),
            BRAINSCORE,
            aliases=("blank2014",),
            files=files["blank2014-froi"],
            traps=(
                "the signal is already shifted by 4 s: no further delay",
                "autocorrelated volumes: shuffled folds leak (OASM reaches .50)",
                "the rows of the file need not stand in the order in which they were heard: they are put into it",
            ),
            invariants={
                **_DIMS,
                "shape": (1317, 60),
                "unique": {"story": 8},
                "counts": {"subject_id": (12,) * 5, "fROI_area": (5,) * 12},
            },
        ),
        Entry(
            "futrell2018",
            "Futrell 2018: self-paced reading of ten stories by 180 people, the paper's copy",
            "data.readers.assemblies:futrell2018",
            "reading_times",
            "10,256 words x 180 people",
            "CC BY-NC-SA 4.0",
            bibtex("futrell2021natural"),
            BRAINSCORE,
            files=files["futrell2018"],
            traps=(
                "reading times are off by one word, story 3 by one more from word 229 on: use natural-stories instead",
                "most people read about half of the stories: the rest is missing",
            ),
            invariants={
                "dims": ("presentation", "subject"),
                "shape": (10256, 180),
                "unique": {"story_id": 10, "sentence_id": 481},
            },
        ),
        Entry(
            "alice2016",
            "Alice in Wonderland, chapter 1, heard in the scanner: six regions of 27 people",
            "data.readers.alice:alice2016",
            "fmri",
            "362 volumes of 2 s x 162 targets (27 people x 6 regions), 2,127 words",
            "CC BY 4.0",
            bibtex("brennan2016abstract"),
            source="daandouwe/Thesis ec54039b, the authors' folders as shared",
            aliases=("alice",),
            versions=("6mm", "10mm"),
            option="radius",
            files=files["alice2016"],
            whole=True,
            traps=(
                "the word times begin with 20 s of silence and ten volumes were discarded: 20 s are taken off them",
                "s33 has a constant time course and is left out",
                "one story: intervals generalise to people, never to other stories",
                "most of what is predicted is when words come: look at word rate first",
                "words carry no punctuation; clitics are words of their own, read without a blank before them",
                "halves of the people agree on a region's volumes with r = .37 (LIFG) to .69 (LPTL), stepped up .54 to .82; the "
                "level of a signal means nothing, so halves of the volumes say nothing of people",
                "doctor: the words stand where the signal heard them (r = .47 at 0 s, p = .005)",
            ),
        ),
        Entry(
            "lebel2023",
            "LeBel 2023: one person hears stories of The Moth and others, every voxel of the cortex",
            "data.readers.lab_stories:lebel2023",
            "fmri",
            "five stories of UTS04, 1,817 volumes of 2 s x 109,469 voxels",
            "CC0",
            bibtex("lebel2023natural"),
            source="OpenNeuro ds003020, derivative/preprocessed_data",
            files=files["lebel2023"],
            whole=True,
            traps=(
                "layout untested on the original: md5 and sizes are those of its git-annex keys; nobody here has read a file",
                "arrays begin 10 s into the sound: words are moved by as much",
                "voxels lie in the person's own space: no coordinates, so no brain figure",
                "1.6 GB, and as much again in memory",
            ),
        ),
        Entry(
            "podcast-ecog",
            "A podcast heard under electrodes: high gamma around each word of two patients",
            "data.readers.lab_stories:podcast_ecog",
            "ecog",
            "about 5,100 words x electrodes x 40 lags of 50 ms",
            "CC0",
            bibtex("zada2025podcast"),
            source="OpenNeuro ds005574, derivatives/ecogprep",
            files=files["podcast-ecog"],
            whole=True,
            traps=(
                "layout untested on the original: sha256 and sizes are those of its git-annex keys; nobody here has read a file",
                "one story: intervals say nothing about other stories; blocks are contiguous",
                "windows of neighbouring words overlap: what is predicted before a word is the words before it",
            ),
        ),
        Entry(
            "tuckute2024-language",
            "Tuckute 2024: 1,000 sentences, mean response of the language network",
            "data.readers.assemblies:tuckute2024",
            "fmri",
            "1,000 sentences x 1, mean of 5 people",
            NOT_STATED,
            bibtex("tuckute2024driving"),
            BRAINSCORE,
            aliases=("tuckute2024",),
            files=files["tuckute2024-language"],
            traps=("one averaged target: no ceiling, no inference over people",),
            invariants={**_DIMS, "shape": (1000, 1), "max": (1.28, 1.29)},
        ),
    ]


def _reading(files) -> list[Entry]:
    ucl: dict[str, Any] = dict(
        reader="data.readers.reading_times:ucl",
        licence=NOT_STATED,
        citation=bibtex("devarda2023cloze", "frank2013reading"),
        source="Andrea-de-Varda/prediction-resource 7162734d",
        files=files["ucl"],
    )
    ucl_traps = (
        "means over people: no ceiling, no inference over people",
        "the first word of every sentence was not analysed",
    )
    stories: dict[str, Any] = dict(
        reader="data.readers.reading_times:natural_stories",
        kind="reading_times",
        licence="CC BY-NC-SA 4.0",
        citation=bibtex("futrell2021natural"),
        source="languageMIT/naturalstories 4700daad",
    )
    return [
        Entry(
            "natural-stories",
            "Natural Stories: self-paced reading of ten stories, mean over people",
            shape="10,256 words x 1, mean over people",
            aliases=("naturalstories",),
            versions=("realigned", "as-released"),
            files=files["natural-stories"],
            **stories,
            traps=(
                "the mean file still has the old alignment, one word too early; 'realigned' (the default) moves each "
                "time one word later, "
                "a direction inferred from the data because no corrected mean file is published",
                "its GPT-3 probabilities say 'peeked' where story 2 says 'peaked'",
            ),
        ),
        Entry(
            "natural-stories-people",
            "Natural Stories: times per person, alignment corrected in 2025",
            shape="10,256 words x about 180 people",
            files=(*files["natural-stories-people"], *files["natural-stories"]),
            **stories,
        ),
        Entry(
            "natural-stories-gpt3",
            "Natural Stories: GPT-3 probabilities per token",
            "data.readers.reading_times:gpt3_surprisal",
            "results",
            "10,256 words from 12,373 tokens",
            "CC BY-NC-SA 4.0",
            bibtex("futrell2021natural"),
            "languageMIT/naturalstories 4700daad",
            files=(*files["natural-stories-gpt3"], *files["natural-stories"]),
        ),
        Entry(
            "ucl-spr",
            "UCL corpus: self-paced reading of 205 sentences",
            kind="reading_times",
            shape="1,726 measured words of 1,931 x 1, mean over people",
            aliases=("ucl",),
            options={"measures": "spr"},
            traps=ucl_traps,
            **ucl,
        ),
        Entry(
            "ucl-eye",
            "UCL corpus: four eye-tracking measures of 205 sentences",
            kind="eye_tracking",
            shape="1,726 measured words of 1,931 x 4, mean over people",
            options={"measures": "eye"},
            traps=ucl_traps,
            **ucl,
        ),
        Entry(
            "ucl-erp",
            "UCL corpus: six ERP components of 205 sentences",
            kind="eeg",
            shape="1,726 measured words of 1,931 x 6, mean over people",
            options={"measures": "erp"},
            traps=(*ucl_traps, "the N400 is negative: a larger surprisal goes with a lower value"),
            **ucl,
        ),
        Entry(
            "ucl-n400",
            "UCL corpus: the N400 of 205 sentences",
            kind="eeg",
            shape="1,726 measured words of 1,931 x 1, mean over people",
            options={"measures": "erp", "targets": ("n400",)},
            traps=(*ucl_traps, "the N400 is negative: a larger surprisal goes with a lower value"),
            **ucl,
        ),
        Entry(
            "kuribayashi2024",
            "Word surprisals of six models on Natural Stories, with predictors",
            "data.readers.texts:files_of",
            "results",
            "10,256 words x 6 models",
            "MIT",
            bibtex("kuribayashi2024psychometric"),
            "kuribayashi4/llm-cognitive-modeling c0dbcc50",
            files=files["kuribayashi2024"],
            traps=(
                "the published values sort story ids as strings, which mixes the spillover terms of stories",
            ),
        ),
    ]


def _people(files) -> list[Entry]:
    """Single trials of persons; each also has a long table, ``data.readers.trials.trials``."""
    reader = "data.readers.trials:"
    cleaned = "jmichaelov/recurrent-vs-transformer-modeling 1c7152a2"
    return [
        Entry(
            "nieuwland2018",
            "Nieuwland 2018: N400 at the noun, nine laboratories, single trials",
            reader + "nieuwland2018",
            "eeg",
            "159 nouns in 80 items x 334 people",
            "MIT (as packaged in bcogsci)",
            bibtex("nieuwland2018large"),
            "bnicenboim/bcogsci d90fc01e",
            files=files["nieuwland2018"],
            traps=(
                "198 trials of items 77 and 78 have no text, and another cloze than the nouns of these items: left out",
                "every trial of item 29 stands twice, under two nouns: the first counts",
                "no column with the baseline: it was subtracted, and cannot be a covariate here",
                "the N400 is negative: a more predictable noun goes with a higher value",
                "halves of the people agree on the nouns with r = .69 (stepped up .82), "
                "halves of the nouns on the people with .64 (.78)",
                "doctor: only the noun was measured, so the doctor has no neighbours to judge by",
            ),
        ),
        Entry(
            "ucl-eeg",
            "UCL corpus: N400 and baseline on each word, person by person",
            reader + "ucl_eeg",
            "eeg",
            "1,931 words x 24 people",
            "Apache-2.0 (repository)",
            bibtex("frank2015erp", "aurnhammer2019comparing"),
            "caurnhammer/AurnhammerFrank_CogSci2019 50a4b0fc",
            files=files["ucl-eeg"],
            traps=(
                "the baseline is a column: use it as a covariate, do not subtract it",
                "trials with artefacts are missing; first words, last words and clitics are flagged 'left_out', not missing",
                "the same sentences and numbers of people as the eye tracking, but other people",
                "halves of the people agree on the words with r = .33 (stepped up .50), "
                "halves of the words on the people with .97 (.99)",
                "doctor: aligned (surprisal of SmolLM2: t+1 .8, t -4.9)",
            ),
        ),
        Entry(
            "ucl-eyetracking-people",
            "UCL corpus: first-pass times on each word, person by person",
            reader + "ucl_eye",
            "eye_tracking",
            "1,931 words x 43 people",
            "Apache-2.0 (repository)",
            bibtex("frank2013reading", "aurnhammer2019comparing"),
            "caurnhammer/AurnhammerFrank_CogSci2019 50a4b0fc",
            files=files["ucl-eyetracking-people"],
            versions=("all", "published"),
            option="people",
            traps=(
                "a word that was skipped has the time 0: here it has none; with the zeros, halves of the people correlate .84 "
                "because they skip the same words, without them .65",
                "the authors' analysis leaves out eight people: ucl-eyetracking-people@published",
                "halves of the people agree on the fixated words with r = .65 (stepped up .79), "
                "halves of the words on the people with .98 (.99)",
                "doctor: exempt: eyes see the next word",
            ),
        ),
        Entry(
            "naturalstories-maze",
            "Natural Stories in the A-Maze task, person by person",
            reader + "maze",
            "reading_times",
            "10,256 words x 63 people",
            "MIT (cleaned table); words CC BY-NC-SA 4.0",
            bibtex("boyce2023amaze", "futrell2021natural", "michaelov2024revenge"),
            cleaned,
            files=(*files["naturalstories-maze"], *files["natural-stories"]),
            traps=(
                "the file has no words: they are joined from Natural Stories by the lengths of every sentence's words",
                "first and last words of sentences have no time",
                "in the Maze a word is chosen against a foil: times are twice those of self-paced reading, and spill over less",
                "halves of the people agree on the words with r = .44 (stepped up .61), "
                "halves of the words on the people with .99 (.99)",
                "doctor: aligned (surprisal of GPT-3: t 36.4, t-1 7.0, t+1 -9.5, in the opposite direction)",
            ),
        ),
        Entry(
            "brothers2021",
            "Brothers 2021: self-paced reading of critical words at three levels of cloze",
            reader + "brothers2021",
            "reading_times",
            "648 critical words in 216 items x 216 people",
            "MIT (cleaned table)",
            bibtex("brothers2021word", "michaelov2024revenge"),
            cleaned,
            files=files["brothers2021"],
            traps=(
                "a time is the sum over three words from the critical word on, trimmed by the authors",
                "sentences end with the critical word in the file: what followed is not there",
                "cloze is there as three levels only, not as a number",
                "halves of the people agree on the sentences with r = .49 (stepped up .66), "
                "halves of the sentences on the people with .99 (1.00)",
                "doctor: only the critical word was measured, so the doctor has no neighbours to judge by",
            ),
        ),
        Entry(
            "sap2024-agreement",
            "SAP benchmark: garden paths (NP/Z) and agreement, self-paced reading of three words",
            reader + "sap2024",
            "reading_times",
            "36 items in two versions x 2,000 people",
            "MIT (repository)",
            bibtex("huang2024large"),
            "caplabnyu/sapbenchmark 15e61066",
            files=files["sap2024-agreement"],
            aliases=("sap2024",),
            traps=(
                "three words per sentence only: without fillers, milliseconds per bit are not known",
                "the shipped surprisals of GPT-2 are those of the agreement items alone",
                "15 rows whose sentence is not named are left out",
                "halves of the people agree on the words with r = .91 (stepped up .95), "
                "halves of the words on the people with .83 (.90)",
                "doctor: aligned (surprisal of SmolLM2: t+1 .8, t-1 4.2), by 216 words",
            ),
        ),
        Entry(
            "contstim2022",
            "Golan 2023: forced choices between controversial sentences",
            reader + "choices",
            "results",
            "132 pairs x 30 people",
            "MIT",
            bibtex("golan2023testing"),
            "dpmlab/contstimlang f5304aef",
            files=files["contstim2022"],
            traps=(
                "log probabilities of three models only (BERT, ELECTRA, RoBERTa), each scored in two ways",
                "a sure answer for the first sentence is resp1, for the second resp6",
                "halves of the people agree on the pairs with r = .97 (stepped up .98), halves of the pairs on the people with "
                ".16 (.27)",
                "doctor: whole sentences are chosen between, so no word has a time to judge by",
            ),
        ),
        Entry(
            "aurnhammer2019",
            "Aurnhammer & Frank 2019: mixed models of UCL's N400 and first-pass times under recurrent networks",
            "data.readers.trials:published_models",
            "results",
            "9 stages x 3 architectures x 6 runs",
            "Apache-2.0 (repository)",
            bibtex("aurnhammer2019comparing"),
            "caurnhammer/AurnhammerFrank_CogSci2019 50a4b0fc",
            files=files["aurnhammer2019"],
            traps=(
                "the networks' surprisals are not in the repository: only their fits can be compared",
            ),
        ),
    ]


def _texts(files) -> list[Entry]:
    return [
        Entry(
            "wikitext-2",
            "WikiText-2 raw, test and validation",
            "data.readers.texts:wikitext2",
            "text",
            "4,358 + 3,760 lines",
            "CC BY-SA 3.0",
            bibtex("merity2017pointer"),
            "Salesforce/wikitext, by way of mschrimpf/neural-nlp 6e1a989b",
            versions=("test", "validation"),
            option="part",
            files=files["wikitext-2"],
            traps=(
                "raw text: perplexities per token compare only between models with the same tokenizer",
            ),
        ),
        Entry(
            "wikitext-2-tokens",
            "WikiText-2 tokenised, rare words as <unk>",
            "data.readers.texts:wikitext2",
            "text",
            "4,358 + 3,760 lines",
            "CC BY-SA 3.0",
            bibtex("merity2017pointer"),
            "pytorch/examples 77f55b91",
            versions=("test", "validation"),
            option="part",
            files=files["wikitext-2-tokens"],
            traps=("<unk> is not a word that models of today know: use wikitext-2",),
        ),
        Entry(
            "syntaxgym",
            "SyntaxGym: 31 suites of minimal pairs",
            "data.readers.texts:syntaxgym",
            "text",
            "31 suites",
            "MIT",
            bibtex("gauthier2020syntaxgym"),
            "brain-score/language 0e0bb4a2",
            files=files["syntaxgym"],
        ),
        Entry(
            "langloc",
            "Language localizer: sentences and lists of non-words",
            "data.readers.texts:langloc",
            "text",
            "2 runs x 5 sets x 48 trials",
            "MIT",
            bibtex("fedorenko2010new"),
            "brain-score/language 0e0bb4a2",
            files=files["langloc"],
            traps=("upper case: re-case before reading",),
        ),
    ]
