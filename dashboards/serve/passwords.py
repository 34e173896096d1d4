"""A file of names and scrypt hashes of passwords, and a brake on guessing."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import time
from pathlib import Path

from filelock import FileLock

from data.errors import BrainLensError, unknown
from data.files import atomic
from data.home import home

__all__ = ["Brake", "add", "check", "names", "password_file", "remove"]

_COST = {"n": 2**15, "r": 8, "p": 1}  # about 80 ms and 32 MB a try
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
SHORTEST = 10
"""Characters of a password."""


def password_file() -> Path:
    """Where the hashes are."""
    return home("server") / "passwords"


def _read() -> dict[str, str]:
    try:
        lines = password_file().read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def _write(found: dict[str, str]) -> None:
    lines = "".join(f"{name}:{told}\n" for name, told in sorted(found.items()))
    with atomic(password_file()) as part:
        part.touch(mode=0o600)
        part.write_text(lines, encoding="utf-8")


def _hashed(password: str, salt: bytes, n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, dklen=32, maxmem=2**28)


def add(name: str, password: str) -> None:
    """Let somebody in, or give somebody another password.

    Raises
    ------
    BrainLensError
        A name with other characters than letters, digits and . _ @ -, a short password.
    """
    if not _NAME.fullmatch(name):
        raise BrainLensError(f"{name!r} is no name", remedy="Use letters, digits and . _ @ -")
    if len(password) < SHORTEST:
        raise BrainLensError(
            f"The password has {len(password)} characters", remedy=f"Take {SHORTEST} or more"
        )
    salt = os.urandom(16)
    encoded = (base64.b64encode(one).decode() for one in (salt, _hashed(password, salt, **_COST)))
    with FileLock(home("server") / "passwords.lock", timeout=10):
        _write({**_read(), name: "$".join(["scrypt", *map(str, _COST.values()), *encoded])})


def remove(name: str) -> None:
    """Do not let somebody in any more; sessions that are open end when their cookie does.

    Raises
    ------
    BrainLensError
        Where there is nobody of that name.
    """
    with FileLock(home("server") / "passwords.lock", timeout=10):
        found = _read()
        if name not in found:
            raise unknown("person", name, found)
        del found[name]
        _write(found)


def names() -> list[str]:
    """Who has a password."""
    return sorted(_read())


def check(name: str, password: str) -> bool:
    """Whether this is the person's password; a name that nobody has takes as long."""
    told = _read().get(name, "")
    try:
        kind, n, r, p, salt, digest = told.split("$")
        cost = {"n": int(n), "r": int(r), "p": int(p)}
        salt_bytes, wanted = base64.b64decode(salt), base64.b64decode(digest)
        known = kind == "scrypt"
    except ValueError:
        cost, salt_bytes, wanted, known = _COST, b"0" * 16, b"", False
    found = _hashed(password[:1024], salt_bytes, **cost)
    return hmac.compare_digest(found, wanted) and known


class Brake:
    """Slows guessing down: after some failures a name and an address have to wait, each failure twice as long.

    Parameters
    ----------
    free : int
        Failures before anybody waits.
    longest : float
        Seconds of the longest wait.
    """

    def __init__(self, free: int = 5, longest: float = 900.0, clock=time.monotonic):
        self._free, self._longest, self._clock = free, longest, clock
        self._failed: dict[str, tuple[int, float]] = {}

    def wait(self, *keys: str) -> float:
        """Seconds that somebody still has to wait; 0: a try is allowed."""
        return max((self._left(key) for key in keys), default=0.0)

    def _left(self, key: str) -> float:
        count, when = self._failed.get(key, (0, 0.0))
        if count < self._free:
            return 0.0
        return max(0.0, when + min(self._longest, 2.0 ** (count - self._free)) - self._clock())

    def failed(self, *keys: str) -> None:
        """One more failure."""
        now = self._clock()
        if len(self._failed) > 10_000:  # of addresses that never came back
            self._failed = {k: v for k, v in self._failed.items() if now - v[1] < self._longest}
        for key in keys:
            self._failed[key] = (self._failed.get(key, (0, 0.0))[0] + 1, now)

    def passed(self, *keys: str) -> None:
        """Forget the failures."""
        for key in keys:
            self._failed.pop(key, None)
