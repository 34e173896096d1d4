"""The language of a text: how its words are joined, and how frequent they are."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from data.errors import BrainLensError, unknown

__all__ = [
    "JOINERS",
    "blanks",
    "checked_language",
    "detected",
    "frequencies",
    "joiner_of",
    "unspaced",
]

JOINERS = (" ", "", "treebank")
"""What stands between two rows that are one text: a blank, nothing, or a blank as running English has it."""

_UNSPACED = (
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "BOPOMOFO",
    "THAI",
    "LAO",
    "KHMER",
    "MYANMAR",
    "TIBETAN",
    "IDEOGRAPHIC",
)
_CLITIC = re.compile(r"(?:n['’]t|['’](?:s|re|ve|ll|d|m|em|t))", re.IGNORECASE)
_CLOSES = re.compile(r"(?:[.,;:?!%…)\]}’”»。，、！？；：）」』】]+|''|\.\.\.)[.,;:?!]*")
_OPENS = re.compile(r"(?:[(\[{“‘«$#（「『【]+|``)")
_SCRIPTS = {"HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh", "HANGUL": "ko", "GREEK": "el", "HEBREW": "he", "ARABIC": "ar",
            "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "THAI": "th"}  # fmt: skip
_LATIN = (
    "de",
    "fr",
    "es",
    "it",
    "nl",
    "pt",
    "sv",
    "nb",
    "da",
    "fi",
    "pl",
    "cs",
    "tr",
    "hu",
    "ro",
    "id",
)
_CYRILLIC = ("ru", "uk", "bg", "mk")
ENOUGH = 12
"""Different words below which a language is not told from them."""


def _script(letter: str) -> str:
    return unicodedata.name(letter, "").partition(" ")[0] if letter.isalpha() else ""


def unspaced(texts: Sequence[str]) -> bool:
    """Whether most letters are of a script that puts no blanks between words."""
    scripts = [_script(letter) for text in texts for letter in text[:20] if letter.isalpha()]
    return bool(scripts) and sum(script in _UNSPACED for script in scripts) > len(scripts) / 2


def joiner_of(texts: Sequence[str]) -> tuple[str, str]:
    """What joins rows of words, and why, in words; ("" for why: a blank, as ever).

    Examples
    --------
    >>> joiner_of(["He", "did", "n't", "know", "."])[0]
    'treebank'
    """
    if unspaced(texts):
        return "", "the script puts no blanks between words"
    clitics = sum(bool(_CLITIC.fullmatch(text)) for text in texts)
    marks = sum(bool(_CLOSES.fullmatch(text) or _OPENS.fullmatch(text)) for text in texts)
    if clitics or marks:
        return (
            "treebank",
            f"{marks} rows are punctuation and {clitics} are clitics such as n't and 's",
        )
    return " ", ""


def blanks(texts: Sequence[str], joiner: str, column: Sequence[object] | None = None) -> list[str]:
    """What stands before each text where it follows another one of its passage.

    Parameters
    ----------
    joiner : str
        One of :data:`JOINERS`, or the name of the column given.
    column : sequence, optional
        For each row whether a blank stands before it: truth values, 0 and 1, yes and no, or the blank itself.
    """
    if column is not None:
        return [" " if _true(value) else "" for value in column]
    if joiner != "treebank":
        return [joiner] * len(texts)
    found, opened, after_open = [], False, False
    for text in texts:
        glued = bool(_CLITIC.fullmatch(text) or _CLOSES.fullmatch(text)) or after_open
        after_open = bool(_OPENS.fullmatch(text))
        if text == '"':
            glued, opened = glued or opened, not opened
            after_open = opened
        found.append("" if glued else " ")
    return found


def _true(value: object) -> bool:
    text = str(value)
    if text and not text.strip():
        return True
    return text.strip().lower() in ("1", "1.0", "true", "yes", "y", "t", "blank", "space")


# ---- which language -------------------------------------------------------------------------------------------------------
def checked_language(code: str) -> str:
    """A language's code, in lower case: two or three letters, what follows a hyphen left out.

    Raises
    ------
    BrainLensError
        Where it is no code.
    """
    base = code.strip().lower().replace("_", "-").partition("-")[0]
    if not re.fullmatch(r"[a-z]{2,3}", base):
        raise BrainLensError(
            f"{code!r} is not the code of a language",
            remedy="Write it as in ISO 639, such as en, de, zh",
        )
    return base


def detected(texts: Sequence[str]) -> tuple[str, str]:
    """The language that words look like, and the one that they look like rather than English, where it is only likely.

    Returns
    -------
    code : str
        "en" where most frequent English words are among them, where there are too few words to tell, or nothing fits better;
        "" where they do not look English.
    likely : str
        What they look like then, or "".
    """
    words = list(
        dict.fromkeys(word for text in texts for word in re.findall(r"[^\W\d_]+", text.lower()))
    )
    scripts = [_script(word[0]) for word in words]
    if not words:
        return "en", ""
    for script, code in _SCRIPTS.items():
        if scripts.count(script) > (0.05 if code == "ja" else 0.5) * len(scripts):
            return "", code
    if len(words) < ENOUGH:
        return "en", ""
    sample = words[:400]
    english = _mean(sample, "en")
    if english >= 4.0 and "CYRILLIC" not in scripts[:5]:
        return "en", ""
    rivals = _CYRILLIC if scripts.count("CYRILLIC") > len(scripts) / 2 else _LATIN
    scores = {code: _mean(sample, code) for code in rivals}
    best = max(scores, key=scores.__getitem__)
    return ("", best) if scores[best] > english + 0.7 else ("en", "")


def _mean(words: Sequence[str], code: str) -> float:
    table = _table(code, "small")
    return float(np.mean([table.get(word, 0.0) for word in words]))


@lru_cache(maxsize=32)
def _table(code: str, size: str) -> dict[str, float]:
    """word -> Zipf frequency."""
    from wordfreq import get_frequency_dict

    return {word: np.log10(share) + 9 for word, share in get_frequency_dict(code, size).items()}


# ---- how frequent ---------------------------------------------------------------------------------------------------------
def frequencies(words: Sequence[str], code: str) -> np.ndarray:
    """Zipf frequency (log10 of occurrences in 10^9 words; Speer 2022, wordfreq) of each word, 0 for unknown ones.

    Raises
    ------
    BrainLensError
        Where the language is not known, or has no list of frequencies.
    """
    from wordfreq import available_languages, zipf_frequency

    if not code:
        raise BrainLensError(
            "The language of the words is not said, and they do not look English: their frequencies are not known",
            remedy="Say it (--language de, language='de' in Python and in the sidecar), or give a column log_frequency",
        )
    known = available_languages()
    if code not in known:
        raise unknown(
            "language with word frequencies",
            code,
            sorted(known),
            remedy="Give a column log_frequency of your own",
        )
    if code in (
        "zh",
        "ja",
        "ko",
    ):  # whose words are looked up as they stand: cutting them needs other dictionaries
        table = _table(code, "best")
        return np.array([table.get(word, 0.0) for word in words])
    return np.array([zipf_frequency(word, code) for word in words])
