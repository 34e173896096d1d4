"""Who may change what everybody shares, and how much a person may keep: asked at the place where it happens."""

from __future__ import annotations

from typing import Protocol

from data.errors import BrainLensError
from data.files import weighed
from data.home import person, personal

__all__ = ["ACTIONS", "Rule", "require", "require_room", "ruled_by"]

ACTIONS = {
    "fetch": "fetch models and recordings",
    "remove": "remove what everybody shares",
    "clear": "clear the store of results",
}
"""What a server's file may keep for its administrators, in words."""


class Rule(Protocol):
    """What a server's file says."""

    def may(self, name: str, action: str) -> bool:
        """Whether this person may do it."""
        ...

    def quota(self, name: str) -> int | None:
        """Bytes that this person may keep; None: as many as fit."""
        ...


_RULE: list[Rule] = []


def ruled_by(rule: Rule | None) -> None:
    """From now on this rule holds in this process; None: everybody may do everything, as on a machine of one's own."""
    _RULE[:] = [rule] if rule is not None else []


def require(action: str) -> None:
    """Refuse what the person in front may not do.

    Raises
    ------
    BrainLensError
    """
    if _RULE and not _RULE[0].may(person(), action):
        raise BrainLensError(
            f"{person() or 'Somebody without a name'} may not {ACTIONS[action]} on this server",
            remedy="Ask an administrator of the server",
        )


def require_room(size: int) -> None:
    """Refuse an upload that would go beyond the person's quota.

    Raises
    ------
    BrainLensError
        With what is kept, what comes and what is allowed.
    """
    allowed = _RULE[0].quota(person()) if _RULE else None
    if allowed is None:
        return
    kept = weighed(personal())
    if kept + size > allowed:
        raise BrainLensError(
            f"You keep {kept / 1e6:,.0f} MB here, {size / 1e6:,.0f} MB would come, and {allowed / 1e6:,.0f} MB are allowed",
            remedy="Remove recordings or results that you do not need, or ask an administrator",
        )
