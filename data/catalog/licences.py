"""Licences that ask something of who fetches: one question before the first byte, and the answer is kept."""

from __future__ import annotations

import json
import re
from datetime import date

from data.errors import BrainLensError
from data.files import atomic
from data.home import personal

__all__ = ["accept", "accepted", "asked", "conditions", "require_accepted"]

_OPEN = re.compile(
    r"(MIT|Apache|BSD|ISC|Zlib|CC0|CC[- ]BY([- ]SA)?([- ]\d|$)|PDDL|ODC[- ]BY|ODbL|LGPL|GPL|AGPL|MPL|EPL|Unlicense|"
    r"Artistic|public domain)",
    re.IGNORECASE,
)
_NOBODY_SAYS = re.compile(r"^(|not stated.*|unknown)$", re.IGNORECASE)
_NOT_FOR_MONEY = re.compile(r"(?<![A-Za-z])NC(?![A-Za-z])|non-?commercial", re.IGNORECASE)
_UNCHANGED = re.compile(r"(?<![A-Za-z])ND(?![A-Za-z])", re.IGNORECASE)
_FILE = "licences.json"


def conditions(licence: str) -> str:
    """What a licence asks of who fetches, in words; an empty string where it is open, or where nobody says what it is.

    Examples
    --------
    >>> conditions("CC BY-NC-SA 4.0")
    'no commercial use'
    >>> conditions("Llama 3.1 licence, on request")
    'terms of its own, which its owner asks to be read and accepted'
    >>> conditions("Apache-2.0"), conditions("not stated; ask the authors before passing it on")
    ('', '')
    """
    found = []
    if _NOT_FOR_MONEY.search(licence):
        found.append("no commercial use")
    if _UNCHANGED.search(licence):
        found.append("nothing that was changed may be passed on")
    if not found and not _OPEN.match(licence) and not _NOBODY_SAYS.match(licence):
        found.append("terms of its own, which its owner asks to be read and accepted")
    return " and ".join(found)


def asked(name: str, licence: str) -> str:
    """The question before a fetch, in words; an empty string where there is none, or it was answered.

    Parameters
    ----------
    name : str
        Id of a recording or a model.
    licence : str
        In other words than those that were accepted, it is asked again.
    """
    asks = conditions(licence)
    if not asks or accepted(name, licence):
        return ""
    return f"{name} comes under the licence {licence}: {asks}. Do you accept it?"


def accepted(name: str, licence: str) -> bool:
    """Whether the person in front has accepted this licence of this thing."""
    return _kept().get(name, {}).get("licence") == licence


def accept(name: str, licence: str) -> None:
    """Keep that the person in front accepts it, with the day."""
    kept = _kept() | {name: {"licence": licence, "accepted": date.today().isoformat()}}
    with atomic(personal() / _FILE) as path:
        path.write_text(json.dumps(kept, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def require_accepted(name: str, licence: str) -> None:
    """Refuse a fetch whose licence nobody has accepted.

    Raises
    ------
    BrainLensError
        With what the licence asks and how it is accepted.
    """
    if asked(name, licence):
        raise BrainLensError(
            f"{name} comes under the licence {licence}: {conditions(licence)}; it was not accepted yet",
            remedy="Fetch it in the Library or with --accept-licence, in Python data.catalog.licences."
            f"accept({name!r}, {licence!r})",
        )


def _kept() -> dict[str, dict[str, str]]:
    path = personal() / _FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {
        name: said
        for name, said in (found.items() if isinstance(found, dict) else ())
        if isinstance(said, dict)
    }
