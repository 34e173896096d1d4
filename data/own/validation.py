"""What is right and wrong with a user's file, before anything runs."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from data.errors import BrainLensError, memory_error
from data.own.columns import Understood
from data.own.read import understood
from data.own.tables import coded
from data.recording import Recording
from data.words import core

__all__ = ["Finding", "ValidationReport", "check", "inspect"]

LEVELS = ("error", "warning", "fact")
FEW = 40  # stimuli below which no fold is large enough to mean anything
LEAK = 0.1  # autocorrelation of neighbours above which shuffled folds leak


@dataclass(frozen=True)
class Finding:
    """One line of a report.

    Parameters
    ----------
    level : str
        ``"error"`` (cannot be used), ``"warning"`` (can be used, with care) or ``"fact"``.
    what : str
        What was found, with where.
    fix : str
        The next step.
    """

    level: str
    what: str
    fix: str = ""


@dataclass(frozen=True)
class ValidationReport:
    """What was found in a file.

    Parameters
    ----------
    name : str
        Name of the file or recording.
    findings : tuple of Finding
        Errors first.
    recording : Recording or None
        What was read, where it could be read.
    facts : dict
        Numbers: n_stimuli, n_targets, n_subjects, n_groups, folds, missing, autocorrelation, duplicates.
    """

    name: str
    findings: tuple[Finding, ...]
    recording: Recording | None = None
    facts: dict = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether it can be scored."""
        return not self.errors

    @property
    def errors(self) -> list[Finding]:
        """Findings that forbid its use."""
        return [f for f in self.findings if f.level == "error"]

    @property
    def warnings(self) -> list[Finding]:
        """Findings that a user should know."""
        return [f for f in self.findings if f.level == "warning"]

    def to_frame(self) -> pd.DataFrame:
        """level, what, fix, one row per finding."""
        return pd.DataFrame(
            [(f.level, f.what, f.fix) for f in self.findings], columns=["level", "what", "fix"]
        )

    def __str__(self) -> str:
        verdict = "can be used" if self.ok else "cannot be used as it is"
        counts = f"{len(self.errors)} errors, {len(self.warnings)} warnings"
        lines = [f"{self.name}: {verdict} ({counts})"]
        for finding in self.findings:
            lines.append(
                f"  {finding.level:<8} {finding.what}"
                + (f"\n           -> {finding.fix}" if finding.fix else "")
            )
        return "\n".join(lines)


def check(path: str | Path, **columns) -> ValidationReport:
    """The validation report of a user's file; the columns are named as in :func:`data.own.read.read`."""
    name = Path(path).name
    try:
        source = understood(path, **columns)
        return inspect(source.recording, source=source, name=name)
    except BrainLensError as error:
        return refused(name, error)
    except MemoryError as error:
        said = memory_error(error)
        assert said is not None  # it is one of memory
        return refused(name, said)
    except Exception as error:  # a report is owed even for a file that no check foresaw
        why = " ".join(str(error).split())[:300]
        what = f"{name} could not be read: {type(error).__name__}{': ' + why if why else ''}"
        return ValidationReport(
            name,
            (
                Finding(
                    "error", what, "Save it again as CSV (UTF-8) or NetCDF, or report this line"
                ),
            ),
        )


def refused(name: str, error: BrainLensError) -> ValidationReport:
    """The report of a file that could not be read at all."""
    what = str(BrainLensError(error.problem, choices=error.choices))
    return ValidationReport(name, (Finding("error", what, error.remedy),))


def inspect(
    recording: Recording, *, source: Understood | None = None, name: str = ""
) -> ValidationReport:
    """The validation report of a recording; ``source`` gives the lines of the file it came from and what was doubtful in it."""
    findings: list[Finding] = []
    facts: dict = {}
    if source is not None:
        findings.append(Finding("fact", f"understood as: {source.meant}"))
        findings += [Finding("warning", what, fix) for what, fix in source.doubts]
        findings += _named_codes(source)
    places = _Places(recording, source)
    for part in (_counts, _texts, _aligned, _missing, _groups, _neighbours, _values):
        part(recording, places, findings, facts)
    said = (
        "no groups",
        "averaged",
        "taken as an average",
        "subjects unknown",
        "simulated",
    )  # the parts say it themselves
    doubts = {what for what, _ in source.doubts} if source is not None else ()
    findings += [
        Finding("fact", note)
        for note in recording.notes
        if not note.startswith(said)
        and note not in doubts
        and "occur more than once" not in note
        and "responses are missing" not in note
    ]
    findings.sort(key=lambda f: LEVELS.index(f.level))
    return ValidationReport(name or recording.id, tuple(findings), recording, facts)


@dataclass(frozen=True)
class _Places:
    """Where stimuli and responses stand: lines of the file where there is one, else ids."""

    recording: Recording
    source: Understood | None

    def of(self, stimuli) -> str:
        """Of stimuli, as numbers from 0."""
        stimuli = list(stimuli)
        if self.source is not None:
            return self.source.places(stimuli)
        more = f" and {len(stimuli) - 5} more" if len(stimuli) > 5 else ""
        return (
            ", ".join(f"stimulus {self.recording.stimuli.index[row]}" for row in stimuli[:5]) + more
        )

    def of_responses(self, mask: np.ndarray) -> str:
        """Of responses, as a mask (n_stimuli, n_targets)."""
        return (
            self.of(np.flatnonzero(mask.any(axis=1)))
            if self.source is None
            else self.source.places_of(mask)
        )


# ---- the parts of a report ------------------------------------------------------------------------------------------------
def _counts(recording: Recording, places: _Places, findings, facts) -> None:
    people = recording.subjects
    n_people = None if people is None else len(set(people))
    facts.update(n_stimuli=recording.n_stimuli, n_targets=recording.n_targets, n_subjects=n_people)
    assumed = any(note.startswith("taken as an average") for note in recording.notes)
    mean = "taken as an average over people" if assumed else "averaged over people"
    who = (
        mean
        if recording.averaged
        else "people unknown"
        if n_people is None
        else f"{n_people} people"
    )
    findings.append(
        Finding(
            "fact",
            f"{recording.n_stimuli:,} {recording.scored_unit}s x {recording.n_targets:,} targets, {who}; {recording.kind}, "
            f"{recording.unit}",
        )
    )
    if recording.averaged:
        findings.append(
            Finding(
                "fact",
                f"{'taken as an average' if assumed else 'averaged'}: no ceiling, no normalised score, no inference over people",
                'Where it is one person or one electrode, say so (--per-person, or "averaged": false in the sidecar)'
                if assumed
                else "",
            )
        )
    elif n_people is None:
        findings.append(
            Finding(
                "warning",
                "it is not known which target belongs to whom",
                "Name the subject column (--subject COLUMN) or that of each column (--subject left=s1,right=s2, --response "
                "'sub-{subject}_*', a table .targets.csv)",
            )
        )
    elif n_people < 3:
        findings.append(
            Finding("warning", f"{n_people} people: a ceiling from fewer than 3 is not valid", "")
        )
    if recording.n_stimuli < FEW:
        findings.append(
            Finding(
                "warning",
                f"{recording.n_stimuli} stimuli are too few for a score that means something",
                f"Use {FEW} or more",
            )
        )
    if recording.quality:
        findings.append(
            Finding(
                "warning",
                f"quality: {recording.quality}",
                "This note stands on every figure and export",
            )
        )
    if recording.simulated:
        findings.append(Finding("warning", "simulated data", "Every figure and export says so"))


def _texts(recording: Recording, places: _Places, findings, facts) -> None:
    texts = pd.Series(recording.texts)
    words = texts.str.split().str.len()
    if recording.scored_unit != "word":
        twins = np.flatnonzero(texts.duplicated(keep=False))
        facts["duplicates"] = int(texts[twins].nunique())
        if len(twins):
            apart = ""
            if recording.group is not None:
                groups = (
                    pd.Series(recording.column(recording.group)[twins])
                    .groupby(texts[twins].to_numpy())
                    .nunique()
                )
                apart = f"; {int((groups > 1).sum())} of them in different groups, where they leak from training to test"
            findings.append(
                Finding(
                    "warning",
                    f"{facts['duplicates']} texts occur more than once{apart}: {places.of(twins)}",
                    "Put twins in one group, or remove one",
                )
            )
    else:
        several = np.flatnonzero(words > 1)
        if len(several):
            findings.append(
                Finding(
                    "warning",
                    f"{len(several)} rows hold several words where one is scored: {places.of(several)}",
                    "Give each word a row, or set scored_unit to sentence in the sidecar",
                )
            )
    wordless = np.flatnonzero(~texts.str.contains(r"\w", regex=True))
    if len(wordless):
        findings.append(
            Finding(
                "warning",
                f"{len(wordless)} texts hold no letter or digit and may not align with a model's tokens: {places.of(wordless)}",
                "Attach punctuation to the word before it",
            )
        )
    broken = np.flatnonzero(
        texts.str.contains("[\ufffd\u200b\ufeff\x00-\x08\x0b\x0c\x0e-\x1f]|Ã.|â€", regex=True)
        | texts.map(_twice_encoded)
    )
    if len(broken):
        findings.append(
            Finding(
                "warning",
                f"{len(broken)} texts hold broken or invisible characters: {places.of(broken)}",
                "Export the table again as UTF-8",
            )
        )
    breaks = np.flatnonzero(texts.str.contains(r"[\n\r\t]", regex=True))
    if len(breaks):
        findings.append(
            Finding(
                "warning",
                f"{len(breaks)} texts hold line breaks or tabs: {places.of(breaks)}",
                "Use spaces",
            )
        )
    letters = texts[texts.str.contains("[A-Za-z]", regex=True)]
    if len(letters) > 3 and (letters == letters.str.upper()).all():
        findings.append(
            Finding(
                "warning",
                "all texts are upper case, which models rarely saw",
                "Re-case them before reading",
            )
        )
    doubled = np.flatnonzero(texts.str.contains(r"  +", regex=True))
    if len(doubled):
        findings.append(
            Finding(
                "warning",
                f"{len(doubled)} texts hold several spaces in a row: {places.of(doubled)}",
                "Models read each space: reduce them to one",
            )
        )


def _twice_encoded(text: str) -> bool:
    """Whether UTF-8 was read as Western European and saved so: ``Ä±`` for ``ı``, ``Ð¿`` for ``п``."""
    for odd in re.findall("[^\x00-\x7f]{2,}", text):
        for code in ("cp1252", "latin-1"):
            with contextlib.suppress(UnicodeError):
                odd.encode(code).decode("utf-8")
                return True
    return False


def _aligned(recording: Recording, places: _Places, findings, facts) -> None:
    """Where a table of words has a column with their running text, the words must stand in it, in order."""
    if recording.scored_unit != "word":
        return
    words = [core(text) for text in recording.texts]
    blocks = (
        np.zeros(len(words)) if recording.context is None else recording.column(recording.context)
    )
    for name in recording.stimuli.columns.drop("text"):
        cells = recording.stimuli[name]
        if (
            cells.dtype.kind != "O"
            or cells.isna().all()
            or cells.dropna().astype(str).str.split().str.len().mean() < 3
        ):
            continue
        texts = cells.where(cells.notna(), "").astype(str).str.lower().tolist()
        if np.mean([word in text for word, text in zip(words, texts)]) < 0.5:
            continue  # words about something else
        lost = _lost(words, texts, blocks)
        if lost:
            findings.append(
                Finding(
                    "warning",
                    f"the words of {len(lost)} texts are not found in order in {name!r}, first {recording.texts[lost[0]]!r}: "
                    f"{places.of(lost)}",
                    "Write the words as they stand in the text, one row each, in reading order",
                )
            )


def _lost(words: list[str], texts: list[str], blocks) -> list[int]:
    """Of each text, the first word that does not follow the word before it; words without a letter are passed over."""
    lost, start, before, whole = [], 0, None, True
    for row, (word, text, block) in enumerate(zip(words, texts, blocks)):
        if (text, block) != before or not _LETTER.search(text, start):
            start, before, whole = 0, (text, block), True  # another text, or the same one again
        if not (whole and word and text):
            continue
        found = text.find(word, start)
        while found >= 0 and _inside(text, found, found + len(word)):
            found = text.find(word, found + 1)
        if found < 0:
            lost.append(row)
            whole = False
        start = found + len(word) if found >= 0 else start
    return lost


def _inside(text: str, start: int, end: int) -> bool:
    """Whether a place in a text lies inside a longer word."""
    return bool((start and _LETTER.match(text, start - 1)) or _LETTER.match(text, end))


_LETTER = re.compile(r"\w")


def _named_codes(source: Understood) -> list[Finding]:
    """How many cells of the responses hold the codes for 'no value' that were named."""
    table = source.table
    if table is None or not table.missing:
        return []
    said = " or ".join(table.missing)
    counts = {
        name: int(coded(table, name).sum())
        for name in source.responses
        if name in table.frame.columns
    }
    if not any(counts.values()):
        what = f"no cell of the responses holds {said}"
        return [
            Finding("warning", what, "Check the code for 'no value': it is matched as it stands")
        ]
    told = ", ".join(f"{count:,} cells of {name}" for name, count in counts.items() if count)
    return [Finding("fact", f"{told} hold {said}: no value")]


def _missing(recording: Recording, places: _Places, findings, facts) -> None:
    absent = np.isnan(recording.responses.values)
    facts["missing"] = int(absent.sum())
    if not absent.any():
        return
    by_target = absent.mean(axis=0)
    worst = np.argsort(-by_target)[:5]
    shown = ", ".join(
        f"{recording.responses.target.values[t]} {by_target[t]:.0%}"
        for t in worst
        if by_target[t] > 0
    )
    findings.append(
        Finding(
            "warning",
            f"{facts['missing']:,} of {absent.size:,} responses are missing; by target: {shown}",
            "These rows are read as context and not scored",
        )
    )
    people = recording.subjects
    if people is not None:
        by_person = pd.Series(by_target).groupby(people).mean().sort_values(ascending=False)
        shown = ", ".join(
            f"{person} {share:.0%}" for person, share in by_person.head(5).items() if share > 0
        )
        findings.append(Finding("fact", f"missing by subject: {shown}"))
    empty = np.flatnonzero(absent.all(axis=1))
    if len(empty):
        findings.append(
            Finding("fact", f"{len(empty)} stimuli have no response at all: {places.of(empty)}")
        )
    thin = np.flatnonzero((~absent).sum(axis=0) < FEW)
    if len(thin):
        findings.append(
            Finding(
                "warning",
                f"{len(thin)} targets have fewer than {FEW} measurements: "
                f"{', '.join(map(str, recording.responses.target.values[thin[:5]]))}",
                "Leave them out",
            )
        )


def _groups(recording: Recording, places: _Places, findings, facts) -> None:
    if recording.group is None:
        facts.update(n_groups=0, folds=0)
        findings.append(
            Finding(
                "warning",
                "no groups are known, so neighbouring rows are held out as contiguous blocks",
                "Name the column of topics, stories or passages (--group COLUMN)",
            )
        )
    else:
        labels = pd.Series(recording.column(recording.group))
        sizes = labels.value_counts()
        facts.update(n_groups=len(sizes), folds=min(10, len(sizes)))
        if len(sizes) < 2:
            findings.append(
                Finding(
                    "error",
                    f"column {recording.group!r} holds one group only ({sizes.index[0]!r}): nothing can be held out",
                    "Name a column with at least two groups, better ten (--group COLUMN)",
                )
            )
            return
        findings.append(
            Finding(
                "fact",
                f"{len(sizes)} groups in column {recording.group!r} (of {sizes.min()} to {sizes.max()} rows): "
                f"{facts['folds']} folds by group",
            )
        )
        if len(sizes) == recording.n_stimuli:
            findings.append(
                Finding(
                    "warning",
                    f"every row of {recording.group!r} is a group of its own: neighbours are not held out together",
                    "Name the column of topics, stories or passages",
                )
            )
        elif len(sizes) < 5:
            findings.append(
                Finding(
                    "warning",
                    f"{len(sizes)} groups give {len(sizes)} folds: the score depends on each of them",
                    "Use more groups",
                )
            )
        if sizes.max() > recording.n_stimuli / 2:
            findings.append(
                Finding(
                    "warning",
                    f"group {sizes.index[0]!r} holds {sizes.max() / recording.n_stimuli:.0%} of the rows",
                    "Folds will be very unequal: cut it into parts",
                )
            )
    if recording.context is not None:
        labels = pd.Series(recording.column(recording.context))
        if (labels != labels.shift()).sum() != labels.nunique():
            apart = np.flatnonzero(((labels != labels.shift()) & labels.duplicated()).to_numpy())
            findings.append(
                Finding(
                    "warning",
                    f"rows of one text of {recording.context!r} do not stand together: {places.of(apart)}",
                    "Sort the table in reading order, or name the order column (--order COLUMN)",
                )
            )


def _neighbours(recording: Recording, places: _Places, findings, facts) -> None:
    r = autocorrelation(recording)
    facts["autocorrelation"] = r
    if np.isnan(r):
        return
    findings.append(
        Finding("fact", f"autocorrelation of neighbouring rows: {r:.2f} (mean over targets)")
    )
    if r > LEAK:
        findings.append(
            Finding(
                "warning",
                f"neighbouring rows resemble each other (r = {r:.2f}): shuffled folds would leak from training to test",
                "Hold out whole groups, which is the default; read the shuffled twin beside every score",
            )
        )


def autocorrelation(recording: Recording, most_targets: int = 2000) -> float:
    """Pearson r of each row with the next one of the same text, mean over targets; NaN where it cannot be known."""
    values = recording.responses.values[:, :most_targets]
    key = recording.context or recording.group
    labels = (
        pd.factorize(recording.column(key))[0]
        if key is not None
        else np.zeros(len(values), dtype=int)
    )
    pairs = np.flatnonzero(labels[:-1] == labels[1:])
    if len(pairs) < 10:
        return float("nan")
    first, second = values[pairs], values[pairs + 1]
    both = ~(np.isnan(first) | np.isnan(second))
    first, second = np.where(both, first, np.nan), np.where(both, second, np.nan)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        first, second = first - np.nanmean(first, axis=0), second - np.nanmean(second, axis=0)
        r = np.nansum(first * second, axis=0) / np.sqrt(
            np.nansum(first**2, axis=0) * np.nansum(second**2, axis=0)
        )
    return float(np.nanmean(r)) if np.isfinite(r).any() else float("nan")


def _codes(values: np.ndarray) -> list[float]:
    """The lowest and the highest value, where it occurs more than once and is written with nines or eights only, such as -99."""
    known = values[np.isfinite(values)]
    ends = {float(known.min()), float(known.max())} if known.size else set()
    return [
        end
        for end in sorted(ends)
        if end.is_integer()
        and (re.fullmatch(r"-(9{2,}|8{2,})|9{3,}|8{3,}", f"{end:.0f}") or _off_scale(known, end))
        and (known == end).sum() > 1
    ]


def _off_scale(known: np.ndarray, end: float) -> bool:
    """Whether an end stands apart from a scale of whole numbers, as 9 does from 1 to 7, or is the one value below 0."""
    others = np.unique(known[known != end])
    if len(others) < 3:
        return False
    steps = np.abs(np.diff(others))
    if len(others) <= 11 and (others % 1 == 0).all() and (steps == 1).all():
        return bool(min(abs(end - others[0]), abs(end - others[-1])) > 1)
    return bool(end < -1 and others[0] >= 0)


def _values(recording: Recording, places: _Places, findings, facts) -> None:
    values = recording.responses.values
    if recording.unit == "ms":
        odd = values <= 0
        if odd.any():
            held, times = np.unique(values[odd], return_counts=True)
            findings.append(
                Finding(
                    "warning",
                    f"{int(odd.sum())} times are 0 ms or less: {places.of_responses(odd)}",
                    f"Leave the cell empty where nothing was measured, or name the code: --missing {held[times.argmax()]:g}",
                )
            )
    middle = np.nanmedian(values, axis=0)
    spread = np.nanmedian(np.abs(values - middle), axis=0)
    far = np.abs(values - middle) > 50 * np.where(spread > 0, spread, np.inf)
    if far.any():
        findings.append(
            Finding(
                "warning",
                f"{int(far.sum())} values lie more than 50 median deviations away: {places.of_responses(far)}",
                "Check them: a typing error, or a code such as -999 for 'missing'",
            )
        )
    for code in _codes(values):
        findings.append(
            Finding(
                "warning",
                f"the value {code:g} occurs {int((values == code).sum())} times and looks like a code for 'missing': "
                f"{places.of_responses(values == code)}",
                f"Leave these cells empty, or name the code: --missing {code:g}",
            )
        )
    tied = [
        str(t)
        for t, column in zip(recording.responses.target.values[:200], values.T[:200])
        if len(np.unique(column[~np.isnan(column)])) <= 2
    ]
    if tied:
        findings.append(
            Finding(
                "warning",
                f"targets with two values only: {', '.join(tied[:5])}",
                "Is this a measurement, or a label?",
            )
        )
    pairs = {}
    for target, column in zip(recording.responses.target.values[:2000], values.T[:2000]):
        pairs.setdefault(column.tobytes(), []).append(str(target))
    same = [names for names in pairs.values() if len(names) > 1]
    if same:
        findings.append(
            Finding(
                "warning",
                f"targets with the same values: {' = '.join(same[0][:4])}",
                "Leave one of them out",
            )
        )
