"""Fetching from a server that behaves in every way a server can."""

import errno
import hashlib
import http.server
import json
import re
import threading
import time
import types
from typing import ClassVar

import pytest

from data.catalog import catalog, fetch, licences
from data.catalog.entries import Entry, all_entries
from data.catalog.fetch import RemoteFile
from data.errors import BrainLensError, Cancelled

BODY = bytes(range(256)) * 4000  # about 1 MB
SHA = hashlib.sha256(BODY).hexdigest()
OLDER = bytes(reversed(BODY))


class Server(http.server.BaseHTTPRequestHandler):
    """Each path is a way to behave; requests are remembered."""

    protocol_version = "HTTP/1.1"
    requests: ClassVar[list] = []
    conditions: ClassVar[list] = []
    cut = 0

    def log_message(self, *_):
        pass

    def do_GET(self):
        way = self.path.strip("/").split("/")[0]
        span = self.headers.get("Range")
        type(self).requests.append((way, span))
        type(self).conditions.append(self.headers.get("If-Range"))
        start = int(re.match(r"bytes=(\d+)-", span).group(1)) if span else 0
        getattr(self, way)(start)

    def _send(self, body, start=0, status=None, length=None, **headers):
        self.send_response(status or (206 if start else 200))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.send_header("Content-Length", str(len(body) - start if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body[start:])

    def good(self, start):
        self._send(BODY, start)

    def cuts(self, start):
        """Every answer breaks off after 400 kB."""
        piece = BODY[start : start + 400_000]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")
        self.send_header("Content-Length", str(len(BODY) - start))
        self.end_headers()
        self.wfile.write(piece)
        self.wfile.flush()
        self.close_connection = True

    def never(self, start):
        self.close_connection = True

    def norange(self, start):
        """Knows nothing of ranges: breaks off once, then sends the whole again."""
        if type(self).cut == 0:
            type(self).cut = 1
            self.cuts(0)
        else:
            self._send(BODY, 0)

    def changes(self, start):
        """Breaks off in one version of the file and has the next one from then on; honours If-Range."""
        if type(self).cut == 0:
            type(self).cut = 1
            self._send(OLDER[:400_000], length=len(OLDER), ETag='"older"')
            self.close_connection = True
        else:
            self._send(
                BODY,
                start if self.headers.get("If-Range") in (None, '"newer"') else 0,
                ETag='"newer"',
            )

    def html(self, start):
        self._send(b"<!DOCTYPE html><html>Sign in</html>", Content_Type="text/html; charset=utf-8")

    def hiddenhtml(self, start):
        self._send(b"  <html><body>" + BODY, Content_Type="application/octet-stream")

    def huge(self, start):
        self._send(BODY, 0, length=10 * 1024**3)

    def endless(self, start):
        self.send_response(200)
        self.end_headers()
        try:
            for _ in range(400):
                self.wfile.write(BODY)
        except OSError:
            pass
        self.close_connection = True

    def wrong(self, start):
        self._send(b"x" * len(BODY))

    def empty(self, start):
        self._send(b"")

    def missing(self, start):
        self._send(b"no", status=404)

    def busy(self, start):
        if type(self).cut == 0:
            type(self).cut = 1
            self._send(b"later", status=503)
        else:
            self._send(BODY)

    def moved(self, start):
        self._send(b"", status=302, Location="/good/file.bin")

    def circle(self, start):
        self._send(b"", status=302, Location="/circle/file.bin")

    def slow(self, start):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        try:
            for i in range(0, len(BODY), 100_000):
                self.wfile.write(BODY[i : i + 100_000])
                self.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass

    def stalls(self, start):
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.flush()
        time.sleep(1.2)
        self.close_connection = True


class Quiet(http.server.ThreadingHTTPServer):
    """Says nothing where a client hangs up."""

    def handle_error(self, request, client_address):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in (
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "http_proxy",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
        "BRAINLENS_MIRROR",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(
        fetch, "time", types.SimpleNamespace(sleep=lambda _: None)
    )  # no waiting between attempts
    Server.requests, Server.conditions, Server.cut = [], [], 0
    with Quiet(("127.0.0.1", 0), Server) as running:
        threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


def remote(way, server, **changes):
    return RemoteFile(
        **{
            "folder": "things",
            "name": "file.bin",
            "url": f"{server}/{way}/file.bin",
            "sha256": SHA,
            **changes,
        }
    )


def left_over(home):
    return (
        sorted(p.name for p in (home / "recordings").rglob("*") if p.is_file())
        if (home / "recordings").exists()
        else []
    )


def test_a_good_file_and_what_stands_beside_it(server, clean_home):
    path = fetch.fetch_file(remote("good", server), about={"licence": "MIT", "citation": "@x"})
    assert path.read_bytes() == BODY and left_over(clean_home) == [
        "file.bin",
        "file.bin.source.json",
    ]
    beside = json.loads((path.parent / "file.bin.source.json").read_text())
    assert (
        beside["licence"] == "MIT"
        and beside["citation"] == "@x"
        and beside["sha256"] == SHA
        and beside["verified"] is True
    )
    fetch.fetch_file(remote("good", server))
    assert len(Server.requests) == 1  # the second time nothing is asked


def test_a_cut_connection_is_taken_up_where_it_broke(server, clean_home):
    assert fetch.fetch_file(remote("cuts", server)).read_bytes() == BODY
    assert [span for _, span in Server.requests] == [None, "bytes=400000-", "bytes=800000-"]


def test_a_fetch_of_an_earlier_session_goes_on(server, clean_home):
    folder = clean_home / "recordings" / "things"
    folder.mkdir(parents=True)
    (folder / "file.bin.part").write_bytes(BODY[:123_456])
    assert fetch.fetch_file(remote("good", server)).read_bytes() == BODY
    assert Server.requests == [("good", "bytes=123456-")]


def test_a_server_without_ranges_begins_anew(server, clean_home):
    assert fetch.fetch_file(remote("norange", server)).read_bytes() == BODY


def test_a_file_that_changed_meanwhile_begins_anew(server, clean_home):
    file = remote("changes", server, size=len(BODY))
    assert fetch.fetch_file(file).read_bytes() == BODY
    assert Server.requests == [("changes", None), ("changes", "bytes=400000-")]
    assert Server.conditions == [None, '"older"']
    assert left_over(clean_home) == ["file.bin", "file.bin.source.json"]


def test_a_redirect_that_drops_the_encryption_is_refused(clean_home, monkeypatch):
    import functools

    import httpx

    def answer(request):
        if request.url.scheme == "https":
            return httpx.Response(302, headers={"Location": "http://plain.example/file.bin"})
        return httpx.Response(200, content=BODY)

    monkeypatch.delenv("BRAINLENS_MIRROR", raising=False)
    monkeypatch.setattr(
        httpx, "Client", functools.partial(httpx.Client, transport=httpx.MockTransport(answer))
    )
    with pytest.raises(
        BrainLensError, match=r"redirects to http://plain.example/file.bin, which is not encrypted"
    ):
        fetch.fetch_file(
            RemoteFile("things", "file.bin", "https://safe.example/file.bin", sha256=SHA)
        )
    assert left_over(clean_home) == []


def test_nothing_of_a_broken_transfer_stays_behind_after_a_removal(server, clean_home):
    class Stop:
        def step(self, done, total, what):
            raise Cancelled("stop")

    file = remote("changes", server)
    with pytest.raises(Cancelled):
        fetch.fetch_file(file, report=Stop())
    assert left_over(clean_home) == ["file.bin.part", "file.bin.part.tag"]
    fetch.forget([file])
    assert left_over(clean_home) == []


def test_a_wrong_beginning_is_found_by_the_hash_and_removed(server, clean_home):
    folder = clean_home / "recordings" / "things"
    folder.mkdir(parents=True)
    (folder / "file.bin.part").write_bytes(b"z" * 1000)
    with pytest.raises(BrainLensError, match="is not the published file"):
        fetch.fetch_file(remote("good", server))
    assert left_over(clean_home) == []
    assert fetch.fetch_file(remote("good", server)).read_bytes() == BODY


@pytest.mark.parametrize(
    ("way", "changes", "message"),
    [
        ("wrong", {}, f"is not the published file: sha256 [0-9a-f]+, expected {SHA}"),
        ("good", {"sha256": "", "sha1": "0" * 40}, "sha1 [0-9a-f]+, expected 0000"),
        ("good", {"sha256": "", "other": "md5:" + "0" * 32}, "md5 [0-9a-f]+, expected 0000"),
        ("good", {"sha256": "", "other": "git:" + "0" * 40}, "git [0-9a-f]+, expected 0000"),
        ("html", {}, "answered with a web page instead of file.bin"),
        ("hiddenhtml", {}, "answered with a web page instead of file.bin"),
        ("huge", {"about": 1_000_000}, "announces 10,737,418,240 bytes, far more"),
        ("huge", {"size": len(BODY)}, "has 10,737,418,240 bytes, file.bin should have 1,024,000"),
        ("endless", {"size": len(BODY)}, "sends more than the 1,024,000 bytes"),
        ("endless", {"about": 1_000_000}, "sends more than the 60,000,000 bytes"),
        ("empty", {}, r"is empty \(0 bytes\)"),
        ("missing", {}, "answered 404 Not Found"),
        ("circle", {}, "redirects in a circle"),
        ("never", {}, "could not be fetched from 127.0.0.1"),
    ],
)
def test_what_is_refused_in_words_and_leaves_nothing(server, clean_home, way, changes, message):
    with pytest.raises(BrainLensError, match=message) as caught:
        fetch.fetch_file(remote(way, server, **changes))
    assert caught.value.remedy
    assert left_over(clean_home) == []


def test_redirects_and_busy_servers_are_followed(server, clean_home):
    assert fetch.fetch_file(remote("moved", server)).read_bytes() == BODY
    assert fetch.fetch_file(remote("busy", server, name="two.bin")).read_bytes() == BODY


def test_a_slow_server_reports_progress_and_a_cancel_keeps_what_came(server, clean_home):
    class Reports:
        seen: ClassVar[list] = []

        def step(self, done, total, what):
            self.seen.append((done, total, what))
            if len(self.seen) == 2:
                raise Cancelled("stop")

    with pytest.raises(Cancelled):
        fetch.fetch_file(remote("slow", server, size=len(BODY)), report=Reports())
    assert Reports.seen[-1][1:] == (len(BODY), "bytes of file.bin")
    part = clean_home / "recordings" / "things" / "file.bin.part"
    assert 0 < part.stat().st_size < len(BODY)
    assert not (part.parent / "file.bin").exists()


def test_a_server_that_stalls(server, clean_home):
    with pytest.raises(BrainLensError, match=r"no byte came for 0.2 s"):
        fetch.fetch_file(remote("stalls", server), timeout=0.2)


def test_nobody_listens(clean_home, monkeypatch):
    monkeypatch.delenv("BRAINLENS_MIRROR", raising=False)
    monkeypatch.setattr(fetch, "time", types.SimpleNamespace(sleep=lambda _: None))
    with pytest.raises(BrainLensError, match=r"could not be fetched from 127.0.0.1:9") as caught:
        fetch.fetch_file(
            RemoteFile("things", "file.bin", "http://127.0.0.1:9/file.bin", sha256=SHA)
        )
    assert "BRAINLENS_MIRROR" in caught.value.remedy


def test_a_proxy_from_the_environment_is_used(server, clean_home, monkeypatch):
    monkeypatch.setenv(
        "HTTP_PROXY", server
    )  # our server answers the proxied path too: it sees the whole address
    seen = []
    monkeypatch.setattr(Server, "do_GET", lambda self: (seen.append(self.path), self._send(BODY)))
    assert (
        fetch.fetch_file(
            RemoteFile("things", "file.bin", "http://far.example/file.bin", sha256=SHA)
        ).read_bytes()
        == BODY
    )
    assert seen == ["http://far.example/file.bin"]


def test_mirrors_folder_and_address(server, clean_home, tmp_path, monkeypatch):
    folder = tmp_path / "mirror" / "things"
    folder.mkdir(parents=True)
    (folder / "file.bin").write_bytes(BODY)
    file = RemoteFile("things", "file.bin", "http://127.0.0.1:9/never", sha256=SHA)
    assert fetch.locate(file) is None
    monkeypatch.setenv("BRAINLENS_MIRROR", str(tmp_path / "mirror"))
    assert fetch.locate(file) == folder / "file.bin"  # used where it lies
    assert fetch.fetch_file(file).parent == clean_home / "recordings" / "things"
    (folder / "file.bin").write_bytes(b"tampered")
    other = RemoteFile("things", "other.bin", "", sha256=SHA)
    with pytest.raises(BrainLensError, match=r"has no file things/other.bin"):
        fetch.fetch_file(other)
    monkeypatch.setenv("BRAINLENS_MIRROR", f"{server}/good")
    assert fetch.fetch_file(other).read_bytes() == BODY


def test_a_mirror_as_a_file_address_and_addresses_of_other_kinds(clean_home, tmp_path, monkeypatch):
    folder = tmp_path / "my mirror" / "things"
    folder.mkdir(parents=True)
    (folder / "file.bin").write_bytes(BODY)
    file, other = (
        RemoteFile("things", "file.bin", sha256=SHA),
        RemoteFile("things", "other.bin", "https://far.example/other.bin"),
    )
    address = (tmp_path / "my mirror").as_uri()
    monkeypatch.setenv("BRAINLENS_MIRROR", address)
    assert "my%20mirror" in address and fetch.locate(file) == folder / "file.bin"
    with pytest.raises(
        BrainLensError,
        match=r"has no file things/other.bin. Put it there, or unset BRAINLENS_MIRROR to fetch",
    ):
        fetch.fetch_file(other)
    monkeypatch.delenv("BRAINLENS_MIRROR")
    with pytest.raises(
        BrainLensError,
        match=r"has no file things/other.bin. Put it there, or leave the mirror out to fetch",
    ):
        fetch.fetch_file(other, source=address)
    assert fetch.fetch_file(file, source=address).read_bytes() == BODY
    for wrong in ("ftp://far.example/mirror", "s3://bucket/mirror", "file://far.example/mirror"):
        with pytest.raises(
            BrainLensError,
            match=f"The mirror '{wrong}' is neither a folder nor an address that can be read",
        ):
            fetch.fetch_file(other, source=wrong)
    monkeypatch.setenv("BRAINLENS_MIRROR", "ftp://far.example/mirror")
    with pytest.raises(BrainLensError, match=r"The mirror 'ftp://far.example/mirror' is neither"):
        catalog.entry("ucl").state  # noqa: B018


@pytest.mark.parametrize("error", [None, PermissionError(13, "Permission denied")])
def test_a_home_that_is_none_is_said(clean_home, monkeypatch, error):
    from pathlib import Path

    from data.home import home

    def refuse(*_, **__):
        raise error

    if error is None:
        clean_home.write_text("a file")
    else:
        monkeypatch.setattr(Path, "mkdir", refuse)
    message = "cannot be made: " + (
        "a file stands in its place" if error is None else "Permission denied"
    )
    for action in (
        lambda: home("recordings"),
        catalog.entries,
        lambda: fetch.fetch_file(RemoteFile("things", "file.bin")),
    ):
        with pytest.raises(BrainLensError, match=message) as caught:
            action()
        assert "BRAINLENS_HOME" in caught.value.remedy


def test_a_folder_that_may_not_be_written_is_said(server, clean_home):
    (clean_home / "recordings").mkdir(parents=True)
    (clean_home / "recordings" / "things").write_text("a file")
    with pytest.raises(BrainLensError, match=r"file.bin cannot be written to .*things"):
        fetch.fetch_file(remote("good", server))


def test_a_tampered_mirror_is_not_trusted(clean_home, tmp_path):
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "file.bin").write_bytes(b"x" * len(BODY))
    with pytest.raises(BrainLensError, match="is not the published file"):
        fetch.fetch_file(RemoteFile("things", "file.bin", sha256=SHA), source=str(tmp_path))
    assert left_over(clean_home) == []


def test_the_shared_folder_comes_first_and_is_never_written(clean_home, tmp_path, monkeypatch):
    shared = tmp_path / "shared" / "recordings" / "things"
    shared.mkdir(parents=True)
    (shared / "file.bin").write_bytes(BODY)
    monkeypatch.setenv("BRAINLENS_SHARED", str(tmp_path / "shared"))
    file = RemoteFile("things", "file.bin", "http://127.0.0.1:9/never", sha256=SHA)
    assert fetch.fetch_file(file) == shared / "file.bin"
    assert fetch.forget([file]) == 0 and (shared / "file.bin").exists()


def test_a_damaged_copy_is_refused_and_fetched_again(server, clean_home):
    file = remote("good", server)
    path = fetch.fetch_file(file)
    path.write_bytes(b"damaged")
    with pytest.raises(BrainLensError, match="fetch it again"):
        fetch.locate(file)
    assert fetch.fetch_file(file).read_bytes() == BODY
    assert fetch.forget([file]) > len(BODY) and left_over(clean_home) == []


def test_a_full_disk(server, clean_home, monkeypatch):
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: usage(10, 10, 1000))
    with pytest.raises(BrainLensError, match=r"are needed and 1.0 kB are free"):
        fetch.fetch_file(remote("good", server))
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: usage(10, 10, 10**12))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(fetch, "_transfer", full)
    with pytest.raises(BrainLensError, match="The disk is full"):
        fetch.fetch_file(remote("good", server))
    assert left_over(clean_home) == []


@pytest.mark.parametrize("name", ["../up.bin", "a/b.bin", "..", "", "C:\\x.bin", ".hidden", "x\0y"])
def test_names_that_would_leave_the_folder(name):
    with pytest.raises(BrainLensError, match="not a plain file name"):
        RemoteFile("things", name)
    with pytest.raises(BrainLensError, match="not a plain file name"):
        RemoteFile(f"things/{name}/..", "file.bin")


def test_a_file_without_a_known_hash_is_said_to_be_unverified(server, clean_home):
    path = fetch.fetch_file(remote("good", server, sha256=""))
    beside = json.loads((path.parent / "file.bin.source.json").read_text())
    assert beside["verified"] is False and beside["sha256"] == SHA


def test_two_at_once_fetch_once(server, clean_home):
    paths = []
    threads = [
        threading.Thread(target=lambda: paths.append(fetch.fetch_file(remote("slow", server))))
        for _ in range(3)
    ]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert len(set(paths)) == 1 and len(Server.requests) == 1


def test_sizes_in_words():
    words = [fetch.size_text(n) for n in (None, 0, 999, 1500, 67_981_848, 12e9)]
    assert words == ["size unknown", "0 bytes", "999 bytes", "1.5 kB", "68.0 MB", "12.0 GB"]


# ---- through the catalogue ------------------------------------------------------------------------------------------------
@pytest.fixture
def assembly(server, tmp_path, monkeypatch):
    """A catalogue whose S3 entries are small files of the same layout on our server."""
    import importlib.util
    from dataclasses import replace
    from pathlib import Path

    import numpy as np

    spec = importlib.util.spec_from_file_location(
        "assembly_files", Path(__file__).with_name("assembly_files.py")
    )
    files = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(files)
    bodies = {}
    monkeypatch.setattr(catalog, "_EXTRA", {})
    rng = np.random.default_rng(3)

    def serve(file, body):
        bodies[f"/s3/{file.name}"] = body
        sha1 = hashlib.sha1(body).hexdigest()
        return replace(
            file, url=f"{server}/s3/{file.name}", sha1=sha1, sha256="", size=None, about=len(body)
        )

    for name in SERVED[:-1]:
        entry = catalog.entry(name)
        array = files.MAKERS[name](rng) if name in files.MAKERS else files.ceiling(rng)
        body = files.write_new(array, tmp_path / f"{name}.nc").read_bytes()
        catalog.register(
            replace(entry, files=tuple(serve(file, body) for file in entry.files), invariants={})
        )
    words = "word\tzone\titem\tnItem\tmeanItemRT\n" + "".join(
        f"Word{z}\t{z}\t1\t80\t{300 + z}\n" for z in range(1, 6)
    )
    people = "WorkerId\titem\tzone\tRT\tword\n" + "".join(
        f"A1\t1\t{z}\t{300 + z}\tWord{z}\n" for z in range(1, 6)
    )
    entry = catalog.entry("natural-stories-people")
    own = tuple(serve(file, text.encode()) for file, text in zip(entry.files, (people, words)))
    catalog.register(replace(entry, files=own))
    monkeypatch.setattr(
        Server, "s3", lambda self, start: self._send(bodies[self.path], start), raising=False
    )
    return files.MAKERS


SERVED = (
    "blank2014-froi",
    "fedorenko2016-language",
    "futrell2018",
    "pereira2018-auditory",
    "pereira2018-ceilings",
    "pereira2018-language",
    "tuckute2024-language",
    "natural-stories-people",
)
"""Entries whose files a mirror of this project cannot have: their tests read files of the same layout."""

APART = ("lebel2023", "lebel2023-repeats", "podcast-ecog")
"""Whole scans and signals: ``test_lab_stories.py`` loads them from small folders of the same layout."""


@pytest.mark.parametrize(
    "name",
    [
        name if name in SERVED or not one.files else pytest.param(name, marks=pytest.mark.realdata)
        for name, one in all_entries().items()
        if name not in APART
    ],
)
def test_every_id_of_the_catalogue_loads(name, request, clean_home):
    one = all_entries()[name]
    if name in SERVED:
        request.getfixturevalue("assembly")
        licences.accept(name, one.licence)
        catalog.fetch(name)
    elif one.files:
        request.getfixturevalue("mirror")
    loaded = catalog.load(name)
    assert len(loaded) if not one.is_recording else loaded.id == name and loaded.n_measured
    for version in one.versions:
        assert len(
            catalog.load(f"{name}@{version}")
            if not one.is_recording
            else catalog.load(f"{name}@{version}").texts
        )
    with pytest.raises(BrainLensError, match=f"Unknown version of {name} 'none of them'"):
        catalog.load(f"{name}@none of them")


def test_ceilings_are_read_from_all_their_files(assembly, clean_home):
    catalog.fetch("pereira2018-ceilings")
    table = catalog.load("pereira2018-ceilings")
    counts = table.groupby(["experiment", "regression"]).size()
    assert counts.to_dict() == {
        (e, r): 12 for e in ("243sentences", "384sentences") for r in ("linear", "ridge")
    }
    assert {"ceiling", "subject", "neuroid_id"} <= set(table.columns)


def test_times_per_person_are_read_with_their_words(assembly, clean_home):
    licences.accept("natural-stories-people", catalog.entry("natural-stories-people").licence)
    paths = catalog.fetch("natural-stories-people")
    recording = catalog.recording("natural-stories-people")
    assert [path.name for path in paths] == ["processed_RTs.tsv", "processed_wordinfo.tsv"]
    assert (
        recording.texts[0] == "Word1"
        and recording.responses.values[0, 0] == 301
        and not recording.averaged
    )


@pytest.fixture
def corpus(clean_home, monkeypatch):
    """Three entries of one file each and one of two, as the UCL sets and the Natural Stories have them."""
    from dataclasses import replace

    monkeypatch.delenv("BRAINLENS_MIRROR", raising=False)
    monkeypatch.setattr(catalog, "_EXTRA", {})
    folder = clean_home / "recordings" / "shared things"
    folder.mkdir(parents=True)
    for name in ("one.csv", "two.csv"):
        (folder / name).write_text("a,b\n1,2\n")
    one, two = (RemoteFile("shared things", name) for name in ("one.csv", "two.csv"))
    for name, files in (("ours-spr", (one,)), ("ours-eye", (one,)), ("ours-people", (two, one))):
        catalog.register(replace(catalog.entry("ucl-spr"), id=name, aliases=(), files=files))
    return folder


def test_what_others_need_is_not_removed_unasked(corpus):
    with pytest.raises(
        BrainLensError, match="ours-spr shares its files with ours-eye, ours-people: nothing"
    ) as caught:
        catalog.remove("ours-spr")
    assert "--also" in caught.value.remedy and "also=True" in caught.value.remedy
    assert (
        catalog.sharers("ours-spr") == ("ours-eye", "ours-people")
        and catalog.sharers("ours-people") == ()
    )
    assert catalog.remove("ours-people") == 8 and [path.name for path in corpus.iterdir()] == [
        "one.csv"
    ]  # the shared one stays
    assert (
        catalog.remove("ours-spr", also=True) == 8
        and catalog.entry("ours-eye").state == "needs download"
    )
    assert catalog.sharers("ours-spr") == () and catalog.remove("ours-spr") == 0


def test_what_a_mirror_has_too_is_nobodys_loss(corpus, tmp_path, monkeypatch):
    import shutil

    shutil.copytree(corpus, tmp_path / "mirror" / "shared things")
    monkeypatch.setenv("BRAINLENS_MIRROR", str(tmp_path / "mirror"))
    assert catalog.sharers("ours-spr") == () and catalog.remove("ours-spr") == 8
    assert catalog.entry("ours-eye").state == "ready"


def test_every_public_assembly_is_fetched_and_loads(assembly, clean_home):
    for name in assembly:
        assert catalog.entry(name).state == "needs download"
        with pytest.raises(BrainLensError, match=f"brainlens data fetch {name}"):
            catalog.recording(name)
        licences.accept(name, catalog.entry(name).licence)
        catalog.fetch(name)
        assert catalog.entry(name).state == "ready"
        recording = catalog.recording(name)
        assert recording.id == name and recording.citation and recording.licence
    assert catalog.recording("pereira2018@243sentences").n_stimuli == 12
    assert catalog.recording("tuckute2024").averaged
    with pytest.raises(BrainLensError, match="Unknown version of pereira2018-language '99'"):
        catalog.recording("pereira2018@99")
    assert catalog.remove("blank2014") > 0 and catalog.entry("blank2014").state == "needs download"


def test_the_full_files_invariants_refuse_a_small_one(assembly, clean_home):
    from dataclasses import replace

    full = {"shape": (627, 13553)}
    catalog.register(replace(catalog.entry("pereira2018"), invariants=full))
    catalog.fetch("pereira2018")
    with pytest.raises(BrainLensError, match="shape is 24 x 12, expected 627 x 13553"):
        catalog.recording("pereira2018")


def test_damage_shows_as_a_state(assembly, clean_home):
    path = catalog.fetch("blank2014")[0]
    path.write_bytes(b"not any more")
    assert catalog.entry("blank2014").state == "damaged"
    assert isinstance(catalog.entry("blank2014"), Entry)


def test_a_file_is_known_by_the_name_of_its_blob(tmp_path):
    """As ``git hash-object`` names it: the file of five bytes that every introduction to git shows."""
    (tmp_path / "hello").write_bytes(b"hello")
    assert fetch._digest(tmp_path / "hello", "git") == "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"
