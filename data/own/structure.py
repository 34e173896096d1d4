"""Rows of words: which form a text, where in it each one stands, and whether several people's rows are strung together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd

from data.errors import BrainLensError
from data.own.meaning import Meaning, is_id, listed, one_reading
from data.own.names import kind_of
from data.own.tables import Table, labels_joined, squashed
from data.own.versions import CLEAR, conflict, same_words
from data.words import are_words

__all__ = ["completed"]

GRAM = 5
"""Words in a row that are taken to be the same text where they occur again."""
MOST_BAGS = 20_000_000
"""Words times labels that are counted."""


def _names(spelled: str) -> tuple[str, ...]:
    return tuple(spelled.split(", "))


_TEXTS = _names(
    "item, item id, item nr, item number, text, text id, text nr, text number, story, story id, "
    "story nr, sentence, sentence id, sent, sent id, sent nr, sent number, sentence nr, sentence "
    "number, sentnum, passage, passage id, passage nr, paragraph, paragraph id, part, chapter, "
    "page, document, doc id, article, topic, set, list item"
)
_TRIALS = _names("trial, trial id, trial nr, trial number, trial index")
_PLACES = _names(
    "zone, word number, word nr, word num, word id, word idx, word index, word pos, word "
    "position, word order, pos, position, ianum, ia id, ia index, word no, word in text, order, "
    "region number, token id, token nr, word in sentence"
)
_PIECES = _names(
    "region, region nr, roi, chunk nr, chunk number, segment, segment number, phrase nr, piece"
)


def completed(table: Table, meant: Meaning, said: Mapping) -> Meaning:
    """What the names leave open, told by the rows themselves.

    Raises
    ------
    BrainLensError
        Where the same texts come again and again and nothing says for whom.
    """
    texts = table.frame[meant.text].astype(str).str.strip()
    words = are_words(texts)
    asked = ("repeat", "target") if meant.people else ("subject",)
    if not any(role in said for role in asked):
        one = one_reading(table.frame, meant.people, meant.target, meant.repeat)
        _strung(table.path.name, one, meant, texts[one.index], words)
    if words:
        return _in_texts(table, meant, said)
    return _in_pieces(table, meant, said) if _timed(meant, said) else meant


# ---- several people's rows ------------------------------------------------------------------------------------------------
def _strung(name: str, frame: pd.DataFrame, meant: Meaning, texts: pd.Series, words: bool) -> None:
    gram = GRAM if words else 1
    used = meant.used
    free = [c for c in frame.columns if c not in used]  # an "id" may be a person's
    named = [c for c in free if _called(c, _TEXTS)]
    trials = [c for c in free if _called(c, _TRIALS)]
    known = [*dict.fromkeys((*meant.group, *meant.context))]
    found: dict[str, int] = {}
    crossed: list[str] = []
    for labels in ((*known,), (*known, *named), (*known, *named, *trials)):
        codes = frame.groupby([*labels, texts], sort=False, dropna=False).ngroup().to_numpy()
        for column in free:
            if column in (*named, *trials, *found):
                continue
            values = pd.factorize(frame[column].astype(str))[0]
            count = int(values.max()) + 1
            if count < 2 or count * max(gram, 2) > len(frame):
                continue
            again, once = _shared(codes, values, gram)
            if (again >= 0.8 and once >= 0.9) or (words and _reordered(codes, values)):
                found[column] = count
            elif again >= 0.8 and not words and not labels:
                crossed.append(column)
    if not found and len(crossed) > 1:
        _crossed(name, frame, meant, texts, list(dict.fromkeys(crossed)))
    if not found:
        return
    column = max(found, key=found.__getitem__)
    count = found[column]
    rows = int(frame[column].astype(str).value_counts().iloc[0])
    unit = "words" if words else "stimuli"
    where = f"every text of {listed(known[:1])}" if known else "every text"
    people = (
        f"Say --subject {column} where it tells people apart, "
        if not meant.people
        else f"{meant.people} tells people apart; say "
    )
    raise BrainLensError(
        f"{name}: {where} comes {count} times, once for each value of {column!r} ({rows:,} {unit} x {count}): "
        f"{'which of them is which' if meant.people else 'whose rows these are'} is not said",
        choices=sorted(found, key=found.__getitem__, reverse=True),
        remedy=f"{people}--repeat {column} for repeated presentations, --target {column} for measures or places, or "
        f"--{'repeat' if meant.people else 'subject'} none where each row is a stimulus of its own",
    )


def _crossed(
    name: str, frame: pd.DataFrame, meant: Meaning, texts: pd.Series, columns: list[str]
) -> None:
    """Refuse where every text comes once for each pair of values of two columns, such as places x presentations."""
    for one, other in combinations(columns, 2):
        keys = [texts, frame[one].astype(str), frame[other].astype(str)]
        pairs = len(frame[[one, other]].astype(str).drop_duplicates())
        whole = len(frame) == texts.nunique() * pairs
        if not whole or pd.concat(keys, axis=1).duplicated().any():
            continue
        subject = "" if meant.people else f"--subject {one} or --subject {other} for people, "
        role = "repeat" if meant.people else "subject"
        raise BrainLensError(
            f"{name}: every text comes {pairs} times, once for each pair of values of {one!r} and {other!r}: "
            "which of them is which is not said",
            choices=columns,
            remedy=f"Say {subject}--target {one} or --target {other} for measures or places, --repeat {one} or --repeat {other} "
            f"for repeated presentations, or --{role} none where each row is a stimulus of its own",
        )


def _reordered(codes: np.ndarray, values: np.ndarray) -> bool:
    """Whether the same words come under each value, sentence by sentence in another order, as trials of an experiment do.

    The bags are nearly the same, and so are most pairs of neighbours: conditions that change a word have other bags, those that
    change the order of words other neighbours.
    """
    (codes, words), (values, labels) = pd.factorize(codes), pd.factorize(values)  # -1 is "no label"
    kinds, columns = len(words), len(labels)
    if kinds * columns > MOST_BAGS:
        return False
    bags = np.bincount(values * kinds + codes, minlength=kinds * columns).reshape(columns, kinds)
    usual = np.median(bags, axis=0)
    alike = np.minimum(bags, usual).sum(axis=1) / np.maximum(bags, usual).sum(axis=1)
    return bool(alike.mean() >= 0.95) and _shared(codes, values, 2)[0] >= 0.8


def _shared(codes: np.ndarray, values: np.ndarray, gram: int) -> tuple[float, float]:
    """Share of the texts under one value that come under another one too, and of those that come once under each."""
    order = np.argsort(values, kind="stable")
    codes, values = codes[order].astype(np.uint64), values[order]
    if len(codes) <= gram:
        return 0.0, 0.0
    count = len(codes) - gram + 1
    whole = values[:count] == values[gram - 1 :]
    with np.errstate(over="ignore"):
        key = np.zeros(count, np.uint64)
        for step in range(gram):
            key = key * np.uint64(1_000_003) + codes[step : step + count] + np.uint64(17)
    if not whole.any():
        return 0.0, 0.0
    pairs = pd.DataFrame({"key": key[whole], "value": values[:count][whole]})
    distinct = pairs.drop_duplicates()
    again = distinct["key"].map(distinct["key"].value_counts()) > 1
    return float(again.mean()), len(distinct) / len(pairs)


# ---- words in texts -------------------------------------------------------------------------------------------------------
def _in_texts(table: Table, meant: Meaning, said: Mapping) -> Meaning:
    one = one_reading(table.frame, meant.people, meant.target, meant.repeat)
    guessed, doubts = set(meant.guessed), list(meant.doubts)
    context, order, group = meant.context, meant.order, meant.group
    used = meant.used
    free = [
        c
        for c in one.columns
        if (c not in used or c in meant.group) and not _own_id(one, c) and c != meant.text
    ]
    if not context and "context" not in said:
        places = [c for c in free if c not in group and c not in order]
        pair = _numbered(one, meant.text, free, places, whole=table.frame)
        if not pair:
            _restarted(table, meant, one, free)
        block = pair[0] if pair else _block(one, meant, free)
        if block:
            context = [block]
            guessed.add("context")
            if pair and not order and "order" not in said:
                order = [pair[1]]
                guessed.add("order")
        elif len(one) > 1:
            doubts.append((
                "which rows form a text is not known, so each word is read alone, without the words before it",
                "Name the column that is the same for all words of a text (--context COLUMN), or say that there is none "
                "(--context none)" + _merged_cells(one, free),
            ))  # fmt: skip
    elif context and not order and "order" not in said:
        label = labels_joined(one, context, "\x1f")
        places = [c for c in free if c not in (*group, *context)]
        if pair := _numbered(one.assign(**{"\x1f": label}), meant.text, ["\x1f"], places):
            order = [pair[1]]
            guessed.add("order")
    if context and len(order) == 1:
        rest = [c for c in table.frame.columns if c not in (*used, *order) or c in group]
        same_words(table, meant, context, order[0], [c for c in rest if not _own_id(one, c)])
    several = bool(context) and len(one[context].drop_duplicates()) > 1
    if several and not group and "group" not in said:
        group = list(context)
        guessed.add("group")
    taken = {*context, *order, *group}
    return replace(
        meant,
        context=context,
        order=order,
        group=group,
        guessed=frozenset(guessed),
        others=tuple(c for c in meant.others if c not in taken),
        doubts=tuple(doubts),
    )


def _timed(meant: Meaning, said: Mapping) -> bool:
    return (said.get("kind") or kind_of(meant.responses)[0]) in ("reading_times", "eye_tracking")


def _in_pieces(table: Table, meant: Meaning, said: Mapping) -> Meaning:
    """Times of pieces of several words (regions of a sentence): each is read after those before it, where they are numbered."""
    one = one_reading(table.frame, meant.people, meant.target, meant.repeat)
    if meant.context or "context" in said or len(one) < 3:
        return meant
    free = [c for c in one.columns if c not in {meant.text, *meant.responses} and not is_id(c)]
    places = [c for c in free if _called(c, (*_PLACES, *_PIECES))]
    blocks = [c for c in free if c in meant.group or _called(c, (*_TEXTS, *_TRIALS))]
    if pair := _numbered(one, meant.text, blocks, places, whole=table.frame):
        context, order = [pair[0]], meant.order or [pair[1]]
        rest = [c for c in table.frame.columns if c not in meant.used or c in meant.group]
        same_words(table, meant, context, order[0], [c for c in rest if not is_id(c)])
        return replace(
            meant,
            context=context,
            order=order,
            group=meant.group or context,
            guessed=meant.guessed
            | {"context"}
            | ({"order"} if not meant.order else set())
            | ({"group"} if not meant.group else set()),
            others=tuple(c for c in meant.others if c not in (*context, *order)),
        )
    texts = one[meant.text].astype(str).str.strip()
    whole = texts.str.contains(r"[.?!\u3002\uff01\uff1f][\"'\u2019\u201d)]*$", regex=True).mean()
    if whole > 0.5 or texts.str.split().str.len().median() > 6:
        return meant
    doubt = (
        "the rows look like pieces of sentences, and which of them form a text is not known, so each is read alone",
        "Name the column that is the same for all pieces of a text and the one that numbers them "
        "(--context COLUMN --order COLUMN), or say that there is none (--context none)",
    )
    return replace(meant, doubts=(*meant.doubts, doubt))


def _merged_cells(one: pd.DataFrame, free: list[str]) -> str:
    """The column of texts that stands in the first row of each only, in words."""
    for column in (c for c in free if _called(c, (*_TEXTS, *_TRIALS))):
        held = one[column].notna() & (one[column].astype(str).str.strip() != "")
        if held.iloc[0] and held.mean() < 0.5 and one.loc[held, column].is_unique:
            return f"; {column} stands in the first row of each text only, as merged cells are saved: write it into every row"
    return ""


def _restarted(table: Table, meant: Meaning, one: pd.DataFrame, free: list[str]) -> None:
    """Ask where the numbers of texts start anew in each list, language or version, so that none of them is one text."""
    if "context" in meant.guessed or meant.order:
        return
    blocks = [c for c in free if _called(c, _TEXTS)]
    places = [c for c in free if _called(c, _PLACES) and _whole(one[c])]
    for block in blocks:
        for place in places:
            if block != place and one[block].notna().all():
                same_words(table, meant, [block], place, free)


def _numbered(
    frame: pd.DataFrame,
    text: str,
    blocks: list[str],
    places: list[str],
    whole: pd.DataFrame | None = None,
) -> tuple[str, str] | None:
    """A column of texts and one that numbers the words of each, from 0 or 1 and nearly without gaps; the fewest texts win.

    One that holds the same words in all rows of ``whole`` goes before one that does not: trials come in another order for
    each person.

    The same word at the same place is a trial that stands twice: it hides no numbering, and is refused where the rows are sorted
    out by it.
    """
    found = []
    numbered = {column: frame[column] for column in places if _whole(frame[column])}
    for block in blocks:
        count = frame[block].nunique(dropna=False)
        if frame[block].isna().any() or count < 2 or count * 3 > len(frame):
            continue
        for place, numbers in numbered.items():
            if place == block:
                continue
            cells = pd.DataFrame({"b": frame[block], "p": numbers, "t": frame[text].astype(str)})
            once = cells[~cells.duplicated()]
            if 2 * len(once) < len(cells) or once.duplicated(["b", "p"]).mean() > 0.02:
                continue
            values, numbers = once["b"], once["p"]
            runs = int((values != values.shift()).sum())
            each = numbers.groupby(values).agg(["min", "max", "count"])
            first = each["min"].mode().iloc[0]
            dense = (each["count"] / (each["max"] - each["min"] + 1)).mean()
            if first not in (0, 1, 2) or (each["min"] == first).mean() < 0.8 or dense < 0.8:
                continue
            named = _called(place, _PLACES) + _called(block, (*_TEXTS, *_TRIALS))
            together = runs == count
            if together or named:
                found.append((-together, -named, count, _called(block, _TRIALS), block, place))
    if len(found) > 1 and whole is not None and len(whole) > len(frame):
        found = [(conflict(whole, text, [one[4]], one[5]) > 2 * CLEAR, *one) for one in found]
    if not found:
        return None
    *_, block, place = min(found)
    return block, place


def _whole(values: pd.Series) -> bool:
    return values.dtype.kind in "iuf" and bool(values.notna().all() and (values % 1 == 0).all())


def _own_id(one: pd.DataFrame, column: str) -> bool:
    """Whether a column is an id of each row's own; the number of an item comes again with each of its words."""
    return is_id(column) and (
        squashed(column) == "stimulusid" or one[column].nunique(dropna=False) * 3 > len(one)
    )


def _called(column: str, names: tuple[str, ...]) -> bool:
    return squashed(column) in {squashed(name) for name in names}


def _block(frame: pd.DataFrame, meant: Meaning, free: list[str]) -> str:
    """A column whose labels stand together, several words each: the groups, or one that is called like a text or sentence."""
    named = [c for names in (_TEXTS, _TRIALS) for c in free if _called(c, names)]
    for column in [*(meant.group if len(meant.group) == 1 else []), *named]:
        values = frame[column]
        count = values.nunique(dropna=False)
        runs = int((values != values.shift()).sum())
        if count >= 2 and 3 * count <= len(frame) and runs == count:
            return column
    return ""
