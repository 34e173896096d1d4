"""A recording: responses of people to language stimuli, validated once and then trusted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data.errors import BrainLensError, unknown
from data.language import JOINERS, blanks
from data.presentation import Presentation

__all__ = ["KINDS", "Recording"]

KINDS = ("fmri", "ecog", "eeg", "meg", "reading_times", "eye_tracking", "behaviour")
SCORED_UNITS = ("sentence", "word", "tr")


@dataclass(frozen=True)
class Recording:
    """Responses (stimulus x target) with the stimulus table that caused them.

    Parameters
    ----------
    id : str
        Lower case with hyphens; a catalogue id or the stem of a user's file.
    responses : xarray.DataArray
        Dims ``(stimulus, target)``, floating point, NaN where a target has no measurement. Coordinate ``subject`` on
        ``target`` where people are known; further target coordinates (``region``, ``network``, ...) are kept as they are.
    stimuli : pandas.DataFrame
        One row per stimulus in presentation order, index equal to ``responses.stimulus``. Column ``text`` is required;
        grouping columns (``topic``, ``passage``, ``story``, ``sentence``, ``experiment``, ``run``) and numbers
        (``position``, ``onset``, ``log_frequency``) are optional.
    kind : str
        One of :data:`KINDS`.
    unit : str
        Unit of the responses, such as ``"ms"`` or ``"a.u."``.
    scored_unit : str
        What one row is: ``"sentence"``, ``"word"`` or ``"tr"``.
    context : str or None
        Column whose groups are read as one text by default; None: each stimulus is read alone.
    group : str or None
        Column whose groups are held out together by default; None: nothing is known to belong together.
    within : str or None
        Column whose values are scored apart and then averaged (Pereira's two experiments).
    roles : mapping
        Which column means what: keys such as ``"topic"``, ``"passage"``, ``"story"``, ``"sentence"``. A protocol's
        ``context="topic"`` is looked up here first, then among the columns.
    averaged : bool
        The targets are means over people: no ceiling, no normalised score, no inference over people.
    simulated : bool
        The truth is planted; every figure and export says so.
    language : str
        Code of the texts' language, such as ``"en"``; "" where it is not known: word frequencies are refused then.
    joiner : str
        What stands between two stimuli that are read as one text: ``" "``, ``""``, ``"treebank"`` (a blank as running English
        has it: none before punctuation and clitics), or a column that says of each row whether a blank stands before it.
    quality : str
        A note that belongs on every figure, such as "retyped, may carry digit errors".
    citation : str
        BibTeX of the source, or a plain reference.
    licence, source : str
        Terms of use and where the data came from.
    truth : mapping
        Planted truths of a simulated recording.
    notes : tuple of str
        Facts to show on the recording's card (what was dropped, known traps).
    presentation : Presentation or None
        Of a recording whose rows are moments of a run (samples): the words with their times. Its stimulus table has ``run`` and
        ``time`` (seconds), and ``text`` may be empty where nobody spoke. None: each row is a stimulus of its own.
    """

    id: str
    responses: xr.DataArray
    stimuli: pd.DataFrame
    kind: str = "fmri"
    unit: str = "a.u."
    scored_unit: str = "sentence"
    context: str | None = None
    group: str | None = None
    within: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    averaged: bool = False
    simulated: bool = False
    language: str = "en"
    joiner: str = " "
    quality: str = ""
    citation: str = ""
    licence: str = ""
    source: str = ""
    truth: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    presentation: Presentation | None = None

    def __post_init__(self):
        self._check_responses()
        self._check_stimuli()
        self._check_meaning()

    # ---- validation -------------------------------------------------------------------------------------------------
    def _check_responses(self):
        responses = self.responses
        if tuple(responses.dims) != ("stimulus", "target"):
            raise BrainLensError(
                f"{self.id}: responses have dims {tuple(responses.dims)}",
                remedy="Give an xarray.DataArray with dims ('stimulus', 'target')",
            )
        if responses.size == 0:
            raise BrainLensError(
                f"{self.id}: the recording is empty, {responses.sizes['stimulus']} stimuli x {responses.sizes['target']} targets",
                remedy="Give at least one row and one response column",
            )
        if not np.issubdtype(responses.dtype, np.floating):
            raise BrainLensError(
                f"{self.id}: responses are {responses.dtype}, not floating point",
                remedy="Convert the response columns to numbers",
            )
        for name in ("stimulus", "target"):
            if name not in responses.coords:
                raise BrainLensError(
                    f"{self.id}: responses carry no {name} ids", remedy=f"Add a coordinate {name!r}"
                )
            index = pd.Index(responses[name].values)
            if not index.is_unique:
                twice = list(index[index.duplicated()][:3])
                raise BrainLensError(
                    f"{self.id}: {name} ids occur more than once: {twice}",
                    remedy="Make the ids unique",
                )
        infinite = int(np.isinf(responses.values).sum())
        if infinite:
            raise BrainLensError(
                f"{self.id}: {infinite} responses are infinite", remedy="Mark missing values as NaN"
            )
        empty = np.isnan(responses.values).all(axis=0)
        if empty.any():
            raise BrainLensError(
                f"{self.id}: targets without a single measurement: {list(responses.target.values[empty][:5])}",
                remedy="Drop these targets",
            )

    def _check_stimuli(self):
        stimuli = self.stimuli
        if "text" not in stimuli.columns:
            raise BrainLensError(
                f"{self.id}: the stimulus table has no column 'text'",
                choices=stimuli.columns,
                remedy="Name the column that holds the words",
            )
        if list(stimuli.index) != list(self.responses.stimulus.values):
            raise BrainLensError(
                f"{self.id}: the stimulus table and the responses are not in the same order",
                remedy="Index the stimulus table by the ids of responses.stimulus",
            )
        if self.presentation is not None:
            self._check_samples()
            return
        text = stimuli["text"]
        bad = [
            index
            for index, value in text.items()
            if not isinstance(value, str) or not value.strip()
        ]
        if bad:
            raise BrainLensError(
                f"{self.id}: {len(bad)} stimuli have no text, first: {bad[:5]}",
                remedy="Remove these rows or fill in their words",
            )

    def _check_samples(self):
        table, presentation = self.stimuli, self.timed
        for name in ("run", "time"):
            if name not in table.columns:
                raise BrainLensError(
                    f"{self.id}: the table of samples has no column {name!r}",
                    choices=table.columns,
                    remedy="Give the run and the time in seconds of every sample",
                )
        silent = set(presentation.words["run"]) - set(table["run"])
        if silent:
            raise BrainLensError(
                f"{self.id}: there are words of runs without a sample: {sorted(map(str, silent))[:5]}",
                choices=list(dict.fromkeys(map(str, table["run"]))),
                remedy="Name runs of words and of samples alike",
            )
        for name, values in presentation.nuisance.items():
            if values.sizes.get("stimulus") != len(table):
                raise BrainLensError(
                    f"{self.id}: {name} has {values.sizes.get('stimulus')} rows for {len(table)} samples",
                    remedy="Give one row per sample",
                )

    def _check_meaning(self):
        if self.kind not in KINDS:
            raise unknown("kind of recording", self.kind, KINDS)
        if self.scored_unit not in SCORED_UNITS:
            raise unknown("scored unit", self.scored_unit, SCORED_UNITS)
        if self.joiner not in JOINERS and self.joiner not in self.stimuli.columns:
            raise unknown(
                f"joiner of {self.id}",
                self.joiner,
                ["' ' (a blank)", "'' (nothing)", "'treebank'", *self.stimuli.columns],
            )
        for name in ("context", "group", "within"):
            column = getattr(self, name)
            if column is not None and column not in self.stimuli.columns:
                raise unknown(f"{name} column of {self.id}", column, self.stimuli.columns)
        for role, column in self.roles.items():
            if column not in self.stimuli.columns:
                raise unknown(
                    f"column for the role {role!r} of {self.id}", column, self.stimuli.columns
                )

    # ---- what others ask --------------------------------------------------------------------------------------------
    @property
    def n_stimuli(self) -> int:
        """Number of stimuli, read or measured."""
        return self.responses.sizes["stimulus"]

    @property
    def n_measured(self) -> int:
        """Stimuli with at least one response; the others are read as context and scored nowhere."""
        return int((~np.isnan(self.responses.values)).any(axis=1).sum())

    @property
    def n_targets(self) -> int:
        """Number of targets."""
        return self.responses.sizes["target"]

    @property
    def texts(self) -> list[str]:
        """The stimuli's texts, stripped, in presentation order."""
        return [text.strip() for text in self.stimuli["text"]]

    @property
    def before(self) -> list[str]:
        """What stands before each text where it follows another one of its passage: a blank or nothing."""
        own = self.stimuli[self.joiner] if self.joiner not in JOINERS else None
        return blanks(self.texts, self.joiner, own)

    @property
    def stamps(self) -> tuple[str, ...]:
        """What must stand on every figure of it: that it is simulated, a note on the quality of its data."""
        return tuple(filter(None, ("simulated data" if self.simulated else "", self.quality)))

    @property
    def subjects(self) -> np.ndarray | None:
        """Subject of each target, shape (n_targets,), or None where people are not known."""
        if self.averaged or "subject" not in self.responses.coords:
            return None
        return self.responses["subject"].values.astype(str)

    def column(self, name: str) -> np.ndarray:
        """Labels of a grouping, by role or by column name, shape (n_stimuli,).

        Several names joined by ``+`` give one label per combination, such as ``"experiment+passage_label"``.

        Raises
        ------
        BrainLensError
            Where neither a role nor a column has this name.
        """
        column = self.roles.get(name, name)
        if column in self.stimuli.columns:
            return self.stimuli[column].to_numpy()
        if "+" in column:
            parts = [self.column(part.strip()).astype(str) for part in column.split("+")]
            return np.array([" | ".join(labels) for labels in zip(*parts)], dtype=object)
        raise unknown(
            f"grouping of {self.id}",
            name,
            [*self.roles, *self.stimuli.columns.drop("text")],
            remedy="Name one of the grouping columns, or 'none'",
        )

    @property
    def stimulus_hash(self) -> str:
        """sha256 of the ids, texts and groupings: what a model reads, and nothing of what was measured."""
        table = self.stimuli
        columns = [
            "text",
            *sorted(c for c in table.columns if c != "text" and table[c].dtype.kind in "OUSib"),
        ]
        parts = [list(map(str, table.index)), *[[c, list(map(str, table[c]))] for c in columns]]
        if self.presentation is not None:
            words = self.presentation.words
            parts.append([self.presentation.interval, list(map(float, table["time"]))])
            parts.append([[str(c), list(map(str, words[c]))] for c in sorted(words.columns)])
        if (self.joiner, self.language) != (" ", "en"):
            parts.append([self.joiner, self.language])
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    @property
    def content_hash(self) -> str:
        """Hash of everything that determines a number.

        The responses with who and where each target is, every column of the stimuli, and how they are meant (roles, group,
        context, within, averaged). Made anew whenever it is asked for, as arrays may be changed in place; once where it is
        :meth:`sealed`.
        """
        known = self.__dict__.get("_sealed_as")
        if known is not None and not self.responses.values.flags.writeable:
            return known
        return self._content()

    def sealed(self) -> Recording:
        """The same recording for many readers: its responses refuse to be written to, and its hash is made once.

        For a recording that nobody else holds; its stimuli are not to be changed either.
        """
        responses = self.responses.copy(deep=False)
        values = responses.values.view()
        values.flags.writeable = False
        made = replace(self, responses=responses.copy(data=values))
        object.__setattr__(made, "_sealed_as", made._content())
        return made

    def _content(self) -> str:
        import xxhash

        digest = xxhash.xxh3_128(np.ascontiguousarray(self.responses.values).data)
        table, responses = self.stimuli, self.responses
        told: list[object] = [str(responses.dtype), responses.shape, list(map(str, table.index))]
        told += [
            [str(name), list(one.dims), *_plain(one.values)]
            for name, one in sorted(responses.coords.items())
        ]
        told += [[str(name), *_plain(table[name].to_numpy())] for name in table.columns]
        names = (
            "kind",
            "unit",
            "scored_unit",
            "context",
            "group",
            "within",
            "averaged",
            "simulated",
            "language",
            "joiner",
        )
        told += [[name, getattr(self, name)] for name in names]
        told.append(sorted(map(list, self.roles.items())))
        if self.presentation is not None:
            told.append(self.presentation.content())
        digest.update(json.dumps(told, default=str).encode("utf-8", "surrogatepass"))
        return digest.hexdigest()

    @property
    def response_hash(self) -> str:
        """sha256 of the responses and their target ids."""
        digest = hashlib.sha256(np.ascontiguousarray(self.responses.values).tobytes())
        digest.update(
            json.dumps(
                [str(self.responses.dtype), *map(str, self.responses.target.values)]
            ).encode()
        )
        return digest.hexdigest()

    def select(self, *, stimuli=None, targets=None, id: str | None = None) -> Recording:
        """The same recording for some stimuli and targets (boolean masks or positions); empty targets are dropped.

        Returns
        -------
        Recording
            With a note that counts the targets dropped because nothing was left of them.
        """
        responses, table, notes = self.responses, self.stimuli, self.notes
        presentation = self.presentation
        if stimuli is not None:
            stimuli = (
                np.flatnonzero(stimuli)
                if np.asarray(stimuli).dtype == bool
                else np.asarray(stimuli)
            )
            responses, table = responses.isel(stimulus=stimuli), table.iloc[stimuli]
            if presentation is not None:
                nuisance = {n: v.isel(stimulus=stimuli) for n, v in presentation.nuisance.items()}
                words = presentation.words
                kept = words["run"].isin(table["run"].unique()) if "run" in table else slice(None)
                words = words[kept].reset_index(
                    drop=True
                )  # of a run that is left out nothing was heard
                presentation = replace(presentation, words=words, nuisance=nuisance)
        if targets is not None:
            targets = (
                np.flatnonzero(targets)
                if np.asarray(targets).dtype == bool
                else np.asarray(targets)
            )
            responses = responses.isel(target=targets)
        empty = np.isnan(responses.values).all(axis=0)
        if empty.any():
            responses = responses.isel(target=np.flatnonzero(~empty))
            notes = (
                *notes,
                f"{int(empty.sum())} targets without a measurement in this selection were dropped",
            )
        return replace(
            self,
            id=id or self.id,
            responses=responses,
            stimuli=table,
            notes=notes,
            presentation=presentation,
        )

    @property
    def timed(self) -> Presentation:
        """The words with their times, of a recording that was sampled over time.

        Raises
        ------
        BrainLensError
            Where the recording has none.
        """
        if self.presentation is None:
            raise BrainLensError(
                f"{self.id} has no words with times: its rows are stimuli, not samples",
                remedy="Take a recording that was sampled over time, such as simulated-story",
            )
        return self.presentation

    @property
    def sampled(self) -> bool:
        """Whether rows are samples of a signal, with words at times of their own."""
        return self.presentation is not None

    def reading(self) -> Recording:
        """What a model reads of a sampled recording: its words, one row each, run by run; otherwise the recording itself.

        Returns
        -------
        Recording
            With one empty target: nothing was measured of single words.
        """
        if self.presentation is None:
            return self
        words = self.presentation.words.reset_index(drop=True)
        words.index = pd.Index([f"word{i}" for i in range(len(words))], name="stimulus")
        silent = xr.DataArray(
            np.zeros((len(words), 1)),
            dims=("stimulus", "target"),
            coords={"stimulus": words.index.to_numpy(), "target": np.array(["none"], object)},
        )
        context = self.context if self.context in words.columns else "run"
        roles = {role: name for role, name in self.roles.items() if name in words.columns}
        return Recording(
            f"{self.id}-words",
            silent,
            words,
            kind=self.kind,
            scored_unit="word",
            context=context,
            roles=roles,
            averaged=True,
            language=self.language,
            joiner=self.joiner if self.joiner in JOINERS else " ",
        )

    def subject_view(self, subject: str) -> Recording:
        """The targets of one subject.

        Raises
        ------
        BrainLensError
            Where the subject is not in the recording.
        """
        subjects = self.subjects
        known = [] if subjects is None else list(dict.fromkeys(subjects))
        if subject not in known:
            raise unknown(f"subject of {self.id}", subject, known)
        return self.select(targets=subjects == subject, id=f"{self.id}/{subject}")

    def __repr__(self) -> str:
        subjects = self.subjects
        if self.averaged:
            people = "averaged"
        else:
            people = "subjects unknown" if subjects is None else f"{len(set(subjects))} subjects"
        shape = f"{self.n_stimuli} {self.scored_unit}s x {self.n_targets} targets"
        return f"<Recording {self.id}: {self.kind}, {shape}, {people}{', simulated' if self.simulated else ''}>"


def _plain(values: np.ndarray) -> list:
    """Kind and content of a column, for a hash."""
    if values.dtype.kind in "fiub":
        return [str(values.dtype), np.ascontiguousarray(values).tobytes().hex()]
    return [values.dtype.kind, list(map(str, values.ravel()))]
