"""What a file's report tells to do on the command line, told with the controls of the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps

from data.errors import BrainLensError

__all__ = [
    "BETWEEN", "COLUMNS_OF_TRIALS", "FIRST_LAG", "LAG_STEP",
    "MISSING_CODES", "MOVED", "PATTERN", "ROWS", "TAKE_IN", "TIER", "in_page_words", "on_page", "worded",
]  # fmt: skip

COLUMNS_OF_TRIALS = "Columns of the trials"
MISSING_CODES = "Codes for no value"
PATTERN = "Pattern of the responses"
TAKE_IN = "Apply the rules"
BETWEEN = "Seconds between samples (TR)"
MOVED = "Seconds added to the words"
TIER = "Tier of the words"
ROWS = "Rows of plain arrays"
FIRST_LAG = "First sample (ms after the word)"
LAG_STEP = "Milliseconds between samples"
_CONTROLS = {
    "text": "Text",
    "response": "Responses",
    "group": "Group",
    "context": "Context",
    "subject": "Subject",
    "order": "Order",
    "kind": "Kind",
    "within": "Scored apart",
    "target": "Target",
    "region": "Region",
    "repeat": "Repeat",
    "unit": "Unit",
    "language": "Language",
    "joiner": "Between two words stands",
    "missing": MISSING_CODES,
    "decimal": "Decimal mark",
    "sheet": "Sheet",
    "range": "Cells",
    "per-person": "Averaged over people = no",
}
_COMMANDS = (
    (re.compile(r"'brainlens data trials [^']*'"), f"'{TAKE_IN}'"),
    (re.compile(r"'brainlens score [^']*'"), "dropped here it is added to the models"),
    (
        re.compile(r"Add interval = [\d.]+ to story\.toml(, or pass interval=[\d.]+)?"),
        f"Fill in '{BETWEEN}'",
    ),
    (
        re.compile(r"Add offset = [\d.-]+ \([^)]*\) to story\.toml"),
        f"Fill in '{MOVED}'",
    ),
    (
        re.compile(r"add 'offset' \([^)]{,80}\) to story\.toml: offset = ([\d-]+)"),
        rf"fill in '{MOVED}': \1",
    ),
    (re.compile(r"Give 'interval' \(seconds between two samples\)"), f"Fill in '{BETWEEN}'"),
    (
        re.compile(r"first_lag = [\d.-]+ and lag_step = [\d.]+ to story\.toml"),
        f"fill in '{FIRST_LAG}' and '{LAG_STEP}'",
    ),
    (re.compile(r"interval=([\d.]+) s, but"), rf"'{BETWEEN}' is \1 s, but"),
    (re.compile(r"say rows = \"(\w+)\" in story\.toml"), rf"fill in '{ROWS}': \1"),
    (re.compile(r"--targets FILE"), "a table NAME.targets.csv that is dropped with it"),
    (re.compile(r"a table \.targets\.csv"), "a table NAME.targets.csv that is dropped with it"),
    (re.compile(r"--subject left=s1,right=s2, "), ""),  # there is no such field
    (re.compile(r"--response ('[^']*[*{][^']*')"), rf"'{PATTERN}' = \1"),
    (re.compile(r"Name the tier(?: or the column)? of words"), f"Name the tier under '{TIER}'"),
)
_ANY = {"COLUMN", "COLUMNS", "FILE", "CODE", "NAME", "MARK", "RANGE"}
"""What stands in a message for any column; a column of one's own may be called in capitals too."""
_NAME = r"""(?:'\w+'|"\w+"(?:: \w+)?|\w+='\w+' in Python)"""
_SIDECAR = re.compile(
    rf"[;,]?\s*(?:or )?{_NAME}(?:(?:,| and| or)+ {_NAME})*(?: and)? in the sidecar"
)
_OPTION = re.compile(
    r"""--([a-z][a-z-]*)(?:[ =](?!(?:and|or|where|to|for|when|if)\b)("[^"]*"|'[^']*'|[^\s;)("']+))?"""
)


def on_page(words: str) -> str:
    """An error's next step, or a report's, with the page's controls in place of options and sidecars.

    Examples
    --------
    >>> on_page("Name the column that holds the words (--text COLUMN)")
    "Name the column that holds the words ('Text')"
    >>> on_page("Say --subject reader, or --subject none")
    "Say 'Subject' = reader, or 'Subject' = (none)"
    """
    for command, control in _COMMANDS:
        words = command.sub(control, words)
    return _OPTION.sub(_control, _SIDECAR.sub("", words))


def _control(found: re.Match) -> str:
    option, value = found[1], found[2] or ""
    end = "".join(one for one in value[-1:] if one in ",.:") if value[:1] not in "\"'" else ""
    value = value.removesuffix(end).strip("\"'") if value else ""
    if option == "column":
        return f"{value.replace('=', ' = ')} under '{COLUMNS_OF_TRIALS}'{end}"
    control = _CONTROLS.get(option)
    if control is None:
        return found[0]
    if not value or set(value.split(",")) <= _ANY:
        return f"'{control}'{end}"
    return f"'{control}' = {'(none)' if value == 'none' else value}{end}"


def worded(work: Callable) -> Callable:
    """A job of the page whose errors name the page's controls."""

    @wraps(work)
    def told(*args, **kwargs):
        try:
            return work(*args, **kwargs)
        except BrainLensError as error:
            raise in_page_words(error) from error

    return told


def in_page_words(error: BrainLensError) -> BrainLensError:
    """The same error, its next step and choices by :func:`on_page`."""
    choices = [on_page(one) for one in error.choices]
    return BrainLensError(on_page(error.problem), choices=choices, remedy=on_page(error.remedy))
