"""Single trials: what each person did at each word or item, as a long table and as a recording of persons."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from data.catalog import shelf
from data.catalog.catalog import entries, entry, paths, recording
from data.errors import BrainLensError, unknown
from data.files import atomic
from data.gate import existing
from data.home import home
from data.own.long import own_trials
from data.recording import Recording
from data.stories.plan import is_story
from data.words import add_word_columns

__all__ = [
    "brothers2021",
    "choices",
    "maze",
    "nieuwland2018",
    "sap2024",
    "trials",
    "ucl_eeg",
    "ucl_eye",
]

UCL_LEFT_OUT = (6, 22, 24, 26, 27, 34, 35, 36)
"""People of the eye-tracking study whom Aurnhammer & Frank 2019 left out."""


# ---- one table, one recording -----------------------------------------------------------------------------------------------
def trials(name: str) -> pd.DataFrame:
    """The long table of a recording of persons: one row per trial.

    Parameters
    ----------
    name : str
        A catalogue id, such as ``"nieuwland2018"``, or a long table of one's own: its path, or its id in the library.

    Returns
    -------
    pandas.DataFrame
        person, item (what is random beside the person), stimulus (the row of the recording that was read), the response, the
        covariates of the trial, and the columns of the word: text, length, log_frequency. ``attrs["response"]`` names the
        response, ``attrs["notes"]`` counts what was left out, ``attrs["together"]`` names the column whose rows share context and
        are held out together.

    Raises
    ------
    BrainLensError
        For an id without trials, or where its files are not here.
    """
    if (own := own_table(name)) is not None:
        return own
    one = entry(name)
    if one.id not in TABLES:
        raise unknown("recording of single trials", name, TABLES)
    words, table = TABLES[one.id](paths(one)[0])
    own = [column for column in ("text", "length", "log_frequency") if column not in table.columns]
    joined = table.join(words[own], on="stimulus")
    joined.attrs = table.attrs
    return joined


def own_table(name: str) -> pd.DataFrame | None:
    """The trials of one's own file, by its path or its id in the library; None where it is none, or has no row per person."""
    if (place := existing(str(name).partition("#")[0])) is not None and place.is_file():
        return None if is_story(place) else own_trials(name)
    one = entries().get(str(name))
    if one is None or one.id not in shelf.kept():
        return None
    return own_trials(paths(one)[0])


def _recording(words: pd.DataFrame, table: pd.DataFrame, **facts) -> Recording:
    """Words x persons; a trial that a person had twice keeps its first value."""
    response = table.attrs["response"]
    people, names = pd.factorize(table["person"], sort=True)
    rows = words.index.get_indexer(table["stimulus"])
    values = np.full((len(words), len(names)), np.nan)
    values[rows[::-1], people[::-1]] = table[response].to_numpy(float)[::-1]
    names = np.array(names, dtype=object)
    coords = {"stimulus": words.index.to_numpy(), "target": names, "subject": ("target", names)}
    if "lab" in table:
        lab = table.drop_duplicates("person").set_index("person")["lab"].astype(str)
        coords["lab"] = ("target", lab[names].to_numpy(object))
    read = int((~np.isnan(values).all(axis=1)).sum())
    notes = (
        *table.attrs["notes"],
        f"{len(names)} people; {read:,} of {len(words):,} words have a response, the others are read as context",
    )
    return Recording(
        responses=xr.DataArray(values, dims=("stimulus", "target"), coords=coords),
        stimuli=words, scored_unit="word", notes=notes, **facts,
    )  # fmt: skip


def _running(texts: dict[str, str], **columns: dict) -> pd.DataFrame:
    """One row per word of each text, indexed ``text.position``; further columns by text."""
    rows = [(name, word) for name, text in texts.items() for word in text.split()]
    words = pd.DataFrame(rows, columns=["passage", "text"])
    words["sentence"] = words["passage"]
    for name, by in columns.items():
        words[name] = words["passage"].map(by)
    words = add_word_columns(words, text="passage")
    words.index = pd.Index(
        [f"{a}.{b}" for a, b in zip(words["passage"], words["position"])], name="stimulus"
    )
    return words


def _told(table: pd.DataFrame, response: str, together: str, *notes: str) -> pd.DataFrame:
    table = table.reset_index(drop=True)
    table.attrs = {"response": response, "together": together, "notes": tuple(filter(None, notes))}
    return table


def _r_file(path: Path, name: str | None = None) -> pd.DataFrame:
    """A data frame of an R file, with plain columns of text; kept as Parquet by the file's hash: parsing is slow."""
    digest = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
    kept = home("parsed") / f"{Path(path).stem}.{digest}.parquet"
    if kept.exists():
        return pd.read_parquet(kept)
    made = _parsed(Path(path), name)
    with atomic(kept) as part:
        made.to_parquet(part)
    return made


def _parsed(path: Path, name: str | None) -> pd.DataFrame:
    import warnings

    import rdata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # factors and dates of classes that are not used
        read = rdata.read_rds if path.suffix.lower() == ".rds" else rdata.read_rda
        try:
            found: Any = read(path)
        except MemoryError:
            raise
        except Exception as error:  # whatever a damaged file makes the parser raise
            raise BrainLensError(
                f"{path.name} is no R file that can be read: {error}", remedy="Fetch it again"
            ) from error
    if name is not None:
        if name not in found:
            raise unknown(f"table of {path.name}", name, found)
        found = found[name]
    made = {}
    for column in found.columns:
        values = found[column]
        if pd.api.types.is_numeric_dtype(values):
            made[column] = values.to_numpy(float, na_value=np.nan)
        else:
            texts = values.astype(object).to_numpy()
            made[column] = np.array(
                [None if pd.isna(value) else str(value) for value in texts], dtype=object
            )
    return pd.DataFrame(made)


def _tab(path: Path, *texts: str) -> pd.DataFrame:
    """A published table between tabs, without quotation rules; columns of words stay as they are written."""
    header = pd.read_csv(path, sep="\t", quoting=3, nrows=0).columns
    numeric = {name: ["", "NA", "NaN"] for name in header if name not in texts}
    return pd.read_csv(path, sep="\t", quoting=3, dtype=dict.fromkeys(texts, str), keep_default_na=False,
                       na_values=numeric, low_memory=False)  # fmt: skip


def _check(table: pd.DataFrame, columns: tuple[str, ...], path: Path) -> pd.DataFrame:
    if missing := [name for name in columns if name not in table.columns]:
        raise BrainLensError(f"{Path(path).name} has no columns {missing}", choices=table.columns,
                             remedy="Fetch it again: it is another file")  # fmt: skip
    return table


# ---- Nieuwland et al. 2018 ---------------------------------------------------------------------------------------------------
def nieuwland_table(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Words of the sentences, and one row per trial: lab, cloze, n400 at the noun."""
    source = _check(_r_file(path, "df_eeg_complete"),
                    ("subj", "item", "lab", "cloze", "n400", "sentence", "article", "noun", "end"), path)  # fmt: skip
    unknown_text = source["noun"].isna()
    again = source.duplicated(["subj", "item", "n400"]) & ~unknown_text
    used = source[~unknown_text & ~again]
    item = used["item"].astype(int).astype(str)
    stimulus = item + "-" + used["noun"]
    texts, places = {}, {}
    for name, row in zip(stimulus, used.to_dict("records")):
        if name not in texts:
            before = f"{row['sentence']} {row['article']}".split()
            texts[name] = " ".join([*before, row["noun"], row["end"]])
            places[name] = f"{name}.{len(before)}"
    words = _running(texts, item={name: name.partition("-")[0] for name in texts})
    table = pd.DataFrame({
        "person": used["subj"], "item": item, "item_noun": stimulus, "stimulus": stimulus.map(places), "lab": used["lab"],
        "cloze": used["cloze"], "n400": used["n400"], "article": used["article"],
    })  # fmt: skip
    return words, _told(
        table, "n400", "item",
        f"{int(unknown_text.sum())} trials of items 77 and 78 left out: their nouns are not named",
        f"{int(again.sum())} trials left out because the same trial stands twice (item 29, under two nouns)",
        f"over all {len(source):,} rows of the file r(cloze, N400) = {source['cloze'].corr(source['n400']):.3f}",
    )  # fmt: skip


def nieuwland2018(path: Path, **facts) -> Recording:
    """N400 at the noun of 80 items in two versions, 334 people of nine laboratories (Nieuwland et al. 2018)."""
    words, table = nieuwland_table(path)
    return _recording(words, table, kind="eeg", unit="microvolt", context="passage", group="item",
                      roles={"passage": "passage", "topic": "item"}, **facts)  # fmt: skip


# ---- UCL ---------------------------------------------------------------------------------------------------------------------
def _ucl(path: Path, column: str, response: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    source = _tab(path, "word")
    _check(
        source,
        (
            "subj_nr",
            "sent_nr",
            "word_pos",
            "item",
            column,
            "reject_data",
            "reject_word",
            "log_freq",
        ),
        path,
    )
    places = source.drop_duplicates("item").sort_values(["sent_nr", "word_pos"])
    words = pd.DataFrame({
        "text": places["word"].astype(str), "sentence": places["sent_nr"].astype(int).astype(str),
        "published_log_frequency": pd.to_numeric(places["log_freq"], errors="coerce"),
        "left_out": _truth(places["reject_word"]),
    })  # fmt: skip
    words.index = pd.Index(
        [f"{s:.0f}.{p:.0f}" for s, p in zip(places["sent_nr"], places["word_pos"])], name="stimulus"
    )
    words = add_word_columns(words, text="sentence")
    table = pd.DataFrame({
        "person": source["subj_nr"].astype(int).astype(str), "item": source["item"].astype(int).astype(str),
        "stimulus": [f"{s:.0f}.{p:.0f}" for s, p in zip(source["sent_nr"], source["word_pos"])],
        "sentence": source["sent_nr"].astype(int).astype(str), "word_position": source["word_pos"].astype(int),
        response: pd.to_numeric(source[column], errors="coerce"),
        "log_freq": pd.to_numeric(source["log_freq"], errors="coerce"), "nr_char": source["nr_char"].astype(int),
        "rejected": _truth(source["reject_data"]), "left_out": _truth(source["reject_word"]),
    })  # fmt: skip
    return words, table


def _truth(column: pd.Series) -> np.ndarray:
    return (column.astype(str).str.lower() == "true").to_numpy()


def ucl_eeg_table(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Words of 205 sentences, and one row per person and word: n400, baseline (100 ms before the word), rejected."""
    words, table = _ucl(path, "N400", "n400")
    source = _tab(path, "word")
    table["baseline"] = pd.to_numeric(source["baseline"], errors="coerce")
    kept = table[~table["rejected"]]
    return words, _told(kept, "n400", "sentence",
                        f"{len(table) - len(kept):,} of {len(table):,} trials with artefacts left out")  # fmt: skip


def ucl_eeg(path: Path, **facts) -> Recording:
    """N400 of every word of 205 sentences, 24 people (Frank et al. 2015); trials with artefacts are missing."""
    words, table = ucl_eeg_table(path)
    return _recording(
        words, table, kind="eeg", unit="microvolt", context="sentence", group="sentence", **facts
    )


def ucl_eye_table(path: Path, *, people: str = "all") -> tuple[pd.DataFrame, pd.DataFrame]:
    """Words of 205 sentences, and one row per person and word: first_pass in ms (0: not fixated), previous_skipped, rejected."""
    if people not in ("all", "published"):
        raise unknown("choice of people", people, ("all", "published"))
    words, table = _ucl(path, "RTfirstpass", "first_pass")
    source = _tab(path, "word")
    table["previous_skipped"] = _truth(source["prevfix"])
    out = (
        table["person"].isin(map(str, UCL_LEFT_OUT))
        if people == "published"
        else np.zeros(len(table), bool)
    )
    skipped = table["first_pass"] == 0
    return words, _told(table[~out], "first_pass", "sentence",
                        f"{int(np.sum(out)):,} trials of 8 people left out, as in Aurnhammer & Frank 2019" if np.any(out) else "",
                        f"{int(skipped[~out].sum()):,} trials of words that were skipped: their time is 0")  # fmt: skip


def ucl_eye(path: Path, *, people: str = "all", **facts) -> Recording:
    """First-pass time of every word of 205 sentences, 43 people (Frank et al. 2013); a skipped word has no time.

    Parameters
    ----------
    people : str
        ``"all"``, or ``"published"``: without the eight whom Aurnhammer & Frank 2019 left out.
    """
    words, table = ucl_eye_table(path, people=people)
    kept = _told(table[table["first_pass"] > 0], "first_pass", "sentence", *table.attrs["notes"])
    return _recording(
        words, kept, kind="eye_tracking", unit="ms", context="sentence", group="sentence", **facts
    )


# ---- Natural Stories in the Maze ---------------------------------------------------------------------------------------------
DOCUMENTS = ("Boar", "Aqua", "MatchstickSeller", "KingOfBirds", "Elvis", "MrSticky", "HighSchool", "Roswell", "Tulips",
             "Tourettes")  # fmt: skip
"""Stories 1 to 10 of Natural Stories."""


def maze_table(path: Path, words: pd.DataFrame | None = None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Words of Natural Stories, and one row per person and word: rt in ms.

    The file has no words. A sentence is put where every length that it tells (``wlen``) is that of the word there, in the order
    of the sentences; one that fits nowhere is refused.
    """
    known = recording("natural-stories").stimuli if words is None else words
    source = _tab(path, "subject", "docid")
    _check(source, ("subject", "docid", "sentid", "sentpos", "wlen", "rt"), path)
    unknown_texts = set(source["docid"]) - set(DOCUMENTS)
    if unknown_texts:
        raise unknown(f"story of {Path(path).name}", sorted(unknown_texts)[0], DOCUMENTS)
    places = {}
    for number, name in enumerate(DOCUMENTS, 1):
        here = known[known["story"] == str(number)]
        places |= _sentence_places(name, source[source["docid"] == name], here, Path(path).name)
    keys = list(zip(source["docid"], source["sentid"], source["sentpos"]))
    stimulus = [places[key] for key in keys]
    table = pd.DataFrame({
        "person": source["subject"].astype(str), "item": stimulus, "stimulus": stimulus,
        "story": [place.partition(".")[0] for place in stimulus], "rt": source["rt"].astype(float),
        "unigram_surprisal": source["unigramsurp"].astype(float) if "unigramsurp" in source else np.nan,
    })  # fmt: skip
    return known, _told(
        table,
        "rt",
        "story",
        f"{len(places):,} words joined with Natural Stories by the lengths of their sentences",
    )


def _sentence_places(name: str, rows: pd.DataFrame, words: pd.DataFrame, file: str) -> dict:
    """(docid, sentid, sentpos) -> stimulus of the words of one story."""
    lengths, ids, at, places = words["text"].str.len().to_numpy(), words.index, 0, {}
    unique = rows.drop_duplicates(["sentid", "sentpos"]).sort_values(["sentid", "sentpos"])
    for sentence, own in unique.groupby("sentid"):
        positions, told = own["sentpos"].to_numpy(int), own["wlen"].to_numpy(int)
        last = len(lengths) - positions.max()
        start = next(
            (s for s in range(at, last + 1) if (lengths[s + positions - 1] == told).all()), None
        )
        if start is None:
            raise BrainLensError(f"{file}: sentence {sentence} of {name} fits nowhere in the story: its lengths are {told[:8]}",
                                 remedy="Fetch it and natural-stories again")  # fmt: skip
        places |= {(name, sentence, p): ids[start + p - 1] for p in positions}
        at = start + positions.max()
    return places


def maze(path: Path, **facts) -> Recording:
    """Natural Stories in the A-Maze task, 63 people (Boyce & Levy 2023); edges of sentences have no time."""
    words, table = maze_table(path)
    return _recording(words.drop(columns=["readers"], errors="ignore"), table, kind="reading_times", unit="ms", context="story",
                      group="story", roles={"passage": "story", "topic": "story", "paper_context": "story"}, **facts)  # fmt: skip


# ---- Brothers & Kuperberg 2021 -----------------------------------------------------------------------------------------------
def brothers_table(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Words of 648 sentences, and one row per trial: rt (three words, ms), condition (LC, MC, HC: level of cloze)."""
    source = _tab(path, "SUB", "ITEM", "critical_word", "condition", "FullSentence")
    _check(
        source,
        ("SUB", "ITEM", "critical_word", "condition", "SUM_3RT_trimmed", "FullSentence"),
        path,
    )
    names = (source["ITEM"] + "-" + source["condition"]).to_numpy()
    texts = dict(zip(names, source["FullSentence"]))
    words = _running(
        texts,
        item=dict(zip(names, source["ITEM"])),
        condition=dict(zip(names, source["condition"])),
    )
    words["last_in_sentence"] = False  # the sentences went on
    lasts = {name: f"{name}.{len(text.split()) - 1}" for name, text in texts.items()}
    table = pd.DataFrame({
        "person": source["SUB"], "item": source["ITEM"], "stimulus": [lasts[name] for name in names],
        "condition": source["condition"], "rt": source["SUM_3RT_trimmed"].astype(float), "sentence_text": source["FullSentence"],
    })  # fmt: skip
    return words, _told(table, "rt", "item")


def brothers2021(path: Path, **facts) -> Recording:
    """Self-paced reading of 216 critical words at three levels of cloze, 216 people (Brothers & Kuperberg 2021)."""
    words, table = brothers_table(path)
    return _recording(words, table, kind="reading_times", unit="ms", context="passage", group="item",
                      roles={"passage": "passage", "topic": "item"}, **facts)  # fmt: skip


# ---- Syntactic ambiguity processing --------------------------------------------------------------------------------------------
def sap_table(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Words of 72 sentences, and one row per trial and word: rt, region (0 disambiguates), construction, ambiguous, correct."""
    every = _r_file(path)
    _check(
        every,
        (
            "participant",
            "Type",
            "pGram",
            "item",
            "Sentence",
            "ROI",
            "WordPosition",
            "EachWord",
            "RT",
            "correct",
        ),
        path,
    )
    source = every.dropna(subset=["Sentence"])
    version = source["Type"] + "-" + source["item"].astype(int).astype(str) + source["pGram"]
    texts = dict(zip(version, source["Sentence"].str.replace("\\", "", regex=False)))
    unnamed = len(every) - len(source)
    items = {name: name[:-1] for name in texts}
    words = _running(
        texts, item=items, construction={name: name.partition("-")[0] for name in texts}
    )
    place = source["WordPosition"].astype(int) - 1
    stimulus = version + "." + place.astype(str)
    edges = r"^\W+|\W+$"
    shown = source["EachWord"].str.replace("\\", "", regex=False).str.replace(edges, "", regex=True)
    there = words["text"].reindex(stimulus).str.replace(edges, "", regex=True).to_numpy()
    wrong = np.flatnonzero(shown.to_numpy() != there)
    if len(wrong):
        raise BrainLensError(f"{Path(path).name}: {len(wrong):,} words are not where their sentence has them, first "
                             f"{shown.iloc[wrong[0]]!r} at {stimulus.iloc[wrong[0]]}", remedy="Fetch it again")  # fmt: skip
    table = pd.DataFrame({
        "person": source["participant"], "item": version.str[:-1], "version": version, "stimulus": stimulus,
        "construction": source["Type"], "ambiguous": source["pGram"] == "U", "region": source["ROI"].astype(int),
        "rt": source["RT"], "correct": source["correct"] == 1, "trial_number": source.get("trialnumber", np.nan),
    })  # fmt: skip
    note = (
        f"{unnamed} rows left out: their sentence is not named, and their words are not those of its place"
        if unnamed
        else ""
    )
    return words, _told(table, "rt", "item", note)


def sap2024(path: Path, **facts) -> Recording:
    """Self-paced reading at three words of NP/Z garden paths and of agreement, 2,000 people (Huang et al. 2024)."""
    words, table = sap_table(path)
    return _recording(words, table, kind="reading_times", unit="ms", context="passage", group="item",
                      roles={"passage": "passage", "topic": "item"}, **facts)  # fmt: skip


# ---- forced choices ---------------------------------------------------------------------------------------------------------
def choices(path: Path | None = None, *, id: str = "contstim2022", **_facts) -> pd.DataFrame:
    """Forced choices between pairs of controversial sentences (Golan et al. 2023).

    Returns
    -------
    pandas.DataFrame
        One row per person and pair: person, pair (the two sentences in a fixed order), first, second (sentences), rating (-2.5 to
        2.5; above 0: the second was chosen, the surer the further), chose_second, rt in ms, the kind and the target
        model of each sentence, and ``<model>`` (log probability of the second minus that of the first).
    """
    path = paths(id)[0] if path is None else path
    source = pd.read_csv(path, keep_default_na=False)
    _check(source, ("Zone Name", "subject", "sentence1", "sentence2", "Reaction Time"), path)
    step = source["Zone Name"].str.removeprefix("resp")
    if not step.isin(list("123456")).all():
        raise BrainLensError(
            f"{Path(path).name}: answers are not resp1 to resp6", remedy="Fetch it again"
        )
    rating = (
        step.astype(int) - 3.5
    )  # resp1 to resp3 choose the first sentence, surest at 1; resp4 to resp6 the second, surest at 6
    turned = (source["sentence1"] > source["sentence2"]).to_numpy()
    made = {
        "person": source["subject"].astype(str),
        "first": source["sentence1"].where(~turned, source["sentence2"]),
        "second": source["sentence2"].where(~turned, source["sentence1"]),
        "rating": rating.where(~turned, -rating),
        "rt": source["Reaction Time"].astype(float),
    }
    for what in ("type", "model"):
        one, two = source[f"sentence1_{what}"], source[f"sentence2_{what}"]
        made |= {
            f"first_{what}": one.where(~turned, two),
            f"second_{what}": two.where(~turned, one),
        }
    for name in source.columns:
        if name.startswith("sentence1_") and name.endswith("_prob"):
            model = name.removeprefix("sentence1_").removesuffix("_prob")
            gain = source[f"sentence2_{model}_prob"].astype(float) - source[name].astype(float)
            made[model] = gain.where(~turned, -gain)
    table = pd.DataFrame(made)
    table.insert(1, "pair", pd.factorize(table["first"] + "\n" + table["second"], sort=True)[0])
    table.insert(5, "chose_second", table["rating"] > 0)
    return table


def published_models(*, id: str = "aurnhammer2019", **_facts) -> pd.DataFrame:
    """Fits of Aurnhammer & Frank 2019: measure (EEG, ET), rep, epoch (1 to 9), rnntype, chi2, b_surp, z_surp, avsurp (nats)."""
    frames = [
        pd.read_csv(path, sep="\t").assign(measure=path.stem.removeprefix("lmm_"))
        for path in paths(id)
        if path.name.startswith("lmm_")
    ]
    return pd.concat(frames, ignore_index=True)


TABLES: dict[str, Callable[[Path], tuple[pd.DataFrame, pd.DataFrame]]] = {
    "nieuwland2018": nieuwland_table,
    "ucl-eeg": ucl_eeg_table,
    "ucl-eyetracking-people": ucl_eye_table,
    "naturalstories-maze": maze_table,
    "brothers2021": brothers_table,
    "sap2024-agreement": sap_table,
}
"""Catalogue id -> what makes its words and its trials."""
