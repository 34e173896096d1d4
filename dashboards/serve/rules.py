"""The server's file: who administers, who may do what, how much, where the page may be embedded, and when sessions end."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

from data.errors import BrainLensError, unknown
from data.home import home
from data.rights import ACTIONS

__all__ = ["Rules", "rules_file"]

_WHO = ("everybody", "administrators")


def rules_file() -> Path:
    """Where the server's file is looked for."""
    return home("server") / "server.toml"


@dataclass(frozen=True)
class Rules:
    """What ``server.toml`` says; every field has a default.

    Parameters
    ----------
    administrators : tuple of str
    rights : dict
        Action (:data:`data.rights.ACTIONS`) -> ``everybody`` or ``administrators``.
    megabytes : int or None
        Quota of each person's uploads and results; administrators have none.
    origins : tuple of str
        Sites that may show the page in a frame.
    idle_minutes : float
        After so long without a click or a key a session ends.
    message_megabytes : int
        The largest message that a browser may send: an upload.
    jobs : int
        Computations that run at the same time, each in a process of its own.
    job_gigabytes : float or None
        Memory that one computation may take; None: half of the machine's.
    job_minutes : float
        Time that one computation may take.
    header, proxies : str, tuple of str
        Of a trusted proxy: the header with the person's name, and the addresses from which it is believed.
    metrics : tuple of str
        Addresses that may read ``/metrics``.
    people : tuple of str
        Who is let in of those whom an OAuth provider knows: names, or patterns such as ``*@lab.example.org``.
    """

    administrators: tuple[str, ...] = ()
    rights: dict[str, str] = field(default_factory=lambda: dict.fromkeys(ACTIONS, "administrators"))
    megabytes: int | None = None
    origins: tuple[str, ...] = ()
    idle_minutes: float = 60.0
    message_megabytes: int = 520
    jobs: int = 2
    job_gigabytes: float | None = None
    job_minutes: float = 240.0
    header: str = ""
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    metrics: tuple[str, ...] = ("127.0.0.1", "::1")
    people: tuple[str, ...] = ()

    def admits(self, name: str) -> bool:
        """Whether somebody whom an OAuth provider knows is one of this server's people."""
        said = name.casefold()
        return any(fnmatchcase(said, one.casefold()) for one in self.people)

    def may(self, name: str, action: str) -> bool:
        """Whether this person may do it."""
        return (
            self.rights.get(action, "administrators") == "everybody" or name in self.administrators
        )

    @property
    def job_bytes(self) -> int:
        """Memory that one computation may take."""
        if self.job_gigabytes is not None:
            return int(self.job_gigabytes * 1e9)
        import psutil

        return psutil.virtual_memory().total // 2

    def quota(self, name: str) -> int | None:
        """Bytes that this person may keep."""
        return (
            None
            if self.megabytes is None or name in self.administrators
            else self.megabytes * 10**6
        )

    @classmethod
    def read(cls, path: Path | None = None) -> Rules:
        """The rules of a file, or the defaults where there is none.

        Raises
        ------
        BrainLensError
            No TOML, an unknown table or field, a value of the wrong kind, an origin that is none.
        """
        path = path or rules_file()
        try:
            told = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError) as error:
            raise BrainLensError(
                f"{path} cannot be read: {error}", remedy="Correct it; docs/server.md shows one"
            ) from None
        said: dict[str, object] = {}
        for table, inside in told.items():
            if table not in _TABLES:
                raise unknown(f"table of {path.name}", table, _TABLES)
            if not isinstance(inside, dict):
                raise BrainLensError(
                    f"{path.name}: {table} is no table",
                    remedy=f"Write [{table}] and its fields under it",
                )
            for name, value in inside.items():
                if name not in _TABLES[table]:
                    raise unknown(f"field of [{table}]", name, _TABLES[table])
                said |= cls._field(table, name, value, said)
        return cls(**said)

    @classmethod
    def _field(cls, table: str, name: str, value: object, said: dict) -> dict:
        wrong = BrainLensError(
            f"[{table}] {name} = {value!r} is not {_TABLES[table][name]}",
            remedy="Correct the server's file",
        )
        if table == "rights" and name in ACTIONS:
            if value not in _WHO:
                raise wrong
            return {
                "rights": {
                    **said.get("rights", dict.fromkeys(ACTIONS, "administrators")),
                    name: value,
                }
            }
        kind = _TABLES[table][name]
        if kind == "a list of texts":
            if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                raise wrong
            if name == "origins" and not all(map(_is_origin, value)):
                raise wrong
            field_name = {"from": "proxies"}.get(name, name)
            return {field_name: tuple(value)}
        if kind == "a text" and isinstance(value, str):
            return {name: value}
        if kind == "a whole number above 0" and type(value) is int and value > 0:
            return {name: value}
        if (
            kind == "a positive number"
            and isinstance(value, int | float)
            and not isinstance(value, bool)
            and value > 0
        ):
            return {name: value}
        raise wrong


def _is_origin(text: str) -> bool:
    told = urlsplit(text)
    return (
        told.scheme in ("http", "https")
        and bool(told.hostname)
        and told.path in ("", "/")
        and not set(text) & set(" ;,'\"")
    )


_TABLES: dict[str, dict[str, str]] = {
    "rights": {
        "administrators": "a list of texts",
        **dict.fromkeys(ACTIONS, "everybody or administrators"),
    },
    "quota": {"megabytes": "a positive number"},
    "embed": {"origins": "a list of texts"},
    "limits": {
        **dict.fromkeys(
            ("idle_minutes", "message_megabytes", "job_gigabytes", "job_minutes"),
            "a positive number",
        ),
        "jobs": "a whole number above 0",
    },
    "proxy": {"header": "a text", "from": "a list of texts"},
    "metrics": {"metrics": "a list of texts"},
    "oauth": {"people": "a list of texts"},
}
