"""Getting files: from the network, a mirror or a shared folder; nothing is trusted before its hash."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from data.errors import BrainLensError
from data.hashes import mark
from data.home import home, mirror, person, personal, place, shared

__all__ = [
    "RemoteFile",
    "fetch",
    "fetch_file",
    "forget",
    "locate",
    "only_copy",
    "places",
    "size_text",
    "verify",
]

CHUNK = 1024 * 256
MOST_BYTES = 64 * 1024**3  # no single file that is offered here is larger
ATTEMPTS = 4  # a cut connection is taken up where it broke off
TIMEOUT = 60.0  # seconds without a byte
BESIDE = ".source.json"


@dataclass(frozen=True)
class RemoteFile:
    """A file with an address and, where one is known, a hash.

    Parameters
    ----------
    folder : str
        Folder under the user's data folder and in a mirror, ``/`` between its parts.
    name : str
        File name.
    url : str
        Public address; an empty string: only a mirror has it.
    sha1, sha256, other : str
        One of them is what makes the file trusted, the strongest that is known; ``other`` names its kind: ``"md5:..."`` of a
        git-annex key, ``"git:..."`` the name of the blob in a git repository. None: it is kept with the hash it came with, and
        said to be unverified.
    size : int or None
        Exact size in bytes.
    about : int or None
        Size in bytes where only its order is known.
    """

    folder: str
    name: str
    url: str = ""
    sha1: str = ""
    sha256: str = ""
    size: int | None = None
    about: int | None = None
    other: str = ""

    def __post_init__(self):
        for part in (*self.folder.split("/"), self.name):
            safe_name(part)

    @property
    def hash(self) -> tuple[str, str]:
        """Name and hexadecimal value of the hash; two empty strings where none is known."""
        other, _, value = self.other.partition(":")
        known = {"sha256": self.sha256, "sha1": self.sha1, other: value}
        return next(((kind, value) for kind, value in known.items() if value), ("", ""))


def safe_name(name: str) -> str:
    """A name that is one plain part of a path.

    Raises
    ------
    BrainLensError
        For ``..``, separators, drive letters and the like.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.@+ -]*", name) or ".." in name:
        raise BrainLensError(
            f"{name!r} is not a plain file name, so nothing is written there",
            remedy="Names hold letters, digits and . _ - @ +, and no path",
        )
    return name


def size_text(size: int | None) -> str:
    """A size in words: ``"1.3 MB"``, or ``"size unknown"``."""
    if size is None:
        return "size unknown"
    left: float = size
    for unit in ("bytes", "kB", "MB", "GB"):
        if left < 1000 or unit == "GB":
            return f"{left:,.0f} {unit}" if unit == "bytes" or left >= 100 else f"{left:.1f} {unit}"
        left /= 1000
    raise AssertionError  # the loop returns


# ---- what is here already -------------------------------------------------------------------------------------------------
def locate(
    file: RemoteFile, root: str = "recordings", folders: Iterable[Path] | None = None
) -> Path | None:
    """The verified file under the user's data folder, the shared folder or a mirror folder; None where it is nowhere.

    ``folders`` are those of :func:`places`, where many files are looked for at once.

    Raises
    ------
    BrainLensError
        Where a file of that name is there and its hash is wrong.
    """
    for folder in places(root) if folders is None else folders:
        path = folder.joinpath(*file.folder.split("/"), file.name)
        if path.is_file():
            verify(path, file)
            return path
    return None


def places(root: str = "recordings") -> list[Path]:
    """The folders in which files are looked for, the user's own first."""
    base = mirror()
    return [
        *([personal(root)] if person() else []),
        home(root),
        *([common / root] if (common := shared()) else []),
        *([Path(base)] if base and not _is_url(base) else []),
    ]


def only_copy(file: RemoteFile, root: str = "recordings") -> bool:
    """Whether a file is in the user's own folder and in no shared folder or mirror folder."""
    here = [
        folder
        for folder in places(root)
        if folder.joinpath(*file.folder.split("/"), file.name).is_file()
    ]
    return here == [home(root)]


_VERIFIED: dict[tuple, bool] = {}


def verify(path: Path, file: RemoteFile, *, again: bool = False) -> None:
    """Check size and hash of a file; once per content as far as the file system can tell, unless ``again``.

    Raises
    ------
    BrainLensError
        With the hash that was expected and the one that was found.
    """
    stat = path.stat()
    key = (str(path), *mark(path), file.hash)
    if key in _VERIFIED and not again:
        return
    if file.size is not None and stat.st_size != file.size:
        raise BrainLensError(
            f"{path.name} has {stat.st_size:,} bytes, expected {file.size:,}: it is not the published file",
            remedy=f"Remove {path} and fetch it again",
        )
    kind, expected = file.hash
    if kind:
        found = _digest(path, kind)
        if found != expected:
            raise BrainLensError(
                f"{path.name} is not the published file: {kind} {found}, expected {expected}",
                remedy=f"Remove {path} and fetch it again",
            )
    _VERIFIED[key] = True


def _digest(path: Path, kind: str) -> str:
    """Hash of a file; of kind ``git`` the name that a git repository gives its content."""
    with open(path, "rb") as stream:
        if kind != "git":
            return hashlib.file_digest(stream, kind).hexdigest()
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode())
        while block := stream.read(1 << 20):
            digest.update(block)
        return digest.hexdigest()


def forget(files: Iterable[RemoteFile], root: str = "recordings") -> int:
    """Remove fetched files from the user's own folder (never from a shared folder or a mirror); returns the bytes freed."""
    freed = 0
    for file in files:
        folder = home(root).joinpath(*file.folder.split("/"))
        for name in (
            file.name,
            *(file.name + end for end in (".part", ".part.tag", BESIDE, BESIDE + ".part")),
        ):
            path = folder / name
            with suppress(FileNotFoundError):  # another process may be forgetting it too
                if path.is_file():
                    size = path.stat().st_size
                    path.unlink()
                    freed += size
        with suppress(OSError):  # only where nothing else is in it
            folder.rmdir()
    return freed


# ---- getting it -----------------------------------------------------------------------------------------------------------
def fetch(
    files: Iterable[RemoteFile],
    *,
    source: str | None = None,
    about: dict | None = None,
    report=None,
    root: str = "recordings",
) -> list[Path]:
    """Make files available, each verified; what is already here is not fetched again.

    Parameters
    ----------
    files : iterable of RemoteFile
        What to get.
    source : str, optional
        Mirror folder or address (``http``, ``https``, ``file``), laid out ``<folder>/<name>``; default ``BRAINLENS_MIRROR``, else
        each file's public address.
    about : dict, optional
        Licence, citation and the like, kept in ``<name>.source.json`` beside each file.
    report : object, optional
        Something with ``step(done, total, what)``, called in bytes; it may raise to stop.

    Raises
    ------
    BrainLensError
        In words, for everything that can go wrong on the way; no file is left that is not whole and verified.
    """
    return [
        fetch_file(file, source=source, about=about, report=report, root=root) for file in files
    ]


def fetch_file(
    file: RemoteFile,
    *,
    source: str | None = None,
    about: dict | None = None,
    report=None,
    root: str = "recordings",
    timeout: float = TIMEOUT,
) -> Path:
    """Make one file available; see :func:`fetch`."""
    from filelock import FileLock

    base = mirror() if source is None else place(str(source))
    target = home(root).joinpath(*file.folder.split("/")) / file.name
    here = _here(file, target, root)
    if here is not None:
        return here
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(home("locks") / f"{root}-{file.folder.replace('/', '-')}-{file.name}.lock"):
            here = _here(file, target, root)  # another process may have been faster
            if here is not None:
                return here
            _room(
                target.parent,
                (file.size or file.about or 0) - (part.stat().st_size if part.exists() else 0),
            )
            if base and not _is_url(base):
                origin = _copy(file, Path(base), part, report, named=source is not None)
            else:
                origin = (
                    f"{base.rstrip('/')}/{quote(file.folder)}/{quote(file.name)}"
                    if base
                    else file.url
                )
                if not origin:
                    raise BrainLensError(
                        f"{file.name} has no public address",
                        remedy="Point BRAINLENS_MIRROR at a folder or URL that has it",
                    )
                _download(file, origin, part, report, timeout)
            _trust(file, part, origin)
            _write_beside(file, target, origin, about or {})
            part.replace(target)
    except OSError as error:
        raise _disk_error(error, part, file) from None
    return target


def _here(file: RemoteFile, target: Path, root: str) -> Path | None:
    """A verified copy in the user's or the shared folder; a damaged copy of our own is set aside to be fetched again."""
    for path in (
        target,
        *(
            [common.joinpath(root, *file.folder.split("/"), file.name)]
            if (common := shared())
            else []
        ),
    ):
        if path.is_file():
            try:
                verify(path, file)
            except BrainLensError:
                if path == target:
                    path.unlink()
                continue
            return path
    return None


def _is_url(place: str) -> bool:
    return urlsplit(place).scheme in ("http", "https")


def _copy(file: RemoteFile, base: Path, part: Path, report, *, named: bool) -> str:
    """Bytes of a mirror folder into ``part``; ``named``: the caller gave the mirror, not the environment."""
    origin = base.joinpath(*file.folder.split("/"), file.name)
    if not origin.is_file():
        without = "leave the mirror out" if named else "unset BRAINLENS_MIRROR"
        raise BrainLensError(
            f"The mirror {base} has no file {file.folder}/{file.name}",
            remedy=f"Put it there, or {without} to fetch it from its public address"
            if file.url
            else "Put it there",
        )
    total, done = origin.stat().st_size, 0
    _check_length(file, total, str(origin))
    with open(origin, "rb") as source, open(part, "wb") as sink:
        while chunk := source.read(CHUNK):
            sink.write(chunk)
            done += len(chunk)
            _tell(report, done, total, file)
    return str(origin)


def _download(file: RemoteFile, url: str, part: Path, report, timeout: float) -> None:
    """Bytes of ``url`` into ``part``, taking up a broken transfer where it ended."""
    import httpx

    failure: object = None
    limits = httpx.Timeout(timeout, connect=min(timeout, 20.0))
    with httpx.Client(
        follow_redirects=True,
        max_redirects=5,
        timeout=limits,
        headers={"Accept-Encoding": "identity"},
    ) as client:
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(0.3 * 2 ** (attempt - 1))
            before = part.stat().st_size if part.exists() else 0
            try:
                if _transfer(client, file, url, part, report):
                    return
                failure = "the connection was cut"
            except httpx.TooManyRedirects:
                raise BrainLensError(
                    f"{url} redirects in a circle", remedy="Check the address of the mirror"
                ) from None
            except httpx.InvalidURL as error:
                raise BrainLensError(
                    f"{url!r} is not an address: {error}", remedy="Check the address of the mirror"
                ) from None
            except (httpx.UnsupportedProtocol, httpx.ProxyError) as error:
                raise BrainLensError(
                    f"{url} cannot be reached: {error}", remedy="Check HTTPS_PROXY and the address"
                ) from None
            except httpx.TimeoutException:
                failure = f"no byte came for {timeout:g} s"
            except httpx.TransportError as error:
                failure = error
            if part.exists() and part.stat().st_size == before and attempt >= 1 and before == 0:
                break  # nothing comes at all
    got = part.stat().st_size if part.exists() else 0
    if got == 0:
        part.unlink(missing_ok=True)
    kept = f" {size_text(got)} are kept, so the next try goes on from there." if got else ""
    raise BrainLensError(
        f"{file.name} could not be fetched from {urlsplit(url).netloc}: {failure}.{kept}",
        remedy="Try again, set HTTPS_PROXY, or point BRAINLENS_MIRROR at a folder or URL that has the file",
    )


def _transfer(client, file: RemoteFile, url: str, part: Path, report) -> bool:
    """One request; True where the file is complete."""
    import httpx

    tag = part.with_name(part.name + ".tag")
    have = part.stat().st_size if part.exists() else 0
    headers = {}
    if have:
        headers["Range"] = f"bytes={have}-"
        if tag.is_file() and (known := tag.read_text()):
            headers["If-Range"] = (
                known  # otherwise the server sends the whole of a file that has changed
            )
    with client.stream("GET", url, headers=headers) as response:
        if urlsplit(url).scheme == "https" and response.url.scheme != "https":
            raise BrainLensError(
                f"{url} redirects to {response.url}, which is not encrypted",
                remedy="Check the address of the mirror",
            )
        if response.status_code == 416:  # what is here is as long as, or longer than, the file
            part.unlink(missing_ok=True)
            return False
        if response.status_code >= 500 or response.status_code == 429:
            raise httpx.TransportError(f"the server answered {response.status_code}")
        if response.status_code >= 400:
            raise BrainLensError(
                f"{url} answered {response.status_code} {response.reason_phrase}",
                remedy="Check the address, or point BRAINLENS_MIRROR at a folder or URL that has the file",
            )
        resumed = response.status_code == 206 and _range_start(response) == have
        if not resumed:
            have = 0
        if "text/html" in response.headers.get("content-type", "").lower():
            part.unlink(missing_ok=True)
            raise BrainLensError(
                f"{url} answered with a web page instead of {file.name}",
                remedy="A login page or a filter may stand between; fetch the file by hand into a mirror folder",
            )
        length = response.headers.get("content-length", "")
        total = have + int(length) if length.isdigit() else None
        _check_length(file, total, url)
        _room(part.parent, (total or 0) - have)
        _keep_tag(tag, response.headers.get("etag", ""))
        most = file.size or total or _most(file)
        with open(part, "ab" if resumed else "wb") as sink:
            for chunk in response.iter_raw():
                if have == 0 and chunk.lstrip()[:15].lower().startswith(
                    (b"<!doctype html", b"<html")
                ):
                    raise _removed(
                        part,
                        BrainLensError(
                            f"{url} answered with a web page instead of {file.name}",
                            remedy="Fetch the file by hand into a mirror folder",
                        ),
                    )
                have += len(chunk)
                if have > most:
                    raise _removed(
                        part,
                        BrainLensError(
                            f"{url} sends more than the {most:,} bytes it should, so it was stopped",
                            remedy="Check the address of the mirror",
                        ),
                    )
                sink.write(chunk)
                sink.flush()
                _tell(report, have, file.size or total, file)
        complete = file.size or total
        if complete is None or have >= complete:
            tag.unlink(missing_ok=True)
            return True
        return False


def _keep_tag(tag: Path, value: str) -> None:
    if value and not value.startswith("W/"):
        tag.write_text(value)
    else:
        tag.unlink(missing_ok=True)


def _range_start(response) -> int:
    found = re.match(r"bytes (\d+)-", response.headers.get("content-range", ""))
    return int(found.group(1)) if found else -1


def _most(file: RemoteFile) -> int:
    return file.about * 10 + 50_000_000 if file.about else MOST_BYTES


def _check_length(file: RemoteFile, total: int | None, where: str) -> None:
    if total is None:
        return
    if file.size is not None and total != file.size:
        raise BrainLensError(
            f"{where} has {total:,} bytes, {file.name} should have {file.size:,}: nothing was fetched",
            remedy="The address or the mirror holds another file; check it",
        )
    if total > _most(file):
        raise BrainLensError(
            f"{where} announces {total:,} bytes, far more than {file.name} can have: nothing was fetched",
            remedy="Check the address of the mirror",
        )


def _trust(file: RemoteFile, part: Path, origin: str) -> None:
    """The finished transfer against its hash; what is wrong is removed."""
    kind, expected = file.hash
    if part.stat().st_size == 0:
        raise _removed(
            part, BrainLensError(f"{origin} is empty (0 bytes)", remedy="Check the mirror")
        )
    if not kind:
        return
    found = _digest(part, kind)
    if found != expected:
        raise _removed(
            part,
            BrainLensError(
                f"{file.name} from {origin} is not the published file: {kind} {found}, expected {expected}; it was not kept",
                remedy="Try another mirror, or the public address",
            ),
        )


def _removed(part: Path, error: BrainLensError) -> BrainLensError:
    part.unlink(missing_ok=True)
    part.with_name(part.name + ".tag").unlink(missing_ok=True)
    return error


def _room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BrainLensError(
            f"{size_text(needed)} are needed and {size_text(free)} are free in {folder}",
            remedy="Make room, or set BRAINLENS_HOME to a larger disk",
        )


def _disk_error(error: OSError, part: Path, file: RemoteFile) -> BrainLensError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        part.unlink(missing_ok=True)
        return BrainLensError(
            f"The disk is full: {file.name} was not written to {part.parent}",
            remedy="Make room, or set BRAINLENS_HOME to a larger disk",
        )
    return BrainLensError(
        f"{file.name} cannot be written to {part.parent}: {error.strerror or error}",
        remedy="Check the folder's permissions, or set BRAINLENS_HOME to another folder",
    )


def _tell(report, done: int, total: int | None, file: RemoteFile) -> None:
    if report is not None:
        report.step(done, max(total or file.about or done, done), f"bytes of {file.name}")


def _write_beside(file: RemoteFile, target: Path, origin: str, about: dict) -> None:
    """Where the file came from and under which terms, in a file beside it."""
    kind, value = file.hash
    verified = bool(kind)
    if not verified:
        with open(target.with_name(target.name + ".part"), "rb") as stream:
            kind, value = "sha256", hashlib.file_digest(stream, "sha256").hexdigest()
    fields = {
        "source": file.url or origin,
        "fetched_from": origin,
        kind: value,
        "verified": verified,
        **about,
    }
    beside = target.with_name(target.name + BESIDE)
    half = beside.with_name(beside.name + ".part")
    half.write_text(json.dumps(fields, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    os.replace(half, beside)
